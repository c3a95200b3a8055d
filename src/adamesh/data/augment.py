"""Augmentation of log-mel features: other voices, microphones and rooms at every training step."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor

from adamesh.audio.logmel import HOPS_PER_FEATURE
from adamesh.data.interpolation import interpolate

NEPERS = 8.0  # of power in a unit of the log-mel features, see `audio.logmel`


@dataclass(frozen=True)
class FeatureAugmentation:
    """Ranges and shares of what is done to log-mel features; zero switches a part off."""

    gain: float = 0.35  # log-mel units (a unit is 8 nepers of power): about 12 dB
    tilt: float = 0.15  # log-mel units over the band, smooth: microphones and rooms
    warp: float = 0.15  # formants: frequency scale up to this much off
    noise: float = 0.5  # share of windows with added noise
    babble: float = 0.1  # share with another voice behind, 6 to 25 dB softer
    room: float = 0.2  # share with reverberation
    band_limit: float = 0.15  # share without the upper band
    masks: int = 2  # stretches of up to 0.2 s that are blanked, and as many bands


def alter_mels(
    mels: Tensor, a: FeatureAugmentation, rng: np.random.Generator, babble: Tensor | None = None
) -> Tensor:
    """Another voice, microphone and room; the words and their timing stay.

    Args:
        mels: [S, D] of `audio.logmel`.
        babble: [S, D] of another speaker, mixed in.
    Returns:
        [S, D].
    """
    x = mels.unflatten(1, (HOPS_PER_FEATURE, -1)).flatten(0, 1)  # [H, n_mels], 10 ms hops
    n = x.shape[1]
    place = torch.arange(n, dtype=torch.float32)
    warped = place * float(np.exp(rng.uniform(-a.warp, a.warp)))
    x = x @ interpolate(torch.eye(n), warped).T
    if babble is not None:
        other = babble.unflatten(1, (HOPS_PER_FEATURE, -1)).flatten(0, 1)
        level = x.amax() - other.amax() - rng.uniform(1.4, 5.8) / NEPERS
        x = torch.logaddexp(NEPERS * x, NEPERS * (other + level)) / NEPERS
    if rng.random() < a.room:
        # Late reverberation: power that dies away, 60 dB in 0.2 to 0.6 s.
        keep = 10 ** (-6 * 0.01 / rng.uniform(0.2, 0.6))
        power = torch.exp(NEPERS * x).numpy()
        wet = lfilter([0, rng.uniform(0.05, 0.4) * (1 - keep)], [1, -keep], power, axis=0)
        x = torch.log(torch.from_numpy(power + wet)) / NEPERS
    slope, bend = rng.normal(0, a.tilt, 2)
    curve = slope * (place / n - 0.5) + bend * torch.cos(2 * torch.pi * place / n)
    x = x + curve + rng.uniform(-a.gain, a.gain)
    if rng.random() < a.band_limit:
        x[:, int(rng.integers(n // 2, n)) :] = x.amin()
    if rng.random() < a.noise:
        # Power adds: noise of some level and colour, at -45..-10 dB of the loudest.
        level = x.amax() - rng.uniform(0.3, 1.3)
        colour = rng.normal(0, 0.1) * (place / n - 0.5)
        grain = torch.from_numpy(rng.normal(0, 0.05, x.shape).astype(np.float32))
        x = torch.logaddexp(NEPERS * x, NEPERS * (level + colour + grain)) / NEPERS
    for _ in range(a.masks):
        first, width = int(rng.integers(len(x))), int(rng.integers(20))
        x[first : first + width] = x.mean()
        low, bands = int(rng.integers(n)), int(rng.integers(8))
        x[:, low : low + bands] = x.mean()
    return x.unflatten(0, (-1, HOPS_PER_FEATURE)).flatten(1).float()
