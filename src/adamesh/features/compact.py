"""Phonetic features of the speech encoder that ships with the package."""

import numpy as np
import torch
from torch import Tensor

from adamesh.audio.logmel import LOOKAHEAD, log_mel
from adamesh.models.speech import SpeechEncoder
from adamesh.rates import FEATURE_RATE, SAMPLE_RATE, SAMPLES_PER_FEATURE


class CompactFeatures:
    """Features of a `SpeechEncoder`; chunked equals whole exactly, since the encoder is causal."""

    name = "compact"

    def __init__(self, encoder: SpeechEncoder) -> None:
        self.encoder = encoder
        self.dim = encoder.config.feature_dim
        self.lookahead = encoder.config.lookahead / FEATURE_RATE + LOOKAHEAD / SAMPLE_RATE

    def __call__(self, samples: np.ndarray) -> Tensor:
        missing = -len(samples) % SAMPLES_PER_FEATURE
        ahead = self.encoder.config.lookahead * SAMPLES_PER_FEATURE
        padded = np.pad(samples, (0, missing + ahead))
        return self.encoder.encode(log_mel(torch.from_numpy(padded)[None])[0])
