"""From a reference video to a head that speaks, on the packaged sample."""

import itertools
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import get_args

import av
import numpy as np
import pytest
import soxr
import torch

import adamesh
from adamesh.animation.adapt import adapt, adapt_to_clip
from adamesh.animation.amplitude import amplitude_gain
from adamesh.animation.animator import animate
from adamesh.animation.expression import predict_expression
from adamesh.animation.options import MotionOptions, Pose
from adamesh.animation.pauses import ease
from adamesh.animation.sample import SAMPLE_REFERENCE, SAMPLE_SPEECH, SAMPLE_SPEECH_2
from adamesh.animation.style import Style, default_style
from adamesh.audio.voice import mains_hum
from adamesh.checkpoints.networks import fingerprint, load_network
from adamesh.errors import InputError
from adamesh.faces import load_embedded_face
from adamesh.formats import write_track
from adamesh.media.audio import load_audio, write_wav
from adamesh.media.video import VideoWriter, probe, read_frames
from adamesh.metrics.mouth import mouth_opening, opening_direction
from adamesh.metrics.sync import lag_correlation
from adamesh.models.baseline import enlarge
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.blinks import detect_blinks
from adamesh.motion.clip import ROTATIONS, MotionClip
from adamesh.motion.gaze import eye_rotation_to_look
from adamesh.motion.rotation import relative_rotation
from adamesh.motion.spaces import ARKIT52, BROWS, EYE_BLINK, EYE_LOOK, MOUTH, UPPER_FACE
from adamesh.rates import FPS, SAMPLE_RATE, frames_in

STILL = [i for i in range(len(ARKIT52)) if i not in EYE_BLINK + BROWS]


@pytest.fixture(scope="module")
def model() -> ExpressionAdapter:
    return load_network(ExpressionAdapter)


@pytest.fixture(scope="module")
def clip(sample_clip: MotionClip) -> MotionClip:
    return sample_clip


@pytest.fixture(scope="module")
def style(clip: MotionClip, model: ExpressionAdapter) -> Style:
    return adapt_to_clip(clip, load_audio(SAMPLE_REFERENCE), "me.mp4", model=model)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """The first words of the sample."""
    return load_audio(SAMPLE_SPEECH)[: 3 * SAMPLE_RATE]


def assert_same(a: MotionClip, b: MotionClip) -> None:
    """Bit for bit."""
    for field in fields(MotionClip):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), field.name)


def speed(rotations: np.ndarray) -> np.ndarray:
    """[T, 3] axis-angle -> [T - 1] radians a frame."""
    return np.linalg.norm(relative_rotation(rotations[:-1], rotations[1:]), axis=-1)


class TestSample:
    def test_reference(self, clip: MotionClip) -> None:
        info = probe(SAMPLE_REFERENCE)
        assert info.has_audio
        assert 9 < info.duration < 13
        assert SAMPLE_REFERENCE.stat().st_size <= 600_000
        assert clip.confidence is not None
        assert (clip.confidence > 0).all()
        assert float(clip.metadata["residual_percent"]) < 1.5  # type: ignore[arg-type]

    def test_its_manner_is_seen(self, clip: MotionClip) -> None:
        """What `tools/build_sample.py` made of the neutral style."""
        left, right = (clip.expression_by_name(f"mouthSmile{s}") for s in ("Left", "Right"))
        assert left.mean() > 1.5 * right.mean()
        assert left.std() > 1.5 * right.std()
        assert clip.expression_by_name("jawOpen").std() > 0.08
        turned = np.degrees(np.linalg.norm(clip.neck_pose + clip.head_pose, axis=1))
        assert 4 < turned.max() < 15
        assert len(detect_blinks(clip.expression[:, EYE_BLINK], FPS)) >= 4

    @pytest.mark.parametrize("path", [SAMPLE_SPEECH, SAMPLE_SPEECH_2], ids=lambda path: path.name)
    def test_speech(self, path: Path) -> None:
        assert path.stat().st_size <= 60_000
        samples = load_audio(path)
        assert 4 <= len(samples) / SAMPLE_RATE <= 6
        assert 0.3 < np.abs(samples).max() <= 1


