"""Prosody: a known voice is measured, a gain changes nothing, and the future changes nothing."""

import numpy as np
import pytest

from adamesh.audio.prosody import CHANNELS, PITCH_SECONDS, prosody
from adamesh.rates import FEATURE_RATE, SAMPLE_RATE

LOUDNESS, RISE, PITCH, VOICED, PHRASE, PAUSE = range(len(CHANNELS))


def voice(hertz: np.ndarray) -> np.ndarray:
    """A buzz with 12 harmonics at a pitch for each sample."""
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    return 0.1 * sum(np.sin(phase * k) / k for k in range(1, 13)).astype(np.float32)


@pytest.mark.parametrize("low", [75.0, 110.0, 190.0])
def test_a_step_of_pitch_is_heard_in_half_octaves(low: float) -> None:
    step = np.where(np.arange(4 * SAMPLE_RATE) < 2 * SAMPLE_RATE, low, low * 2**0.25)
    heard = prosody(voice(step))
    assert heard[5:-5, VOICED].all()
    assert abs(heard[50, PITCH]) < 0.03
    # The running pitch has followed by little within a tenth of a second.
    followed = np.exp(-5 / (PITCH_SECONDS * FEATURE_RATE))
    assert heard[2 * FEATURE_RATE + 5, PITCH] == pytest.approx(0.5 * followed, abs=0.05)


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, SAMPLE_RATE).astype(np.float32)
    heard = prosody(np.concatenate([noise, np.zeros(SAMPLE_RATE, np.float32)]))
    assert heard[:, VOICED].mean() < 0.05
    assert (heard[FEATURE_RATE + 3 :, LOUDNESS] == -2).all()


def test_phrases_begin_after_pauses() -> None:
    spoken = voice(np.full(2 * SAMPLE_RATE, 120.0))
    spoken[SAMPLE_RATE : SAMPLE_RATE + SAMPLE_RATE // 2] = 0
    heard = prosody(spoken)
    assert heard[FEATURE_RATE - 3, PHRASE] == pytest.approx(1 / 3, abs=0.03)
    assert heard[int(1.4 * FEATURE_RATE), PHRASE] == 0
    assert heard[int(1.45 * FEATURE_RATE), PAUSE] == pytest.approx(0.45 / 2, abs=0.02)
    assert heard[int(1.6 * FEATURE_RATE), PHRASE] == pytest.approx(0.1 / 3, abs=0.02)
    assert heard[int(1.6 * FEATURE_RATE), PAUSE] == 0


def test_a_gain_is_not_heard() -> None:
    rng = np.random.default_rng(1)
    spoken = voice(120 + 20 * np.sin(np.arange(3 * SAMPLE_RATE) / 5000))
    spoken *= 1 + 0.5 * np.sin(np.arange(len(spoken)) / 3000).astype(np.float32)
    spoken += rng.normal(0, 1e-3, len(spoken)).astype(np.float32)
    np.testing.assert_allclose(prosody(spoken), prosody(0.3 * spoken), atol=2e-3)
