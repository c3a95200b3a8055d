"""Whether two curves move together: correlation, lag, and amplitude.

Correlations are blind to scale, so the ratio of standard deviations always stands beside them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from adamesh.errors import InputError
from adamesh.rates import FPS

MAX_LAG = 12  # frames tried to either side: about half a second


@dataclass(frozen=True)
class Sync:
    """Agreement of a generated curve with the one that was seen."""

    correlation: float  # Pearson, at zero lag
    best_lag: float  # s; positive = generated comes late
    best_correlation: float  # Pearson at that lag
    std_ratio: float  # generated / seen


def pearson(a: ArrayLike, b: ArrayLike) -> float:
    """Pearson correlation of two curves [T]; 0 where one of them does not move."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    x, y = x - x.mean(), y - y.mean()
    norm = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / norm) if norm > 1e-12 else 0.0


def lag_correlation(late: ArrayLike, seen: ArrayLike, lags: ArrayLike) -> np.ndarray:
    """Pearson correlation of `seen` [T] with `late` moved earlier by each of `lags`.

    Args:
        lags: [L] frames, fractions too, within -T..T.
    Returns:
        [L], over the frames that both have.
    """
    x, y = np.asarray(late, np.float64), np.asarray(seen, np.float64)
    frames = np.arange(len(x))
    found = []
    for lag in np.asarray(lags, np.float64):
        times = frames + lag
        both = (times >= 0) & (times <= len(x) - 1)
        found.append(pearson(np.interp(times[both], frames, x), y[both]))
    return np.array(found)


def synchrony(generated: ArrayLike, seen: ArrayLike, fps: float = FPS) -> Sync:
    """Compares two curves of the same frames.

    Args:
        generated, seen: [T], any unit, the same for both.
        fps: their frame rate.
    Raises:
        InputError: lengths differ, or fewer than 2 MAX_LAG frames are given.
    """
    g, s = np.asarray(generated, np.float64), np.asarray(seen, np.float64)
    if g.shape != s.shape or len(g) < 2 * MAX_LAG:
        raise InputError(
            f"curves must have the same length of at least {2 * MAX_LAG} frames, got {len(g)} and "
            f"{len(s)}"
        )
    at_lag = {
        lag: pearson(g[max(lag, 0) : len(g) + min(lag, 0)], s[max(-lag, 0) : len(s) - max(lag, 0)])
        for lag in range(-MAX_LAG, MAX_LAG + 1)
    }
    best = max(at_lag, key=lambda lag: at_lag[lag])
    deviation = s.std()
    return Sync(
        correlation=at_lag[0],
        best_lag=best / fps,
        best_correlation=at_lag[best],
        std_ratio=float(g.std() / deviation) if deviation > 1e-12 else float("inf"),
    )
