"""Training: windows, an overfit, resuming, configs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adamesh.audio.logmel import FEATURE_DIM
from adamesh.checkpoints.networks import fingerprint, load_network
from adamesh.data.corpus import Video, check_names
from adamesh.data.interpolation import interpolate
from adamesh.data.sequences import (
    Augmentation,
    Sequence,
    WindowSampler,
    load_sequence,
)
from adamesh.errors import InputError
from adamesh.faces.embedded import load_embedded_face
from adamesh.features import load_features
from adamesh.media.audio import write_wav
from adamesh.models.expression import ExpressionAdapter, ExpressionConfig
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52, EYE_LOOK, MIRROR
from adamesh.rates import FEATURES_PER_FRAME, SAMPLE_RATE
from adamesh.training.config import load_training_config
from adamesh.training.expression import ExpressionTraining, train_expression
from adamesh.training.pose_gpt import PoseGPTTraining
from adamesh.training.pose_vqvae import PoseVQVAETraining
from adamesh.training.speech import SpeechTraining

NONE = Augmentation(speed=1, style_gain=0, style_offset=0, mirror=0, drop_condition=0)
SMALL = ExpressionConfig(
    dim=24, heads=2, window=8, encoder_blocks=1, decoder_blocks=1, style_blocks=1, dropout=0.0
)


def sequence(speaker: str, frames: int = 90, seed: int = 0) -> Sequence:
    """Speech whose first channel is the jaw, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    curve = np.convolve(rng.uniform(0, 1, frames + 8), np.ones(9) / 9, "valid")
    expression = np.zeros((frames, 52), np.float32)
    expression[:, ARKIT52.index("jawOpen")] = curve
    expression[:, ARKIT52.index("mouthSmileLeft")] = 0.5 * curve[::-1]
    features = rng.normal(0, 0.1, ((frames + 25) * FEATURES_PER_FRAME, FEATURE_DIM))
    features[: frames * FEATURES_PER_FRAME, :40] += np.repeat(curve, FEATURES_PER_FRAME)[:, None]
    return Sequence(
        f"{speaker}-{seed}",
        speaker,
        (torch.from_numpy(features).float(),),
        torch.from_numpy(expression),
        torch.zeros(50),
    )


def sampler(augmentation: Augmentation, **changes: int) -> WindowSampler:
    sequences = [sequence("a", seed=0), sequence("a", seed=1), sequence("b", seed=2)]
    values = {"frames": 40, "lookahead": 3, "reference_frames": 60, "seed": 0} | changes
    return WindowSampler(sequences, augmentation=augmentation, **values)


def test_windows_keep_speech_and_motion_together() -> None:
    batch = sampler(NONE).draw(16, step=0)
    jaw = batch.expression[:, :, ARKIT52.index("jawOpen")]
    heard = batch.features[:, :80:FEATURES_PER_FRAME, :40].mean(2)
    error = (heard - jaw)[batch.mask].abs()
    assert error.mean() < 0.05
    shifted = (heard[:, 6:] - jaw[:, :-6]).abs().mean()
    assert shifted > 2 * error.mean(), "a shift of six frames must show"


def test_speed_changes_both_clocks_alike() -> None:
    fast = Augmentation(**{**NONE.__dict__, "speed": 1.3})
    batch = sampler(fast).draw(32, step=0)
    jaw = batch.expression[:, :, ARKIT52.index("jawOpen")]
    heard = batch.features[:, :80:FEATURES_PER_FRAME, :40].mean(2)
    assert (heard - jaw)[batch.mask].abs().mean() < 0.06


def test_windows_are_a_function_of_seed_and_step() -> None:
    one, two = (sampler(Augmentation()) for _ in range(2))
    two.draw(4, step=0)
    assert torch.equal(one.draw(4, step=7).features, two.draw(4, step=7).features)
    assert not torch.equal(one.draw(4, step=7).features, one.draw(4, step=8).features)


