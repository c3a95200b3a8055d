"""Folders with a file, or a folder, a frame: numbers in the names place the frames and tell faces apart."""

import itertools
import re
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from adamesh.errors import InputError, listed, notice
from adamesh.formats.clock import Frames
from adamesh.formats.containers import Array, check_size, read_arrays
from adamesh.motion.clip import ROTATIONS, MotionClip

SUFFIXES = (".npz", ".mat", ".pt", ".hdf5", ".h5")
USUAL = "flame_param"  # VHAP's name for the folder that GaussianAvatars and LAM take

Unit = tuple[tuple[int, ...], Path]  # the numbers in its name; a file, or a folder of arrays


@dataclass(frozen=True)
class FrameFolder:
    """The frames of one face, in order.

    Attributes:
        folder: that they lie in.
        paths: a file, or a folder with a `.npy` an array, of each.
        numbers: of each, rising.
    """

    folder: Path
    paths: list[Path]
    numbers: list[int]


def find_frames(folder: Path, person: int = 1) -> FrameFolder:
    """The frames in a folder, or in the one folder in it that has some.

    Args:
        person: of several faces a frame; 1 is the one with the most frames.
    Raises:
        InputError: there are no frames, no such person, or two frames have one number.
    """
    folder, units = _folder_of_frames(folder)
    width = Counter(len(numbers) for numbers, _ in units).most_common(1)[0][0]
    strange = [path.name for numbers, path in units if len(numbers) != width]
    if strange:
        notice(
            f"files of '{folder}' that are left out, since they are named otherwise: {listed(strange)}"
        )
    units = [unit for unit in units if len(unit[0]) == width]
    # The number that counts the frames is the one that takes the most values; another counts the faces.
    values = [len({numbers[i] for numbers, _ in units}) for i in range(width)]
    counter = values.index(max(values))
    people: dict[tuple[int, ...], list[tuple[int, Path]]] = {}
    for numbers, path in units:
        face = numbers[:counter] + numbers[counter + 1 :]
        people.setdefault(face, []).append((numbers[counter], path))
    order = sorted(people, key=lambda face: (-len(people[face]), face))
    if person > len(order):
        raise InputError(
            f"'{folder}' has {len(order)} face(s) a frame, there is no person {person}; give --person "
            f"1..{len(order)}"
        )
    if len(order) > 1:
        counts = ", ".join(str(len(people[face])) for face in order)
        notice(
            f"'{folder}' has {len(order)} people ({counts} frames); person {person} is read, see --person"
        )
    chosen = sorted(people[order[person - 1]])
    for (number, path), (following, other) in itertools.pairwise(chosen):
        if number == following:
            raise InputError(
                f"'{path.name}' and '{other.name}' of '{folder}' are both frame {number}; remove one"
            )
    return FrameFolder(folder, [path for _, path in chosen], [number for number, _ in chosen])


def siblings(path: Path) -> int:
    """How many files beside it are frames as it is, itself among them."""
    if not _numbers(path.stem):
        return 1
    pattern = re.sub(r"\d+", r"\\d+", re.escape(path.stem))
    beside = (other for other in path.parent.iterdir() if other.suffix == path.suffix)
    return sum(re.fullmatch(pattern, other.stem) is not None for other in beside)


def read_frames(frames: FrameFolder, wanted: Container[str]) -> dict[str, Array | None]:
    """Arrays [T, ...] of all frames, by name; None under names that are not wanted.

    Raises:
        InputError: a frame cannot be read, lacks an array, or has one of another shape.
    """
    first = read_arrays(frames.paths[0], wanted)
    rows: dict[str, list[Array]] = {name: [] for name, array in first.items() if array is not None}
    for path in frames.paths:
        arrays = read_arrays(path, wanted)
        for name, there in rows.items():
            array = arrays.get(name)
            if array is None:
                raise InputError(f"'{path}' has no '{name}', which frames before it have")
            row = _one_row(path, name, array)
            if there and row.shape != there[0].shape:
                raise InputError(
                    f"'{name}' of '{path}' has shape {list(row.shape)}, frames before {list(there[0].shape)}"
                )
            there.append(row)
            check_size(frames.folder, len(there) * row.nbytes)
    return {name: np.stack(rows[name]) if name in rows else None for name in first}


def on_clock(clip: MotionClip, frames: Frames) -> MotionClip:
    """A clip whose frames are rows of a sequence: what is missing between them is filled in."""
    if frames.count == clip.frames:
        return replace(clip, fps=frames.fps)
    times = np.arange(frames.count)
    changed: dict[str, Any] = {
        name: _float32(
            Slerp(frames.place, Rotation.from_rotvec(getattr(clip, name)))(times).as_rotvec()
        )
        for name in ROTATIONS
    }
    changed["expression"] = _float32(frames.fill(clip.expression.astype(float)))
    if clip.transl is not None:
        changed["transl"] = _float32(frames.fill(clip.transl.astype(float)))
    return replace(clip, fps=frames.fps, confidence=frames.seen(), **changed)


def _float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32)


def _folder_of_frames(folder: Path) -> tuple[Path, list[Unit]]:
    units = _units(folder)
    if units:
        return folder, units
    inner = {child: _units(child) for child in sorted(folder.iterdir()) if child.is_dir()}
    inner = {child: found for child, found in inner.items() if found}
    if len(inner) > 1 and folder / USUAL in inner:
        inner = {folder / USUAL: inner[folder / USUAL]}
    if len(inner) > 1:
        raise InputError(
            f"folder '{folder}' has several folders of frames, {listed(x.name for x in inner)}; give one"
        )
    if not inner:
        raise InputError(
            f"folder '{folder}' has no files with the numbers of frames ({', '.join(SUFFIXES)}), and no "
            "folders with .npy files; give the folder that holds the frames"
        )
    return next(iter(inner.items()))


def _units(folder: Path) -> list[Unit]:
    """What in a folder is a frame: files of its most frequent suffix, or folders of arrays."""
    kinds: dict[str, list[Unit]] = {}
    for child in folder.iterdir():
        if numbers := _numbers(child.stem if child.is_file() else child.name):
            if child.is_file():
                if child.suffix.lower() in SUFFIXES:
                    kinds.setdefault(child.suffix.lower(), []).append((numbers, child))
            elif any(child.glob("*.npy")):
                kinds.setdefault("", []).append((numbers, child))
            elif inside := _only(file for file in child.iterdir() if file.suffix in SUFFIXES):
                kinds.setdefault("/", []).append((numbers, inside))  # DECA: a folder a picture
    return max(kinds.values(), key=len, default=[])


def _only(paths: Iterable[Path]) -> Path | None:
    found = list(paths)
    return found[0] if len(found) == 1 else None


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d{1,18}", name))


def _one_row(path: Path, name: str, array: Array) -> Array:
    """[...] of an array of one frame, whose first axes may be 1."""
    while array.ndim > 1 and len(array) == 1:
        array = array[0]
    if array.ndim > 1 and len(array) > 1:
        raise InputError(
            f"'{name}' of '{path}' has shape {list(array.shape)}, more than a frame: give the file itself"
        )
    return array
