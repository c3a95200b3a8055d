"""Figures of the shipped models on people they were never trained on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adamesh.data.corpus import Video
from adamesh.errors import InputError
from adamesh.faces.embedded import load_embedded_face
from adamesh.media.audio import load_audio
from adamesh.metrics.lips import dynamics_deviation, lip_vertex_error, mean_vertex_error
from adamesh.metrics.mouth import mouth_opening
from adamesh.metrics.sync import Sync, synchrony
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import EYE_BLINK, EYE_LOOK
from adamesh.pipeline.adapt import AdaptOptions, adapt_to_clip
from adamesh.pipeline.speak import speak
from adamesh.pipeline.style import Style, default_style
from adamesh.rates import FPS, SAMPLES_PER_FRAME

SHORTEST_PERSON = 10.0  # s of video for a figure of their own
REFERENCE = 10.0  # s that a style is learned from
SHORTEST_REST = 5.0  # s beside the reference for a figure of adaptation


@dataclass(frozen=True)
class Person:
    """All validation clips of one person, each with its sound."""

    name: str
    clips: list[MotionClip]
    speech: list[np.ndarray]

    @property
    def seconds(self) -> float:
        return sum(clip.duration for clip in self.clips)


def load_people(videos: list[Video]) -> list[Person]:
    """Tracked people of a corpus, at `FPS`, by name."""
    people: dict[str, Person] = {}
    for video in videos:
        if video.track.exists():
            person = people.setdefault(video.speaker, Person(video.speaker, [], []))
            person.clips.append(MotionClip.load(video.track).resample(FPS))
            person.speech.append(load_audio(video.path))
    if not people:
        raise InputError("no video has a track yet; run `adamesh prepare` on the corpus first")
    return [people[name] for name in sorted(people)]


@dataclass(frozen=True)
class PersonSync:
    """Mouth opening of one person, generated with the neutral style and seen."""

    name: str
    seconds: float
    right: Sync  # with their own speech
    wrong: Sync  # with another person's


def evaluate_sync(
    model: ExpressionAdapter,
    people: list[Person],
    *,
    style: Style | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[PersonSync]:
    """Lip sync of each person with the neutral style: nothing of the person is known to the model.

    The wrong speech of a person is that of the next person in the list, repeated to the length needed.
    """
    _check_space(model)
    face = load_embedded_face()
    style = style or default_style()
    personal = style.personal_model(model)
    figures = []
    for i, person in enumerate(people):
        if len(people) > 1:
            other = np.concatenate(people[(i + 1) % len(people)].speech)
        else:
            other = np.concatenate(person.speech[::-1])
        curves: dict[str, list[np.ndarray]] = {"seen": [], "right": [], "wrong": []}
        used = 0
        for clip, speech in zip(person.clips, person.speech, strict=True):
            wrong = np.resize(np.roll(other, -used), len(speech))
            used += len(speech)
            expressions = {
                "seen": torch.from_numpy(clip.expression.copy()),
                "right": speak(personal, style, speech, clip.frames),
                "wrong": speak(personal, style, wrong, clip.frames),
            }
            for name, expression in expressions.items():
                curves[name].append(mouth_opening(face, expression).numpy())
        seen, right, wrong_curve = (np.concatenate(curves[k]) for k in ("seen", "right", "wrong"))
        figures.append(
            PersonSync(
                person.name,
                person.seconds,
                synchrony(right, seen, FPS),
                synchrony(wrong_curve, seen, FPS),
            )
        )
        if progress is not None:
            progress(i + 1, len(people))
    return figures


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
    split = int(REFERENCE * FPS)
    if clip.frames - split < SHORTEST_REST * FPS:
        return None
    reference = clip.slice(0, split)
    heard = speech[: split * SAMPLES_PER_FRAME]
    neutral = default_style()
    embedded = adapt_to_clip(
        reference, heard, person.name, model=model, options=replace(options, steps=0)
    )
    adapted = adapt_to_clip(reference, heard, person.name, model=model, options=options)
    target = _judged(torch.from_numpy(clip.expression.copy()))

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
