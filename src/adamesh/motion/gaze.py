"""The one relation between eyeball rotations and the eyeLook* weights.

The subject's axes: +X to the subject's left, +Y up, +Z out of the face. An eyeball at rest looks
along +Z. A positive turn about +Y takes +Z towards +X: it looks to the subject's left, which is
*out* for the left eye and *in* for the right. A positive turn about +X takes +Z towards -Y: it
looks *down*.

A weight of 1 stands for the angles below, and weights are proportional to angles. Apple does not
publish its scale. Eyes turn up to about 45 to 55 degrees, but seldom more than 20 before the head
follows, so these leave the lids room for what occurs: looking further to a side saturates the
weight.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamesh.motion.rotation import axis_angle_to_matrix
from adamesh.motion.spaces import ARKIT52, EYE_LOOK

MAX_SIDE = math.radians(35.0)  # eyeLookIn*, eyeLookOut* = 1
MAX_UP = math.radians(25.0)  # eyeLookUp* = 1
MAX_DOWN = math.radians(30.0)  # eyeLookDown* = 1

_COLUMN = {ARKIT52[index].removeprefix("eyeLook"): i for i, index in enumerate(EYE_LOOK)}
# Name of the weight for a turn to the subject's left and right, of each eye.
_SIDES = {"Left": ("OutLeft", "InLeft"), "Right": ("InRight", "OutRight")}


def eye_rotation_to_look(leye_pose: ArrayLike, reye_pose: ArrayLike) -> NDArray[np.float32]:
    """The eyeLook* weights that belong to two eyeball rotations; a roll about the gaze is ignored.

    Args:
        leye_pose: [..., 3] axis-angle, radians, the subject's left eyeball.
        reye_pose: [..., 3] axis-angle, radians, the subject's right eyeball.
    Returns:
        [..., 8] weights 0..1 in the order of `EYE_LOOK`: `weights[..., EYE_LOOK] = result`. Of two
        opposite weights one is zero.
    """
    left = np.asarray(leye_pose, np.float64)
    weights = np.zeros((*left.shape[:-1], len(EYE_LOOK)))
    for side, pose in (("Left", left), ("Right", np.asarray(reye_pose, np.float64))):
        gaze = axis_angle_to_matrix(pose)[..., :, 2]  # where +Z goes
        to_left = np.arctan2(gaze[..., 0], gaze[..., 2])
        up = np.arctan2(gaze[..., 1], np.hypot(gaze[..., 0], gaze[..., 2]))
        leftward, rightward = _SIDES[side]
        weights[..., _COLUMN[leftward]] = to_left / MAX_SIDE
        weights[..., _COLUMN[rightward]] = -to_left / MAX_SIDE
        weights[..., _COLUMN["Up" + side]] = up / MAX_UP
        weights[..., _COLUMN["Down" + side]] = -up / MAX_DOWN
    return np.clip(weights, 0.0, 1.0).astype(np.float32)


def look_to_eye_rotation(weights: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The eyeball rotations that belong to eyeLook* weights; the inverse of `eye_rotation_to_look`.

    The eye turns about an axis in the plane of the face, without roll (Listing's law).

    Args:
        weights: [..., 8] in the order of `EYE_LOOK`, that is `arkit_weights[..., EYE_LOOK]`.
            Opposite weights cancel.
    Returns:
        leye_pose [..., 3] and reye_pose [..., 3], axis-angle, radians.
    """
    look = np.asarray(weights, np.float64)
    poses = []
    for side, (leftward, rightward) in _SIDES.items():
        to_left = (look[..., _COLUMN[leftward]] - look[..., _COLUMN[rightward]]) * MAX_SIDE
        up = look[..., _COLUMN["Up" + side]] * MAX_UP - look[..., _COLUMN["Down" + side]] * MAX_DOWN
        gaze = np.stack(
            [np.cos(up) * np.sin(to_left), np.sin(up), np.cos(up) * np.cos(to_left)], axis=-1
        )
        # The shortest turn from +Z to the gaze: about z x gaze = (-y, x, 0).
        sine = np.hypot(gaze[..., 0], gaze[..., 1])
        angle = np.arctan2(sine, gaze[..., 2])
        scale = np.divide(angle, sine, out=np.ones_like(sine), where=sine > 1e-12)
        pose = np.stack([-gaze[..., 1] * scale, gaze[..., 0] * scale, np.zeros_like(sine)], axis=-1)
        poses.append(pose.astype(np.float32))
    return poses[0], poses[1]
