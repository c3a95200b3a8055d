"""Altered voices: other sound, every word at its own time."""

import numpy as np
import pytest
import torch

from adamesh.animation.sample import SAMPLE_SPEECH
from adamesh.audio.voice import (
    CODECS,
    VoiceAugmentation,
    alter_voice,
    coloured_noise,
    mains_hum,
    through_codec,
)
from adamesh.data.sequences import load_voices, on_clock
from adamesh.features import load_features
from adamesh.media.audio import load_audio
from adamesh.rates import FEATURE_RATE, SAMPLE_RATE


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return load_audio(SAMPLE_SPEECH)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec[0])
def test_a_codec_keeps_length_and_time(codec: tuple, speech: np.ndarray) -> None:
    name, container, rate, bit_rates = codec
    heard = through_codec(speech, name, container, rate, bit_rates[0])
    assert len(heard) == len(speech)
    assert np.corrcoef(heard, speech)[0, 1] > 0.9  # 2 ms off, and it were below 0.5


def test_silence_before_the_speech_does_not_matter(speech: np.ndarray) -> None:
    late = np.concatenate([np.zeros(5 * SAMPLE_RATE, np.float32), speech])
    for name, container, rate, bit_rates in CODECS:
        heard = through_codec(late, name, container, rate, bit_rates[-1])
        assert np.corrcoef(heard, late)[0, 1] > 0.9
    silent = through_codec(np.zeros(1000, np.float32), *CODECS[0][:3], 64_000)
    assert len(silent) == 1000


@pytest.mark.parametrize(
    "part", ["pitch", "reverberation", "noise", "hum", "band_limit", "codec", "all"]
)
def test_words_stay_at_their_time(part: str, speech: np.ndarray) -> None:
    """Within 5 ms, wherever in the recording: by the loudness of its parts against the original's."""
    off = {"pitch": 1.0, "gain_db": 0.0, "reverberation": 0.0, "noise": 0.0, "hum": 0.0}
    off |= {"band_limit": 0.0, "codec": 0.0}
    on = VoiceAugmentation().pitch if part == "pitch" else 1.0
    chosen = VoiceAugmentation() if part == "all" else VoiceAugmentation(**{**off, part: on})
    worst = []
    for seed in range(4):
        altered, speed = alter_voice(speech, chosen, np.random.default_rng(seed))
        times = (np.arange(len(speech)) + 0.5) / speed - 0.5
        placed = np.interp(times, np.arange(len(altered)), altered)  # on the original's clock
        for start in np.arange(0.5, 3.6, 1.0):
            piece = slice(int(start * SAMPLE_RATE), int((start + 1) * SAMPLE_RATE))
            worst.append(abs(lag(envelope(placed[piece]), envelope(speech[piece]))))
    # A room's answer comes after each word, which the envelope takes for a delay of some ms.
    rooms = part in ("all", "reverberation")
    assert np.median(worst) <= (5.0 if rooms else 1.0)
    assert max(worst) <= (10.0 if rooms else 5.0)


def envelope(samples: np.ndarray) -> np.ndarray:
    """Level of every ms, smoothed over 20."""
    power = np.square(samples[: len(samples) // 16 * 16]).reshape(-1, 16).mean(1)
    smooth = np.convolve(power, np.hanning(21), "same")
    return np.log(smooth + 0.02 * smooth.max())


def lag(late: np.ndarray, reference: np.ndarray) -> float:
    """ms by which one envelope comes after another."""
    lags = range(-60, 61)
    r = [
        np.corrcoef(
            late[max(k, 0) : len(late) + min(k, 0)],
            reference[max(-k, 0) : len(reference) - max(k, 0)],
        )[0, 1]
        for k in lags
    ]
    return float(lags[int(np.argmax(r))])


def test_the_lag_is_measured(speech: np.ndarray) -> None:
    """The test of the test: 7 ms late is found as that."""
    second = envelope(speech[SAMPLE_RATE : 2 * SAMPLE_RATE])
    late = envelope(speech[SAMPLE_RATE - 112 : 2 * SAMPLE_RATE - 112])
    assert lag(late, second) == 7


def test_features_of_a_faster_voice_are_put_on_the_clock() -> None:
    ramp = torch.arange(100.0)[:, None]
    same = on_clock(ramp, 1.25, 120)
    # What was heard in the middle of frame 50 is heard at frame 40 of the faster recording.
    assert float(same[50]) == pytest.approx(50.5 / 1.25 - 0.5)
    assert len(same) == 120


def test_a_burst_is_in_its_frame_in_every_voice() -> None:
    samples = np.random.default_rng(0).normal(0, 0.003, 2 * SAMPLE_RATE).astype(np.float32)
    samples[SAMPLE_RATE : SAMPLE_RATE + 1600] *= 60  # 100 ms from 1 s on
    features = (load_features("log_mel"),)
    one, two = (load_voices("a.wav", samples, features, 4) for _ in "ab")
    assert len(one) == 5
    for voice, same in zip(one, two, strict=True):
        assert torch.equal(voice, same)
        loud = voice[: 2 * FEATURE_RATE].float().mean(1)
        assert 50 <= int(loud.argmax()) <= 55
        assert len(voice) == 3 * FEATURE_RATE, "silence behind the end, for the look-ahead"
    assert not torch.equal(one[0], one[1])


def test_speed_is_told(speech: np.ndarray) -> None:
    altered, speed = alter_voice(speech, VoiceAugmentation(), np.random.default_rng(2))
    assert speed == pytest.approx(len(speech) / len(altered))
    assert abs(speed - 1) > 0.02


def test_pitch_moves_the_spectrum() -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = (0.3 * np.sin(2 * np.pi * 400 * time)).astype(np.float32)
    only = VoiceAugmentation(
        pitch=1.25, gain_db=0, reverberation=0, noise=0, hum=0, band_limit=0, codec=0
    )
    for seed in range(8):
        altered, speed = alter_voice(tone, only, np.random.default_rng(seed))
        middle = altered[2000:-2000]
        peak = np.abs(np.fft.rfft(middle)).argmax() / len(middle) * SAMPLE_RATE
        assert peak == pytest.approx(400 * speed, abs=3)


def test_noise_and_hum_have_deviation_one() -> None:
    for sound in (coloured_noise, mains_hum):
        assert sound(SAMPLE_RATE, np.random.default_rng(1)).std() == pytest.approx(1, abs=0.01)


def test_the_same_seed_gives_the_same_voice(speech: np.ndarray) -> None:
    one, two = (alter_voice(speech, VoiceAugmentation(), np.random.default_rng(3))[0] for _ in "ab")
    np.testing.assert_array_equal(one, two)
