"""Figures of sampled brows, blinks, gaze and squints: not frame by frame, but how often and how far."""

from dataclasses import astuple, dataclass

import numpy as np

from adamesh.animation.adapt import UpperFace, adapt_to_clip, eye_rotation, upper_face
from adamesh.animation.expression import predict_expression
from adamesh.audio.prosody import stress
from adamesh.errors import InputError
from adamesh.evaluation.sync import REFERENCE, SHORTEST_REST, Person, joined
from adamesh.metrics.sync import pearson
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.blinks import detect_blinks, frames_of_blinks, sample_blinks
from adamesh.motion.brows import (
    FROWN,
    RAISE,
    detect_events,
    sample_brows,
)
from adamesh.motion.head import head_rotation
from adamesh.motion.regression import regression_target
from adamesh.motion.saccades import about_listener, gaze_shifts, looks_away, sample_gaze
from adamesh.motion.spaces import BROWS, EYE_BLINK
from adamesh.motion.squints import SQUINT, squints
from adamesh.progress import Progress, no_progress
from adamesh.rates import FPS, SAMPLES_PER_FRAME

SEEDS = 16  # of what is generated
TOLERANCE = 0.3  # of the seen figure
LEAD_S = (
    0.16  # by which raised brows come before stress: where their correlation is largest over people
)


@dataclass(frozen=True)
class UpperFigures:
    """One motion of an upper face; nan where there is nothing to take a mean of.

    Brows are judged on one axis, the mean of the raising blendshapes less that of the lowering ones.
    """

    rate: float  # raises and frowns a minute
    size: float  # mean of theirs
    deviation: float  # of the axis
    raises: float  # a minute
    raise_size: float
    blinks: float  # a minute
    away: float  # share of looking away
    squint: float  # deviation of eyeSquint
    stress: float  # correlation of raising with the stress `LEAD_S` later


@dataclass(frozen=True)
class PersonUpper:
    """One person: their first 10 s, the rest of their video, and what was made for the rest's speech.

    Attributes:
        reference: seen in the first 10 s.
        seen: in the rest.
        generated: from the first 10 s.
        network: what the regression says, without anything sampled.
        whole: seen in all of the video.
        from_whole: generated with what is measured on all of it: is the sampler as it is told?
    """

    name: str
    seconds: float
    reference: UpperFigures
    seen: UpperFigures
    generated: UpperFigures
    network: UpperFigures
    whole: UpperFigures
    from_whole: UpperFigures


def evaluate_upper_face(
    model: ExpressionAdapter,
    people: list[Person],
    *,
    progress: Progress = no_progress,
) -> list[PersonUpper]:
    """Everybody with `SHORTEST_REST` beside their reference; generated figures are means over `SEEDS`.

    Raises:
        InputError: the model speaks another space than `arkit52`, or nobody has so much video.
    """
    if model.config.space != "arkit52":
        raise InputError(
            f"brows and lids are blendshapes of 'arkit52'; this model gives '{model.config.space}'"
        )
    people = [p for p in people if p.seconds >= REFERENCE + SHORTEST_REST]
    if not people:
        raise InputError(
            f"nobody has {REFERENCE + SHORTEST_REST:.0f} s of tracked video to evaluate"
        )
    rows = []
    for i, person in enumerate(people):
        rows.append(_evaluate(model, person))
        progress("people", i + 1, len(people))
    return rows


def _evaluate(model: ExpressionAdapter, person: Person) -> PersonUpper:
    clip, speech = joined(person)
    # Each clip about its own mean: people sit differently in each.
    head = np.concatenate([head_rotation(part) for part in person.clips])
    eyes = eye_rotation(clip).mean(1)
    split = int(REFERENCE * FPS)
    reference = clip.slice(0, split)
    first, rest, whole = slice(0, split), slice(split, clip.frames), slice(0, clip.frames)
    heard = speech[: split * SAMPLES_PER_FRAME]
    style = adapt_to_clip(reference, heard, person.name, sound_offset=0.0, model=model)
    spoken = predict_expression(style.adapted_model(model), style, speech, clip.frames).numpy()
    stressed = stress(speech, clip.frames)

    def seen(part: slice) -> UpperFigures:
        lids = clip.expression[part, EYE_BLINK]
        shut = frames_of_blinks(len(lids), detect_blinks(lids, FPS))
        target = about_listener(head[part], eyes[part], FPS, shut)
        narrowed = regression_target(clip.slice(part.start, part.stop))[:, SQUINT]
        return _figures(clip.expression[part, BROWS], lids, target, narrowed, stressed[part])

    def generated(part: slice, person: UpperFace) -> UpperFigures:
        frames = part.stop - part.start
        narrowed = squints(spoken[part], style.baseline.rest.numpy(), person.squint_slope, FPS)
        runs = []
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)
            looking = sample_gaze(head[part], FPS, person.gaze, rng)
            shifts = gaze_shifts(head[part], looking, FPS)
            lids = sample_blinks(frames, FPS, person.blinks, rng, shifts)
            target = about_listener(head[part], looking, FPS)
            brows = sample_brows(frames, FPS, person.brows, stressed[part], rng)
            runs.append(_figures(brows, lids, target, narrowed, stressed[part]))
        return UpperFigures(*np.nanmean([astuple(run) for run in runs], axis=0).tolist())

    still = np.zeros((clip.frames - split, 2), np.float32)
    return PersonUpper(
        name=person.name,
        seconds=person.seconds,
        reference=seen(first),
        seen=seen(rest),
        generated=generated(rest, upper_face(reference)),
        network=_figures(spoken[rest, BROWS], still, still, spoken[rest, SQUINT], stressed[rest]),
        whole=seen(whole),
        from_whole=generated(whole, upper_face(clip)),
    )


def _figures(
    brows: np.ndarray,
    lids: np.ndarray,
    target: np.ndarray,
    narrowed: np.ndarray,
    stressed: np.ndarray,
) -> UpperFigures:
    """Of one motion: brows [T, 5], lids [T, 2], gaze about the listener [T, 2], eyeSquint [T, 2]."""
    minutes = len(brows) / FPS / 60
    raises, frowns = (detect_events(brows[:, columns], FPS) for columns in (RAISE, FROWN))
    raising = brows[:, RAISE].mean(1)
    lead = round(LEAD_S * FPS)
    looks = looks_away(target.astype(np.float64), FPS)
    return UpperFigures(
        rate=(len(raises) + len(frowns)) / minutes,
        size=_mean([event.size for event in (*raises, *frowns)]),
        deviation=float((raising - brows[:, FROWN].mean(1)).std()),
        raises=len(raises) / minutes,
        raise_size=_mean([event.size for event in raises]),
        blinks=len(detect_blinks(lids, FPS)) / minutes,
        away=sum(look.stop - look.start for look in looks) / len(target),
        squint=float(narrowed.mean(1).std()),
        stress=pearson(raising[:-lead], stressed[lead:]),
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def within(figure: float, wanted: float) -> bool:
    """Whether a figure is within `TOLERANCE` of the wanted one; nan is not, unless both are."""
    if np.isnan(figure) or np.isnan(wanted):
        return bool(np.isnan(figure) and np.isnan(wanted))
    return abs(figure - wanted) <= TOLERANCE * abs(wanted)
