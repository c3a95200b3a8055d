"""How late a sound is: known shifts are found, chance is told from them, and adapting makes up for them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adamesh.alignment import SoundOffset, estimate_offset, in_time
from adamesh.alignment.offset import CHANCE, CONFIDENT, offset_of_curves
from adamesh.animation.adapt import adapt_to_clip
from adamesh.animation.sample import SAMPLE_REFERENCE, SAMPLE_SPEECH
from adamesh.checkpoints.networks import fingerprint, load_network
from adamesh.cli.options import sound_offset
from adamesh.data.corpus import Video
from adamesh.data.sound_offsets import delays, find_offsets, read_offsets
from adamesh.errors import InputError
from adamesh.faces import load_embedded_face
from adamesh.media.audio import load_audio, write_wav
from adamesh.metrics.mouth import mouth_opening
from adamesh.metrics.sync import lag_correlation
from adamesh.models.expression import ExpressionAdapter
from adamesh.models.opening import OpeningConfig, OpeningNetwork
from adamesh.motion.clip import MotionClip
from adamesh.motion.regression import regression_target
from adamesh.rates import FPS, SAMPLE_RATE


def curve(seconds: float, seed: int) -> np.ndarray:
    """[T] at 25 fps, as smooth as a mouth's opening."""
    rng = np.random.default_rng(seed)
    return np.convolve(rng.normal(size=round(seconds * FPS) + 6), np.hanning(7), "valid")


@pytest.fixture(scope="module")
def clip(sample_clip: MotionClip) -> MotionClip:
    return sample_clip


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return load_audio(SAMPLE_REFERENCE)


def opening_of(clip: MotionClip) -> np.ndarray:
    return mouth_opening(load_embedded_face(), torch.from_numpy(regression_target(clip))).numpy()


@pytest.mark.parametrize("late", [-0.24, -0.1, 0.0, 0.033, 0.24])
def test_a_lag_is_found_between_frames(late: float) -> None:
    fine = np.convolve(np.random.default_rng(0).normal(size=4000), np.hanning(70), "same")
    times = np.arange(0.5, 9.5, 1 / FPS)  # of 250 samples a second
    seen, heard = (np.interp(t * 250, np.arange(4000), fine) for t in (times, times - late))
    found = offset_of_curves(heard, seen)
    assert found.seconds == pytest.approx(late, abs=0.004)
    assert found.confident
    assert not found.foreign


def test_chance_is_not_confident() -> None:
    """Of 200 pairs of unrelated mouths, next to none; and their deviations are a deviation."""
    pairs = [offset_of_curves(curve(12, 2 * i), curve(12, 2 * i + 1)) for i in range(200)]
    assert np.mean([pair.confident for pair in pairs]) <= 0.01
    assert np.mean([pair.foreign for pair in pairs]) > 0.9
    at_zero = [
        lag_correlation(curve(12, 2 * i), curve(12, 2 * i + 1), [0])[0]
        * pair.deviations
        / pair.correlation
        for i, pair in enumerate(pairs)
    ]
    assert np.std(at_zero) == pytest.approx(1, abs=0.15)


def test_an_offset_at_the_edge_or_without_confidence_is_left() -> None:
    assert SoundOffset(0.08, 0.7, CONFIDENT, 10).applied == 0.08
    assert SoundOffset(0.08, 0.3, CONFIDENT - 0.1, 10).applied == 0.0
    assert SoundOffset(0.02, 0.7, 6.0, 3).applied == 0.0, "within its error"
    assert SoundOffset(0.02, 0.7, 20.0, 30).applied == 0.02
    assert SoundOffset(-0.5, 0.7, 9.0, 10).applied == 0.0
    assert not SoundOffset(0.0, 0.1, CHANCE - 1, 3).foreign, "three seconds are too few to say so"