class TestAdapt:
    def test_the_video_gives_what_its_track_gives(
        self, style: Style, model: ExpressionAdapter
    ) -> None:
        stages = {}

        def progress(stage: str, done: int, total: int) -> None:
            stages[stage] = (done, total)

        again = adapt(SAMPLE_REFERENCE, model=model, progress=progress)
        assert again.source == "reference.mp4"
        assert again.molora.keys() == style.molora.keys()
        for name, tensor in style.molora.items():
            assert torch.equal(again.molora[name], tensor), name
        assert torch.equal(again.embedding, style.embedding)
        assert set(stages) == {"tracking"}
        assert all(done == total for done, total in stages.values())

    def test_a_track_with_its_sound_gives_what_the_video_gives(
        self, clip: MotionClip, style: Style, model: ExpressionAdapter, tmp_path: Path
    ) -> None:
        clip.save(tmp_path / "me.npz")
        again = adapt(tmp_path / "me.npz", audio=SAMPLE_REFERENCE, model=model)
        assert again.source == "me.npz"
        torch.testing.assert_close(again.embedding, style.embedding)
        torch.testing.assert_close(again.betas, style.betas)
        assert again.gain == pytest.approx(style.gain)
        np.testing.assert_array_equal(again.head_motion, style.head_motion)

    def test_another_tools_track(
        self, clip: MotionClip, style: Style, model: ExpressionAdapter, tmp_path: Path
    ) -> None:
        """At another frame rate and without an identity; the person's head and eyes are in it."""
        path = tmp_path / "me.csv"
        write_track(clip, path, "livelink-csv")
        again = adapt(path, audio=SAMPLE_REFERENCE, model=model)
        assert len(again.head_motion) == len(style.head_motion)
        np.testing.assert_allclose(again.head_motion, style.head_motion, atol=np.radians(0.5))
        # A jump of the eyes is drawn out between two frames; nothing else differs.
        assert np.degrees(np.abs(again.eye_motion - style.eye_motion)).mean() < 0.1
        assert not again.betas.any()
        with pytest.raises(InputError, match=r"lasts .* s at 60 fps, its sound .* differ by 0.2 s"):
            adapt(path, audio=SAMPLE_SPEECH, model=model)
        # At the wrong rate the same file is twice as long as its sound.
        with pytest.raises(InputError, match="check the frame rate"):
            adapt(path, audio=SAMPLE_REFERENCE, fps=30, model=model)

    def test_base_model_and_the_callers_randomness_are_untouched(
        self, clip: MotionClip, model: ExpressionAdapter
    ) -> None:
        before = fingerprint(model)
        torch.manual_seed(3)
        expected = torch.rand(4)
        torch.manual_seed(3)
        short, speech = clip.slice(0, 50), load_audio(SAMPLE_REFERENCE)
        style = adapt_to_clip(short, speech, "me", model=model)
        assert torch.equal(torch.rand(4), expected)
        assert style.base == fingerprint(model) == before
        assert not any(p.requires_grad for p in model.parameters())
        assert fingerprint(style.adapted_model(model)) != before
        assert fingerprint(model) == before

    def test_only_molora_is_stored(self, style: Style, model: ExpressionAdapter) -> None:
        base = model.state_dict()
        assert style.molora
        assert not set(style.molora) & set(base)
        stored = sum(tensor.numel() for tensor in style.molora.values())
        assert stored < 0.01 * sum(tensor.numel() for tensor in base.values())

    def test_the_style_is_heard_of(
        self, style: Style, model: ExpressionAdapter, speech: np.ndarray
    ) -> None:
        """Both the embedding and the branches change what is made of the same speech."""
        bare = replace(style, branches=(), molora={})
        neutral, embedded, own = (
            animate(speech, s, MotionOptions(pose="off"), model=model).expression[:, STILL]
            for s in (default_style(), bare, style)
        )
        assert np.abs(embedded - neutral).max() > 0.01
        assert np.abs(own - embedded).max() > 0.01


