"""Speech features by name: a new kind is a module with a class, and a line here."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from adamesh.checkpoints.networks import load_network
from adamesh.errors import InputError, MissingDependencyError
from adamesh.features.hubert import HubertFeatures
from adamesh.features.interface import SpeechFeatures
from adamesh.features.log_mel import LogMelFeatures
from adamesh.features.prosody import ProsodyFeatures
from adamesh.features.whisper import WhisperFeatures
from adamesh.models.whisper import WhisperEncoder


@dataclass(frozen=True)
class Kind:
    """What is known of a kind of features without loading it.

    Attributes:
        load: makes it, of what follows the colon in the name, and whether it hears as a stream does.
        holds: what it tells of the speech, for people.
        source: what must follow a colon, for messages; empty where nothing does.
        package, extra: that it needs, where it does.
    """

    load: Callable[[str, bool], SpeechFeatures]
    holds: str
    source: str = ""
    package: str | None = None
    extra: str = ""

    @property
    def ready(self) -> str:
        """Whether it can be used here, in words."""
        if self.package is not None and find_spec(self.package) is None:
            return MissingDependencyError(self.package, self.holds, self.extra).remedy
        return f"ready for a {self.source}" if self.source else "ready"


FEATURES: dict[str, Kind] = {
    "log_mel": Kind(lambda _, __: LogMelFeatures(), "loudness and tone; nothing learnt"),
    "prosody": Kind(lambda _, __: ProsodyFeatures(), "loudness, pitch, phrases and pauses"),
    "whisper": Kind(
        lambda _, streamed: WhisperFeatures(load_network(WhisperEncoder), streamed=streamed),
        "what is said: the first layers of Whisper base, which ship with the package",
    ),
    "hubert": Kind(
        lambda source, _: HubertFeatures(source),
        "what is said: a HuBERT of your own",
        source="model folder or hub name",
        package="transformers",
        extra="hubert",
    ),
}


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
        name: of a kind in `FEATURES`, with a source behind a colon where it needs one; several joined by `+`.
        streamed: as a stream hears them, where there are two ways: see `features.whisper`.
    Raises:
        InputError: no features have that name, or a model they need is not here.
        MissingDependencyError: a package they need is not installed.
    """
    if "+" in name:
        return JoinedFeatures([load_features(part, streamed=streamed) for part in name.split("+")])
    kind, _, source = name.partition(":")
    if kind not in FEATURES or bool(source) != bool(FEATURES[kind].source):
        known = (f"{k}:{v.source.upper()}" if v.source else k for k, v in FEATURES.items())
        raise InputError(
            f"there are no speech features '{name}'; use {', '.join(known)}, or several joined by '+'"
        )
    return FEATURES[kind].load(source, streamed)


def both_ways(name: str) -> tuple[SpeechFeatures, SpeechFeatures]:
    """The same features of whole recordings and as a stream hears them: networks are trained on both."""
    return load_features(name), load_features(name, streamed=True)
