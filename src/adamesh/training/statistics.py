"""Scales of features and motion, every person counted alike: one of them may have most of the minutes."""

from collections import defaultdict

import torch
from torch import Tensor

from adamesh.data.sequences import SILENCE, TAUGHT, Sequence

CLIPS = 10  # of a person
DEVIATION_FLOOR = 0.02  # a blendshape that hardly moves must not become loud by z-scoring


def _by_speaker(sequences: list[Sequence]) -> list[list[Sequence]]:
    groups = defaultdict(list)
    for sequence in sequences:
        if sequence.speaker not in (SILENCE, TAUGHT):
            groups[sequence.speaker].append(sequence)
    return [group[:CLIPS] for group in groups.values()]


def feature_statistics(sequences: list[Sequence]) -> tuple[Tensor, Tensor]:
    """Mean [D] and deviation [D] of the speech features."""
    voices = [torch.cat([s.voices[0] for s in group]).float() for group in _by_speaker(sequences)]
    return balanced_scale(voices)


def balanced_scale(people: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean [D] and deviation [D] of frames [N, D] of each person."""
    mean = torch.stack([x.mean(0) for x in people]).mean(0)
    square = torch.stack([x.square().mean(0) for x in people]).mean(0)
    return mean, (square - mean.square()).clamp_min(1e-4).sqrt()


def motion_deviation(sequences: list[Sequence]) -> Tensor:
    """[E] how far each number of the motion goes from the resting face."""
    squares = [
        torch.cat([s.motion for s in group]).square().mean(0) for group in _by_speaker(sequences)
    ]
    return torch.stack(squares).mean(0).sqrt().clamp_min(DEVIATION_FLOOR)