class TestStyleFile:
    def test_round_trip(
        self, style: Style, model: ExpressionAdapter, speech: np.ndarray, tmp_path: Path
    ) -> None:
        """`--style` gives what `--reference` gives."""
        path = tmp_path / "me.style"
        style.save(path)
        again = Style.load(path)
        assert (again.base, again.branches, again.blinks, again.gaze, again.source) == (
            style.base,
            style.branches,
            style.blinks,
            style.gaze,
            style.source,
        )
        assert (again.brows, again.squint_slope) == (style.brows, style.squint_slope)
        assert again.sound_offset == style.sound_offset is not None
        assert again.baseline.amplitude == style.baseline.amplitude
        for pose in get_args(Pose):
            one, two = (
                animate(speech, s, MotionOptions(pose=pose), model=model) for s in (style, again)
            )
            assert_same(one, two)

    def test_it_is_small(self, style: Style, tmp_path: Path) -> None:
        style.save(tmp_path / "me.style")
        assert (tmp_path / "me.style").stat().st_size < 4_000_000

    def test_another_base_model_is_refused(self, style: Style, model: ExpressionAdapter) -> None:
        other = ExpressionAdapter(model.config)
        with pytest.raises(InputError, match="was made for base model"):
            style.adapted_model(other)

    def test_an_old_file_is_kept(self, style: Style, tmp_path: Path) -> None:
        path = tmp_path / "me.style"
        path.write_text("precious")
        with pytest.raises(InputError, match="exists already"):
            style.save(path)
        assert path.read_text() == "precious"

    def test_the_default_style_belongs_to_the_shipped_model(self, model: ExpressionAdapter) -> None:
        assert default_style().base == fingerprint(model)


