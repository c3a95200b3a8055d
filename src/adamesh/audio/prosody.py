"""How something is said: loudness, pitch, phrases and pauses, on the 50 Hz clock.

All is relative to the voice so far (a running level, a running pitch), so that neither a microphone's
gain nor a deep voice shows; and causal but for half a window, so that a recording and its beginning agree.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter

from adamesh.rates import FEATURE_RATE, FEATURES_PER_FRAME, SAMPLE_RATE, SAMPLES_PER_FEATURE

Float = NDArray[np.float64]

CHANNELS = ("loudness", "rise", "pitch", "voiced", "phrase", "pause")
WINDOW = 800  # samples about a feature's middle: three periods of the deepest voice
LOOKAHEAD = (WINDOW - SAMPLES_PER_FEATURE) // 2  # samples that it reaches beyond the feature: 15 ms
FFT = 2048
FRAMES_AT_ONCE = 5_000

LOWEST, HIGHEST = 65.0, 400.0  # Hz
OCTAVE_COST = (
    0.02  # of periodicity, for each octave below HIGHEST: of two as good the higher counts
)
VOICED = 0.5  # periodicity
QUIET_DB = -30.0  # under the running level nobody speaks
FAINT_DB = -60.0  # of full scale: silence, whatever the level
LEVEL_FALL_DB = 1.5  # a second, of the running level; it rises at once
PITCH_SECONDS = 3.0  # of voice that the running pitch is a mean of
SHORT_PAUSE = 10  # feature frames: 0.2 s of quiet end a phrase
LONGEST_PHRASE, LONGEST_PAUSE = 3.0, 2.0  # s, as which longer ones count

LOUDNESS_SMOOTH_S, PITCH_SMOOTH_S = 0.08, 0.12  # deviations of Gaussians: syllables, not sounds
FAINTEST = -1.5  # loudness below which a pause is a pause


def prosody(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The `CHANNELS` of a recording, each about 0..1.

    Loudness is in 20 dB over the running level (0 at the level, -2 at most below it), `rise` its growth
    within 60 ms, pitch in half octaves about the running pitch and 0 where there is none, `voiced` 0 or 1;
    `phrase` grows with the time since the last pause, `pause` with the time of quiet.

    Args:
        samples: [N] mono at `SAMPLE_RATE`.
    Returns:
        [S, 6] with S = ceil(N / 320).
    """
    power, frequency, periodicity = _analyse(samples)
    level_db = 10 * np.log10(power + 1e-12)
    over = np.maximum(level_db, FAINT_DB) - _running_peak(level_db)
    speaking = (over > QUIET_DB) & (level_db > FAINT_DB)
    voiced = speaking & (periodicity > VOICED)
    loudness = np.where(level_db > FAINT_DB, np.clip(over / 20, -2, 0.5), -2)
    before = np.concatenate([np.full(3, loudness[:1].max(initial=-2.0)), loudness])[: len(loudness)]
    phrase, pause = _phrases(speaking)
    channels = (
        loudness,
        np.clip(loudness - before, -1, 1),
        _relative_pitch(frequency, voiced),
        voiced,
        phrase,
        pause,
    )
    return np.stack(channels, axis=1).astype(np.float32)


def stress(samples: NDArray[np.float32], frames: int) -> Float:
    """How much each motion frame is stressed: louder and higher than the rest of what is said.

    Loudness and what pitch lies above the running one, each in its own deviations, and their sum in its own.

    Args:
        samples: [N] mono at `SAMPLE_RATE`.
        frames: T, motion frames wanted.
    Returns:
        [T] of mean 0 and deviation 1; zeros where nothing stands out.
    """
    from scipy.ndimage import gaussian_filter1d

    wanted = frames * FEATURES_PER_FRAME
    heard = prosody(samples)[:wanted].astype(np.float64)
    heard = np.pad(heard, ((0, wanted - len(heard)), (0, 0)), mode="edge")
    heard = heard.reshape(frames, FEATURES_PER_FRAME, len(CHANNELS)).mean(1)
    fps = FEATURE_RATE / FEATURES_PER_FRAME
    loudness = np.maximum(heard[:, CHANNELS.index("loudness")], FAINTEST)
    pitch = np.maximum(heard[:, CHANNELS.index("pitch")], 0)
    return _standard(
        _standard(gaussian_filter1d(loudness, LOUDNESS_SMOOTH_S * fps))
        + _standard(gaussian_filter1d(pitch, PITCH_SMOOTH_S * fps))
    )


