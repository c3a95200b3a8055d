"""Log-mel frames as speech features."""

import numpy as np
import torch
from torch import Tensor

from adamesh.audio.logmel import FEATURE_DIM, LOOKAHEAD, log_mel
from adamesh.rates import SAMPLE_RATE


class LogMelFeatures:
    """See `audio.logmel`."""

    name = "log_mel"
    dim = FEATURE_DIM
    lookahead = LOOKAHEAD / SAMPLE_RATE

    def __call__(self, samples: np.ndarray) -> Tensor:
        return log_mel(torch.from_numpy(samples)[None])[0]
