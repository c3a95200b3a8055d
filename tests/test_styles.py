"""Styles as things: mixes between people, the same person calmer or livelier, and what is said of a style."""

import copy
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adamesh.animation import mix as mix_module
from adamesh.animation import show_style as show_style_module
from adamesh.animation.adapt import adapt_to_clip
from adamesh.animation.animator import animate
from adamesh.animation.expression import predict_expression
from adamesh.animation.mix import (
    STATISTICS,
    mix_styles,
    scale_style,
    scaled_statistics,
    weighted_mean,
)
from adamesh.animation.options import MotionOptions
from adamesh.animation.sample import SAMPLE_REFERENCE, SAMPLE_SPEECH, sample_speech
from adamesh.animation.show_style import draw_style, style_facts
from adamesh.animation.style import Style, default_style
from adamesh.checkpoints.networks import fingerprint, load_network
from adamesh.cli import main
from adamesh.errors import InputError, MissingDependencyError
from adamesh.faces import load_embedded_face
from adamesh.media.audio import load_audio
from adamesh.media.video import probe
from adamesh.metrics.mouth import mouth_opening
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.clip import MotionClip
from adamesh.motion.head import deviation
from adamesh.motion.spaces import ARKIT52, BROWS, EYE_BLINK, EYE_LOOK, MOUTH
from adamesh.nn.molora import Branch, adapted_layers, attach, branch_state
from adamesh.rates import SAMPLE_RATE, frames_in

QUIET = [i for i in range(len(ARKIT52)) if i not in EYE_BLINK + EYE_LOOK]


@pytest.fixture(scope="module")
def model() -> ExpressionAdapter:
    return load_network(ExpressionAdapter)


@pytest.fixture(scope="module")
def styles(model: ExpressionAdapter, sample_clip: MotionClip) -> dict[str, Style]:
    """The sample's person, an invented relative, the neutral style, and that with a larger mouth."""
    clip, sound = sample_clip, load_audio(SAMPLE_REFERENCE)
    ann = adapt_to_clip(clip, sound, "ann.mp4", sound_offset=0.0, model=model)
    # Backwards, with a wider smile and a calmer head: what the branches learn differs too.
    other = clip.expression[::-1].copy()
    other[:, ARKIT52.index("mouthSmileRight")] *= 2.0
    backwards = replace(
        clip.slice(0, clip.frames), expression=other, head_pose=0.4 * clip.head_pose,
        neck_pose=0.4 * clip.neck_pose,
    )  # fmt: skip
    ben = adapt_to_clip(backwards, sound, "ben.mp4", sound_offset=0.0, model=model)
    neutral = default_style()
    eve = replace(neutral, gain=1.6 * neutral.gain, source="eve.mp4")
    return {"ann": ann, "ben": ben, "eve": eve, "neutral": neutral}


@pytest.fixture(scope="module")
def mixed(styles: dict[str, Style]) -> Style:
    return mix_styles([styles["ann"], styles["ben"]])


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return load_audio(SAMPLE_SPEECH)[: 3 * SAMPLE_RATE]


