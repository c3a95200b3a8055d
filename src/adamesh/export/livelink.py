"""The CSV of Epic's app Live Link Face: 52 ARKit weights and the rotations of head and eyes, a frame a row.

Rotations are in radians: yaw about +Y, pitch about +X, roll about +Z of our axes, applied in that order. So
a positive yaw turns to the subject's left, a positive pitch looks down, a positive roll tilts to the
subject's right. Epic documents no signs; these are what importers that map pitch, yaw and roll straight to a
right-handed X, Y and Z expect, the Maya importer aronamao/Maya-Live-Link-CSV-Import for one.
"""

import csv
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from adamesh.errors import InputError
from adamesh.files import atomic_output
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52

ROTATIONS = tuple(
    part + angle for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll")
)
CHANNELS = tuple(name[0].upper() + name[1:] for name in ARKIT52) + ROTATIONS  # 61


def write_livelink(clip: MotionClip, path: Path) -> None:
    """Writes a clip of the space `arkit52`, at the clip's frame rate.

    Raises:
        InputError: the clip is of another space.
    """
    if clip.space != "arkit52":
        raise InputError(
            f"Live Link Face knows the 52 ARKit actions, this clip is in '{clip.space}'; "
            "retarget it to arkit52: --face embedded, or adamesh.retargeting.fit_to_face in Python"
        )
    head = Rotation.from_rotvec(clip.neck_pose) * Rotation.from_rotvec(clip.head_pose)
    eyes = (Rotation.from_rotvec(clip.leye_pose), Rotation.from_rotvec(clip.reye_pose))
    angles = [rotation.as_euler("YXZ") for rotation in (head, *eyes)]
    values = np.concatenate([clip.expression, *angles], axis=1)
    with (
        atomic_output(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(["Timecode", "BlendShapeCount", *CHANNELS])
        for frame, row in enumerate(values):
            shown = (f"{value:.9f}" for value in row)
            rows.writerow([timecode(frame, clip.fps), len(CHANNELS), *shown])


def timecode(frame: int, fps: float) -> str:
    """HH:MM:SS:FF.sub of a frame, counted without drops: 23.976 counts 24 frames a second."""
    whole = round(fps)
    seconds, frames = divmod(frame, whole)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours:02d}:{minutes:02d}:{seconds % 60:02d}:{frames:02d}.000"
