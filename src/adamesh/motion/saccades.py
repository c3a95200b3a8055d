"""Gaze as fixations and saccades: measured on a reference, sampled for new speech.

Between jumps the eyes hold a target in the world while the head moves (the vestibulo-ocular reflex), so what
is measured and sampled is where somebody looks, and the eyeballs turn by what the head does not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

JUMP = np.radians(2.0)  # between two frames at 25 fps; a faster eye has jumped
FARTHEST = np.radians(25.0)  # of an eyeball in its socket; further, people turn their heads


@dataclass(frozen=True)
class GazeStatistics:
    """How somebody's eyes move; the defaults are those of a calm speaker who looks at the camera."""

    pitch: float = 0.03  # radians, deviation of targets
    yaw: float = 0.05
    fixation: float = 1.2  # s, mean time on a target

    @classmethod
    def of(cls, head: ArrayLike, eyes: ArrayLike, fps: float) -> "GazeStatistics":
        """Measures a reference.

        Args:
            head: [T, 3] axis-angle of the head about its mean.
            eyes: [T, 3] axis-angle of the eyeballs in the head, mean of both.
        """
        world = (np.asarray(head) + np.asarray(eyes))[:, :2]
        jumps = np.linalg.norm(np.diff(world, axis=0), axis=1) * fps / 25 > JUMP
        # A jump of several frames is one jump.
        starts = int((jumps[1:] & ~jumps[:-1]).sum()) + int(jumps[:1].sum())
        seconds = len(world) / fps
        spread = np.minimum(world.std(0), FARTHEST / 2)
        fixation = float(np.clip(seconds / (starts + 1), 0.4, 4))
        return cls(float(spread[0]), float(spread[1]), fixation)


def sample_gaze(
    head: ArrayLike, fps: float, statistics: GazeStatistics, rng: np.random.Generator
) -> np.ndarray:
    """Eyeball rotations that go with a head's motion.

    Args:
        head: [T, 3] axis-angle of the head about its mean.
    Returns:
        [T, 3] axis-angle of both eyeballs in the head, without roll.
    """
    head = np.asarray(head, np.float64)
    frames = len(head)
    gaze = np.zeros((frames, 2))
    spread = np.array([statistics.pitch, statistics.yaw])
    target = rng.normal(0, 1, 2) * spread
    frame = 0.0
    while frame < frames:
        start = round(frame)
        gaze[start:] = target
        # Fixations last a quarter of a second at least; how much longer is a matter of chance.
        frame += fps * (0.25 + rng.exponential(max(statistics.fixation - 0.25, 0.05)))
        target = rng.normal(0, 1, 2) * spread
    eyes = np.clip(gaze - head[:, :2], -FARTHEST, FARTHEST)
    return np.concatenate([eyes, np.zeros((frames, 1))], axis=1).astype(np.float32)
