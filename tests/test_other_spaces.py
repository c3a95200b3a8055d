"""A model of a user's own FLAME-space corpus: trained, adapted, animated and shown as the shipped one is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.other_faces import other_flame_face

from adamesh.animation.adapt import adapt_to_clip
from adamesh.animation.animator import animate
from adamesh.animation.sample import SAMPLE_SPEECH
from adamesh.animation.style import Style
from adamesh.audio.logmel import FEATURE_DIM
from adamesh.checkpoints.networks import load_network
from adamesh.data.corpus import Video
from adamesh.data.sequences import (
    Augmentation,
    Sequence,
    WindowSampler,
    load_sequences,
    silences,
)
from adamesh.errors import InputError
from adamesh.export import OutputOptions, export
from adamesh.faces import Face, load_embedded_face, save_face
from adamesh.faces.library import check_new_face, load_named_face
from adamesh.features import load_features
from adamesh.media.audio import load_audio, write_wav
from adamesh.models.expression import ExpressionAdapter, ExpressionConfig
from adamesh.motion.clip import MotionClip
from adamesh.motion.regression import regressed_motion, regression_size, regression_target
from adamesh.motion.spaces import ARKIT52
from adamesh.rates import SAMPLE_RATE, frames_in
from adamesh.retargeting import fit_to_face
from adamesh.training.expression import ExpressionTraining, fit_expression

SMALL = ExpressionConfig(
    space="flame50", face="other", expression_dim=53, features="log_mel", feature_dim=FEATURE_DIM,
    dim=24, heads=2, window=8, encoder_blocks=1, decoder_blocks=1, style_blocks=1, dropout=0.0,
    feature_dropout=0.0,
)  # fmt: skip
NONE = Augmentation(speed=1, style_gain=0, mirror=0, drop_condition=0)
JAW = slice(50, 53)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory):
    """A library of faces with `other_flame_face` in it, as "other"."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        face = other_flame_face().replace(name="other")
        save_face(face, check_new_face("other", force=False))
        yield face


