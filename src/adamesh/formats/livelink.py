"""The CSV of Epic's app Live Link Face: 52 ARKit weights and the rotations of head and eyes, a frame a row.

Rotations are in radians: yaw about +Y, pitch about +X, roll about +Z of our axes, applied in that order. So
a positive yaw turns to the subject's left, a positive pitch looks down, a positive roll tilts to the
subject's right. Epic documents no signs; these are what importers that map pitch, yaw and roll straight to a
right-handed X, Y and Z expect, the Maya importer aronamao/Maya-Live-Link-CSV-Import for one.

Columns are read by name: the app's versions differ in their order.
"""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adamesh.files import atomic_output
from adamesh.formats.arkit import arkit_values
from adamesh.formats.arkit_table import read_arkit_table
from adamesh.formats.names import LIVELINK
from adamesh.motion.clip import MotionClip


def read_livelink(path: Path, fps: float | None) -> MotionClip:
    """A recording as a clip; rows are placed by their timecodes, and missing ones are filled in.

    Args:
        fps: rate of the rows, which are then taken one after another.
    Raises:
        InputError: no column is ARKit's, a cell is no number, or the rate is not to be told.
    """
    return read_arkit_table(path, fps, tool="Live Link Face")


def livelink_values(clip: MotionClip) -> NDArray[np.float64]:
    """[T, 61] a clip's numbers in the order of `names.LIVELINK`: weights, then angles in radians.

    Raises:
        InputError: the clip is of another space than `arkit52`.
    """
    return arkit_values(clip, "Live Link Face")


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