def _standard(x: Float) -> Float:
    """Mean 0, deviation 1; a constant gives zeros."""
    deviation = x.std()
    return (x - x.mean()) / deviation if deviation > 1e-6 else np.zeros_like(x)


def _analyse(samples: NDArray[np.float32]) -> tuple[Float, Float, Float]:
    """[S] power, Hz of the likeliest pitch, and periodicity 0..1, by the normalised autocorrelation.

    Source: Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
    ratio of a sampled sound", IFA Proceedings 17, 1993.
    """
    frames = -(-len(samples) // SAMPLES_PER_FEATURE)
    heard = np.zeros(frames * SAMPLES_PER_FEATURE + 2 * LOOKAHEAD, np.float32)
    heard[LOOKAHEAD : LOOKAHEAD + len(samples)] = samples
    windows = torch.from_numpy(heard).unfold(0, WINDOW, SAMPLES_PER_FEATURE)
    shape = torch.hann_window(WINDOW, periodic=False)
    lags = torch.arange(int(SAMPLE_RATE / HIGHEST), int(SAMPLE_RATE / LOWEST) + 1)
    own = torch.fft.irfft(torch.fft.rfft(shape, FFT).abs().square())
    own = own[lags] / own[0]
    cost = OCTAVE_COST * torch.log2(lags * HIGHEST / SAMPLE_RATE)
    powers, pitches, periodicities = [], [], []
    for part in windows.split(FRAMES_AT_ONCE):
        part = (part - part.mean(1, keepdim=True)) * shape
        correlation = torch.fft.irfft(torch.fft.rfft(part, FFT).abs().square())
        total = correlation[:, :1]
        strength = correlation[:, lags] / total.clamp_min(1e-9) / own
        best = (strength - cost).argmax(1)
        powers.append(total[:, 0] / shape.square().sum())
        pitches.append(SAMPLE_RATE / lags[best])
        periodicities.append(strength.gather(1, best[:, None])[:, 0])
    empty = [torch.zeros(0)]
    power, pitch, periodicity = (
        torch.cat(parts or empty).double().numpy() for parts in (powers, pitches, periodicities)
    )
    return power, pitch, periodicity.clip(0, 1)


def _running_peak(level_db: Float) -> Float:
    """Loudest moment so far, which is forgotten slowly; never taken for fainter than quiet speech."""
    fall = LEVEL_FALL_DB / FEATURE_RATE * np.arange(len(level_db))
    return np.maximum(np.maximum.accumulate(level_db + fall) - fall, FAINT_DB + 20)


def _relative_pitch(frequency: Float, voiced: NDArray[np.bool_]) -> Float:
    """Half octaves about the mean of the voice so far, where there is voice."""
    octaves = np.where(voiced, np.log2(frequency), 0.0)
    keep = np.exp(-1 / (PITCH_SECONDS * FEATURE_RATE))
    total, weight = (
        lfilter([1.0], [1.0, -keep], x) for x in (octaves[voiced], np.ones(int(voiced.sum())))
    )
    relative = np.zeros(len(frequency))
    relative[voiced] = np.clip(2 * (octaves[voiced] - total / weight), -2, 2)
    return relative


def _phrases(speaking: NDArray[np.bool_]) -> tuple[Float, Float]:
    """[S] how far a phrase has come, and how long a pause has been, both 0..1."""
    phrase, pause = np.zeros(len(speaking)), np.zeros(len(speaking))
    spoken, quiet = 0, SHORT_PAUSE
    for i, speaks in enumerate(speaking.tolist()):
        quiet = 0 if speaks else quiet + 1
        spoken = 0 if quiet >= SHORT_PAUSE else spoken + 1
        phrase[i], pause[i] = spoken, quiet
    seconds = np.stack([phrase, pause]) / FEATURE_RATE
    limits = np.array([[LONGEST_PHRASE], [LONGEST_PAUSE]])
    shares = np.minimum(seconds / limits, 1.0)
    return shares[0], shares[1]