def spoken(seed: int, frames: int = 90) -> tuple[np.ndarray, MotionClip]:
    """Loudness that opens the jaw: samples, and the tracked motion."""
    rng = np.random.default_rng(seed)
    curve = np.convolve(rng.uniform(0, 1, frames + 8), np.ones(9) / 9, "valid").astype(np.float32)
    weights = np.zeros((frames, len(ARKIT52)), np.float32)
    weights[:, ARKIT52.index("jawOpen")] = curve
    weights[:, ARKIT52.index("mouthPucker")] = 0.4 * (1 - curve)
    loud = np.repeat(curve, SAMPLE_RATE // 25) ** 4
    samples = (0.3 * loud * rng.normal(size=len(loud))).astype(np.float32)
    turn = np.zeros((frames, 3), np.float32)
    turn[:, 1] = 0.1 * np.sin(np.arange(frames) / 7)
    clip = MotionClip(
        "arkit52", 25, weights, betas=np.zeros(50, np.float32), neck_pose=turn, head_pose=turn
    )
    return samples, clip


@pytest.fixture(scope="module")
def corpus(library: Face, tmp_path_factory: pytest.TempPathFactory) -> list[Sequence]:
    """Clips tracked in arkit52, loaded for the other face."""
    folder = tmp_path_factory.mktemp("corpus")
    videos = []
    for seed in range(2):
        samples, clip = spoken(seed)
        write_wav(folder / f"{seed}.wav", samples, SAMPLE_RATE)
        clip.save(folder / f"{seed}.npz")
        videos.append(
            Video(str(seed), folder / f"{seed}.wav", f"s{seed}", "train", folder / f"{seed}.npz")
        )
    return load_sequences(videos, (load_features("log_mel"),), library, delays={})


@pytest.fixture(scope="module")
def model(
    library: Face, corpus: list[Sequence], tmp_path_factory: pytest.TempPathFactory
) -> ExpressionAdapter:
    config = ExpressionTraining(
        steps=120, batch_size=4, window=40, reference=40, warmup=5, learning_rate=5e-3, ema=0.9,
        save_every=120, validate_every=120, model=SMALL, augmentation=NONE,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("run")
    path = fit_expression(config, corpus, corpus, library, folder)
    return load_network(ExpressionAdapter, path)


@pytest.fixture(scope="module")
def style(model: ExpressionAdapter) -> Style:
    samples, clip = spoken(0)
    return adapt_to_clip(clip, samples, "me.mp4", model=model)


def test_the_corpus_is_on_the_other_face(corpus: list[Sequence]) -> None:
    assert all(sequence.motion.shape == (90, 53) for sequence in corpus)
    assert corpus[0].motion[:, JAW.start].max() > 0.05


def test_the_jaw_learns_to_turn_with_the_speech(
    model: ExpressionAdapter, corpus: list[Sequence]
) -> None:
    assert (model.config.space, model.config.face) == ("flame50", "other")
    for sequence in corpus:
        style = model.encode_style(sequence.motion[None])
        features = sequence.voices[0][: 2 * (90 + model.config.lookahead)].float()
        turned = model.predict(features, style, sequence.betas[None])[0][:, JAW.start]
        seen = sequence.motion[:, JAW.start]
        assert np.corrcoef(turned, seen)[0, 1] > 0.8
        assert 0.5 < turned.std() / seen.std() < 1.5


def test_it_adapts_animates_and_is_shown(
    model: ExpressionAdapter, style: Style, library: Face, tmp_path: Path
) -> None:
    style.save(tmp_path / "me.style")
    speech = load_audio(SAMPLE_SPEECH)[: 2 * SAMPLE_RATE]
    clip = animate(speech, Style.load(tmp_path / "me.style"), model=model)
    assert (clip.space, clip.metadata["face"]) == ("flame50", "other")
    assert clip.frames == frames_in(len(speech))
    assert clip.jaw_pose[:, 0].std() > 0
    assert clip.neck_pose[:, 1].std() > 0.05
    assert not clip.head_pose.any(), "FLAME has no head joint"
    export(clip, tmp_path / "talking.glb", face=library)
    export(clip, tmp_path / "own.glb")  # the clip names the face that it was made for
    export(clip, tmp_path / "same.glb", face=load_named_face("other"))
    assert (tmp_path / "own.glb").read_bytes() == (tmp_path / "same.glb").read_bytes()
    embedded = load_embedded_face()
    with pytest.raises(InputError, match="--face embedded"):
        export(clip, tmp_path / "embedded.glb", face=embedded)
    export(clip, tmp_path / "embedded.npz", OutputOptions(face="embedded"))
    there, expected = MotionClip.load(tmp_path / "embedded.npz"), fit_to_face(clip, embedded)
    np.testing.assert_array_equal(there.expression, expected.expression)


def test_a_style_stays_with_its_model(style: Style) -> None:
    with pytest.raises(InputError, match="was made for base model"):
        animate(np.zeros(SAMPLE_RATE, np.float32), style)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"space": "arkit52"}, "model.space is 'arkit52', its face 'other' is in 'flame50'"),
        ({"expression_dim": 52}, "'flame50' has 53 numbers a frame; set it to 53"),
    ],
)
def test_a_config_that_does_not_fit_its_face(
    corpus: list[Sequence], library: Face, tmp_path: Path, changes: dict, named: str
) -> None:
    values = {"space": "flame50", "face": "other", "expression_dim": 53} | changes
    config = ExpressionTraining(steps=1, model=ExpressionConfig(**values))
    with pytest.raises(InputError, match=named):
        fit_expression(config, corpus, corpus, library, tmp_path)


def test_motion_that_does_not_fit_the_model(library: Face, tmp_path: Path) -> None:
    wrong = silences((load_features("log_mel"),), load_embedded_face(), seed=0)[0]
    config = ExpressionTraining(steps=1, model=SMALL)
    with pytest.raises(
        InputError, match=r"motion of '\(silence\) 0' has 52 numbers a frame, 'flame50' has 53"
    ):
        fit_expression(config, [wrong], [wrong], library, tmp_path)


def test_what_is_regressed_is_what_a_clip_is_made_of(corpus: list[Sequence]) -> None:
    values = corpus[0].motion.numpy()
    clip = MotionClip("flame50", 25, **regressed_motion("flame50", values))
    np.testing.assert_array_equal(regression_target(clip), values)
    assert (regression_size("flame50"), regression_size("arkit52")) == (53, 52)


def test_other_styles_stretch_components_and_leave_the_jaws_rest(corpus: list[Sequence]) -> None:
    strong = Augmentation(speed=1, style_gain=0.5, mirror=1.0, drop_condition=0)
    one = [replace(s, speaker="s", motion=torch.ones_like(s.motion)) for s in corpus]
    drawn = WindowSampler(one, 40, 3, 40, strong, 0, "flame50").draw(16, 0)
    assert drawn.conditioned.all()
    assert (drawn.motion[..., JAW] == 1).all()
    assert (drawn.motion[..., :50] > 1.5).any()
    torch.testing.assert_close(drawn.motion, drawn.reference, msg="altered alike")
