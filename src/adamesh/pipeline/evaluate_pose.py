"""Figures of generated head motion on people it was never trained on, beside the looped reference."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from adamesh.errors import InputError
from adamesh.metrics.head import beat_alignment, speech_onsets, speed, std_degrees
from adamesh.motion.head import head_rotation
from adamesh.motion.looping import loop_motion
from adamesh.pipeline.evaluate import REFERENCE, Person, joined
from adamesh.pipeline.pose import generate_pose, learn_pose
from adamesh.rates import FPS, SAMPLE_RATE

RUN_SECONDS = 60.0
RUNS = 50
SEEDS = 3  # of each person's figures
FROZEN = 0.1  # share of the reference's deviation below which 10 s are frozen
FARTHEST = np.radians(60)  # from the mean pose; beyond it, or in 10 s ...
FASTEST = 3.0  # times as fast as the reference, a motion has exploded


@dataclass(frozen=True)
class HeadFigures:
    """One motion."""

    std_degrees: tuple[float, float, float]  # pitch, yaw, roll
    speed: float  # degrees a second
    beats: float  # alignment with the speech it belongs to


@dataclass(frozen=True)
class PersonHead:
    """One person: what was seen of them, what was generated from their first 10 s, and their loop."""

    name: str
    seconds: float
    seen: HeadFigures
    generated: HeadFigures
    looped: HeadFigures
    wrong_beats: float  # generated motion against another person's speech


@dataclass(frozen=True)
class PoseFigures:
    """All people, and many long runs."""

    people: list[PersonHead]
    rank_correlation: float  # over people and axes, of generated and seen deviation
    runs: int
    frozen: int
    exploding: int


def evaluate_pose(
    people: list[Person], *, progress: Callable[[int, int], None] | None = None
) -> PoseFigures:
    """Every person of 10 s or more: the style is learned from the first 10 s, the speech is all of theirs.

    The looped motion repeats the same 10 s. Speech shorter than `RUN_SECONDS` is repeated.
    """
    if not people:
        raise InputError(f"nobody in the corpus has {REFERENCE:.0f} s of tracked video to evaluate")
    rows, frozen, exploding = [], 0, 0
    speeches = [joined(person)[1] for person in people]
    frames = int(RUN_SECONDS * FPS)
    for i, person in enumerate(people):
        speech = speeches[i]
        # Each clip about its own mean: people sit differently in each.
        rotation = np.concatenate([head_rotation(clip) for clip in person.clips])
        reference = rotation[: int(REFERENCE * FPS)]
        style = learn_pose(reference - reference.mean(0), speech[: int(REFERENCE * SAMPLE_RATE)])
        long = np.resize(speech, int(RUN_SECONDS * SAMPLE_RATE))
        onsets = speech_onsets(long, SAMPLE_RATE)
        others = speech_onsets(
            np.resize(speeches[(i + 1) % len(people)], int(RUN_SECONDS * SAMPLE_RATE)), SAMPLE_RATE
        )
        pace = speed(reference, FPS)
        runs = -(-RUNS // len(people))
        motions = [generate_pose(style, long, frames, seed=seed) for seed in range(runs)]
        for motion in motions:
            scaled = motion / style.deviation
            windows = scaled[: frames // 250 * 250].reshape(-1, 250, 3)
            frozen += bool((windows.std(1).max(1) < FROZEN).any())
            fastest = max(
                speed(part, FPS) for part in motion[: len(windows) * 250].reshape(-1, 250, 3)
            )
            exploding += bool(
                np.linalg.norm(motion, axis=1).max() > FARTHEST or fastest > FASTEST * pace
            )
        looped = loop_motion(reference - reference.mean(0), frames)
        seen_onsets = speech_onsets(speech, SAMPLE_RATE)
        figures = [_figures(motion, onsets) for motion in motions[:SEEDS]]
        rows.append(
            PersonHead(
                name=person.name,
                seconds=person.seconds,
                seen=_figures(rotation, seen_onsets),
                generated=_mean(figures),
                looped=_figures(looped, onsets),
                wrong_beats=float(
                    np.mean([beat_alignment(m, FPS, others) for m in motions[:SEEDS]])
                ),
            )
        )
        if progress is not None:
            progress(i + 1, len(people))
    seen = [axis for row in rows for axis in row.seen.std_degrees]
    generated = [axis for row in rows for axis in row.generated.std_degrees]
    rank = float(spearmanr(seen, generated).statistic)
    return PoseFigures(rows, rank, runs * len(people), frozen, exploding)


def _figures(rotation: np.ndarray, onsets: np.ndarray) -> HeadFigures:
    return HeadFigures(
        std_degrees(rotation), speed(rotation, FPS), beat_alignment(rotation, FPS, onsets)
    )


def _mean(figures: list[HeadFigures]) -> HeadFigures:
    pitch, yaw, roll = np.mean([f.std_degrees for f in figures], axis=0)
    return HeadFigures(
        (float(pitch), float(yaw), float(roll)),
        float(np.mean([f.speed for f in figures])),
        float(np.mean([f.beats for f in figures])),
    )
