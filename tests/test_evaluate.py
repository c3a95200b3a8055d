"""Figures: on a corpus of two halves of the packaged sample, against what they must be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adamesh.animation.sample import SAMPLE_REFERENCE
from adamesh.checkpoints.networks import load_network
from adamesh.cli.tables import interval
from adamesh.data.corpus import Video
from adamesh.data.sequences import load_sequences
from adamesh.data.sound_offsets import find_offsets
from adamesh.errors import InputError
from adamesh.evaluation import adaptation as adaptation_module
from adamesh.evaluation import baselines as baselines_module
from adamesh.evaluation import pose as pose_module
from adamesh.evaluation import upper_face as upper_face_module
from adamesh.evaluation.adaptation import (
    PersonAdaptation,
    describe,
    evaluate_adaptation,
    identified,
)
from adamesh.evaluation.baselines import FUTURE, PAST, Baselines
from adamesh.evaluation.columns import cells, headings
from adamesh.evaluation.offsets import SHIFTS, evaluate_offsets
from adamesh.evaluation.pose import WAYS, HeadFigures, evaluate_pose
from adamesh.evaluation.sync import Person, draw_curves, evaluate_sync, load_people
from adamesh.evaluation.upper_face import evaluate_upper_face, within
from adamesh.faces import Face, load_embedded_face
from adamesh.features import load_features
from adamesh.media.audio import load_audio, write_wav
from adamesh.metrics.mouth import opening_direction
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import BROWS, MIRROR
from adamesh.progress import no_progress
from adamesh.rates import FPS, SAMPLE_RATE

HALF = 4.0  # s


@pytest.fixture(scope="module")
def clip(sample_clip: MotionClip) -> MotionClip:
    return sample_clip


@pytest.fixture(scope="module")
def corpus(clip: MotionClip, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Video]]:
    """Speakers a, whose sound is in time, and b, whose sound is 120 ms late."""
    folder = tmp_path_factory.mktemp("corpus")
    sound = load_audio(SAMPLE_REFERENCE)
    videos = []
    for i, (name, late) in enumerate((("a", 0.0), ("b", 0.12))):
        part = clip.slice(round(i * HALF * clip.fps), round((i + 1) * HALF * clip.fps))
        part.save(folder / f"{name}.npz")
        start = round((i * HALF - late) * SAMPLE_RATE)
        write_wav(
            folder / f"{name}.wav", sound[start : start + int(HALF * SAMPLE_RATE)], SAMPLE_RATE
        )
        videos.append(Video(name, folder / f"{name}.wav", name, "valid", folder / f"{name}.npz"))
    (folder / "sound_offsets.csv").write_text(
        "path,seconds,correlation,deviations,duration\na,0.0,0.8,20,4\nb,0.12,0.8,20,4\n"
    )
    return folder, videos


@pytest.fixture(scope="module")
def face() -> Face:
    return load_embedded_face()


def test_the_regression_is_the_ridge_solution_and_hears_its_frame(
    corpus: tuple[Path, list[Video]], face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a direct solution on the same components, and on the speech it learnt from."""
    monkeypatch.setattr(baselines_module, "PENALTY", 1.0)  # four seconds would bear no more
    _, videos = corpus
    fitted = Baselines.fit(videos[:1], {}, "log_mel", face, no_progress)
    samples = load_audio(videos[0].path)
    frames = int(HALF * 25)
    found = fitted.openings(samples, frames)["ridge"]
    (s,) = load_sequences(videos[:1], (load_features("log_mel"),), face, delays={})
    _, direction = opening_direction(face)
    opening = (s.motion @ direction).numpy()
    assert np.corrcoef(found, opening)[0, 1] > 0.9
    x = load_features("log_mel")(samples)[: 2 * frames].numpy().reshape(frames, -1)
    x = (x - fitted.mean.numpy()) @ fitted.axes.numpy()
    rows = [
        np.concatenate([x[min(max(t + k, 0), frames - 1)] for k in range(-PAST, FUTURE + 1)])
        for t in range(frames)
    ]
    # Components in the order of the weights: each with its own context.
    wide = (
        np.stack(rows).reshape(frames, PAST + 1 + FUTURE, -1).transpose(0, 2, 1).reshape(frames, -1)
    )
    y = (opening - opening.mean()) / opening.std(ddof=1)
    scaled = wide.T @ wide / frames**0.5
    penalty = baselines_module.PENALTY * np.diag(scaled).mean() / frames
    weights = np.linalg.solve(scaled + penalty * np.eye(len(scaled)), wide.T @ y / frames**0.5)
    np.testing.assert_allclose(found, wide @ weights, atol=0.02)


