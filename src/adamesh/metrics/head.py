"""How a head moves: how far, how fast, and whether in time with the speech."""

import numpy as np
from scipy.signal import find_peaks

TOLERANCE = 0.1  # s, by which a beat of the head may miss one of the speech
SHORTEST_BEAT = 0.15  # s between two beats


def std_degrees(rotation: np.ndarray) -> tuple[float, float, float]:
    """[T, 3] axis-angle, radians -> standard deviation on x (pitch), y (yaw), z (roll)."""
    pitch, yaw, roll = np.degrees(rotation.std(0))
    return float(pitch), float(yaw), float(roll)


def speed(rotation: np.ndarray, fps: float) -> float:
    """Mean angular speed, degrees a second."""
    return float(np.degrees(np.linalg.norm(np.diff(rotation, axis=0), axis=1)).mean() * fps)


def beat_alignment(rotation: np.ndarray, fps: float, onsets: np.ndarray) -> float:
    """How near the beats of a head lie to those of the speech.

    Beats of the head are moments of least speed between two moves. Each counts by exp(-d^2 / 2 s^2), d its
    distance to the nearest onset and s `TOLERANCE`.

    Args:
        rotation: [T, 3] axis-angle.
        onsets: [N] seconds, of the speech; see `speech_onsets`.
    Returns:
        Mean over the head's beats, 0..1; 0 if there are none.
    Source: the beat alignment score of Bailando (arXiv 2203.13055) as head pose papers use it.
    """
    moving = np.linalg.norm(np.diff(rotation, axis=0), axis=1)
    beats, _ = find_peaks(-moving, distance=max(round(SHORTEST_BEAT * fps), 1))
    if not len(beats) or not len(onsets):
        return 0.0
    seconds = (beats + 0.5) / fps
    distance = np.abs(seconds[:, None] - onsets[None]).min(1)
    return float(np.exp(-np.square(distance) / (2 * TOLERANCE**2)).mean())


def speech_onsets(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """[N] seconds at which the loudness of a speech rises fastest."""
    hop = sample_rate // 100
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    loudness = np.log(np.square(frames).mean(1) + 1e-6)
    smooth = np.convolve(loudness, np.hanning(9) / np.hanning(9).sum(), "same")
    rise = np.diff(smooth)
    peaks, _ = find_peaks(rise, height=0.1, distance=round(SHORTEST_BEAT * 100))
    return peaks / 100
