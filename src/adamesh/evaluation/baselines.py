"""What a model is measured against: a linear regression and a small network on the same features."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adamesh.checkpoints.networks import load_network
from adamesh.data.corpus import Video
from adamesh.data.sequences import Sequence, load_sequences
from adamesh.faces.face import Face
from adamesh.features import features_for_frames, load_features
from adamesh.metrics.mouth import opening_direction
from adamesh.models.opening import OpeningNetwork
from adamesh.progress import Progress, no_progress, under
from adamesh.rates import FEATURES_PER_FRAME
from adamesh.values import Value

PAST, FUTURE = 6, 2  # frames beside its own that the regression hears
COMPONENTS = 128  # principal ones of a frame's features
PENALTY = 1000.0
MOST_CLIPS = 100  # of a person


@dataclass(frozen=True, eq=False, repr=False)
class Baselines(Value):
    """Opening of the mouth at 25 fps from speech features.

    Attributes:
        features: their name.
        mean, axes: [2 D] and [2 D, C]: a frame's features -> its principal components, of deviation 1.
        weights: [(PAST + 1 + FUTURE) C] of the regression.
        network: the shipped one, trained on the same people, see `models.opening`.
    """

    features: str
    mean: Tensor
    axes: Tensor
    weights: Tensor
    network: OpeningNetwork

    @classmethod
    def fit(
        cls,
        videos: list[Video],
        delays: Mapping[str, float],
        features: str,
        face: Face,
        progress: Progress = no_progress,
    ) -> "Baselines":
        """Ridge regression onto the openings of all people, each counted alike."""
        chosen: dict[str, list[Video]] = {}
        for video in videos:
            chosen.setdefault(video.speaker, []).append(video)
        some = [video for group in chosen.values() for video in group[:MOST_CLIPS]]
        extract = load_features(features)
        sequences = load_sequences(
            some, (extract,), face, delays=delays, progress=under("load train", progress)
        )
        frames = torch.cat([_frames(s) for s in sequences[:: max(len(sequences) // 200, 1)]])
        mean = frames.mean(0)
        count = min(COMPONENTS, len(frames) // 2, frames.shape[1])
        with torch.random.fork_rng(devices=[]):  # it begins with a random projection
            torch.manual_seed(0)
            _, size, axes = torch.pca_lowrank(frames - mean, count, center=False)
        axes = axes / (size / len(frames) ** 0.5)
        _, direction = opening_direction(face)
        width = (PAST + 1 + FUTURE) * count
        left, right = torch.zeros(width, width), torch.zeros(width)
        by_speaker: dict[str, list[Sequence]] = {}
        for sequence in sequences:
            by_speaker.setdefault(sequence.speaker, []).append(sequence)
        for group in by_speaker.values():
            opening = torch.cat([s.motion @ direction for s in group])
            # The square root lies between fair to people and fair to minutes.
            weight = len(opening) ** -0.5
            for s in group:
                x = _context((_frames(s) - mean) @ axes)
                y = (s.motion @ direction - opening.mean()) / opening.std()
                left += weight * x.T @ x
                right += weight * x.T @ y
        scale = left.diagonal().mean() / len(frames)
        weights = torch.linalg.solve(left + PENALTY * scale * torch.eye(width), right)
        return cls(features, mean, axes, weights, load_network(OpeningNetwork))

    def openings(self, samples: np.ndarray, frames: int) -> dict[str, np.ndarray]:
        """Curves [frames] of either, in a unit of their own, for the first frames of a speech."""
        features = features_for_frames(load_features(self.features), samples, frames)
        other = features
        if self.network.config.features != self.features:
            extract = load_features(self.network.config.features)
            other = features_for_frames(extract, samples, frames)
        x = features.unflatten(0, (-1, FEATURES_PER_FRAME)).flatten(1)
        ridge = _context((x - self.mean) @ self.axes) @ self.weights
        return {"ridge": ridge.numpy(), "convolutions": self.network.opening(other).numpy()}


def _frames(sequence: Sequence) -> Tensor:
    """[T, 2 D] features of each motion frame, the sound in time."""
    count = FEATURES_PER_FRAME * len(sequence.motion)
    heard = sequence.heard(0, 0.0, 1.0, count)
    return heard.unflatten(0, (-1, FEATURES_PER_FRAME)).flatten(1)


def _context(x: Tensor) -> Tensor:
    """[T, C] -> [T, (PAST + 1 + FUTURE) C] with the neighbours of each frame; the ends repeat."""
    padded = torch.cat([x[:1].expand(PAST, -1), x, x[-1:].expand(FUTURE, -1)])
    return padded.unfold(0, PAST + 1 + FUTURE, 1).flatten(1)
