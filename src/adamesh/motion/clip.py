"""`MotionClip`: the one value that flows through the program, and its file."""

import json
import os
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamesh.errors import InputError
from adamesh.files import atomic_output, check_input
from adamesh.motion.rotation import slerp
from adamesh.motion.spaces import coefficient_space

FloatArray = NDArray[np.float32]
Metadata = Mapping[str, str | int | float | bool | None]

FORMAT = "adamesh-motion"
FORMAT_VERSION = 1
WEIGHT_TOLERANCE = 1e-3  # rounding a weight may have beyond its bounds; what is within is clipped

ROTATIONS = ("neck_pose", "head_pose", "jaw_pose", "leye_pose", "reye_pose")
VALUES = ("expression", "transl", "confidence")  # arrays over time that are not rotations
FRAME_ARRAYS = (*VALUES, *ROTATIONS)


_STILL: FloatArray = np.zeros((0, 3), np.float32)  # stands for a joint that was left out


def _still() -> FloatArray:
    return _STILL


@dataclass(frozen=True, eq=False, repr=False)
class MotionClip:
    """A facial performance: T frames of expression, joints and, if known, whose face it was.

    Joint rotations left out are zero. Arrays are stored as float32 and not to be written to; use
    `dataclasses.replace` for a changed clip.

    Attributes:
        space: name of the coefficient space of `expression`.
        fps: frames per second.
        expression: [T, E] weights; 0..1 in arkit52.
        neck_pose: [T, 3] axis-angle, radians.
        head_pose: [T, 3] axis-angle, radians, on top of the neck.
        jaw_pose: [T, 3] axis-angle, radians; zero in arkit52, where blendshapes move the jaw.
        leye_pose: [T, 3] axis-angle, radians, of the subject's left eyeball.
        reye_pose: [T, 3] axis-angle, radians, of the subject's right eyeball.
        transl: [T, 3] metres.
        betas: [K] identity of the subject, in the shape space of the face it was fitted to.
        confidence: [T] 0..1, how far each frame was seen rather than filled in.
        metadata: plain facts about the origin of the clip; no values but text, numbers and None.
    Raises:
        InputError: shapes disagree, a value is not finite or lies outside its bounds.
    """

    space: str
    fps: float
    expression: FloatArray
    neck_pose: FloatArray = field(default_factory=_still)
    head_pose: FloatArray = field(default_factory=_still)
    jaw_pose: FloatArray = field(default_factory=_still)
    leye_pose: FloatArray = field(default_factory=_still)
    reye_pose: FloatArray = field(default_factory=_still)
    transl: FloatArray | None = None
    betas: FloatArray | None = None
    confidence: FloatArray | None = None
    metadata: Metadata = field(default_factory=dict)

    def __post_init__(self) -> None:
        space = coefficient_space(self.space)
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"a motion clip needs a frame rate above 0, got {self.fps}")
        object.__setattr__(self, "fps", float(self.fps))
        object.__setattr__(self, "metadata", _plain_metadata(self.metadata))

        expression = _checked("expression", self.expression, (None, len(space.channels)))
        if len(expression) == 0:
            raise InputError("a motion clip needs at least one frame, got none")
        expression = _bounded("expression", expression, space.lower, space.upper)
        object.__setattr__(self, "expression", expression)

        T = len(expression)
        for name in ROTATIONS:
            given = getattr(self, name)
            rotation = np.zeros((T, 3), np.float32) if given is _STILL else given
            object.__setattr__(self, name, _checked(name, rotation, (T, 3)))
        if self.transl is not None:
            object.__setattr__(self, "transl", _checked("transl", self.transl, (T, 3)))
        if self.betas is not None:
            object.__setattr__(self, "betas", _checked("betas", self.betas, (None,)))
        if self.confidence is not None:
            confidence = _checked("confidence", self.confidence, (T,))
            object.__setattr__(self, "confidence", _bounded("confidence", confidence, 0.0, 1.0))

    def __repr__(self) -> str:
        known = [name for name in ("transl", "betas", "confidence") if getattr(self, name) is not None]
        return (
            f"MotionClip({self.frames} frames at {self.fps:g} fps, {self.duration:.2f} s, {self.space}"
            f"{', with ' if known else ''}{', '.join(known)})"
        )

    @property
    def frames(self) -> int:
        """Number of frames, T."""
        return len(self.expression)

    @property
    def duration(self) -> float:
        """Seconds; the last frame lasts as long as the others."""
        return self.frames / self.fps

    def expression_by_name(self, name: str) -> FloatArray:
        """[T] weights of one channel, such as `jawOpen`.

        Raises:
            InputError: the space has no such channel.
        """
        return self.expression[:, coefficient_space(self.space).index(name)]

    def resample(self, fps: float) -> "MotionClip":
        """The same motion at another frame rate: linear for weights, slerp for rotations.

        Each new frame is computed from its own time, so nothing drifts however long the clip is.
        Times behind the last frame hold it.

        Raises:
            InputError: `fps` is not above 0.
        """
        if not (np.isfinite(fps) and fps > 0):
            raise InputError(f"a motion clip needs a frame rate above 0, got {fps}")
        if fps == self.fps:
            return self
        frames = max(1, round(self.frames * fps / self.fps))
        position = np.minimum(np.arange(frames) * (self.fps / fps), self.frames - 1)
        before = np.floor(position).astype(np.int64)
        after = np.minimum(before + 1, self.frames - 1)
        weight = position - before

        def value(x: FloatArray) -> FloatArray:
            w = weight.reshape(-1, *[1] * (x.ndim - 1)).astype(np.float32)
            return x[before] + (x[after] - x[before]) * w

        def rotation(x: FloatArray) -> FloatArray:
            return slerp(x[before], x[after], weight).astype(np.float32)

        return self._map_frames(value, rotation, fps)

    def slice(self, start: int, stop: int) -> "MotionClip":
        """Frames start..stop-1.

        Raises:
            InputError: that range is empty or lies outside the clip.
        """
        if not 0 <= start < stop <= self.frames:
            raise InputError(
                f"cannot cut frames {start}..{stop} out of a clip of {self.frames} frames"
            )

        def cut(x: FloatArray) -> FloatArray:
            return x[start:stop]

        return self._map_frames(cut, cut, self.fps)

    def _map_frames(
        self,
        value: Callable[[FloatArray], FloatArray],
        rotation: Callable[[FloatArray], FloatArray],
        fps: float,
    ) -> "MotionClip":
        changed: dict[str, Any] = {name: rotation(getattr(self, name)) for name in ROTATIONS}
        for name in VALUES:
            array = getattr(self, name)
            changed[name] = None if array is None else value(array)
        return replace(self, fps=fps, **changed)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an `.npz` that any numpy reads without pickle; whole or not at all.

        Raises:
            InputError: the folder does not exist or cannot be written.
        """
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "space": self.space,
            "fps": self.fps,
            "metadata": dict(self.metadata),
        }
        arrays = {name: getattr(self, name) for name in (*FRAME_ARRAYS, "betas")}
        present = {name: array for name, array in arrays.items() if array is not None}
        with atomic_output(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, header=np.array(json.dumps(header)), **present)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "MotionClip":
        """Reads what `save` wrote.

        Raises:
            InputError: no such file, not a motion clip, damaged, or written by a newer version.
        """
        path = check_input(path, "motion clip")
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            header = json.loads(str(arrays.pop("header")))
            known = header["format"] == FORMAT
        except _UNREADABLE as error:
            raise InputError(
                f"'{path}' is not a motion clip of AdaMesh, or it is damaged; "
                "make one with `adamesh track` or `adamesh animate`"
            ) from error
        if not known:
            raise InputError(f"'{path}' holds '{header['format']}', not a motion clip of AdaMesh")
        if header["version"] != FORMAT_VERSION:
            raise InputError(
                f"motion clip '{path}' has format version {header['version']}, this AdaMesh reads "
                f"version {FORMAT_VERSION}; update AdaMesh or write the clip again"
            )
        allowed = {f.name for f in fields(cls)}
        unknown = sorted(set(arrays) - allowed)
        if unknown or "expression" not in arrays:
            what = f"unknown arrays {', '.join(unknown)}" if unknown else "no expression"
            raise InputError(f"motion clip '{path}' is damaged: it has {what}")
        try:
            return cls(
                space=header["space"],
                fps=header["fps"],
                metadata=header["metadata"],
                **arrays,
            )
        except (InputError, KeyError, TypeError) as error:
            raise InputError(f"motion clip '{path}' is damaged: {error}") from error


# What numpy, zipfile, zlib and json say of foreign, cut and flipped files.
_UNREADABLE = (
    EOFError,
    KeyError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def _checked(name: str, array: ArrayLike, shape: tuple[int | None, ...]) -> FloatArray:
    """`array` as float32 of that shape (None: any length), finite."""
    try:
        out = np.asarray(array, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} of a motion clip must be an array of numbers") from error
    fits = out.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, out.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise InputError(
            f"{name} of a motion clip must have shape [{wanted}], got {list(out.shape)}"
        )
    if not np.isfinite(out).all():
        first = int(np.argwhere(~np.isfinite(out))[0][0])
        raise InputError(
            f"{name} of a motion clip has a value that is not finite, first at {first}"
        )
    return out


def _bounded(name: str, array: FloatArray, lower: float, upper: float) -> FloatArray:
    """`array` clipped to its bounds, if no further than rounding outside of them."""
    low, high = float(array.min()), float(array.max())
    if low < lower - WEIGHT_TOLERANCE or high > upper + WEIGHT_TOLERANCE:
        raise InputError(
            f"{name} of a motion clip must lie in {lower:g}..{upper:g}, got {low:.4g}..{high:.4g}; "
            "clip it where it is made"
        )
    return np.clip(array, lower, upper) if low < lower or high > upper else array


def _plain_metadata(metadata: Metadata) -> dict[str, str | int | float | bool | None]:
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str | int | float | bool | None):
            raise InputError(
                f"metadata of a motion clip holds text, numbers and None; '{key}' is "
                f"{type(value).__name__}"
            )
    return dict(metadata)