class TestAnimate:
    def test_the_same_seed_gives_the_same_clip(
        self, style: Style, model: ExpressionAdapter, speech: np.ndarray
    ) -> None:
        a, b = (animate(speech, style, MotionOptions(seed=5), model=model) for _ in range(2))
        assert_same(a, b)

    def test_another_seed_changes_only_lids_and_brows_where_the_head_is_looped(
        self, style: Style, model: ExpressionAdapter, speech: np.ndarray
    ) -> None:
        often = replace(style, blinks=replace(style.blinks, rate_hz=0.8))
        a, b = (
            animate(speech, often, MotionOptions(pose="loop", seed=seed), model=model)
            for seed in (0, 1)
        )
        for group in (EYE_BLINK, BROWS):
            assert not np.array_equal(a.expression[:, group], b.expression[:, group])
        np.testing.assert_array_equal(a.expression[:, STILL], b.expression[:, STILL])
        for name in ROTATIONS:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))

    def test_no_pose(self, style: Style, model: ExpressionAdapter, speech: np.ndarray) -> None:
        still = animate(speech, style, MotionOptions(pose="off"), model=model)
        moving = animate(speech, style, model=model)
        for name in ROTATIONS:
            assert not getattr(still, name).any()
        assert not still.expression[:, EYE_LOOK].any()
        # Lids follow the eyes: there are no gaze shifts for blinks to go with.
        mouth = [i for i in range(len(ARKIT52)) if i not in EYE_LOOK + EYE_BLINK]
        np.testing.assert_array_equal(still.expression[:, mouth], moving.expression[:, mouth])

    def test_a_still_head_has_living_eyes(
        self, style: Style, model: ExpressionAdapter, speech: np.ndarray
    ) -> None:
        clip = animate(speech, style, MotionOptions(pose="still"), model=model)
        assert not clip.neck_pose.any()
        assert not clip.head_pose.any()
        assert clip.leye_pose.any()
        np.testing.assert_array_equal(clip.leye_pose, clip.reye_pose)

    def test_the_scale_of_the_pose(
        self, style: Style, model: ExpressionAdapter, speech: np.ndarray
    ) -> None:
        for pose in ("generated", "loop"):
            one, half, none = (
                animate(speech, style, MotionOptions(pose=pose, pose_scale=x), model=model)
                for x in (1, 0.5, 0)
            )
            np.testing.assert_allclose(half.head_pose, 0.5 * one.head_pose, atol=1e-6)
            assert one.head_pose.any()
            assert not none.head_pose.any()
        with pytest.raises(InputError, match="pose scale"):
            animate(speech, style, MotionOptions(pose_scale=9), model=model)

    def test_the_looped_pose_never_jumps(self, style: Style, model: ExpressionAdapter) -> None:
        samples = np.random.default_rng(0).normal(0, 0.05, 40 * SAMPLE_RATE).astype(np.float32)
        clip = animate(samples, style, MotionOptions(pose="loop"), model=model)
        assert clip.duration > 3 * len(style.head_motion) / FPS  # it loops
        for j, name in enumerate(("neck_pose", "head_pose")):
            assert speed(getattr(clip, name)).max() <= 1.05 * speed(style.head_motion[:, j]).max()
            assert speed(getattr(clip, name)).max() > 0
        gaze = eye_rotation_to_look(clip.leye_pose, clip.reye_pose)
        np.testing.assert_allclose(clip.expression[:, EYE_LOOK], gaze, atol=1e-6)

    @pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (8_000, 1), (44_100, 1)])
    def test_any_recording(
        self,
        style: Style,
        model: ExpressionAdapter,
        speech: np.ndarray,
        tmp_path: Path,
        rate: int,
        channels: int,
    ) -> None:
        path = tmp_path / "speech.wav"
        sound = np.tile(soxr.resample(speech, SAMPLE_RATE, rate), (channels, 1))
        layout = {1: "mono", 2: "stereo"}[channels]
        with av.open(str(path), "w") as container:
            stream = container.add_stream("pcm_f32le", rate=rate, layout=layout)
            frame = av.AudioFrame.from_ndarray(sound.astype(np.float32), "fltp", layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        expected, found = (animate(x, style, model=model) for x in (speech, path))
        assert found.frames in (expected.frames, expected.frames + 1)
        if rate > SAMPLE_RATE:  # a telephone's band is another sound
            off = np.abs(found.expression[: expected.frames] - expected.expression)
            assert off.mean() < 0.01

    def test_the_sound_of_a_video(
        self, style: Style, model: ExpressionAdapter, speech: np.ndarray, tmp_path: Path
    ) -> None:
        path = tmp_path / "speech.mp4"
        with VideoWriter(path, FPS, 64, 64, (speech, SAMPLE_RATE)) as video:
            for _ in range(frames_in(len(speech))):
                video.write(np.zeros((64, 64, 3), np.uint8))
        clip = animate(path, style, model=model)
        assert clip.frames / FPS == pytest.approx(len(speech) / SAMPLE_RATE, abs=0.1)

    def test_half_a_second(
        self, style: Style, model: ExpressionAdapter, speech: np.ndarray, tmp_path: Path
    ) -> None:
        write_wav(tmp_path / "short.wav", speech[: SAMPLE_RATE // 2], SAMPLE_RATE)
        clip = animate(tmp_path / "short.wav", style, model=model)
        assert clip.frames == 13  # motion never ends before the sound does
        with pytest.raises(InputError, match=r"at least 0\.5 s"):
            animate(speech[: SAMPLE_RATE // 2 - 1], style, model=model)

    def test_two_minutes(self, style: Style, model: ExpressionAdapter) -> None:
        time = np.arange(120 * SAMPLE_RATE) / SAMPLE_RATE
        tone = 0.2 * np.sin(2 * np.pi * 220 * time) * (np.sin(2 * np.pi * 3 * time) > 0)
        hiss = np.random.default_rng(0).normal(0, 0.02, len(time))
        clip = animate((tone + hiss).astype(np.float32), style, model=model)
        assert clip.duration == 120
        assert np.isfinite(clip.expression).all()
        # the same minute again is the same motion again: nothing drifts
        mouth = clip.expression[:, ARKIT52.index("jawOpen")]
        assert abs(mouth[500:1500].mean() - mouth[2000:].mean()) < 0.05

    @pytest.mark.parametrize("own", [False, True], ids=["neutral", "own style"])
    @pytest.mark.parametrize("sound", ["digital silence", "noise at -60 dB", "hum at -40 dB"])
    def test_lips_are_shut_in_pauses(
        self, sound: str, own: bool, style: Style, model: ExpressionAdapter, speech: np.ndarray
    ) -> None:
        """Before, between and behind speech, but for the first and last 0.4 s of a pause."""
        rng = np.random.default_rng(0)
        count = 2 * SAMPLE_RATE
        pause = {
            "digital silence": np.zeros(count),
            "noise at -60 dB": rng.normal(0, 1e-3, count),
            "hum at -40 dB": 1e-2 * mains_hum(count, rng),
        }[sound].astype(np.float32)
        parts = [pause, speech, pause, speech, pause]
        clip = animate(
            np.concatenate(parts), style if own else None, MotionOptions(pose="off"), model=model
        )
        face = load_embedded_face()
        opening = 1000 * mouth_opening(face, torch.from_numpy(clip.expression)).numpy()
        shut = 1000 * opening_direction(face)[0]
        ends = np.cumsum([0, *(len(part) / SAMPLE_RATE for part in parts)])
        for i in (0, 2, 4):
            inside = opening[round((ends[i] + 0.4) * FPS) : round((ends[i + 1] - 0.4) * FPS)]
            assert (inside - shut < 0.5).mean() >= 0.95
        for end in ends[1:-1]:  # eased, not cut: no faster than speech itself moves them
            around = opening[round((end - 0.1) * FPS) : round((end + 0.5) * FPS)]
            assert np.abs(np.diff(around)).max() <= np.abs(np.diff(opening)).max() < 12
        talking = opening[round(ends[1] * FPS) : round(ends[2] * FPS)]
        assert talking.std() > 1.0

    def test_bad_samples(self, style: Style, model: ExpressionAdapter) -> None:
        with pytest.raises(InputError, match="mono"):
            animate(np.zeros((2, SAMPLE_RATE), np.float32), style, model=model)
        with pytest.raises(InputError, match="pose must be"):
            animate(np.zeros(SAMPLE_RATE, np.float32), style, MotionOptions(pose="up"), model=model)  # type: ignore[arg-type]


def test_the_python_interface_of_the_readme(tmp_path: Path) -> None:
    video = tmp_path / "me.mp4"  # the first seconds of the sample, for the time it takes
    sound = load_audio(SAMPLE_REFERENCE)[: 2 * SAMPLE_RATE]
    info = probe(SAMPLE_REFERENCE)
    with VideoWriter(video, FPS, info.width, info.height, (sound, SAMPLE_RATE)) as writer:
        for frame in itertools.islice(read_frames(SAMPLE_REFERENCE), 2 * FPS):
            writer.write(frame)
    style = adamesh.adapt(video)
    clip = adamesh.animate(SAMPLE_SPEECH, style)
    written = adamesh.export(clip, tmp_path / "talking.glb")
    assert written == [tmp_path / "talking.glb"]
    assert written[0].stat().st_size > 1_000_000
    assert isinstance(style, adamesh.Style)
    assert isinstance(clip, adamesh.MotionClip)


def test_enlarging_moves_the_mouth_and_nothing_else() -> None:
    motion = torch.rand(30, 52, generator=torch.Generator().manual_seed(0))
    larger = enlarge("arkit52", motion, 2.0)
    torch.testing.assert_close(larger[:, MOUTH], 2 * motion[:, MOUTH])
    assert torch.equal(larger[:, UPPER_FACE], motion[:, UPPER_FACE])
    fading = torch.linspace(1, 0, 30)
    torch.testing.assert_close(
        enlarge("arkit52", motion, fading)[:, MOUTH], fading[:, None] * motion[:, MOUTH]
    )
    assert torch.equal(enlarge("flame50", torch.ones(2, 53), 3.0), 3 * torch.ones(2, 53))


def test_a_pause_is_eased_into_and_out_of_without_looking_ahead() -> None:
    activity = torch.tensor([0.0] * 5 + [1.0] * 10 + [0.0] * 20 + [1.0] * 5)
    level = ease(activity)
    assert level[:5].tolist() == [0] * 5
    assert level[6:20].tolist() == [1] * 14, "a breath between words shuts no mouth"
    assert (level[19:25].diff() < 0).all()
    assert level[24:35].tolist() == pytest.approx([0] * 11)
    assert level[35:37].diff() > 0
    assert level.diff().abs().max() <= 0.5
    for t in (3, 9, 17, 30):
        torch.testing.assert_close(ease(activity[:t]), level[:t])


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mkv"])
def test_speech_in_a_container_moves_the_face_as_its_wav_does(
    suffix: str, model: ExpressionAdapter, speech: np.ndarray, tmp_path: Path
) -> None:
    write_wav(tmp_path / "a.wav", speech, SAMPLE_RATE)
    codec = "libopus" if suffix == "webm" else "aac"
    with av.open(str(tmp_path / f"a.{suffix}"), "w") as output:
        rate = 48_000
        stream = output.add_stream(codec, rate=rate, layout="mono")
        samples = soxr.resample(speech, SAMPLE_RATE, rate)
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = rate
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    face = load_embedded_face()
    one, two = (
        mouth_opening(face, torch.from_numpy(clip.expression)).numpy()
        for clip in (
            animate(tmp_path / name, options=MotionOptions(pose="off"), model=model)
            for name in ("a.wav", f"a.{suffix}")
        )
    )
    n = min(len(one), len(two))
    assert abs(len(one) - len(two)) <= 1
    r = lag_correlation(one[:n], two[:n], np.arange(-3, 4))
    assert r.argmax() == 3
    assert r[3] > 0.98


def test_the_gain_restores_the_deviation_and_is_bounded() -> None:
    seen = torch.zeros(100, 52)
    seen[:, ARKIT52.index("jawOpen")] = 0.3 + 0.2 * torch.sin(torch.arange(100.0))
    face = load_embedded_face()
    assert amplitude_gain(face, seen / 2, seen) == pytest.approx(2.0, rel=1e-3)
    assert amplitude_gain(face, seen / 100, seen) == 3.0
    assert amplitude_gain(face, seen, seen / 2) == 1.0


def test_intensity_is_bounded_and_scales_the_mouth(style: Style) -> None:
    with pytest.raises(InputError, match="intensity"):
        animate(SAMPLE_SPEECH, style, MotionOptions(intensity=9))
    jaw = ARKIT52.index("jawOpen")
    calm, lively = (
        animate(SAMPLE_SPEECH, style, MotionOptions(intensity=x)).expression[:, jaw].std()
        for x in (0.5, 1.0)
    )
    assert 0 < calm < 0.8 * lively


def test_a_stream_depends_on_less_than_240_ms_of_speech_to_come(
    style: Style, model: ExpressionAdapter, speech: np.ndarray
) -> None:
    """Of encoder and adapter together, pauses included, at changes all over a block of 160 ms."""
    adapted, frames = style.adapted_model(model), frames_in(len(speech))
    before = predict_expression(adapted, style, speech, frames, streamed=True)
    nearest = 0.0
    for change in range(2 * SAMPLE_RATE, 2 * SAMPLE_RATE + 3200, 320):
        other = speech.copy()
        other[change:] = np.random.default_rng(0).normal(0, 0.2, len(speech) - change)
        after = predict_expression(adapted, style, other, frames, streamed=True)
        first = int((before != after).any(1).int().argmax())
        lookahead = change / SAMPLE_RATE - first / FPS
        assert lookahead <= 0.24
        nearest = max(nearest, lookahead)
    assert nearest > 0.15, "the networks do look ahead"
