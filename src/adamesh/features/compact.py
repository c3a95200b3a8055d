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
        # The silence behind the end on its own: an hour of speech is not to be copied for 60 ms.
        last = len(samples) % SAMPLES_PER_FEATURE or SAMPLES_PER_FEATURE
        ahead = self.encoder.config.lookahead * SAMPLES_PER_FEATURE
        end = np.pad(samples[-last:], (0, SAMPLES_PER_FEATURE - last + ahead))
        mels, beyond = (log_mel(torch.from_numpy(x)[None])[0] for x in (samples, end))
        return self.encoder.encode(torch.cat([mels, beyond[1:]]))
