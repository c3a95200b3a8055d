"""What all speech features have in common."""

from typing import Protocol

import numpy as np
from torch import Tensor

from adamesh.rates import SAMPLES_PER_FRAME


class SpeechFeatures(Protocol):
    """Samples -> features at 50 Hz.

    Attributes:
        name: by which `load_features` makes them again.
        dim: channels.
        lookahead: seconds of speech beyond a frame's own 20 ms that the frame depends on; infinite for
            features that see whole chunks.
    """

    name: str
    dim: int
    lookahead: float

    def __call__(self, samples: np.ndarray) -> Tensor:
        """Features of one recording of any length; beyond its end there is silence.

        Args:
            samples: [N] mono float32, -1..1, at `SAMPLE_RATE`.
        Returns:
            [S, dim] float32 with S = ceil(N / 320); frame s covers the samples 320 s .. 320 (s + 1). On the
            CPU, wherever they are computed: recordings are there, and features of several kinds are joined.
        """
        ...


def features_for_frames(features: SpeechFeatures, samples: np.ndarray, frames: int) -> Tensor:
    """Features of exactly `frames` motion frames: longer speech is cut, shorter followed by silence.

    Args:
        samples: [N] mono at `SAMPLE_RATE`.
    Returns:
        [2 frames, dim].
    """
    fitted = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
    fitted[: len(samples)] = samples[: len(fitted)]
    return features(fitted)