def test_sound_is_moved_and_keeps_its_length() -> None:
    samples = np.arange(1, SAMPLE_RATE + 1, dtype=np.float32)
    for seconds in (0.1, -0.1, 0.0):
        moved = in_time(samples, seconds)
        assert len(moved) == len(samples)
        assert moved[SAMPLE_RATE // 2] == samples[SAMPLE_RATE // 2 + round(seconds * SAMPLE_RATE)]
    assert not in_time(samples, 0.1)[-1600:].any()
    assert not in_time(samples, -0.1)[:1600].any()


def test_shifts_of_the_sample_are_found(clip: MotionClip, sound: np.ndarray) -> None:
    """A drawn mouth and espeak's voice: nobody that the network knows."""
    opening = opening_of(clip)
    base = estimate_offset(sound, opening)
    assert base.confident
    assert abs(base.seconds) < 0.06
    for shift in (-0.24, 0.12, 0.24):
        found = estimate_offset(in_time(sound, -shift), opening)
        assert found.confident
        assert found.seconds - base.seconds == pytest.approx(shift, abs=0.025)
    wrong = np.resize(load_audio(SAMPLE_SPEECH)[::-1], len(sound))
    assert not estimate_offset(wrong.astype(np.float32), opening).confident


def test_adapting_makes_up_for_late_sound(clip: MotionClip, sound: np.ndarray) -> None:
    """The same style from late sound as from sound in time, and none of it where it is told not to."""
    model = load_network(ExpressionAdapter)

    def gain(samples: np.ndarray, offset: float | None = None) -> float:
        style = adapt_to_clip(clip, samples, "", sound_offset=offset, model=model)
        assert (style.sound_offset is None) == (offset is not None)
        return style.gain

    true = gain(sound)
    late = in_time(sound, -0.2)
    assert gain(late) == pytest.approx(true, rel=0.02)
    assert fingerprint(model) == fingerprint(load_network(ExpressionAdapter))


def test_the_table_is_kept_and_read(
    clip: MotionClip, sound: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wav(tmp_path / "a.wav", in_time(sound, -0.1), SAMPLE_RATE)
    clip.save(tmp_path / "a.npz")
    videos = [
        Video("a.wav", tmp_path / "a.wav", "a", "train", tmp_path / "a.npz"),
        Video("b.wav", tmp_path / "b.wav", "b", "train", tmp_path / "b.npz"),  # not tracked
    ]
    found = find_offsets(videos, tmp_path)
    assert set(found) == {"a.wav"}
    assert delays(tmp_path)["a.wav"] == pytest.approx(found["a.wav"].seconds, abs=1e-3)
    assert read_offsets(tmp_path)["a.wav"].duration == pytest.approx(clip.duration, abs=0.05)
    monkeypatch.setattr("adamesh.data.sound_offsets.load_audio", lambda _: 1 / 0)
    again = find_offsets(videos, tmp_path)
    assert again["a.wav"].seconds == pytest.approx(found["a.wav"].seconds, abs=1e-3)
    (tmp_path / "sound_offsets.csv").write_text("path,seconds\na.wav,x\n")
    with pytest.raises(InputError, match="needs the columns path, seconds"):
        delays(tmp_path)
    with pytest.raises(InputError, match=r"has no sound_offsets\.csv"):
        delays(tmp_path / "nowhere")


def test_the_option_says_what_it_takes() -> None:
    assert sound_offset("auto") is None
    assert sound_offset("-80") == -0.08
    for bad in ("late", "9000", "nan"):
        with pytest.raises(InputError, match="positive: the sound comes after the lips"):
            sound_offset(bad)


def test_the_opening_network_sees_seven_frames_to_both_sides() -> None:
    torch.manual_seed(0)
    config = OpeningConfig(feature_dim=3, dim=8, groups=1, layers=3, outputs=2)
    network = OpeningNetwork(config).eval()
    for norm in range(3):
        network.norms[norm] = torch.nn.Identity()
    features = torch.randn(1, 80, 3, requires_grad=True)
    network(features)[0, 20, 0].backward()
    assert features.grad is not None
    seen = features.grad[0].abs().sum(1).nonzero()[:, 0]
    assert (int(seen.min()), int(seen.max())) == (2 * 14, 2 * 26 + 1)
