"""ARKit weights in a table of any tool: whose columns end in ARKit's names, with a column of time or none.

Blendshapes that are not there rest, eyes without angles turn as the eyeLook weights say, and columns that are
neither weights, angles nor time are left out and named.
"""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from adamesh.errors import InputError, listed, notice
from adamesh.files import atomic_output
from adamesh.formats.arkit import EULER, FURTHEST, arkit_clip, arkit_values
from adamesh.formats.clock import Frames, place_numbers, place_rows, read_seconds
from adamesh.formats.names import LIVELINK_ROTATIONS, arkit_name
from adamesh.formats.rate import frame_rate
from adamesh.formats.tables import JSONS, Cell, Table, read_table
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52

LEAST_PERCENT = 10.0  # a largest weight beyond it is in percent
_TIMES = (
    *("timecode", "timestamp", "time", "times", "seconds", "second", "sec", "secs", "t", "ts"),
    *("datetime", "date", "clock", "pts", "elapsed", "abstime", "milliseconds", "millis", "ms"),
)
_NUMBERS = (
    "frame",
    "frames",
    "framenumber",
    "frameid",
    "frameidx",
    "frameindex",
    "frameno",
    "framenum",
)
_COUNTED = ("", "index", "idx", "id", "unnamed", "no", "n", "row", "number")
# What other columns may hold without any loss: a count of the weights, and MediaPipe's rest.
_EMPTY = ("blendshapecount", "neutral")

Float = NDArray[np.float64]


@dataclass(frozen=True)
class _Columns:
    """Which column of a table is what; numbers of columns.

    Attributes:
        weights: of each ARKit blendshape; two where a tool splits one into its sides.
        angles: of Live Link Face's angles.
        time, number: of the rows' times, and of their frames.
        others: what is left.
    """

    weights: dict[str, list[int]]
    angles: dict[str, int]
    time: int | None
    number: int | None
    others: list[int]


def read_arkit_table(path: Path, fps: float | None, *, tool: str = "a table") -> MotionClip:
    """A clip of a table; rows are placed by their times, and frames that are missing are filled in.

    Args:
        fps: rate of the rows, which are then placed by the numbers of their frames, or one after another.
        tool: whose table it is, for messages.
    Raises:
        InputError: no column is ARKit's, a cell is no number, or the rate is not to be told.
    """
    table = read_table(path)
    columns = _columns(table.names)
    if not columns.weights:
        raise InputError(
            f"'{path}' has none of the 52 ARKit names (jawOpen ...), it has {listed(table.names)}"
        )
    kept = _told_rows(path, table, columns)
    rows = [table.rows[i] for i in kept]
    order, frames = _place(path, table, columns, kept, fps, tool)
    rows = [rows[i] for i in order]
    weights = frames.fill(_weights(path, table.names, columns, rows))
    head, eyes = _rotations(path, table.names, columns, rows, frames)
    _say_what_is_left_out(path, table, columns)
    return arkit_clip(
        path,
        weights.astype(np.float32),
        frames.fps,
        head=head,
        eyes=eyes,
        confidence=frames.seen(),
    )


def _columns(names: Sequence[str]) -> _Columns:
    ends = [arkit_name(name) for name in names]
    fronts = [found[1] for found in ends if found is not None and found[0] in ARKIT52]
    # Of several tables side by side, as predicted and true weights, the one with the most names counts.
    front = max(dict.fromkeys(fronts), key=fronts.count) if fronts else ""
    weights: dict[str, list[int]] = {}
    angles: dict[str, int] = {}
    times: list[tuple[int, int]] = []
    numbers: list[tuple[int, int]] = []
    others = []
    for i, found in enumerate(ends):
        key = re.sub("[^a-z]", "", names[i].rsplit(".", 1)[-1].lower())
        if found is not None and found[0] in LIVELINK_ROTATIONS:
            angles.setdefault(found[0], i)
        elif found is not None and (found[1] == front or found[0] not in weights):
            here = weights.setdefault(found[0], [])
            if here and ends[here[0]] is not None and ends[here[0]][1] != found[1]:  # type: ignore[index]
                others += here
                here.clear()
            here.append(i)
        elif (
            unitless := re.sub(r"(in)?(ms|us|ns|s|sec|seconds|milliseconds)$", "", key)
        ) in _TIMES or key in _TIMES:
            known = key if key in _TIMES else unitless
            times.append((_TIMES.index(known), i))
        elif key in (*_NUMBERS, *_COUNTED):
            numbers.append(((*_NUMBERS, *_COUNTED).index(key), i))
        else:
            others.append(i)
    time = min(times)[1] if times else None
    number = min(numbers)[1] if numbers else None
    return _Columns(weights, angles, time, number, others)


def _told_rows(path: Path, table: Table, columns: _Columns) -> list[int]:
    """The rows in which a face was seen: those with a weight."""
    used = [i for places in columns.weights.values() for i in places]
    kept = [n for n, row in enumerate(table.rows) if any(row[i] is not None for i in used)]
    if not kept:
        raise InputError(f"'{path}' has no row with a weight; its cells are empty")
    return kept


