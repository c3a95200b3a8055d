"""What samples must be before anything listens to them: finite, within full scale, and not silence."""

import numpy as np

from adamesh.errors import InputError, notice

MOST_BROKEN = 0.05  # of the samples; what has more of them is no recording
LOUDEST_FLOAT = 8.0  # of full scale; floats beyond it were never divided by it
FULL_SCALES = (2.0**15, 2.0**23, 2.0**31)  # of integers that somebody stored as floats
SILENT = 10 ** (-65 / 20)  # of full scale: -65 dB
WINDOW = 0.1  # s; a recording is as loud as its loudest stretch of this length


def usable_samples(samples: np.ndarray, what: str, sample_rate: int) -> np.ndarray:
    """The same as float32 within about -1..1, and finite; what had to be changed for it is told.

    Args:
        samples: [N] floats, or integers of their full range.
        what: whose they are, for messages: "recording 'a.wav'".
        sample_rate: Hz.
    Raises:
        InputError: they are not mono numbers, or many are not finite.
    """
    if samples.ndim != 1 or samples.dtype.kind not in "fiu":
        raise InputError(
            f"{what} must be mono samples [N], floats of -1..1 or integers; got "
            f"{samples.dtype}{list(samples.shape)}"
        )
    if samples.dtype.kind == "u":
        half = 2.0 ** (8 * samples.dtype.itemsize - 1)
        return ((samples - half) / half).astype(np.float32)
    if samples.dtype.kind == "i":
        return (samples / 2.0 ** (8 * samples.dtype.itemsize - 1)).astype(np.float32)
    broken = unusable(samples)
    if broken.any():
        samples = np.where(broken, 0, samples)
        say_broken(what, int(broken.sum()), len(samples), int(broken.argmax()) / sample_rate)
    samples = samples.astype(np.float32)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > LOUDEST_FLOAT:
        scale = next(scale for scale in (*FULL_SCALES, np.inf) if peak <= scale)
        scale = scale if np.isfinite(scale) else FULL_SCALES[-1]
        notice(
            f"{what} has floats up to {peak:.6g}, of full scale 1; they are divided by {scale:.0f}"
        )
        samples = samples / np.float32(scale)
    return samples


def unusable(samples: np.ndarray) -> np.ndarray:
    """Which floats of any shape are no samples: not finite, or memory that nobody ever wrote to."""
    return ~(np.abs(samples) <= 2 * FULL_SCALES[-1])


def say_broken(what: str, count: int, total: int, first: float) -> None:
    """Tells of samples that are no numbers and were taken as 0.

    Args:
        first: s, of the first of them.
    Raises:
        InputError: they are many.
    """
    said = f"{what} has {count} of {total} samples that are no finite number, the first at {first:.3f} s"
    if count > MOST_BROKEN * total:
        raise InputError(f"{said}; give a whole recording")
    notice(f"{said}; they are taken as 0")


def loudest_level(samples: np.ndarray, sample_rate: int) -> float:
    """Root of the mean square, of full scale, of the loudest `WINDOW` of [N] samples."""
    size = max(min(round(WINDOW * sample_rate), len(samples)), 1)
    whole = samples[: len(samples) // size * size].astype(np.float64)
    return float(np.sqrt(np.square(whole).reshape(-1, size).mean(1).max(initial=0.0)))


def is_silent(samples: np.ndarray, sample_rate: int) -> bool:
    """Whether nobody can be heard in [N] samples."""
    return loudest_level(samples, sample_rate) < SILENT


def say_if_silent(samples: np.ndarray, what: str, sample_rate: int) -> None:
    """Tells of a recording in which nobody can be heard."""
    level = loudest_level(samples, sample_rate)
    if level < SILENT:
        loud = f"at most {20 * np.log10(level):.0f} dB of full scale" if level else "all zero"
        notice(
            f"{what} is silent ({loud}), so the mouth stays shut; check its microphone and track"
        )