@pytest.fixture(scope="module", autouse=True)
def short_speech(speech: np.ndarray) -> Iterator[None]:
    """What styles are compared on, shorter: networks hear it again and again."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (mix_module, show_style_module):
            patch.setattr(module, "sample_speech", lambda: speech)
        yield


@pytest.fixture(scope="module")
def spoken(model: ExpressionAdapter, speech: np.ndarray) -> Callable[[Style], torch.Tensor]:
    def run(style: Style) -> torch.Tensor:
        return predict_expression(style.adapted_model(model), style, speech, frames_in(len(speech)))

    return run


def amplitude(expression: torch.Tensor) -> float:
    return 1000 * float(mouth_opening(load_embedded_face(), expression).std())


def assert_alike(a: MotionClip, b: MotionClip, tolerance: float) -> None:
    for name in ("expression", "neck_pose", "head_pose", "leye_pose", "reye_pose"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=tolerance, err_msg=name)


def numbers(values: tuple[Any, ...]) -> Iterator[float]:
    """Every number in tuples of tuples."""
    for value in values:
        yield from numbers(value) if isinstance(value, tuple) else (value,)


class TestMix:
    def test_the_weights_of_the_network_are_the_weighted_sum(
        self, styles: dict[str, Style], model: ExpressionAdapter
    ) -> None:
        """W0 + sum w dW, of different numbers of branches, and of somebody who has none."""
        ann, neutral = styles["ann"], styles["neutral"]
        everywhere = copy.deepcopy(model)
        two = (Branch(2, 4.0, 1e-3), Branch(8, 4.0, 5e-4))
        attach(everywhere, two, seed=1)
        generator = torch.Generator().manual_seed(0)
        for mixture in adapted_layers(everywhere).values():
            for b in mixture.b:
                b.data.normal_(0, 0.002, generator=generator)
        ben = replace(styles["ben"], branches=two, molora=branch_state(everywhere))
        mix = mix_styles([ann, ben, neutral], [5, 3, 2])
        assert len(mix.branches) == len(ann.branches) + len(ben.branches)
        base, found, a, b = (
            m.state_dict() for m in (model, *(s.adapted_model(model) for s in (mix, ann, ben)))
        )
        changed = 0
        for name, before in base.items():
            expected = before + 0.5 * (a[name] - before) + 0.3 * (b[name] - before)
            torch.testing.assert_close(found[name], expected, atol=2e-6, rtol=1e-5)
            changed += not torch.equal(before, b[name])
        assert changed > 10
        assert not torch.equal(base["decoder.out.weight"], a["decoder.out.weight"])

    def test_a_mix_with_oneself_changes_nothing(
        self, styles: dict[str, Style], model: ExpressionAdapter, speech: np.ndarray
    ) -> None:
        ann = styles["ann"]
        mix = mix_styles([ann, ann], [0.3, 0.7])
        for pose in ("loop", "generated"):
            one, two = (
                animate(speech, s, MotionOptions(pose=pose), model=model) for s in (ann, mix)
            )
            assert_alike(one, two, 2e-4)

    def test_all_weight_on_one_is_that_one(self, styles: dict[str, Style]) -> None:
        assert mix_styles([styles["ann"], styles["ben"]], [2, 0]) is styles["ann"]
        assert mix_styles([styles["ann"], styles["ben"]], [0, 1]) is styles["ben"]

    def test_the_order_does_not_matter(
        self, styles: dict[str, Style], mixed: Style, model: ExpressionAdapter, speech: np.ndarray
    ) -> None:
        turned = mix_styles([styles["ben"], styles["ann"]])
        one, two = (animate(speech, s, model=model) for s in (mixed, turned))
        assert_alike(one, two, 2e-4)

    def test_weights_are_shares(self, styles: dict[str, Style]) -> None:
        pair = [styles["eve"], styles["neutral"]]
        a, b = mix_styles(pair, [3, 1]), mix_styles(pair, [0.75, 0.25])
        assert (a.gain, a.source) == (b.gain, b.source)
        assert a.source == "75 % eve.mp4 + 25 % neutral"
        # Nothing but the gain differs, and it is a factor.
        neutral = styles["neutral"].gain
        assert a.gain == pytest.approx(neutral * 1.6**0.75, rel=0.02)

    @pytest.mark.slow
    def test_it_lies_between(
        self, styles: dict[str, Style], spoken: Callable[[Style], torch.Tensor]
    ) -> None:
        """Of every pair: how far the mouth moves when it speaks, and the face at rest."""
        alone = {name: amplitude(spoken(style)) for name, style in styles.items()}
        for a, b in combinations(styles, 2):
            mix = mix_styles([styles[a], styles[b]])
            low, high = sorted((alone[a], alone[b]))
            found = amplitude(spoken(mix))
            assert 0.995 * low <= found <= 1.005 * high, (a, b)
            assert found == pytest.approx((low * high) ** 0.5, rel=0.01), (a, b)
            rests = torch.stack([styles[name].baseline.rest for name in (a, b)])
            torch.testing.assert_close(mix.baseline.rest, rests.mean(0))

    @pytest.mark.slow
    def test_weights_lead_from_one_to_the_other(
        self, styles: dict[str, Style], spoken: Callable[[Style], torch.Tensor]
    ) -> None:
        """What is said comes nearer and nearer to the one that weighs more."""
        ann, ben = styles["ann"], styles["ben"]
        goal = spoken(ann)
        far = [
            float((spoken(mix_styles([ann, ben], [share, 1 - share])) - goal).square().mean())
            for share in (0.0, 0.25, 0.5, 0.75, 1.0)
        ]
        assert far == sorted(far, reverse=True)
        assert far[-1] == 0 < far[0]

    def test_the_head_moves_as_the_mix_says(self, styles: dict[str, Style], mixed: Style) -> None:
        ann, ben = styles["ann"], styles["ben"]
        own = np.sqrt(ann.pose.deviation * ben.pose.deviation)
        np.testing.assert_allclose(mixed.pose.deviation, own, rtol=1e-5)
        assert (ben.pose.deviation < mixed.pose.deviation).all()
        # The livelier of two equals gives the loop, so that noise is never enlarged.
        np.testing.assert_allclose(deviation(mixed.head_motion.sum(1)), own, rtol=0.02)
        assert torch.equal(mixed.pose.codes, ann.pose.codes)

    def test_statistics_are_means_of_every_number(
        self, styles: dict[str, Style], mixed: Style
    ) -> None:
        for name in STATISTICS:
            ann, ben, both = (
                np.array(list(numbers(astuple(getattr(s, name)))))
                for s in (styles["ann"], styles["ben"], mixed)
            )
            np.testing.assert_allclose(both, (ann + ben) / 2, rtol=1e-6)

    def test_statistics_may_be_nested(self) -> None:
        """As those of several kinds of events, each with a balance of its actions."""

        @dataclass(frozen=True)
        class Kind:
            rate: float
            size: float
            balance: tuple[float, ...]

        @dataclass(frozen=True)
        class Kinds:
            raises: Kind
            frowns: Kind

        a = Kinds(Kind(1, 2, (3, 4)), Kind(5, 6, (7,)))
        b = Kinds(Kind(11, 12, (13, 14)), Kind(15, 16, (17,)))
        mean = weighted_mean([a, b], [0.75, 0.25])
        assert mean == Kinds(Kind(3.5, 4.5, (5.5, 6.5)), Kind(7.5, 8.5, (9.5,)))
        scaled = scaled_statistics(a, 2, ("size",))
        assert scaled == Kinds(Kind(1, 4, (3, 4)), Kind(5, 12, (7,)))

    def test_it_is_a_style_like_any_other(
        self, mixed: Style, model: ExpressionAdapter, speech: np.ndarray, tmp_path: Path
    ) -> None:
        mixed.save(tmp_path / "both.style")
        again = Style.load(tmp_path / "both.style")
        assert again.source == "50 % ann.mp4 + 50 % ben.mp4"
        assert again.sound_offset is None
        one, two = (animate(speech, s, model=model) for s in (mixed, again))
        assert_alike(one, two, 0.0)
        of_three = mix_styles([again, default_style()])
        assert of_three.source == "50 % (50 % ann.mp4 + 50 % ben.mp4) + 50 % neutral"

    @pytest.mark.parametrize(
        ("weights", "said"),
        [
            ([1], "got 1 weights for 2 styles"),
            ([1, 1, 1], "got 3 weights for 2 styles"),
            ([1, -0.5], "weights must not be negative, and not all of them zero; got 1, -0.5"),
            ([0, 0], "not all of them zero"),
            ([1, float("nan")], "got 1, nan"),
            ([1, float("inf")], "got 1, inf"),
        ],
    )
    def test_wrong_weights(self, styles: dict[str, Style], weights: list[float], said: str) -> None:
        with pytest.raises(InputError, match=said):
            mix_styles([styles["ann"], styles["ben"]], weights)

    def test_what_does_not_go_together(self, styles: dict[str, Style]) -> None:
        ann, ben = styles["ann"], styles["ben"]
        with pytest.raises(InputError, match="needs at least two styles, got 1"):
            mix_styles([ann])
        with pytest.raises(InputError, match=r"'ann.mp4' and 'ben.mp4' .* different base models"):
            mix_styles([ann, replace(ben, base="0" * 16)])
        foreign = replace(ben, pose=replace(ben.pose, base="0" * 16))
        with pytest.raises(InputError, match="different pose adapters"):
            mix_styles([ann, foreign])
        # Two of the same other model are refused too, unless that is given.
        with pytest.raises(InputError, match="was made for base model 0000"):
            mix_styles([replace(s, base="0" * 16) for s in (ann, ben)])

    def test_another_base_model(self, model: ExpressionAdapter) -> None:
        other = ExpressionAdapter(model.config).eval().requires_grad_(False)
        copy = ExpressionAdapter(model.config)
        attach(copy, (Branch(2, 4.0, 1e-3),), seed=0)
        ours = replace(default_style(), base=fingerprint(other))
        theirs = replace(ours, branches=(Branch(2, 4.0, 1e-3),), molora=branch_state(copy))
        assert mix_styles([ours, theirs], model=other).base == fingerprint(other)


class TestScale:
    def test_one_changes_nothing(self, styles: dict[str, Style]) -> None:
        assert scale_style(styles["ann"]) is styles["ann"]

    def test_the_mouth_alone_moves_more_and_shut_lips_stay_shut(
        self, styles: dict[str, Style], spoken: Callable[[Style], torch.Tensor]
    ) -> None:
        ann = styles["ann"]
        one, more = spoken(ann), spoken(scale_style(ann, mouth=1.4))
        rest = ann.baseline.rest
        others = [i for i in range(len(ARKIT52)) if i not in MOUTH]
        assert torch.equal(one[:, others], more[:, others])
        inside = (more > 0) & (more < 1)
        torch.testing.assert_close(
            (more - rest)[:, MOUTH][inside[:, MOUTH]],
            1.4 * (one - rest)[:, MOUTH][inside[:, MOUTH]],
            atol=1e-5,
            rtol=1e-4,
        )
        assert amplitude(more) > 1.2 * amplitude(one)

    def test_brows(self, styles: dict[str, Style], model: ExpressionAdapter) -> None:
        """Half as far about the same rest, and not at all; nothing else changes."""
        ann = styles["ann"]
        speech = np.tile(sample_speech(), 4)
        one, half, none = (
            animate(speech, scale_style(ann, brows=x), model=model).expression
            for x in (1.0, 0.5, 0.0)
        )
        others = [i for i in range(len(ARKIT52)) if i not in BROWS]
        np.testing.assert_array_equal(one[:, others], half[:, others])
        moved = [x[:, BROWS].std(0).sum() for x in (one, half, none)]
        assert 0.35 * moved[0] < moved[1] < 0.65 * moved[0]
        assert moved[2] < 0.02 * moved[0]

    @pytest.mark.parametrize("pose", ["loop", "generated"])
    def test_the_head_and_what_the_eyes_keep(
        self,
        styles: dict[str, Style],
        model: ExpressionAdapter,
        speech: np.ndarray,
        pose: str,
    ) -> None:
        ann = styles["ann"]
        one, more = (
            animate(speech, s, MotionOptions(pose=pose), model=model)  # type: ignore[arg-type]
            for s in (ann, scale_style(ann, head=1.5))
        )
        np.testing.assert_allclose(more.head_pose, 1.5 * one.head_pose, atol=2e-4)
        np.testing.assert_array_equal(more.expression[:, QUIET], one.expression[:, QUIET])
        # Where eyes are within their reach, gaze in the world is the same.
        looks = [(clip.neck_pose + clip.head_pose + clip.leye_pose)[:, :2] for clip in (one, more)]
        reach = np.abs(more.leye_pose[:, :2]).max(1) < np.radians(24)
        assert reach.mean() > 0.9
        np.testing.assert_allclose(looks[1][reach], looks[0][reach], atol=np.radians(0.6))
        assert np.abs(more.leye_pose - one.leye_pose).max() > np.radians(1)

    def test_eyes_look_about_less(
        self, styles: dict[str, Style], model: ExpressionAdapter, speech: np.ndarray
    ) -> None:
        ann = styles["ann"]
        calm = scale_style(ann, eyes=0.5)
        seen, calmed = (
            (s.eye_motion[..., :2] + s.head_motion.sum(1, keepdims=True)[..., :2]).std(0)
            for s in (ann, calm)
        )
        np.testing.assert_allclose(calmed, 0.5 * seen, rtol=0.02)
        np.testing.assert_array_equal(calm.head_motion, ann.head_motion)
        still = animate(speech, calm, MotionOptions(pose="still"), model=model)
        lively = animate(speech, ann, MotionOptions(pose="still"), model=model)
        np.testing.assert_allclose(still.leye_pose, 0.5 * lively.leye_pose, atol=1e-6)

    def test_blinks_come_less_often_and_are_the_same(self, styles: dict[str, Style]) -> None:
        ann = styles["ann"]
        calm = scale_style(ann, blinks=0.25)
        assert calm.blinks == replace(ann.blinks, rate_hz=0.25 * ann.blinks.rate_hz)
        assert calm.gaze == ann.gaze

    def test_it_is_undone(self, styles: dict[str, Style]) -> None:
        ann = styles["ann"]
        back = scale_style(
            scale_style(ann, mouth=2, brows=2, head=2, blinks=2, eyes=2),
            mouth=0.5, brows=0.5, head=0.5, blinks=0.5, eyes=0.5,
        )  # fmt: skip
        assert back.gain == ann.gain
        assert (back.blinks, back.brows, back.gaze) == (ann.blinks, ann.brows, ann.gaze)
        np.testing.assert_array_equal(back.head_motion, ann.head_motion)
        np.testing.assert_array_equal(back.pose.deviation, ann.pose.deviation)

    def test_the_name_says_it_and_the_file_keeps_it(
        self, styles: dict[str, Style], tmp_path: Path
    ) -> None:
        scaled = scale_style(styles["ann"], mouth=1.2, brows=0.5)
        assert scaled.source == "ann.mp4, mouth x1.2, brows x0.5"
        scaled.save(tmp_path / "scaled.style")
        again = Style.load(tmp_path / "scaled.style")
        assert again.gain == scaled.gain
        size = styles["ann"].brows.raises.size
        assert again.brows.raises.size == pytest.approx(0.5 * size)
        mix = mix_styles([again, scale_style(styles["ann"], brows=2)])
        assert mix.source.startswith("50 % (ann.mp4, mouth x1.2, brows x0.5) + 50 % (ann.mp4, ")
        assert mix.brows.raises.size == pytest.approx(1.25 * size)

    @pytest.mark.parametrize("factor", [-0.1, 4.1, float("nan")])
    def test_bounds(self, styles: dict[str, Style], factor: float) -> None:
        for name in ("mouth", "brows", "head", "blinks", "eyes"):
            with pytest.raises(InputError, match=f"{name} must be within 0..4, got"):
                scale_style(styles["ann"], **{name: factor})

    def test_components_without_names_have_no_brows(self, styles: dict[str, Style]) -> None:
        ann = styles["ann"]
        flame = replace(ann, baseline=replace(ann.baseline, rest=torch.zeros(53)))
        assert scale_style(flame, mouth=2).gain == 2 * ann.gain
        with pytest.raises(InputError, match="brows cannot be scaled"):
            scale_style(flame, brows=2)


class TestFacts:
    def test_they_are_those_of_the_style(
        self, styles: dict[str, Style], model: ExpressionAdapter, speech: np.ndarray
    ) -> None:
        ann = styles["ann"]
        facts = style_facts(ann, model)
        clip = animate(speech, ann, model=model)
        assert list(facts.blendshapes.values()) == sorted(facts.blendshapes.values(), reverse=True)
        for name, size in facts.blendshapes.items():
            assert size == pytest.approx(clip.expression_by_name(name).std(), abs=1e-6)
        assert set(facts.blendshapes) == set(facts.resting_face) == set(ARKIT52)
        for name, weight in facts.resting_face.items():
            assert weight == float(ann.baseline.rest[ARKIT52.index(name)])
        assert facts.spoken_mm == pytest.approx(amplitude(torch.from_numpy(clip.expression)))
        assert facts.ranks == (2, 4, 8)
        assert facts.numbers == sum(x.numel() for x in ann.molora.values())

    def test_the_range_of_the_head(self, styles: dict[str, Style]) -> None:
        """In degrees, on the right axes, of neck and head together."""
        motion = np.zeros((50, 2, 3), np.float32)
        angles = np.radians([[-4, 6], [-1, 20], [0, 3]])
        motion[:, :, :] = np.linspace(angles[:, 0], angles[:, 1], 50)[:, None] / 2
        facts = style_facts(
            replace(styles["neutral"], head_motion=motion), load_network(ExpressionAdapter)
        )
        expected = {"pitch": 10, "yaw": 21, "roll": 3}
        assert facts.head_range == pytest.approx(expected, rel=1e-4)

    def test_missing_packages_are_named(
        self,
        styles: dict[str, Style],
        model: ExpressionAdapter,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        facts = style_facts(styles["neutral"], model)
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        with pytest.raises(MissingDependencyError, match=r"'matplotlib'.*adamesh\[render\]"):
            draw_style(styles["neutral"], facts, None, model, tmp_path / "new.png")
        assert not list(tmp_path.iterdir())


@pytest.fixture
def adamesh(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command line in this process: exit code, output, errors."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["adamesh", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return run


class TestCommands:
    def test_show(self, adamesh, styles: dict[str, Style], tmp_path: Path) -> None:
        path, picture = tmp_path / "ann.style", tmp_path / "ann.png"
        styles["ann"].save(path)
        code, out, err = adamesh("style", "show", path, "-o", picture)
        assert (code, err) == (0, "")
        for part in ("ann.mp4", styles["ann"].base, "ranks 2, 4, 8", "jawOpen", "neutral"):
            assert part in out
        info = probe(picture)
        assert info.width > 1000
        code, out, err = adamesh("style", "show", path, "-o", picture)
        assert (code, out) == (2, "")
        assert "use --force" in err
        facts = json.loads(adamesh("style", "show", path, "--json")[1])
        assert facts["source"] == "ann.mp4"
        assert facts["bytes"] == path.stat().st_size
        assert len(facts["blendshapes"]) == 52

    def test_mix_and_scale(self, adamesh, styles: dict[str, Style], tmp_path: Path) -> None:
        files = []
        for name in ("ann", "ben"):
            files.append(tmp_path / f"{name}.style")
            styles[name].save(files[-1])
        both, lively = tmp_path / "both.style", tmp_path / "lively.style"
        said = adamesh("style", "mix", *files, "--weights", "0.7,0.3", "-o", both)
        assert said == (0, f"{both}: 70 % ann.mp4 + 30 % ben.mp4\n", "")
        expected = mix_styles([styles["ann"], styles["ben"]], [0.7, 0.3])
        assert Style.load(both).gain == expected.gain
        said = adamesh(
            "style", "scale", files[0], "--mouth", "1.2", "--blinks", "0.8", "-o", lively
        )
        assert said == (0, f"{lively}: ann.mp4, mouth x1.2, blinks x0.8\n", "")
        assert Style.load(lively).gain == 1.2 * styles["ann"].gain

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("mix A A --weights 1,2,3 -o new.style", "got 3 weights for 2 styles"),
            ("mix A A --weights 1;2 -o new.style", "--weights '1;2' are no numbers; give one for"),
            ("mix A A --weights 1,-1 -o new.style", "weights must not be negative"),
            ("mix A -o new.style", "a mix needs at least two styles, got 1"),
            ("mix A F -o new.style", "belong to different base models"),
            ("mix A gone.style -o new.style", "gone.style' does not exist"),
            ("mix A A -o A", "use --force"),
            ("mix A A -o new.png", "must end in .style"),
            ("scale A -o new.style", "nothing is scaled; give a factor with --mouth, --brows"),
            ("scale A --mouth 5 -o new.style", "--mouth"),
            ("scale A --mouth 2 -o A", "use --force"),
            ("show F", "was made for base model 0000"),
            ("show A -o new.jpg", "must end in .png"),
            ("show gone.style", "gone.style' does not exist"),
        ],
    )
    def test_bad_input(
        self,
        adamesh,
        styles: dict[str, Style],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        words: str,
        said: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        styles["neutral"].save("a.style")
        replace(styles["neutral"], base="0" * 16).save("f.style")
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        names = {"A": "a.style", "F": "f.style"}
        code, out, err = adamesh("style", *(names.get(word, word) for word in words.split()))
        assert (code, out) == (2, "")
        assert said in err
        assert err.count("\n") == 1
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
