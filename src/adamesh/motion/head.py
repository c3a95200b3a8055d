"""Head rotation: as one rotation about a person's mean pose, over two joints, and in the person's own units.

Rotations are within a radian of the mean pose, so their axis-angle vectors are treated as plain vectors:
x is pitch (nodding), y yaw (turning), z roll (tilting).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from adamesh.motion.clip import MotionClip

NECK_SHARE = 0.5  # of the head's rotation that the neck joint carries; the head joint has the rest
SMALLEST_DEVIATION = float(
    np.radians(0.3)
)  # on one axis; below it is nothing but the tracker's noise
# A mirrored head nods alike, turns and tilts the other way.
MIRROR_AXES = np.array([1.0, -1.0, -1.0], np.float32)


def head_rotation(clip: MotionClip) -> np.ndarray:
    """[T, 3] axis-angle of neck and head together, about their mean."""
    total = Rotation.from_rotvec(clip.neck_pose) * Rotation.from_rotvec(clip.head_pose)
    return (total.mean().inv() * total).as_rotvec().astype(np.float32)


def over_joints(rotation: ArrayLike) -> np.ndarray:
    """[T, 3] axis-angle -> [T, 2, 3] of neck and head, which together turn as far."""
    rotation = np.asarray(rotation, np.float32)
    return np.stack([rotation * NECK_SHARE, rotation * (1 - NECK_SHARE)], axis=1)


def for_joints(
    joint_names: tuple[str, ...], neck_pose: ArrayLike, head_pose: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """[T, 3] axis-angle each of neck and head for a face that may lack a head joint, as FLAME does.

    There the neck turns as far as both together. A neck that turns alone is left as it is: see `over_joints`.
    """
    neck, head = (np.asarray(pose, np.float32) for pose in (neck_pose, head_pose))
    if "head" in joint_names or not head.any():
        return neck, head
    total = Rotation.from_rotvec(neck) * Rotation.from_rotvec(head)
    return total.as_rotvec().astype(np.float32), np.zeros_like(head)


def deviation(*rotations: np.ndarray, smallest: float = SMALLEST_DEVIATION) -> np.ndarray:
    """[3] standard deviation on each axis over several motions, each about its own mean, or `smallest`."""
    frames = sum(len(rotation) for rotation in rotations)
    squares = sum(np.square(r - r.mean(0)).sum(0) for r in rotations)
    return np.maximum(np.sqrt(squares / frames), smallest).astype(np.float32)
