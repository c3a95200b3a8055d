"""What all sampled events share: when the next one begins, and how large it is."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def clock(weights: Float, fps: float) -> Float:
    """[T + 1] seconds on a clock that runs by `weights` [T]: at each frame's start, and at the end.

    Waiting on it makes events as much likelier as it runs faster (a Poisson process in rescaled time).
    """
    return np.concatenate([[0.0], np.cumsum(weights)]) / fps


def next_onset(
    time: Float, fps: float, after: float, wait: float, rng: np.random.Generator
) -> float:
    """Second at which an event begins, an exponential time of mean `wait` on the clock after `after`.

    Args:
        time: of `clock`.
        after: s; nothing begins earlier.
        wait: s on the clock, mean.
    Returns:
        Seconds, infinite where the clock ends first.
    """
    frames = np.arange(len(time)) / fps
    due = np.interp(after, frames, time) + rng.exponential(wait)
    if due >= time[-1] or after >= frames[-1]:
        return np.inf
    # Where the clock stands still, it is due when it goes on: the last of equal times.
    i = int(np.searchsorted(time, due, side="right"))
    share = (due - time[i - 1]) / (time[i] - time[i - 1])
    return float(frames[i - 1] + share / fps)


def drawn(mean: float, spread: float, least: float, deviate: float) -> float:
    """A size or a duration: `least`, plus a log-normal rest of that mean and deviation.

    Args:
        deviate: standard normal; deviates that go together make values that do.
    """
    over = max(mean - least, 1e-6)
    variance = np.log1p((spread / over) ** 2)
    return float(least + over * np.exp(np.sqrt(variance) * deviate - variance / 2))
