"""The offset of a video's sound, from what speech alone says of a mouth and what the mouth does.

The network that hears knows nobody (`models.opening`), so a person's own way of moving cannot hide an offset.
"""

from dataclasses import dataclass

import numpy as np

from adamesh.checkpoints.networks import load_network
from adamesh.features import features_for_frames, load_features
from adamesh.metrics.sync import lag_correlation
from adamesh.models.opening import OpeningNetwork
from adamesh.rates import FPS, SAMPLE_RATE

LARGEST = 0.5  # s that are searched to either side
STEP = 0.02  # s between the lags that are tried; between them a parabola finds the top
# Deviations above chance of the best correlation. Of 1,920 pairs of a mouth with another person's speech, the
# best of all lags never got beyond 4.0, and in 95 of 100 not beyond 2.9; with the right speech 26 of 27
# clips of 5 to 71 s had 5.3 to 35.
CONFIDENT = 4.3
# s: the error of an offset has this deviation over its own deviations above chance: 20 ms in 713 clips of 3
# s of one laboratory speaker, with about 6.
UNCERTAINTY = 0.12
SHORTEST_JUDGED = 8.0  # s of speech, below which nothing is said of sound that fits no mouth
CHANCE = 2.9  # deviations; sound that fits the lips no better than this is another's


@dataclass(frozen=True)
class SoundOffset:
    """How late a video's sound is.

    Attributes:
        seconds: positive = the sound comes after the lips.
        correlation: of the opening that is heard and the one that is seen, at that offset.
        deviations: how far that lies above chance: its Fisher transform over the standard deviation of
            that of two unrelated mouths of this length.
        duration: s of motion that it was found from.
    """

    seconds: float
    correlation: float
    deviations: float
    duration: float

    @property
    def confident(self) -> bool:
        """Whether it is an offset rather than chance."""
        return self.deviations >= CONFIDENT and abs(self.seconds) < LARGEST - STEP

    @property
    def foreign(self) -> bool:
        """Whether the sound hardly belongs to the picture: dubbed, or a generated mouth."""
        return self.duration >= SHORTEST_JUDGED and self.deviations < CHANCE

    @property
    def applied(self) -> float:
        """Seconds that are made up for: none without confidence, or within twice the error."""
        sure = self.confident and abs(self.seconds) > 2 * UNCERTAINTY / self.deviations
        return self.seconds if sure else 0.0


def estimate_offset(
    samples: np.ndarray, opening: np.ndarray, network: OpeningNetwork | None = None
) -> SoundOffset:
    """How late `samples` are for a mouth that opens by `opening`.

    Args:
        samples: [N] mono speech at `SAMPLE_RATE`.
        opening: [T] of the mouth, any unit, at `FPS`, starting with the sound.
        network: the shipped one by default.
    """
    network = network or load_network(OpeningNetwork)
    extract = load_features(network.config.features)
    heard = network.opening(features_for_frames(extract, samples, len(opening))).numpy()
    return offset_of_curves(heard, opening)


def offset_of_curves(heard: np.ndarray, seen: np.ndarray) -> SoundOffset:
    """The lag between two openings [T] at `FPS`: positive where `heard` comes late."""
    lags = np.arange(-round(LARGEST / STEP), round(LARGEST / STEP) + 1) * STEP
    r = lag_correlation(heard, seen, lags * FPS)
    best = float(r.max())
    return SoundOffset(
        seconds=peak(r, lags),
        correlation=best,
        deviations=float(np.arctanh(min(best, 0.999)) / _chance(heard, seen)),
        duration=len(seen) / FPS,
    )


def peak(values: np.ndarray, places: np.ndarray) -> float:
    """Where the largest of `values` at evenly spaced `places` lies, by a parabola through its neighbours."""
    best = int(values.argmax())
    if not 0 < best < len(values) - 1:
        return float(places[best])
    before, here, after = values[best - 1 : best + 2]
    bend = before - 2 * here + after
    top = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(places[best] + top * (places[1] - places[0]))


def _chance(a: np.ndarray, b: np.ndarray) -> float:
    """Standard deviation of the correlation of two unrelated curves that are as smooth as these.

    Source: Bartlett (1946): the variance is the sum over lags of the product of both autocorrelations over T.
    """

    def autocorrelation(x: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft(x - x.mean(), 2 * len(x))
        full = np.fft.irfft(np.abs(spectrum) ** 2)[: min(len(x), 2 * FPS)]
        return full / max(full[0], 1e-12)

    product = autocorrelation(np.asarray(a, float)) * autocorrelation(np.asarray(b, float))
    return float(np.sqrt(max(1 + 2 * product[1:].sum(), 1.0) / len(a)))


def in_time(samples: np.ndarray, seconds: float) -> np.ndarray:
    """[N] sound that comes `seconds` late, moved to its lips; silence where there is none."""
    count = round(seconds * SAMPLE_RATE)
    moved = samples[count:] if count > 0 else np.pad(samples, (-count, 0))
    return np.pad(moved[: len(samples)], (0, max(len(samples) - len(moved), 0)))
