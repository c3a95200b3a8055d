"""The numbers that a network gives for a frame: expression and, where the jaw turns, its rotation.

Blinks are events and gaze is the eyes' own: a mean over blinks is no blink. Both are taken out of what is
regressed, and put back when animating.
"""

import numpy as np
from numpy.typing import NDArray

from adamesh.motion.blinks import detect_blinks, remove_blinks
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import EYE_BLINK, EYE_LOOK, coefficient_space

FloatArray = NDArray[np.float32]


def regression_size(space: str) -> int:
    """D: the channels of a space, and three for a jaw that turns."""
    known = coefficient_space(space)
    return len(known.channels) + 3 * known.jaw_turns


def regression_target(clip: MotionClip) -> FloatArray:
    """[T, D] what speech is asked to explain of a clip, at the clip's frame rate."""
    if coefficient_space(clip.space).jaw_turns:
        return np.concatenate([clip.expression, clip.jaw_pose], axis=1)
    expression = clip.expression.copy()
    lids = expression[:, EYE_BLINK]
    expression[:, EYE_BLINK] = remove_blinks(lids, detect_blinks(lids, clip.fps))
    expression[:, EYE_LOOK] = 0.0
    return expression


def regressed_motion(space: str, values: FloatArray) -> dict[str, FloatArray]:
    """Values [T, D] as what a `MotionClip` of that space is made of."""
    channels = len(coefficient_space(space).channels)
    motion = {"expression": values[:, :channels]}
    if values.shape[1] > channels:
        motion["jaw_pose"] = values[:, channels:]
    return motion
