"""What a reference gives: ways of personalising, judged on the rest of each person's video."""

import copy
import time
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from adamesh.animation.adapt import BRANCHES, adapt_to_clip, look
from adamesh.animation.expression import bare_expression, predict_expression
from adamesh.animation.fitting import Descent, Shown, descend
from adamesh.animation.style import Style, default_style
from adamesh.errors import InputError
from adamesh.evaluation.columns import column
from adamesh.evaluation.sync import REFERENCE, SHORTEST_REST, Person, check_space, joined
from adamesh.faces.embedded import load_embedded_face
from adamesh.metrics.lips import dynamics_deviation, lip_vertex_error, mean_vertex_error
from adamesh.metrics.mouth import closure_f1, mouth_opening
from adamesh.metrics.sync import synchrony
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.regression import regression_target
from adamesh.motion.spaces import ARKIT52, EYE_BLINK, EYE_LOOK, MOUTH
from adamesh.nn.molora import Branch, merge
from adamesh.progress import Progress, no_progress
from adamesh.rates import FPS, SAMPLES_PER_FRAME
from adamesh.values import Value

RANK = sum(branch.rank for branch in BRANCHES)
BY_GRADIENT = {
    "LoRA, by gradient": Descent((Branch(RANK, 4.0, 5e-4),)),
    "MoLoRA without convolutions, by gradient": Descent(BRANCHES, convolutions=False),
    "MoLoRA, by gradient": Descent(BRANCHES),
    "all weights, by gradient": Descent(None),
}
LENGTHS = (3.0, 5.0, 10.0, 20.0, 40.0)  # s of reference
DESCRIBED = 12  # blendshapes, those that move most in people, whose correlations tell people apart


@dataclass(frozen=True)
class ArmFigures:
    """One way of personalising, measured on what it has not seen of a person."""

    correlation: float = column("r", ".3f")  # of mouth opening, zero lag
    std_ratio: float = column("std ratio", ".2f")
    lip_mm: float = column("lips (mm)", ".2f")  # lip vertex error
    centred_mm: float = column("centred", ".2f")  # the same after each side's mean is taken out
    closures: float = column("closed F1", ".2f")  # of shut lips
    upper_mm: float = column("upper (mm)", ".3f")  # mean vertex error of the upper face
    dynamics_mm: float = column("upper dyn.", "+.3f")  # upper-face dynamics deviation
    seconds: float = column("s", ".1f")  # that fitting takes, tracking and features apart


@dataclass(frozen=True, eq=False, repr=False)
class PersonAdaptation(Value):
    """One person: every arm, and more or less reference."""

    name: str
    arms: dict[str, ArmFigures]
    lengths: dict[float, tuple[ArmFigures, ArmFigures]]  # s: neutral and adapted on the same rest
    seen: Tensor  # descriptor of the rest as seen, see `describe`
    generated: Tensor  # and as generated for the same speech in the person's style


def evaluate_adaptation(
    model: ExpressionAdapter,
    people: list[Person],
    *,
    progress: Progress = no_progress,
) -> list[PersonAdaptation]:
    """Everybody with `SHORTEST_REST` beside the reference of `REFERENCE` seconds.

    Arms: a mouth that is still at the reference's mean; the neutral style; the same moved to the
    reference's mean; with a gain and a bias for each blendshape by least squares; the style encoder's
    embedding and the person's resting face alone; by gradient one LoRA, MoLoRA without its branches on
    convolutions, MoLoRA, and all weights, on top of embedding and resting face; and `adapt`, as a bare
    regression and as `animate` shows it, with its amplitude given back and rest in pauses.
    """
    check_space(model)
    found = []
    for i, person in enumerate(people):
        row = _person(model, person)
        if row is not None:
            found.append(row)
        progress("people", i + 1, len(people))
    return found


def identified(figures: list[PersonAdaptation]) -> list[str]:
    """Whose seen motion is the nearest to each one's generated motion, in order of the people.

    Both about their mean over people: what is done to everybody is nobody's style.
    """
    names = [figure.name for figure in figures]
    seen, generated = (torch.stack([getattr(f, k) for f in figures]) for k in ("seen", "generated"))
    scale = seen.std(0).clamp_min(1e-6)
    seen, generated = (x - x.mean(0) for x in (seen, generated))
    distance = torch.cdist(generated / scale, seen / scale)
    return [names[j] for j in distance.argmin(1).tolist()]


def describe(expression: Tensor) -> Tensor:
    """How somebody moves: means, deviations and correlations of the mouth's blendshapes, in one vector.

    Each of the three groups counts alike. Args: expression [T, 52].
    """
    x = expression[:, MOUTH]
    moving = x[:, _most_moving()]
    standard = (moving - moving.mean(0)) / moving.std(0).clamp_min(1e-3)
    pairs = torch.triu_indices(DESCRIBED, DESCRIBED, 1)
    correlations = (standard.T @ standard / len(x))[pairs[0], pairs[1]]
    groups = (x.mean(0), x.std(0), correlations)
    return torch.cat([group / len(group) ** 0.5 for group in groups])


def _most_moving() -> list[int]:
    names = (
        "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmileLeft", "mouthSmileRight",
        "mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft", "mouthLowerDownRight",
        "mouthShrugUpper", "mouthRollLower",
    )  # fmt: skip
    return [MOUTH.index(ARKIT52.index(name)) for name in names]


