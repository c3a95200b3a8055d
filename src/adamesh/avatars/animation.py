"""A clip as curves of an avatar's morph targets and bones.

Head motion is given in the axes of the face, +Y up and +Z out of it. A bone of the rest rotations L (local)
and W (of its parent, in the world) turns by R in the world when its local rotation is W^-1 R W L.
"""

import numpy as np

from adamesh.avatars.avatar import FRONTS, Float, Place
from adamesh.avatars.matching import Match
from adamesh.avatars.names import VISEMES
from adamesh.avatars.visemes import to_visemes
from adamesh.motion.clip import MotionClip
from adamesh.motion.rotation import (
    axis_angle_to_quat,
    continuous_quats,
    matrix_to_quat,
    quat_multiply,
    quat_to_axis_angle,
)
from adamesh.motion.spaces import ARKIT52

# Of the embedded head's shapes at their full weight: the turn about its jaw joint that comes nearest to what
# the 117 vertices move that jawOpen moves most, and the lower lip for jawLeft.
JAW_OPEN, JAW_LEFT = np.radians(19.9), np.radians(2.8)


def weight_curves(match: Match, clip: MotionClip) -> dict[Place, Float]:
    """[T] 0..1 of each morph target that moves."""
    controls = dict(zip(ARKIT52, clip.expression.T, strict=True))
    visemes = [viseme for viseme in VISEMES if viseme in match.controls]
    if visemes:
        controls |= dict(zip(visemes, to_visemes(clip.expression, visemes).T, strict=True))
    return {
        place: np.clip(
            np.sum([gain * controls[control] for control, gain in gains.items()], axis=0), 0, 1
        )
        for place, gains in match.gains.items()
    }


def rotation_curves(match: Match, clip: MotionClip) -> dict[int, Float]:
    """[T, 4] local quaternions, w first, of each bone that turns.

    Raises:
        InputError: a bone has no rotation at rest.
    """
    curves = {}
    for name, pose in _poses(match, clip).items():
        bone = match.bones[name]
        world, local = match.avatar.rest(bone)
        turn = continuous_quats(pose @ FRONTS[match.avatar.front].T @ world)
        curves[bone] = quat_multiply(turn, matrix_to_quat(local))
    return curves


def _jaw_pose(clip: MotionClip) -> Float:
    """[T, 3] axis-angle of a jaw bone that shows what the blendshapes of the jaw show."""
    opened, left, right = (
        clip.expression_by_name(name).astype(np.float64)
        for name in ("jawOpen", "jawLeft", "jawRight")
    )
    return np.stack([JAW_OPEN * opened, JAW_LEFT * (left - right), np.zeros(clip.frames)], axis=1)


def _poses(match: Match, clip: MotionClip) -> dict[str, Float]:
    """[T, 3] axis-angle of each bone that was found and turns, in the axes of the face.

    A bone that never turns gets no curve, so that it follows the avatar's other animations.
    Where only one of neck and head is there, it turns as far as both.
    """
    poses = {
        "neck": np.asarray(clip.neck_pose, np.float64),
        "head": np.asarray(clip.head_pose, np.float64),
        "jaw": _jaw_pose(clip),
        "left_eye": np.asarray(clip.leye_pose, np.float64),
        "right_eye": np.asarray(clip.reye_pose, np.float64),
    }
    if len(match.bones.keys() & {"neck", "head"}) == 1:
        turns = (axis_angle_to_quat(poses[bone]) for bone in ("neck", "head"))
        poses["neck"] = poses["head"] = quat_to_axis_angle(quat_multiply(*turns))
    return {bone: poses[bone] for bone in match.bones if poses[bone].any()}
