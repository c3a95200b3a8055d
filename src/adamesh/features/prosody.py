"""Loudness, pitch, phrases and pauses as speech features."""

import numpy as np
import torch
from torch import Tensor

from adamesh.audio.prosody import CHANNELS, LOOKAHEAD, prosody
from adamesh.rates import SAMPLE_RATE


class ProsodyFeatures:
    """See `audio.prosody`."""

    name = "prosody"
    dim = len(CHANNELS)
    lookahead = LOOKAHEAD / SAMPLE_RATE

    def __call__(self, samples: np.ndarray) -> Tensor:
        return torch.from_numpy(prosody(samples))
