"""When sounds begin: how fast the loudness of a recording rises."""

import numpy as np

from adamesh.rates import SAMPLE_RATE

ONSET_RATE = 100  # values a second
QUIET = 0.02  # of a recording's loud moments; rises below it are noise
SMOOTHING = 7  # values, about a plosive's burst


def onset_strength(samples: np.ndarray, count: int) -> np.ndarray:
    """Rise of the logarithm of loudness, high frequencies first, zero where it falls.

    Args:
        samples: [N] mono at `SAMPLE_RATE`.
    Returns:
        [count] float32 at `ONSET_RATE`.
    """
    hop = SAMPLE_RATE // ONSET_RATE
    heard = np.zeros(count * hop)
    heard[: len(samples)] = samples[: len(heard)]
    # The difference of samples lifts consonants out of the hum of a voice.
    crisp = np.diff(heard, prepend=0).reshape(count, hop)
    level = np.sqrt(np.square(crisp).mean(1))
    level = np.log(level + QUIET * np.quantile(level, 0.95) + 1e-9)
    window = np.hanning(SMOOTHING)
    held = np.pad(level, SMOOTHING // 2, mode="edge")  # an end is no onset
    smooth = np.convolve(held, window / window.sum(), "valid")
    return np.maximum(np.diff(smooth, prepend=smooth[0]), 0).astype(np.float32)