def test_sync_figures(corpus: tuple[Path, list[Video]], tmp_path: Path) -> None:
    folder, videos = corpus
    people = load_people(videos, folder)
    late = people[1]
    assert not np.array_equal(late.raw_speech[0], late.speech[0])
    model = load_network(ExpressionAdapter)
    stages = set()
    figures = evaluate_sync(
        model, people, videos, folder, progress=lambda stage, *_: stages.add(stage)
    )
    assert stages == {"load train", "people"}
    assert [f.name for f in figures] == ["a", "b"]
    for f in figures:
        assert f.seconds == pytest.approx(HALF, abs=0.05)
        assert f.metrics["r"] > f.metrics["wrong"] + 0.2
        assert f.metrics["ridge"] > 0.8, "it has seen these very frames"
        assert len(f.curves["seen"]) == len(f.curves["generated"]) == int(HALF * 25)
    assert figures[0].metrics["raw sound"] == pytest.approx(figures[0].metrics["r"], abs=0.02)
    assert figures[1].metrics["raw sound"] < figures[1].metrics["r"] - 0.1, "120 ms must show"
    draw_curves(figures, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_offset_figures(clip: MotionClip, tmp_path: Path) -> None:
    clip.save(tmp_path / "a.npz")
    videos = [Video("a", SAMPLE_REFERENCE, "a", "valid", tmp_path / "a.npz")]
    find_offsets(videos, tmp_path)
    people = load_people(videos, tmp_path)
    (row,) = evaluate_offsets(people)
    assert row.within == 1.0
    assert row.largest_error_ms < 25
    assert len(SHIFTS) == 6


def test_the_interval_of_a_median_covers_it() -> None:
    values = torch.randn(30, 2, generator=torch.Generator().manual_seed(0)).numpy()
    values[:, 1] += 10
    low, high = interval(values)
    assert (low < np.median(values, 0)).all()
    assert (np.median(values, 0) < high).all()
    assert (high - low < 1.5).all()
    same = interval(np.ones((5, 1)))
    assert same.tolist() == [[1.0], [1.0]]


def test_an_upper_face_is_judged_on_what_was_not_seen(
    clip: MotionClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sample twice: the second time, brows are held still, and nothing may be found there."""
    monkeypatch.setattr(upper_face_module, "SEEDS", 2)
    first = clip.resample(FPS)
    expression = first.expression.copy()
    expression[:, BROWS] = 0.0
    second = replace(first, expression=expression)
    sound = load_audio(SAMPLE_REFERENCE)
    person = Person("a", [first, second], [sound, sound], [sound, sound])
    model = load_network(ExpressionAdapter)
    (row,) = evaluate_upper_face(model, [person])
    assert row.seconds == pytest.approx(2 * first.duration)
    assert row.seen.rate == 0
    assert row.seen.deviation < row.reference.deviation
    assert row.generated.rate > 0
    assert row.generated.deviation > row.network.deviation
    assert row.network.blinks == 0
    with pytest.raises(InputError, match="nobody has 15 s"):
        evaluate_upper_face(model, [Person("b", [first], [sound], [sound])])


def test_within_thirty_percent() -> None:
    assert within(1.29, 1.0)
    assert within(0.71, 1.0)
    assert not within(1.31, 1.0)
    assert within(0.0, 0.0)
    assert not within(0.1, 0.0)
    assert not within(float("nan"), 1.0)
    assert within(float("nan"), float("nan"))


@pytest.fixture(scope="module")
def two(clip: MotionClip) -> list[Person]:
    """The sample's person twice over, and somebody who moves backwards with a mirrored smile."""
    first = clip.resample(FPS)
    sound = load_audio(SAMPLE_REFERENCE)
    fitted = np.zeros(first.frames * SAMPLE_RATE // FPS, np.float32)
    fitted[: min(len(sound), len(fitted))] = sound[: len(fitted)]
    other = replace(
        first,
        expression=first.expression[::-1, MIRROR].copy(),
        head_pose=-1.5 * first.head_pose,
        neck_pose=-1.5 * first.neck_pose,
    )
    backwards = fitted[::-1].copy()
    return [
        Person("a", [first, first], [fitted, fitted], [fitted, fitted]),
        Person("b", [other, other], [backwards, backwards], [backwards, backwards]),
    ]


def test_adaptation_figures(two: list[Person], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen a second time must be said better after adapting."""
    fast = {name: replace(d, steps=2) for name, d in adaptation_module.BY_GRADIENT.items()}
    monkeypatch.setattr(adaptation_module, "BY_GRADIENT", fast)
    monkeypatch.setattr(adaptation_module, "LENGTHS", (5.0, 10.0))
    rows = evaluate_adaptation(load_network(ExpressionAdapter), two)
    assert [row.name for row in rows] == ["a", "b"]
    for row in rows:
        assert {"neutral", "adapt", "adapt, as animated", *fast} <= set(row.arms)
        still, neutral, adapted = (row.arms[k] for k in ("still mouth", "neutral", "adapt"))
        assert still.std_ratio == pytest.approx(0, abs=1e-4)
        assert adapted.correlation > neutral.correlation
        assert adapted.centred_mm < neutral.centred_mm
        assert adapted.centred_mm < adapted.lip_mm
        assert row.arms["MoLoRA, by gradient"].seconds > 0
        shift = row.arms["neutral, mean shift"]
        assert shift.centred_mm == pytest.approx(neutral.centred_mm, rel=1e-3)
        assert set(row.lengths) == {5.0, 10.0}
    short = [Person("c", two[0].clips[:1], two[0].speech[:1], two[0].speech[:1])]
    assert evaluate_adaptation(load_network(ExpressionAdapter), short) == []


def test_people_are_known_by_what_sets_them_apart() -> None:
    """Whatever is done to all of them alike."""
    generator = torch.Generator().manual_seed(0)
    seen = torch.randn(5, 30, generator=generator)
    generated = 0.5 * seen + 0.1 * torch.randn(5, 30, generator=generator) + 3.0
    generated[4] = 0.5 * seen[2] + 3.0
    rows = [
        PersonAdaptation(name, {}, {}, a, b)
        for name, a, b in zip("abcde", seen, generated, strict=True)
    ]
    assert identified(rows) == ["a", "b", "c", "d", "c"]


def test_a_description_knows_mean_size_and_company() -> None:
    x = torch.rand(200, 52, generator=torch.Generator().manual_seed(0))
    same = describe(x)
    torch.testing.assert_close(describe(x.flip(0)), same, rtol=0, atol=1e-4)
    assert (describe(x + 0.1) - same).norm() > 0.05
    assert (describe(0.5 * x) - same).norm() > 0.05
    assert (describe(x[torch.randperm(200)]) - same).norm() < 1e-4


def test_head_figures(two: list[Person], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pose_module, "RUN_SECONDS", 12.0)
    monkeypatch.setattr(pose_module, "RUNS", 2)
    monkeypatch.setattr(pose_module, "SEEDS", 1)
    figures = evaluate_pose(two)
    assert figures.runs == 2
    assert figures.frozen == figures.exploding == 0
    for row in figures.people:
        assert tuple(row.ways) == WAYS
        seen, generated, looped = (row.ways[k] for k in ("seen", "generated", "looped"))
        assert seen.distance == pytest.approx(0, abs=1e-3)
        assert looped.distance < row.ways["another's loop"].distance
        assert 0.3 < row.closeness < 2
        assert generated.speed > 0
        assert len(row.nats) == 8
        assert all(0 < nats < 12 for nats in row.nats.values())
    with pytest.raises(InputError, match="two are needed"):
        evaluate_pose(two[:1])


def test_a_metric_is_shown_as_its_field_says() -> None:
    assert headings(HeadFigures)[:3] == ["deviation", "range", "pace"]
    turned = (1.0, 2.0, 3.04), None, 5.55, 0.5, float("nan"), 0.0, 1.0
    assert cells(HeadFigures, turned) == ["1.0/2.0/3.0", "", "5.5", "0.50", "nan", "0.00", "1.00"]
    with pytest.raises(ValueError, match="shorter"):
        cells(HeadFigures, turned[:-1])