def _place(
    path: Path,
    table: Table,
    columns: _Columns,
    kept: Sequence[int],
    fps: float | None,
    tool: str,
) -> tuple[NDArray[np.int64], Frames]:
    """The rows to take of those kept, and the frames they are."""
    numbers = np.array(kept, np.float64)
    if columns.number is not None:
        told = [table.rows[i][columns.number] for i in kept]
        found = _whole(told)
        numbers = numbers if found is None else found
    if fps is None and table.fps is None and columns.time is not None:
        cells = [table.rows[i][columns.time] for i in kept]
        if all(cell is not None for cell in cells):
            name = table.names[columns.time]
            times = _whole(cells)
            # Whole numbers that rise by one count frames, whatever their column is called.
            if times is None or not (np.diff(times) == 1).all():
                return place_rows(path, read_seconds(path, name, cells))
            numbers = times
    rate = frame_rate(path, tool, own=table.fps, usual=None, given=fps)
    if columns.number is None or (np.diff(numbers) <= 0).sum() > 0.2 * len(numbers):
        numbers = np.array(kept, np.float64)
    return place_numbers(path, numbers, rate)


def _whole(cells: Sequence[Cell]) -> Float | None:
    """Whole numbers of cells; None where one is something else."""
    try:
        values = np.array([float(str(cell)) for cell in cells])
    except ValueError:
        return None
    return None if not np.isfinite(values).all() or np.any(values % 1) else values


def _weights(
    path: Path, names: Sequence[str], columns: _Columns, rows: Sequence[Sequence[Cell]]
) -> Float:
    """[T, 52] weights 0..1 of the rows."""
    values = np.zeros((len(rows), len(ARKIT52)))
    for name, places in columns.weights.items():
        sides = [_column(path, names[i], [row[i] for row in rows]) for i in places]
        values[:, ARKIT52.index(name)] = np.mean(sides, axis=0)
    if values.max() > LEAST_PERCENT and values.max() <= 100 * FURTHEST[1] and values.min() >= -50:
        notice(f"weights of '{path}' go up to {values.max():.3g}; they are taken as percent")
        values = values / 100
    if values.min() < FURTHEST[0] or values.max() > FURTHEST[1]:
        raise InputError(
            f"weights of '{path}' must lie in 0..1, got {values.min():.3g}..{values.max():.3g}; "
            "if they are in percent, divide them by 100"
        )
    return np.clip(values, 0, 1)


def _column(path: Path, name: str, cells: Sequence[Cell]) -> Float:
    """[T] numbers of a column; what is empty is filled in from its neighbours, what is all empty rests."""
    told = [i for i, cell in enumerate(cells) if cell is not None]
    try:
        numbers = np.array([float(str(cells[i])) for i in told])
    except ValueError as error:
        raise InputError(
            f"column '{listed([name])}' of '{path}' has a cell that is no number"
        ) from error
    if not np.isfinite(numbers).all():
        raise InputError(f"'{path}' has a number that is not finite in '{listed([name])}'")
    if len(told) == len(cells):
        return numbers
    if told:
        notice(f"'{path}' has empty cells in '{listed([name])}' and others; they are filled in")
    return np.interp(np.arange(len(cells)), told, numbers) if told else np.zeros(len(cells))


def _rotations(
    path: Path,
    names: Sequence[str],
    columns: _Columns,
    rows: Sequence[Sequence[Cell]],
    frames: Frames,
) -> tuple[Float | None, Float | None]:
    """[T, 3] of the head and [T, 2, 3] of the eyes, axis-angle; None where the angles are not all there."""
    turned: list[Float | None] = []
    for part in ("Head", "LeftEye", "RightEye"):
        places = [columns.angles.get(part + angle) for angle in ("Yaw", "Pitch", "Roll")]
        if any(place is None for place in places):
            turned.append(None)
            continue
        angles = [
            _column(path, names[place], [row[place] for row in rows])
            for place in places
            if place is not None
        ]
        angles_on_clock = frames.fill(np.stack(angles, axis=1))
        turned.append(Rotation.from_euler(EULER, angles_on_clock).as_rotvec())
    head, left, right = turned
    return head, None if left is None or right is None else np.stack([left, right], axis=1)


def _say_what_is_left_out(path: Path, table: Table, columns: _Columns) -> None:
    others = [
        table.names[i]
        for i in columns.others
        if re.sub("[^a-z]", "", table.names[i].lower().rsplit(".", 1)[-1]) not in _EMPTY
        and any(row[i] is not None for row in table.rows)
    ]
    if others:
        notice(f"columns of '{path}' that are left out: {listed(others)}")


def write_arkit_table(clip: MotionClip, path: Path) -> None:
    """Writes seconds, the 52 weights, and the angles of head and eyes in radians.

    Raises:
        InputError: the clip is of another space.
    """
    names = ("time", *ARKIT52, *LIVELINK_ROTATIONS)
    times = np.arange(clip.frames) / clip.fps
    rows = (
        np.column_stack([times, arkit_values(clip, "a table of ARKit weights")]).round(9).tolist()
    )
    frames = [dict(zip(names, row, strict=True)) for row in rows]
    with (
        atomic_output(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        suffix = path.suffix.lower()
        if suffix == ".json":
            json.dump({"fps": clip.fps, "frames": frames}, file)
        elif suffix in JSONS:
            file.writelines(json.dumps(frame) + "\n" for frame in frames)
        else:
            writer = csv.writer(file, delimiter="," if suffix == ".csv" else "\t")
            writer.writerow(names)
            writer.writerows(rows)
