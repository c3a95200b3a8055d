"""The log-mel frames that Whisper hears (arXiv 2212.04356, section 2.2): 80 Slaney bands, a hop of 10 ms.

Whisper clamps a recording at 8 below its own loudest moment (log10 of power). A stream has not heard that
yet, so the level is fixed here: a recording and its parts give the same frames.
"""

import functools

import numpy as np
import torch
from torch import Tensor

from adamesh.rates import SAMPLE_RATE, SAMPLES_PER_FEATURE

N_MELS = 80
HOP = 160  # samples: 10 ms
WINDOW = 400  # samples: 25 ms
# Whisper's frame k has its middle at the start of hop k, and its convolution puts the middle of feature s
# on frame 2 s. Half a feature later, both have it in the middle of their own 20 ms.
CENTRE = SAMPLES_PER_FEATURE // 2
FLOOR = -7.0  # log10 of power: 8 below an ordinary recording's loudest moment


@functools.cache
def _mel_filters() -> Tensor:
    """[WINDOW // 2 + 1, N_MELS] triangles of equal area, on Slaney's scale: linear up to 1 kHz."""

    def hertz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))

    top = 15 + np.log(SAMPLE_RATE / 2 / 1000) * 27 / np.log(6.4)
    edges = hertz(np.linspace(0, top, N_MELS + 2))
    bins = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.clip(np.minimum(rising, falling), 0, None) * 2 / (edges[2:] - edges[:-2])
    return torch.from_numpy(triangles.astype(np.float32))


def whisper_mel(samples: Tensor) -> Tensor:
    """Log-mel frames of mono speech.

    Args:
        samples: [WINDOW - HOP + N] float, -1..1, at `SAMPLE_RATE`, N a multiple of `HOP`.
    Returns:
        [N / HOP, N_MELS]: frame k from the samples `HOP` k .. `HOP` k + `WINDOW`.
    """
    framed = samples.unfold(0, WINDOW, HOP)
    spectrum = torch.fft.rfft(framed * torch.hann_window(WINDOW, device=samples.device))
    power = spectrum.abs().square() @ _mel_filters().to(samples)
    return (torch.log10(power.clamp_min(1e-10)).clamp_min(FLOOR) + 4.0) / 4.0