def test_style_changes_are_shared_by_window_and_reference() -> None:
    strong = Augmentation(**{**NONE.__dict__, "style_gain": 0.8})
    batch = sampler(strong, frames=90, reference_frames=90).draw(24, step=0)
    jaw = ARKIT52.index("jawOpen")
    window, reference = batch.expression[:, :, jaw].mean(1), batch.reference[:, :, jaw].mean(1)
    assert np.corrcoef(window, reference)[0, 1] > 0.9
    assert window.std() > 0.05


def test_gaze_is_never_a_target_and_mirror_is_an_involution() -> None:
    batch = sampler(Augmentation()).draw(16, step=0)
    assert (batch.expression[..., EYE_LOOK] == 0).all()
    assert [MIRROR[i] for i in MIRROR] == list(range(52))


def test_references_avoid_the_window_where_there_is_another_clip() -> None:
    drawn = sampler(NONE, frames=90, reference_frames=90).draw(32, step=0)
    same = (drawn.expression - drawn.reference).abs().amax((1, 2)) == 0
    other_speaker_b = same.sum()  # only speaker b has a single clip
    assert 0 < other_speaker_b < 32


def test_late_sound_is_moved_to_its_motion(tmp_path: Path) -> None:
    samples = np.zeros(2 * SAMPLE_RATE, np.float32)
    samples[SAMPLE_RATE : SAMPLE_RATE + 160] = 0.5  # a click at 1 s
    write_wav(tmp_path / "a.wav", samples, SAMPLE_RATE)
    clip = MotionClip("arkit52", 25, np.zeros((50, 52), np.float32), betas=np.zeros(50, np.float32))
    clip.save(tmp_path / "a.npz")
    video = Video("a.wav", tmp_path / "a.wav", "a", "train", tmp_path / "a.npz")
    for delay, feature in ((0.0, 50), (0.2, 40)):
        heard = load_sequence(video, load_features("log_mel"), delay).voices[0]
        loudest = int(heard.mean(1).argmax())
        assert abs(loudest - feature) <= 1
        assert len(heard) >= 2 * 50 + 2 * 3, "silence behind the end, for the look-ahead"


def test_interpolation_hits_frames_and_holds_the_ends() -> None:
    x = torch.tensor([[0.0], [2.0], [4.0]])
    times = torch.tensor([-1.0, 0.5, 2.0, 9.0])
    assert interpolate(x, times)[:, 0].tolist() == [0.0, 1.0, 4.0, 4.0]


def train(folder: Path, steps: int, **changes: object) -> Path:
    values = {
        "steps": steps, "batch_size": 4, "window": 40, "reference": 40, "warmup": 5,
        "learning_rate": 3e-3, "ema": 0.9, "save_every": 5, "validate_every": 10,
        "model": SMALL, "augmentation": NONE,
    } | changes  # fmt: skip
    config = ExpressionTraining(**values)  # type: ignore[arg-type]
    sequences = [sequence("a", seed=0), sequence("b", seed=1)]
    face = load_embedded_face()
    return train_expression(config, sequences, sequences, face, folder, progress=lambda *_: None)


@pytest.mark.slow
def test_overfits_and_logs(tmp_path: Path) -> None:
    model = load_network(ExpressionAdapter, train(tmp_path, steps=300, learning_rate=6e-3))
    s = sequence("a", seed=0)
    style = model.encode_style(s.expression[None])
    frames = (len(s.expression) + 3) * FEATURES_PER_FRAME
    predicted = model.predict(s.voices[0][:frames], style, s.betas[None])
    jaw = ARKIT52.index("jawOpen")  # the smile is not in the speech
    inside = slice(10, 80)  # few windows show the ends, where the speech is cut off
    a, b = predicted[inside, jaw].numpy(), s.expression[inside, jaw].numpy()
    assert np.corrcoef(a, b)[0, 1] > 0.98
    assert 0.7 < a.std() / b.std() < 1.3
    assert list(tmp_path.glob("events.out.tfevents.*"))
    assert (tmp_path / "validation.jsonl").read_text().count("\n") == 30


