"""A clip for avatars, and how it turns their bones."""

import numpy as np

from adamesh.motion import MotionClip

FRAMES = 9


def performance(fps: float = 25.0) -> MotionClip:
    rng = np.random.default_rng(11)
    joints = ("neck_pose", "head_pose", "leye_pose", "reye_pose")
    turns = {joint: rng.normal(size=(FRAMES, 3)) * 0.4 for joint in joints}
    return MotionClip("arkit52", fps, rng.uniform(size=(FRAMES, 52)), **turns)


def turns(clip: MotionClip, frame: int) -> dict[str, np.ndarray]:
    return {
        "neck": clip.neck_pose[frame],
        "head": clip.head_pose[frame],
        "left_eye": clip.leye_pose[frame],
        "right_eye": clip.reye_pose[frame],
    }
