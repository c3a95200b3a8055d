"""How well offsets of the sound are found that were put there."""

from dataclasses import dataclass

import numpy as np
import torch

from adamesh.alignment import estimate_offset, in_time
from adamesh.evaluation.sync import Person
from adamesh.faces.embedded import load_embedded_face
from adamesh.metrics.mouth import mouth_opening
from adamesh.motion.regression import regression_target
from adamesh.progress import Progress, no_progress
from adamesh.rates import FPS

SHIFTS = (-0.24, -0.16, -0.08, 0.08, 0.16, 0.24)  # s
SHORTEST_CLIP = 7.5  # s
TOLERANCE = 0.025  # s


@dataclass(frozen=True)
class ClipOffsets:
    """One clip of a person, its sound moved by each of `SHIFTS` relative to where it was found."""

    name: str
    seconds: float
    offset_ms: float  # of the sound as it is
    deviations: float  # above chance, of that
    largest_error_ms: float  # of the shifts found again
    within: float  # share of the shifts found again within `TOLERANCE`, with confidence
    wrong_deviations: float  # above chance, of another person's speech
    wrong_confident: float  # 1 where that counts as confident


def evaluate_offsets(
    people: list[Person], *, progress: Progress = no_progress
) -> list[ClipOffsets]:
    """Every clip of `SHORTEST_CLIP` and more, one row each."""
    face = load_embedded_face()
    rows = []
    for i, person in enumerate(people):
        other = np.concatenate(people[(i + 1) % len(people)].raw_speech)
        if len(people) == 1:
            other = other[::-1].copy()
        for number, (clip, samples) in enumerate(zip(person.clips, person.raw_speech, strict=True)):
            if clip.frames < SHORTEST_CLIP * FPS:
                continue
            opening = mouth_opening(face, torch.from_numpy(regression_target(clip))).numpy()
            own = estimate_offset(samples, opening)
            found = [estimate_offset(in_time(samples, -shift), opening) for shift in SHIFTS]
            errors = [
                abs(x.seconds - own.seconds - shift) for x, shift in zip(found, SHIFTS, strict=True)
            ]
            good = [e <= TOLERANCE and x.confident for e, x in zip(errors, found, strict=True)]
            wrong = estimate_offset(np.resize(other, len(samples)), opening)
            rows.append(
                ClipOffsets(
                    name=f"{person.name} {number + 1}",
                    seconds=clip.duration,
                    offset_ms=1000 * own.seconds,
                    deviations=own.deviations,
                    largest_error_ms=1000 * max(errors),
                    within=float(np.mean(good)),
                    wrong_deviations=wrong.deviations,
                    wrong_confident=float(wrong.confident),
                )
            )
        progress("people", i + 1, len(people))
    return rows
