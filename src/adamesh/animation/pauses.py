"""Pauses: when nobody speaks, the mouth comes to rest."""

import numpy as np
import torch
from torch import Tensor

SPEAKING = 0.1  # probability above which somebody may be speaking: soft sounds still move lips
HOLD = (
    5  # frames of silence before the mouth begins to shut: 0.2 s, for people breathe between words
)
CLOSING = 1 / 5  # of the way to rest a frame: shut 0.4 s into a pause
OPENING = 1 / 2  # of the way back a frame


def ease(activity: Tensor) -> Tensor:
    """How much of the speech's motion is left, frame by frame.

    Causal: what comes later changes nothing.

    Args:
        activity: [T] probability at 25 fps that somebody speaks.
    Returns:
        [T] within 0..1; 0 is rest.
    """
    level, quiet = 0.0, HOLD
    levels = np.zeros(len(activity), np.float32)
    for t, speaks in enumerate((activity > SPEAKING).tolist()):
        quiet = 0 if speaks else quiet + 1
        if speaks:
            level = min(level + OPENING, 1.0)
        elif quiet > HOLD:
            level = max(level - CLOSING, 0.0)
        levels[t] = level
    # Slow at both ends: a mouth is no gate.
    return torch.from_numpy(levels * levels * (3 - 2 * levels))
