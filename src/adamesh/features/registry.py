"""Speech features by name."""

import functools

import numpy as np
import torch
from torch import Tensor

from adamesh.checkpoints.networks import load_network
from adamesh.errors import InputError
from adamesh.features.hubert import HubertFeatures
from adamesh.features.interface import SpeechFeatures
from adamesh.features.log_mel import LogMelFeatures
from adamesh.features.prosody import ProsodyFeatures
from adamesh.features.whisper import WhisperFeatures
from adamesh.models.whisper import WhisperEncoder


class JoinedFeatures:
    """Channels of several features side by side."""

    def __init__(self, parts: list[SpeechFeatures]) -> None:
        self.parts = parts
        self.name = "+".join(part.name for part in parts)
        self.dim = sum(part.dim for part in parts)
        self.lookahead = max(part.lookahead for part in parts)

    def __call__(self, samples: np.ndarray) -> Tensor:
        return torch.cat([part(samples) for part in self.parts], dim=1)


@functools.cache
def load_features(name: str, *, streamed: bool = False) -> SpeechFeatures:
    """Speech features by the name that a checkpoint gives; loaded once.

    Args:
        streamed: as a stream hears them, where there are two ways: see `features.whisper`.
    Raises:
        InputError: no features have that name, or a model they need is not here.
        MissingDependencyError: a package they need is not installed.
    """
    if "+" in name:
        return JoinedFeatures([load_features(part, streamed=streamed) for part in name.split("+")])
    if name == "log_mel":
        return LogMelFeatures()
    if name == "prosody":
        return ProsodyFeatures()
    if name == "whisper":
        return WhisperFeatures(load_network(WhisperEncoder), streamed=streamed)
    kind, _, source = name.partition(":")
    if kind == "hubert" and source:
        return HubertFeatures(source)
    raise InputError(
        f"there are no speech features '{name}'; use log_mel, prosody, whisper, hubert:DIRECTORY, or "
        "several joined by '+'"
    )
