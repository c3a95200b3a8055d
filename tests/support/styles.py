"""Styles that say nothing."""

import numpy as np
import torch

from adamesh.animation.pose import PoseStyle
from adamesh.animation.style import Style
from adamesh.models.baseline import Baseline
from adamesh.motion.blinks import BlinkStatistics
from adamesh.motion.brows import BrowStatistics
from adamesh.motion.saccades import GazeStatistics


def style_of(base: str) -> Style:
    motion = np.zeros((50, 2, 3), np.float32)
    return Style(
        base=base,
        branches=(),
        molora={},
        embedding=torch.zeros(32),
        betas=torch.zeros(50),
        baseline=Baseline(torch.zeros(52), 3.0),
        gain=1.0,
        pose=PoseStyle(
            base=base,
            embedding=torch.zeros(16),
            codes=torch.zeros(0, dtype=torch.long),
            heard=torch.zeros(0, 1),
            deviation=np.ones(3, np.float32),
            gain=np.ones(3, np.float32),
        ),
        head_motion=motion,
        eye_motion=motion,
        blinks=BlinkStatistics(),
        gaze=GazeStatistics(),
        brows=BrowStatistics(),
        squint_slope=0.1,
        source="somebody",
    )
