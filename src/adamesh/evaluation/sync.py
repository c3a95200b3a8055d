"""Figures of the shipped models on people they were never trained on."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from adamesh.alignment import in_time
from adamesh.animation.expression import predict_expression
from adamesh.animation.style import Style, default_style
from adamesh.data.corpus import Video
from adamesh.data.sound_offsets import delays
from adamesh.errors import InputError, MissingDependencyError
from adamesh.evaluation.baselines import Baselines
from adamesh.faces.embedded import load_embedded_face
from adamesh.files import atomic_output
from adamesh.media.audio import load_audio
from adamesh.metrics.mouth import closure_f1, mouth_opening
from adamesh.metrics.sync import pearson, synchrony
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.clip import MotionClip
from adamesh.motion.regression import regression_target
from adamesh.progress import Progress, no_progress
from adamesh.rates import FPS, SAMPLES_PER_FRAME
from adamesh.values import Value

SAME_TASK = "grid"  # speakers of the corpus whose sentences most of the training data are
SHORTEST_PERSON = 10.0  # s of video for a figure of their own
REFERENCE = 10.0  # s that a style is learned from
SHORTEST_REST = 5.0  # s beside it for figures of what was learned
DRAWN, DRAWN_SECONDS = 4, 10.0  # people and seconds of a picture of curves


@dataclass(frozen=True, eq=False, repr=False)
class Person(Value):
    """All validation clips of one person, each with its sound as it is and moved to the lips."""

    name: str
    clips: list[MotionClip]
    raw_speech: list[np.ndarray]
    speech: list[np.ndarray]

    @property
    def seconds(self) -> float:
        return sum(clip.duration for clip in self.clips)


def load_people(videos: list[Video], tracks: str | os.PathLike[str]) -> list[Person]:
    """Tracked people of a corpus, at `FPS`, by name; `tracks` has the offsets of their sound."""
    people: dict[str, Person] = {}
    late = delays(tracks)
    for video in videos:
        if video.track.exists():
            person = people.setdefault(video.speaker, Person(video.speaker, [], [], []))
            samples = load_audio(video.path)
            person.clips.append(MotionClip.load(video.track).resample(FPS))
            person.raw_speech.append(samples)
            person.speech.append(in_time(samples, late.get(video.name, 0.0)))
    if not people:
        raise InputError("no video has a track yet; run `adamesh prepare` on the corpus first")
    return [people[name] for name in sorted(people)]


# Of the mouth, [T] metres: `seen`, and generated with the person's own speech in time with the lips
# (`right`), with the sound as it is (`raw`), with another's (`wrong`), as a stream hears (`streamed`), and by
# the baselines (`ridge`, `convolutions`).
Openings = dict[str, np.ndarray]


@dataclass(frozen=True)
class Metric:
    """A number that says how good lip sync is.

    Attributes:
        of: makes it of a person's openings.
        digits: behind the point, where people read it.
    """

    of: Callable[[Openings], float]
    digits: int = 2


def _r(way: str) -> Metric:
    return Metric(lambda openings: pearson(openings[way], openings["seen"]))


# Correlations are at zero lag where nothing else is said. A mouth that never moves has r = 0.
METRICS: dict[str, Metric] = {
    "r": _r("right"),
    "raw sound": _r("raw"),
    "best lag ms": Metric(
        lambda openings: 1000 * synchrony(openings["right"], openings["seen"], FPS).best_lag, 0
    ),
    "at lag": Metric(
        lambda openings: synchrony(openings["right"], openings["seen"], FPS).best_correlation
    ),
    "wrong": _r("wrong"),
    "stream": _r("streamed"),
    "still": Metric(lambda _: 0.0),
    "ridge": _r("ridge"),
    "conv": _r("convolutions"),
    "std ratio": Metric(
        lambda openings: synchrony(openings["right"], openings["seen"], FPS).std_ratio
    ),
    "closed F1": Metric(lambda openings: closure_f1(openings["right"], openings["seen"])),
    "wrong F1": Metric(lambda openings: closure_f1(openings["wrong"], openings["seen"])),
}


@dataclass(frozen=True)
class PersonSync:
    """Mouth opening of one person, generated with the neutral style and seen."""

    name: str
    seconds: float
    metrics: dict[str, float]  # by the names in `METRICS`
    curves: dict[str, list[float]]  # mm: `seen` and `generated`


def evaluate_sync(
    model: ExpressionAdapter,
    people: list[Person],
    train: list[Video],
    tracks: str | os.PathLike[str],
    *,
    style: Style | None = None,
    progress: Progress = no_progress,
) -> list[PersonSync]:
    """Lip sync of each person with the neutral style: nothing of the person is known to the model.

    The wrong speech of a person is that of the next person in the list, repeated to the length needed; of
    one alone their own, backwards.

    Args:
        train: tracked videos that the ridge regression and the convolutions learn from.
        tracks: folder with the offsets of the videos' sound.
        progress: told how far it is.
    """
    check_space(model)
    face = load_embedded_face()
    style = style or default_style()
    adapted = style.adapted_model(model)

    baselines = Baselines.fit(train, delays(tracks), model.config.features, face, progress)
    figures = []
    for i, person in enumerate(people):
        if len(people) > 1:
            other = np.concatenate(people[(i + 1) % len(people)].speech)
        else:
            other = np.concatenate(person.speech)[::-1].copy()
        curves: dict[str, list[np.ndarray]] = {}
        used = 0
        for clip, speech, raw in zip(person.clips, person.speech, person.raw_speech, strict=True):
            wrong = np.resize(np.roll(other, -used), len(speech))
            used += len(speech)
            expressions = {
                "seen": torch.from_numpy(regression_target(clip)),
                "right": predict_expression(adapted, style, speech, clip.frames),
                "raw": predict_expression(adapted, style, raw, clip.frames),
                "wrong": predict_expression(adapted, style, wrong, clip.frames),
                "streamed": predict_expression(adapted, style, speech, clip.frames, streamed=True),
            }
            openings = {k: mouth_opening(face, x).numpy() for k, x in expressions.items()}
            for name, curve in (openings | baselines.openings(speech, clip.frames)).items():
                curves.setdefault(name, []).append(curve)
        whole = {name: np.concatenate(parts) for name, parts in curves.items()}
        figures.append(
            PersonSync(
                name=person.name,
                seconds=person.seconds,
                metrics={name: metric.of(whole) for name, metric in METRICS.items()},
                curves={
                    "seen": (1000 * whole["seen"]).round(2).tolist(),
                    "generated": (1000 * whole["right"]).round(2).tolist(),
                },
            )
        )
        progress("people", i + 1, len(people))
    return figures


def draw_curves(figures: list[PersonSync], path: str | os.PathLike[str]) -> None:
    """Seen and generated opening of the first four people that are not of the training task, as a picture.

    Raises:
        MissingDependencyError: no matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "drawing curves", "train") from error
    chosen = [f for f in figures if not f.name.startswith(SAME_TASK)][:DRAWN] or figures[:DRAWN]
    picture = Figure(figsize=(11, 2.1 * len(chosen)), layout="constrained")
    for axes, figure in zip(
        picture.subplots(len(chosen), squeeze=False)[:, 0], chosen, strict=True
    ):
        for name, colour in (("seen", "0.55"), ("generated", "tab:blue")):
            curve = np.array(figure.curves[name][: int(DRAWN_SECONDS * FPS)])
            axes.plot(np.arange(len(curve)) / FPS, curve, color=colour, label=name, linewidth=1.3)
        axes.set_title(f"{figure.name}, r = {figure.metrics['r']:.2f}", loc="left", fontsize=10)
        axes.set_ylabel("mm")
        axes.margins(x=0)
    axes.set_xlabel("s")
    picture.axes[0].legend(loc="upper right", ncols=2, fontsize=8)
    with atomic_output(path) as temporary:
        picture.savefig(temporary, dpi=100, format="png")


def check_space(model: ExpressionAdapter) -> None:
    """Raises InputError where figures have no meaning: they are of the embedded head's lips."""
    if model.config.space != "arkit52":
        raise InputError(
            "figures are of the embedded head's lips, so of a model that gives 'arkit52'; this one gives "
            f"'{model.config.space}'"
        )


def joined(person: Person) -> tuple[MotionClip, np.ndarray]:
    """All clips of a person as one, each with exactly its own sound."""
    speech = []
    for clip, samples in zip(person.clips, person.speech, strict=True):
        part = np.zeros(clip.frames * SAMPLES_PER_FRAME, np.float32)
        part[: min(len(samples), len(part))] = samples[: len(part)]
        speech.append(part)
    first = person.clips[0]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(clip, name) for clip in person.clips])
        for name in ("expression", "neck_pose", "head_pose", "jaw_pose", "leye_pose", "reye_pose")
    }
    clip = replace(first, **joined, confidence=None, transl=None)
    return clip, np.concatenate(speech)
