"""The CSV of Epic's app Live Link Face: 52 ARKit weights and the rotations of head and eyes, a frame a row.

Rotations are in radians: yaw about +Y, pitch about +X, roll about +Z of our axes, applied in that order. So
a positive yaw turns to the subject's left, a positive pitch looks down, a positive roll tilts to the
subject's right. Epic documents no signs; these are what importers that map pitch, yaw and roll straight to a
right-handed X, Y and Z expect, the Maya importer aronamao/Maya-Live-Link-CSV-Import for one.

Columns are read by name: the app's versions differ in their order.
"""

import csv
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from adamesh.errors import InputError, listed
from adamesh.files import atomic_output
from adamesh.formats.arkit import arkit_clip, check_arkit, named_weights, numbers
from adamesh.formats.containers import read_csv
from adamesh.formats.names import LIVELINK, LIVELINK_ROTATIONS
from adamesh.formats.rate import frame_rate
from adamesh.motion.clip import MotionClip

_EULER = "YXZ"  # yaw, pitch, roll, as in the names of the columns
_TIMECODE = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})[:;]([0-9]{1,3}(?:\.[0-9]{1,9})?)")


def read_livelink(path: Path, fps: float | None) -> MotionClip:
    """A recording as a clip; rows are placed by their timecodes, and missing ones are filled in.

    Args:
        fps: rate of the rows; without it, the timecodes tell.
    Raises:
        InputError: a column is missing, a cell is no number, or the rate is not to be told.
    """
    header, *rows = read_csv(path)
    lower = [name.strip().lower() for name in header]
    wanted = LIVELINK if fps is not None else ("Timecode", *LIVELINK)
    missing = [name for name in wanted if name.lower() not in lower]
    if missing:
        raise InputError(f"'{path}' lacks columns of Live Link Face: {listed(missing)}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(
                f"row {number} of '{path}' has {len(row)} cells, its header {len(header)}"
            )
    place = [lower.index(name.lower()) for name in LIVELINK]
    values = numbers(path, [[row[i] for i in place] for row in rows])
    if fps is None:
        seconds, fps = _clock(path, [row[lower.index("timecode")] for row in rows])
        values = _on_clock(path, values, seconds, fps)
    angles = values[:, len(LIVELINK) - len(LIVELINK_ROTATIONS) :].reshape(-1, 3)
    rotations = Rotation.from_euler(_EULER, angles).as_rotvec().reshape(-1, 3, 3)
    weights = named_weights(path, LIVELINK, values)
    return arkit_clip(path, weights, fps, head=rotations[:, 0], eyes=rotations[:, 1:])


def livelink_values(clip: MotionClip) -> NDArray[np.float64]:
    """[T, 61] a clip's numbers in the order of `names.LIVELINK`: weights, then angles in radians.

    Raises:
        InputError: the clip is of another space than `arkit52`.
    """
    check_arkit(clip, "Live Link Face")
    head = Rotation.from_rotvec(clip.neck_pose) * Rotation.from_rotvec(clip.head_pose)
    eyes = (Rotation.from_rotvec(clip.leye_pose), Rotation.from_rotvec(clip.reye_pose))
    angles = [rotation.as_euler(_EULER) for rotation in (head, *eyes)]
    return np.concatenate([clip.expression, *angles], axis=1)


def write_livelink(clip: MotionClip, path: Path) -> None:
    """Writes a clip of the space `arkit52`, at the clip's frame rate.

    Raises:
        InputError: the clip is of another space.
    """
    values = livelink_values(clip)
    with (
        atomic_output(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(["Timecode", "BlendShapeCount", *LIVELINK])
        for frame, row in enumerate(values):
            shown = (f"{value:.9f}" for value in row)
            rows.writerow([timecode(frame, clip.fps), len(LIVELINK), *shown])


def timecode(frame: int, fps: float) -> str:
    """HH:MM:SS:FF.sub of a frame, counted without drops: 23.976 counts 24 frames a second."""
    whole = round(fps)
    seconds, frames = divmod(frame, whole)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours:02d}:{minutes:02d}:{seconds % 60:02d}:{frames:02d}.000"


def _clock(path: Path, timecodes: list[str]) -> tuple[NDArray[np.float64], float]:
    """Seconds of every row, and the rows in a second; rows that the app left out do not matter.

    Raises:
        InputError: a cell is no timecode, or the recording holds no whole second.
    """
    whole, part = [], []
    for number, cell in enumerate(timecodes, start=2):
        match = _TIMECODE.fullmatch(cell.strip())
        if match is None:
            raise InputError(
                f"row {number} of '{path}' has the timecode '{listed([cell])}', expected HH:MM:SS:FF.sub; "
                "give the frame rate with --fps to do without timecodes"
            )
        hours, minutes, seconds = (int(x) for x in match.groups()[:3])
        whole.append(hours * 3600 + minutes * 60 + seconds)
        part.append(float(match[4]))
    if len(set(whole)) < (2 if part[0] < 1 else 3):
        raise InputError(
            f"'{path}' is too short to tell its frame rate; give it with --fps, e.g. 60, "
            "which is the default of Live Link Face"
        )
    # Frames of a timecode start again every second. It may count at another rate than the rows have.
    seconds = np.array(whole) + np.array(part) / (np.floor(max(part)) + 1)
    step = float(np.median(np.diff(seconds)))
    if step <= 0:
        raise InputError(f"the timecodes of '{path}' stand still; give the frame rate with --fps")
    return seconds, frame_rate(path, "Live Link Face", own=round(1 / step), usual=None, given=None)


def _on_clock(
    path: Path, values: NDArray[np.float64], seconds: NDArray[np.float64], fps: float
) -> NDArray[np.float64]:
    """Rows at even times; where the app left one out, it is filled in from its neighbours.

    Raises:
        InputError: most rows are missing.
    """
    if (np.diff(seconds) <= 0).any():
        return values  # past midnight, or a clock that was set: the rows alone tell the time
    frames = round((seconds[-1] - seconds[0]) * fps) + 1
    if frames > 2 * len(values):
        raise InputError(
            f"'{path}' has {len(values)} rows for the {frames} frames of its timecodes; "
            "cut it where it stops, or give --fps to take its rows one after another"
        )
    wanted = np.arange(frames) / fps + seconds[0]
    columns = [np.interp(wanted, seconds, column) for column in values.T]
    return np.stack(columns, axis=1)
