"""Training: windows, an overfit, resuming, configs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adamesh.audio.logmel import FEATURE_DIM
from adamesh.checkpoints.networks import fingerprint, load_network
from adamesh.data.corpus import Video
from adamesh.data.interpolation import interpolate
from adamesh.data.sequences import (
    SILENCE,
    UNKNOWN,
    Augmentation,
    Sequence,
    WindowSampler,
    load_sequences,
    silences,
    speech_activity,
    with_delays,
)
from adamesh.data.speech import read_speech, spread
from adamesh.errors import InputError
from adamesh.faces.embedded import load_embedded_face
from adamesh.features import load_features
from adamesh.media.audio import write_wav
from adamesh.metrics.mouth import mouth_opening
from adamesh.models.baseline import Baseline
from adamesh.models.expression import ExpressionAdapter, ExpressionConfig
from adamesh.models.opening import OpeningConfig, OpeningNetwork
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52, EYE_LOOK, MIRROR
from adamesh.rates import FEATURES_PER_FRAME, SAMPLE_RATE
from adamesh.training.config import load_training_config
from adamesh.training.expression import ExpressionTraining, fit_expression
from adamesh.training.opening import OpeningTraining, fit_opening
from adamesh.training.pose_gpt import PoseGPTTraining
from adamesh.training.pose_vqvae import PoseVQVAETraining
from adamesh.training.teaching import taught_sequences

NONE = Augmentation(speed=1, style_gain=0, mirror=0, drop_condition=0)
SMALL = ExpressionConfig(
    features="log_mel", feature_dim=FEATURE_DIM, dim=24, heads=2, window=8, encoder_blocks=1,
    decoder_blocks=1, style_blocks=1, dropout=0.0, feature_dropout=0.0, lookahead=3,
)  # fmt: skip


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
        (torch.from_numpy(features).half(),),
        torch.from_numpy(expression),
        torch.from_numpy(curve < 0.4),
        torch.ones(frames),
        torch.zeros(4 * frames),
        torch.zeros(50),
        Baseline(torch.zeros(52), 3.0),
    )


def sampler(augmentation: Augmentation, **changes: int) -> WindowSampler:
    sequences = [sequence("a", seed=0), sequence("a", seed=1), sequence("b", seed=2)]
    values = {"frames": 40, "lookahead": 3, "reference_frames": 60, "seed": 0} | changes
    return WindowSampler(sequences, augmentation=augmentation, **values)


def test_windows_keep_speech_and_motion_together() -> None:
    batch = sampler(NONE).draw(16, step=0)
    jaw = batch.motion[:, :, ARKIT52.index("jawOpen")]
    heard = batch.features[:, :80:FEATURES_PER_FRAME, :40].mean(2)
    error = (heard - jaw)[batch.mask].abs()
    assert error.mean() < 0.05
    shifted = (heard[:, 6:] - jaw[:, :-6]).abs().mean()
    assert shifted > 2 * error.mean(), "a shift of six frames must show"


def test_speed_changes_both_clocks_alike() -> None:
    fast = Augmentation(**{**NONE.__dict__, "speed": 1.3})
    batch = sampler(fast).draw(32, step=0)
    jaw = batch.motion[:, :, ARKIT52.index("jawOpen")]
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
    window, reference = batch.motion[:, :, jaw].mean(1), batch.reference[:, :, jaw].mean(1)
    assert np.corrcoef(window, reference)[0, 1] > 0.9
    assert window.std() > 0.05


def test_gaze_is_never_a_target_and_mirror_is_an_involution() -> None:
    batch = sampler(Augmentation()).draw(16, step=0)
    assert (batch.motion[..., EYE_LOOK] == 0).all()
    assert [MIRROR[i] for i in MIRROR] == list(range(52))


def test_a_reference_never_shows_its_target() -> None:
    """Every frame tells of itself: speaker a has two clips, b one long clip, c one that is too short."""

    def numbered(speaker: str, frames: int, first: int) -> Sequence:
        s = sequence(speaker, frames)
        motion = torch.zeros(frames, 52)
        motion[:, ARKIT52.index("jawOpen")] = torch.arange(first, first + frames).float()
        return replace(s, name=f"{speaker} {first}", motion=motion)

    clips = [
        numbered("a", 260, 1), numbered("a", 260, 1001), numbered("b", 300, 2001),
        numbered("c", 255, 3001),
    ]  # fmt: skip
    windows = WindowSampler(clips, 200, 3, 120, NONE, seed=0)
    jaw = ARKIT52.index("jawOpen")
    conditioned = {}
    for step in range(6):
        batch = windows.draw(16, step)
        for i in range(16):
            shown = set(batch.motion[i, :, jaw].round().int().tolist())
            person = int(batch.motion[i, 0, jaw]) // 1000
            conditioned.setdefault(person, set()).add(bool(batch.conditioned[i]))
            if batch.conditioned[i]:
                seen = set(batch.reference[i, :, jaw].round().int().tolist())
                assert not shown & seen
    assert conditioned[0] == conditioned[1] == conditioned[2] == {True}
    assert conditioned[3] == {False}, "55 frames beside the window are no reference of 120"


def test_single_clips_are_one_person_and_silence_has_its_share() -> None:
    long = [sequence("a", 300, seed=i) for i in range(20)]
    single = [sequence(f"s{i}", 75, seed=i) for i in range(12)]
    face, features = load_embedded_face(), (load_features("log_mel"),)
    silent = silences(features, face, seed=0)
    windows = WindowSampler(
        [*long, *single, *silent], 40, 3, 60, NONE, seed=0, shares={SILENCE: 0.1}
    )
    assert len(windows.groups) == 3
    assert windows.weights.sum() == pytest.approx(1)
    assert windows.weights[2] == pytest.approx(0.1)
    assert windows.weights[0] / windows.weights[1] == pytest.approx((6000 / 900) ** 0.25)
    assert all((s.activity == 0).all() and not s.motion.any() for s in silent)


def test_a_style_is_altered_only_where_it_is_shown() -> None:
    strong = Augmentation(**{**NONE.__dict__, "style_gain": 0.8, "drop_condition": 1.0})
    plain, altered = (sampler(a).draw(8, step=3) for a in (NONE, strong))
    assert not altered.conditioned.any()
    assert altered.motion.max() <= plain.motion.max() + 0.3
    assert not altered.reference.any()


def test_late_sound_is_moved_to_its_motion() -> None:
    s = sequence("a")
    late = torch.cat([torch.zeros(10, FEATURE_DIM), s.voices[0]])  # by 200 ms
    moved = with_delays([replace(s, voices=(late.half(),))], {s.name: 0.2})[0]
    for start, speed in ((0.0, 1.0), (7.3, 1.1)):
        torch.testing.assert_close(
            moved.heard(0, start, speed, 60), s.heard(0, start, speed, 60), rtol=0, atol=2e-3
        )
    early = with_delays([s], {s.name: -0.2})[0].heard(0, 0.0, 1.0, 60)
    torch.testing.assert_close(early[10:], s.heard(0, 0.0, 1.0, 50), rtol=0, atol=2e-3)
    torch.testing.assert_close(early[0], s.voices[0][0].float())


def video_of(folder: Path, samples: np.ndarray, opening: np.ndarray) -> Video:
    write_wav(folder / "a.wav", samples, SAMPLE_RATE)
    expression = np.zeros((len(opening), 52), np.float32)
    expression[:, ARKIT52.index("jawOpen")] = opening
    MotionClip("arkit52", 25, expression, betas=np.zeros(50, np.float32)).save(folder / "a.npz")
    return Video("a.wav", folder / "a.wav", "a", "train", folder / "a.npz")


def test_a_loaded_sequence_is_about_rest_and_of_one_size(tmp_path: Path) -> None:
    face, features = load_embedded_face(), (load_features("log_mel"),)
    wave = 0.3 + 0.25 * np.sin(np.arange(200) / 3)
    samples = np.zeros(8 * SAMPLE_RATE, np.float32)
    samples[4 * SAMPLE_RATE :] = np.random.default_rng(0).normal(0, 0.1, 4 * SAMPLE_RATE)
    found = []
    for size in (1.0, 0.6):
        video = video_of(tmp_path, samples, 0.1 + size * wave)
        (s,) = load_sequences([video], features, face, delays={"a.wav": 0.08})
        found.append(s)
        assert s.delay == 0.08
        opening = mouth_opening(face, s.motion)
        assert opening.std() * 1000 == pytest.approx(3.0, rel=0.01)
        assert s.baseline.rest[ARKIT52.index("jawOpen")] == pytest.approx(
            0.1 + size * 0.06, abs=0.02
        )
        assert s.shut.float().mean() == pytest.approx(0.25, abs=0.08)
        assert (s.activity[:99] == 0).all()
        assert (s.activity[101:] == 1).all()
    torch.testing.assert_close(found[0].motion, found[1].motion, rtol=0, atol=1e-4)
    restored = found[1].baseline.restore("arkit52", found[1].motion)
    torch.testing.assert_close(
        restored[:, ARKIT52.index("jawOpen")], torch.from_numpy(0.1 + 0.6 * wave).float()
    )


def test_activity_is_unknown_between_speech_and_pause() -> None:
    level = np.repeat([0.3, 0.3, 0.01, 0.0003, 0.3], 640)
    samples = (level * np.sign(np.sin(np.arange(len(level)) * 0.3))).astype(np.float32)
    assert speech_activity(samples, 6).tolist() == [1, 1, UNKNOWN, 0, 1, 0]


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
    return fit_expression(config, sequences, sequences, face, folder)


@pytest.mark.slow
def test_overfits_and_logs(tmp_path: Path) -> None:
    model = load_network(
        ExpressionAdapter, train(tmp_path, steps=150, learning_rate=1e-2, save_every=50)
    )
    s = sequence("a", seed=0)
    style = model.encode_style(s.motion[None])
    frames = (len(s.motion) + 3) * FEATURES_PER_FRAME
    predicted, _ = model.predict(s.voices[0][:frames].float(), style, s.betas[None])
    jaw = ARKIT52.index("jawOpen")  # the smile is not in the speech
    inside = slice(10, 80)  # few windows show the ends, where the speech is cut off
    a, b = predicted[inside, jaw].numpy(), s.motion[inside, jaw].numpy()
    assert np.corrcoef(a, b)[0, 1] > 0.98
    assert 0.7 < a.std() / b.std() < 1.3
    assert list(tmp_path.glob("events.out.tfevents.*"))
    assert (tmp_path / "validation.jsonl").read_text().count("\n") == 15


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
        expression.fit_expression(*arguments, progress=stop)
    resumed = expression.fit_expression(*arguments)
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


def test_the_recipes_of_the_shipped_weights_load() -> None:
    configs = Path(__file__).parent.parent / "configs"
    recipes = {
        "expression": ExpressionTraining,
        "expression-teacher": ExpressionTraining,
        "opening": OpeningTraining,
        "pose-vqvae": PoseVQVAETraining,
        "pose-gpt": PoseGPTTraining,
    }
    assert {path.stem for path in configs.glob("*.yaml")} == set(recipes)
    for name, recipe in recipes.items():
        assert load_training_config(recipe, configs / f"{name}.yaml").steps >= 250
    expression = load_training_config(ExpressionTraining, configs / "expression.yaml")
    assert load_features(expression.model.features).dim == expression.model.feature_dim


def test_pupils_learn_the_mean_of_their_teachers(tmp_path: Path) -> None:
    """Of whole recordings, for both ways of hearing, and as strangers."""
    (tmp_path / "speech.csv").write_text(
        "path,speaker,split\na.wav,x,train\nb.wav,x,train\nc.wav,y,train\nd.wav,z,valid\n"
    )
    recordings = [r for r in read_speech(tmp_path) if r.split == "train"]
    assert {r.speaker for r in spread(recordings, 2, seed=0)} == {"x", "y"}
    assert len(spread(recordings, 9, seed=0)) == 3
    samples = np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLE_RATE).astype(np.float32)
    for r in recordings:
        write_wav(r.path, samples, SAMPLE_RATE)
    torch.manual_seed(0)
    teachers = [ExpressionAdapter(SMALL).eval().requires_grad_(False) for _ in "ab"]
    mel = load_features("log_mel")
    face = load_embedded_face()
    taught = taught_sequences(recordings, teachers, (mel, mel), face)
    assert [len(s.voices) for s in taught] == [2, 2, 2]
    heard = mel(np.pad(samples, (0, SAMPLE_RATE)))[: 2 * 53]
    nobody = torch.zeros(1, SMALL.style_dim), torch.zeros(1, SMALL.identity_dim)
    each = [teacher.predict(heard, *nobody)[0] for teacher in teachers]
    torch.testing.assert_close(taught[0].motion, (each[0] + each[1]) / 2, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_offsets_are_found_while_the_opening_is_learnt(tmp_path: Path) -> None:
    """Of people whose sound is 120 ms late and 80 ms early, beside one who keeps the clock."""
    face = load_embedded_face()
    true = {"late": 0.12, "early": -0.08, "clock": 0.0}
    sequences = []
    for number, (name, delay) in enumerate(true.items()):
        for seed in range(4):
            s = sequence(name, 300, seed=10 * number + seed)
            features = torch.cat([torch.zeros(25, FEATURE_DIM), s.voices[0].float()])
            moved = features[25 - round(50 * delay) :]
            jaw = s.motion[:, ARKIT52.index("jawOpen")]
            heard = torch.cat([torch.zeros(100), jaw.repeat_interleave(4).diff(prepend=jaw[:1])])
            onsets = heard.clamp_min(0)[100 - round(100 * delay) :][: 4 * len(jaw)]
            sequences.append(
                replace(s, name=f"{name} {seed}", voices=(moved.half(),), onsets=onsets)
            )
    config = OpeningTraining(
        steps=40, round_steps=60, rounds=3, batch_size=8, warmup=5, ema=0.9, in_time=("clock",),
        model=OpeningConfig(features="log_mel", feature_dim=FEATURE_DIM, dim=32),
        save_every=50, validate_every=1000,
    )  # fmt: skip
    stages = set()
    path = fit_opening(
        config, sequences, [], face, tmp_path, progress=lambda stage, *_: stages.add(stage)
    )
    delays = json.loads((tmp_path / "delays.json").read_text())[-1]
    for name, delay in true.items():
        found = [v for k, v in delays.items() if k.startswith(name)]
        if name == "clock":
            assert not found, "nobody looks for the offset of what keeps the clock"
        else:
            assert np.mean(found) == pytest.approx(delay, abs=0.025)
    assert load_network(OpeningNetwork, path).config.outputs == 53
    assert len(stages) == 7
