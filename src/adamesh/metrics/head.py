"""How a head moves: how far, how fast, how often not at all, and whether it follows what is said."""

import numpy as np

STILL = 2.0  # degrees a second; a head that is slower rests
SMOOTHING = 7  # frames at 25 fps, about 0.3 s: a syllable
LEAD_S = 0.12  # by which heads move before it gets loud, of sixteen people between 0 and 0.24
ENDS = (0.05, 0.95)  # quantiles that a head's range lies between
WINDOW_S, STEP_S = 1.0, 0.2  # of the short motions whose distribution is compared


def std_degrees(rotation: np.ndarray) -> tuple[float, float, float]:
    """[T, 3] axis-angle, radians -> standard deviation on x (pitch), y (yaw), z (roll)."""
    pitch, yaw, roll = np.degrees(rotation.std(0))
    return float(pitch), float(yaw), float(roll)


def range_degrees(rotation: np.ndarray) -> tuple[float, float, float]:
    """[T, 3] axis-angle, radians -> degrees between the quantiles `ENDS` on each axis."""
    low, high = np.degrees(np.quantile(rotation, ENDS, axis=0))
    pitch, yaw, roll = high - low
    return float(pitch), float(yaw), float(roll)


def speed(rotation: np.ndarray, fps: float) -> float:
    """Mean angular speed, degrees a second."""
    return float(_speeds(rotation, fps).mean())


def still_share(rotation: np.ndarray, fps: float) -> float:
    """Share of the time that a head is slower than `STILL`."""
    return float((_speeds(rotation, fps) < STILL).mean())


def follows(rotation: np.ndarray, loudness: np.ndarray, fps: float) -> float:
    """Correlation of a head's speed with how loud it gets `LEAD_S` later; 0 where either stays the same.

    Args:
        rotation: [T, 3] axis-angle.
        loudness: [T] of the speech, on a logarithmic scale.
    """
    window = np.hanning(SMOOTHING + 2)[1:-1]
    window /= window.sum()
    lead = round(LEAD_S * fps)
    moving = np.convolve(_speeds(rotation, fps), window, "valid")
    loud = np.convolve(loudness[1:], window, "valid")
    moving, loud = moving[: len(moving) - lead], loud[lead:]
    if min(moving.std(), loud.std()) < 1e-9:
        return 0.0
    return float(np.corrcoef(moving, loud)[0, 1])


def short_motions(rotation: np.ndarray, fps: float) -> np.ndarray:
    """[N, 15] degrees: every window of `WINDOW_S`, at `STEP_S` apart, about its mean and in five points."""
    length, step = round(WINDOW_S * fps), round(STEP_S * fps)
    points = np.arange(0, length, step)
    starts = np.arange(0, len(rotation) - length + 1, step)
    windows = np.degrees(rotation[starts[:, None] + points])
    return (windows - windows.mean(1, keepdims=True)).reshape(len(starts), -1)


def frechet_degrees(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of two sets of vectors [N, D], [M, D] as normal distributions, in their unit.

    Source: Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982.
    """
    means = np.square(a.mean(0) - b.mean(0)).sum()
    first, second = np.cov(a.T), np.cov(b.T)
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    return float(np.sqrt(max(means + np.trace(first) + np.trace(second) - 2 * shared, 0)))


def _speeds(rotation: np.ndarray, fps: float) -> np.ndarray:
    """[T - 1] degrees a second."""
    return np.degrees(np.linalg.norm(np.diff(rotation, axis=0), axis=1)) * fps
