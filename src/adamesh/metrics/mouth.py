"""The curve by which lip sync is judged, and when the lips are shut."""

import numpy as np
import torch
from torch import Tensor

from adamesh.faces.face import Face
from adamesh.faces.landmark_index import INNER_LIPS_LOWER, INNER_LIPS_UPPER
from adamesh.faces.motion_basis import motion_directions

LOW, HIGH = 0.02, 0.98  # quantiles that a person's range of opening lies between
CLOSED = 0.15  # of that range; below it, lips are shut
CLOSED_GENERATED = 0.25  # the same for generated motion, which is smoother and seldom gets as low
SHORTEST_CLOSURE = 2  # frames at 25 fps: 80 ms


def mouth_opening(face: Face, expression: Tensor) -> Tensor:
    """How far the inner lips are apart at their middle, along +Y, on the face with betas = 0, metres.

    Signed: lips pressed into one another must not count as open.

    Args:
        expression: [..., T, D], see `motion.regression`. Returns: [..., T].
    """
    gap, direction = opening_direction(face)
    return gap + expression @ direction


def opening_direction(face: Face) -> tuple[float, Tensor]:
    """The opening at rest, metres, and [D] metres that each number of a frame adds to it."""
    template, directions = face.landmark_basis().template.float(), motion_directions(face)
    upper, lower = (list(row)[len(row) // 2] for row in (INNER_LIPS_UPPER, INNER_LIPS_LOWER))
    return float((template[upper] - template[lower])[1]), (directions[upper] - directions[lower])[1]


def opening_range(opening: Tensor) -> tuple[float, float]:
    """The quantiles `LOW` and `HIGH` of an opening [T]."""
    low, high = torch.quantile(
        opening.float(), opening.new_tensor([LOW, HIGH], dtype=torch.float32)
    ).tolist()
    return low, high


def closures(opening: np.ndarray, level: float) -> list[tuple[int, int]]:
    """Runs of shut lips.

    Args:
        opening: [T] at 25 fps.
        level: share of the opening's own range below which lips are shut: `CLOSED`, `CLOSED_GENERATED`.
    Returns:
        First frame and the frame behind the last of each run of at least `SHORTEST_CLOSURE`.
    """
    low, high = opening_range(torch.from_numpy(np.asarray(opening)))
    shut = np.concatenate([[False], opening < low + level * (high - low), [False]])
    edges = np.flatnonzero(np.diff(shut.astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a >= SHORTEST_CLOSURE]


def closure_f1(generated: np.ndarray, seen: np.ndarray) -> float:
    """How well the closures of a generated opening are those of the seen one, both [T] at 25 fps.

    A closure is found when it overlaps one of the other curve's. Returns: harmonic mean of the share of seen
    ones that are found and the share of generated ones that are real; 0 where either has none.
    """
    ours, theirs = closures(generated, CLOSED_GENERATED), closures(seen, CLOSED)

    def found(runs: list[tuple[int, int]], others: list[tuple[int, int]]) -> float:
        hits = sum(any(a < d and c < b for c, d in others) for a, b in runs)
        return hits / len(runs) if runs else 0.0

    recall, precision = found(theirs, ours), found(ours, theirs)
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0