def _person(model: ExpressionAdapter, person: Person) -> PersonAdaptation | None:
    clip, speech = joined(person)
    split = int(REFERENCE * FPS)
    if clip.frames - split < SHORTEST_REST * FPS:
        return None
    target = _judged(torch.from_numpy(regression_target(clip)))
    rest = target[split:]
    neutral, plain_model = default_style(), default_style().adapted_model(model)

    def say(used: ExpressionAdapter, style: Style) -> Tensor:
        return _judged(bare_expression(used, style, speech, clip.frames))

    def adapted(seconds: float) -> Style:
        frames = int(seconds * FPS)
        return adapt_to_clip(
            clip.slice(0, frames),
            speech[: frames * SAMPLES_PER_FRAME],
            person.name,
            sound_offset=0.0,
            model=model,
        )

    start = time.perf_counter()
    ours = adapted(REFERENCE)
    seconds = time.perf_counter() - start
    shown = look(clip.slice(0, split), speech[: split * SAMPLES_PER_FRAME], model)
    plain = say(plain_model, neutral)
    unfitted = _unfitted(ours)
    runs = {
        "still mouth": target[:split].mean(0).expand(len(target), -1),
        "neutral": plain,
        "neutral, mean shift": plain + target[:split].mean(0) - plain[:split].mean(0),
        "neutral, gain and bias": _gain_and_bias(plain, target, split),
        "embedding and rest": say(model, unfitted),
    }
    took = dict.fromkeys(runs, 0.0)
    for name, options in BY_GRADIENT.items():
        start = time.perf_counter()
        fitted, style = _descended(model, shown, unfitted, options)
        took[name] = time.perf_counter() - start
        runs[name] = say(fitted, style)
    merged = ours.adapted_model(model)
    runs["adapt"] = say(merged, ours)
    runs["adapt, as animated"] = _judged(predict_expression(merged, ours, speech, clip.frames))
    took |= dict.fromkeys(("adapt", "adapt, as animated"), seconds)
    arms = {name: _arm(run[split:], rest, took[name]) for name, run in runs.items()}

    lengths = {}
    for length in LENGTHS:
        # The rest is the same for all that are no longer than the usual reference.
        first = max(int(length * FPS), split)
        if clip.frames - first < SHORTEST_REST * FPS:
            continue
        try:
            style = ours if length == REFERENCE else adapted(length)
        except InputError:  # nobody talks so early
            continue
        after = say(style.adapted_model(model), style)
        lengths[length] = (
            _arm(plain[first:], target[first:], 0.0),
            _arm(after[first:], target[first:], 0.0),
        )
    animated = runs["adapt, as animated"][split:]
    return PersonAdaptation(person.name, arms, lengths, describe(rest), describe(animated))


def _unfitted(style: Style) -> Style:
    """The same person's style without MoLoRA."""
    return replace(style, branches=(), molora={})


def _descended(
    model: ExpressionAdapter, shown: Shown, style: Style, options: Descent
) -> tuple[ExpressionAdapter, Style]:
    """A copy of the model fitted by gradient, and the style with the embedding that it gives."""
    fitted = copy.deepcopy(model)
    descend(fitted, load_embedded_face(), shown, options)
    merge(fitted)
    with torch.no_grad():
        embedding = fitted.encode_style(shown.motion[None])[0]
    return fitted.requires_grad_(False), replace(style, embedding=embedding)


def _judged(expression: Tensor) -> Tensor:
    """Without blinks and gaze, which no arm predicts from speech."""
    expression = expression.clone()
    expression[:, EYE_BLINK + EYE_LOOK] = 0.0
    return expression


def _gain_and_bias(predicted: Tensor, target: Tensor, split: int) -> Tensor:
    """`predicted` after a gain and a bias for each blendshape, by least squares on the first frames."""
    x, y = predicted[:split], target[:split]
    x_mean, y_mean = x.mean(0), y.mean(0)
    gain = ((x - x_mean) * (y - y_mean)).mean(0) / (x - x_mean).square().mean(0).clamp_min(1e-6)
    return ((predicted - x_mean) * gain + y_mean).clamp(0, 1)


def _arm(predicted: Tensor, target: Tensor, seconds: float) -> ArmFigures:
    face = load_embedded_face()
    p, t = (face(expression=x).vertices[None] for x in (predicted, target))
    upper, lips = face.regions["upper_face"], face.regions["lips"]
    moved = p - p.mean(1, keepdim=True) + t.mean(1, keepdim=True)
    generated, seen = (mouth_opening(face, x).numpy() for x in (predicted, target))
    sync = synchrony(generated, seen)
    return ArmFigures(
        correlation=sync.correlation,
        std_ratio=sync.std_ratio,
        lip_mm=float(lip_vertex_error(p, t, lips)),
        centred_mm=float(lip_vertex_error(moved, t, lips)),
        closures=closure_f1(generated, seen),
        upper_mm=float(mean_vertex_error(p, t, upper)),
        dynamics_mm=float(dynamics_deviation(p, t, upper)),
        seconds=seconds,
    )


def means(figures: list[ArmFigures]) -> ArmFigures:
    """Means over people."""
    columns = (f.name for f in fields(ArmFigures))
    return ArmFigures(*(float(np.mean([getattr(f, c) for f in figures])) for c in columns))
