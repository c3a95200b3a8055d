"""Log-mel features on the 50 Hz clock.

Two mel frames of a 10 ms hop make one feature frame of 20 ms: consonant bursts are shorter than 20 ms.
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adamesh.rates import SAMPLE_RATE, SAMPLES_PER_FEATURE

N_MELS = 64
HOP = 160  # samples: 10 ms
WINDOW = 400  # samples: 25 ms
N_FFT = 512
LOOKAHEAD = (WINDOW - HOP) // 2  # samples that a window reaches beyond its own hop: 7.5 ms
FLOOR = 1e-5  # power below which nothing is heard; digital silence gives log(FLOOR)

HOPS_PER_FEATURE = SAMPLES_PER_FEATURE // HOP
HOPS_AT_ONCE = 6_000  # one minute

FEATURE_DIM = N_MELS * HOPS_PER_FEATURE


@functools.cache
def _mel_filters() -> Tensor:
    """[N_FFT // 2 + 1, N_MELS] triangles, equally spaced on the mel scale of O'Shaughnessy (1987)."""

    def mel(hertz: float | np.ndarray) -> np.ndarray:
        return 2595.0 * np.log10(1.0 + np.asarray(hertz) / 700.0)

    edges = np.linspace(mel(60.0), mel(7600.0), N_MELS + 2)
    bins = mel(np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.from_numpy(np.clip(np.minimum(rising, falling), 0, None).astype(np.float32))


def log_mel(samples: Tensor) -> Tensor:
    """Log-mel features of mono speech.

    Args:
        samples: [B, N] float, -1..1, at `SAMPLE_RATE`. A last partly filled feature frame counts; what
            is missing is silence.
    Returns:
        [B, S, FEATURE_DIM] with S = ceil(N / 320), roughly -1..2. Frame s covers the samples
        320 s .. 320 (s + 1) and no sample from 320 (s + 1) + LOOKAHEAD on.
    """
    hops = -(-samples.shape[1] // SAMPLES_PER_FEATURE) * HOPS_PER_FEATURE
    missing = hops * HOP - samples.shape[1]
    framed = F.pad(samples, (LOOKAHEAD, missing + LOOKAHEAD)).unfold(1, WINDOW, HOP)
    window = torch.hann_window(WINDOW, periodic=False, dtype=samples.dtype, device=samples.device)
    mels = []
    for part in framed.split(
        HOPS_AT_ONCE, dim=1
    ):  # windows overlap: an hour at once takes gigabytes
        power = torch.fft.rfft(part * window, n=N_FFT).abs().square()
        mels.append(torch.log(power @ _mel_filters().to(samples) + FLOOR) / 8.0 + 0.5)
    return torch.cat(mels, dim=1).unflatten(1, (-1, HOPS_PER_FEATURE)).flatten(2)
