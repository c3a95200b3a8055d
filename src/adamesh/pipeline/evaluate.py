"""Figures of the shipped models on people they were never trained on."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adamesh.alignment import in_time
from adamesh.data.corpus import Video
from adamesh.data.sound_offsets import delays
from adamesh.errors import InputError, MissingDependencyError
from adamesh.faces.embedded import load_embedded_face
from adamesh.files import atomic_output
from adamesh.media.audio import load_audio
from adamesh.metrics.lips import dynamics_deviation, lip_vertex_error, mean_vertex_error
from adamesh.metrics.mouth import closure_f1, mouth_opening
from adamesh.metrics.sync import Sync, pearson, synchrony
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.clip import MotionClip
from adamesh.motion.regression import regression_target
from adamesh.motion.spaces import EYE_BLINK, EYE_LOOK
from adamesh.pipeline.adapt import AdaptOptions, adapt_to_clip
from adamesh.pipeline.baselines import Baselines
from adamesh.pipeline.speak import speak
from adamesh.pipeline.style import Style, default_style
from adamesh.rates import FPS, SAMPLES_PER_FRAME

SAME_TASK = "grid"  # speakers of the corpus whose sentences most of the training data are
SHORTEST_PERSON = 10.0  # s of video for a figure of their own
REFERENCE = 10.0  # s that a style is learned from
DRAWN, DRAWN_SECONDS = 4, 10.0  # people and seconds of a picture of curves
SHORTEST_REST = 5.0  # s beside the reference for a figure of adaptation


@dataclass(frozen=True)
class Person:
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


@dataclass(frozen=True)
class PersonSync:
    """Mouth opening of one person, generated with the neutral style and seen.

    Correlations are at zero lag with the sound moved to the lips, where nothing else is said. A mouth that
    never moves has r = 0.
    """

    name: str
    seconds: float
    right: Sync  # with their own speech
    raw: float  # r with the sound as it is in the video
    wrong: float  # r with another person's speech
    streamed: float  # r where speech is heard as in a stream
    ridge: float  # r of a linear regression on the same features
    convolutions: float  # r of a small network of convolutions on the same features
    closures: float  # F1 of shut lips
    wrong_closures: float  # the same with another person's speech
    curves: dict[str, list[float]]  # mm: `seen` and `generated`


def evaluate_sync(
    model: ExpressionAdapter,
    people: list[Person],
    train: list[Video],
    tracks: str | os.PathLike[str],
    *,
    style: Style | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[PersonSync]:
    """Lip sync of each person with the neutral style: nothing of the person is known to the model.

    The wrong speech of a person is that of the next person in the list, repeated to the length needed; of
    one alone their own, backwards.

    Args:
        train: tracked videos that the ridge regression and the convolutions learn from.
        tracks: folder with the offsets of the videos' sound.
        progress: called with the stage, what is done and what there is.
    """
    _check_space(model)
    face = load_embedded_face()
    style = style or default_style()
    personal = style.personal_model(model)

    def report(stage: str) -> Callable[[int, int], None]:
        return lambda done, total: progress(stage, done, total) if progress is not None else None

    baselines = Baselines.fit(train, delays(tracks), model.config.features, face, report)
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
                "right": speak(personal, style, speech, clip.frames),
                "raw": speak(personal, style, raw, clip.frames),
                "wrong": speak(personal, style, wrong, clip.frames),
                "streamed": speak(personal, style, speech, clip.frames, streamed=True),
            }
            openings = {k: mouth_opening(face, x).numpy() for k, x in expressions.items()}
            for name, curve in (openings | baselines.openings(speech, clip.frames)).items():
                curves.setdefault(name, []).append(curve)
        whole = {name: np.concatenate(parts) for name, parts in curves.items()}
        r = {name: pearson(curve, whole["seen"]) for name, curve in whole.items()}
        figures.append(
            PersonSync(
                name=person.name,
                seconds=person.seconds,
                right=synchrony(whole["right"], whole["seen"], FPS),
                raw=r["raw"],
                wrong=r["wrong"],
                streamed=r["streamed"],
                ridge=r["ridge"],
                convolutions=r["convolutions"],
                closures=closure_f1(whole["right"], whole["seen"]),
                wrong_closures=closure_f1(whole["wrong"], whole["seen"]),
                curves={
                    "seen": (1000 * whole["seen"]).round(2).tolist(),
                    "generated": (1000 * whole["right"]).round(2).tolist(),
                },
            )
        )
        report("people")(i + 1, len(people))
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
        axes.set_title(
            f"{figure.name}, r = {figure.right.correlation:.2f}", loc="left", fontsize=10
        )
        axes.set_ylabel("mm")
        axes.margins(x=0)
    axes.set_xlabel("s")
    picture.axes[0].legend(loc="upper right", ncols=2, fontsize=8)
    with atomic_output(path) as temporary:
        picture.savefig(temporary, dpi=100, format="png")


def _check_space(model: ExpressionAdapter) -> None:
    if model.config.space != "arkit52":
        raise InputError(
            "figures are of the embedded head's lips, so of a model that gives 'arkit52'; this one gives "
            f"'{model.config.space}'"
        )


@dataclass(frozen=True)
class ArmFigures:
    """One way of personalising, measured on what it has not seen of a person."""

    lip_mm: float  # lip vertex error
    upper_mm: float  # mean vertex error of the upper face
    dynamics_mm: float  # upper-face dynamics deviation
    correlation: float  # of mouth opening, zero lag
    std_ratio: float


ARMS = (
    "neutral",
    "embedding",
    "gain and bias",
    "embedding, gain and bias",
    "MoLoRA",
    "MoLoRA, as animated",
)


def evaluate_adaptation(
    model: ExpressionAdapter,
    person: Person,
    *,
    options: AdaptOptions | None = None,
) -> dict[str, ArmFigures] | None:
    """Every arm of `ARMS` on a person: 10 s as reference, the rest as test; None if the rest is short.

    `neutral` is the default style; `embedding` the style encoder's alone; `gain and bias` fits these for
    each action by least squares on the same reference, on top of either; `MoLoRA` is `adapt`. These are
    bare regressions, whose best lip error is near a mouth that hardly moves; `MoLoRA, as animated` has the
    amplitude that `animate` gives back, see `pipeline.amplitude`.
    """
    _check_space(model)
    options = options or AdaptOptions()
    clip, speech = joined(person)
    target = _judged(torch.from_numpy(clip.expression.copy()))
    split = int(REFERENCE * FPS)
    if clip.frames - split < SHORTEST_REST * FPS:
        return None
    reference = clip.slice(0, split)
    heard = speech[: split * SAMPLES_PER_FRAME]
    neutral = default_style()
    embedded, adapted = (
        adapt_to_clip(reference, heard, person.name, sound_offset=0.0, model=model, options=chosen)
        for chosen in (replace(options, steps=0), options)
    )

    def run(style: Style, *, intensity: float | None = None) -> Tensor:
        personal = style.personal_model(model)
        return _judged(speak(personal, style, speech, clip.frames, intensity=intensity))

    runs = {
        "neutral": run(neutral),
        "embedding": run(embedded),
        "MoLoRA": run(adapted),
        "MoLoRA, as animated": run(adapted, intensity=1.0),
    }
    for name, base in (("gain and bias", "neutral"), ("embedding, gain and bias", "embedding")):
        runs[name] = _gain_and_bias(runs[base], target, split)
    return {name: _arm(runs[name][split:], target[split:]) for name in ARMS}


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


def _judged(expression: Tensor) -> Tensor:
    """Without blinks and gaze, which no arm predicts from speech."""
    expression = expression.clone()
    expression[:, EYE_BLINK + EYE_LOOK] = 0.0
    return expression


def _gain_and_bias(predicted: Tensor, target: Tensor, split: int) -> Tensor:
    """`predicted` after a gain and a bias for each action, by least squares on the first frames."""
    x, y = predicted[:split], target[:split]
    x_mean, y_mean = x.mean(0), y.mean(0)
    gain = ((x - x_mean) * (y - y_mean)).mean(0) / (x - x_mean).square().mean(0).clamp_min(1e-6)
    return ((predicted - x_mean) * gain + y_mean).clamp(0, 1)


def _arm(predicted: Tensor, target: Tensor) -> ArmFigures:
    face = load_embedded_face()
    p, t = (face(expression=x).vertices[None] for x in (predicted, target))
    upper = face.regions["upper_face"]
    sync = synchrony(mouth_opening(face, predicted).numpy(), mouth_opening(face, target).numpy())
    return ArmFigures(
        lip_mm=float(lip_vertex_error(p, t, face.regions["lips"])),
        upper_mm=float(mean_vertex_error(p, t, upper)),
        dynamics_mm=float(dynamics_deviation(p, t, upper)),
        correlation=sync.correlation,
        std_ratio=sync.std_ratio,
    )