def test_a_resumed_run_ends_where_an_uninterrupted_one_ends(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    config = {"model": ExpressionConfig(**{**SMALL.__dict__, "dropout": 0.2}), "save_every": 5}
    whole = train(tmp_path / "whole", steps=40, **config)

    from adamesh.training import expression

    def stop(*_: object) -> None:
        raise KilledError

    sequences = [sequence("a", seed=0), sequence("b", seed=1)]
    settings = ExpressionTraining(
        steps=40, batch_size=4, window=40, reference=40, warmup=5, learning_rate=3e-3, ema=0.9,
        validate_every=10, augmentation=NONE, **config,
    )  # fmt: skip
    arguments = (settings, sequences, sequences, load_embedded_face(), tmp_path / "killed")
    with pytest.raises(KilledError):
        expression.train_expression(*arguments, progress=stop)
    resumed = expression.train_expression(*arguments, progress=lambda *_: None)
    one, two = (load_network(ExpressionAdapter, path) for path in (whole, resumed))
    assert fingerprint(one) == fingerprint(two)


def test_configs_refuse_what_nothing_reads(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("steps: 3\nlearning_rte: 1\n")
    with pytest.raises(InputError, match="learning_rte"):
        load_training_config(ExpressionTraining, path)
    path.write_text("steps: Ture\n")
    with pytest.raises(InputError, match="steps"):
        load_training_config(ExpressionTraining, path)
    path.write_text("model: {dim: 8, dmi: 3}\n")
    with pytest.raises(InputError, match="dmi"):
        load_training_config(ExpressionTraining, path)


def test_other_voices_say_the_same_at_the_same_time(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 0.01, 2 * SAMPLE_RATE).astype(np.float32)
    samples[SAMPLE_RATE : SAMPLE_RATE + 1600] *= 30  # a burst at 1 s
    write_wav(tmp_path / "a.wav", samples, SAMPLE_RATE)
    clip = MotionClip("arkit52", 25, np.zeros((50, 52), np.float32), betas=np.zeros(50, np.float32))
    clip.save(tmp_path / "a.npz")
    video = Video("a.wav", tmp_path / "a.wav", "a", "train", tmp_path / "a.npz")
    one, two = (load_sequence(video, load_features("log_mel"), other_voices=3) for _ in range(2))
    assert len(one.voices) == 4
    for voice, same in zip(one.voices, two.voices, strict=True):
        assert torch.equal(voice, same)
        assert 48 <= int(voice.mean(1).argmax()) <= 58
    assert not torch.equal(one.voices[0], one.voices[1])


def test_the_recipes_of_the_shipped_weights_load() -> None:
    configs = Path(__file__).parent.parent / "configs"
    recipes = {
        "expression": ExpressionTraining,
        "speech": SpeechTraining,
        "pose-vqvae": PoseVQVAETraining,
        "pose-gpt": PoseGPTTraining,
    }
    assert {path.stem for path in configs.glob("*.yaml")} == set(recipes)
    for name, recipe in recipes.items():
        assert load_training_config(recipe, configs / f"{name}.yaml").steps >= 600
    expression = load_training_config(ExpressionTraining, configs / "expression.yaml")
    assert expression.sound_delays["video/obama/Obama_clip1.mp4"] == 0.16
    assert load_features(expression.model.features).dim == expression.model.feature_dim


def test_a_delay_of_an_unknown_video_is_an_error(tmp_path: Path) -> None:
    video = Video("a.mp4", tmp_path / "a.mp4", "a", "train", tmp_path / "a.npz")
    check_names([video], ["a.mp4"])
    with pytest.raises(InputError, match=r"b\.mp4"):
        check_names([video], ["a.mp4", "b.mp4"])
