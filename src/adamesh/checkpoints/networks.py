"""One file for each network: safetensors with the configuration it is built from and facts for its card."""

import dataclasses
import functools
import hashlib
import json
import os
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from adamesh.errors import InputError
from adamesh.files import atomic_output, check_input
from adamesh.models.expression import ExpressionAdapter, ExpressionConfig
from adamesh.models.opening import OpeningConfig, OpeningNetwork
from adamesh.models.pose_gpt import PoseGPT, PoseGPTConfig
from adamesh.models.pose_vqvae import PoseVQVAE, PoseVQVAEConfig
from adamesh.models.whisper import WhisperConfig, WhisperEncoder

Network = TypeVar("Network", bound=nn.Module)


class Kind(NamedTuple):
    """What is stored of one class of networks."""

    name: str  # in the file
    config: Any  # the dataclass that the class is built from
    asset: str  # name of the shipped file


KINDS: dict[type[nn.Module], Kind] = {
    ExpressionAdapter: Kind(
        "adamesh expression adapter", ExpressionConfig, "expression.safetensors"
    ),
    OpeningNetwork: Kind("adamesh opening network", OpeningConfig, "opening.safetensors"),
    WhisperEncoder: Kind("whisper encoder", WhisperConfig, "whisper.safetensors"),
    PoseVQVAE: Kind("adamesh pose VQ-VAE", PoseVQVAEConfig, "pose-vqvae.safetensors"),
    PoseGPT: Kind("adamesh PoseGPT", PoseGPTConfig, "pose-gpt.safetensors"),
}


def save_network(path: str | os.PathLike[str], model: nn.Module, facts: dict[str, object]) -> None:
    """Writes weights at half precision, with the network's configuration and facts for its card.

    Args:
        model: of a class in `KINDS`, with its dataclass as `config`.
    """
    tensors = {name: x.detach().half().contiguous() for name, x in model.state_dict().items()}
    config: Any = model.config
    metadata = {
        "kind": KINDS[type(model)].name,
        "config": json.dumps(dataclasses.asdict(config)),
        "facts": json.dumps(facts),
    }
    with atomic_output(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))


def load_network(cls: type[Network], path: str | os.PathLike[str] | None = None) -> Network:
    """Reads a checkpoint, by default the shipped one; in eval mode, frozen, float32.

    Raises:
        InputError: not such a checkpoint; the message says what it is instead.
    """
    kind = KINDS[cls]
    source = check_input(path or shipped(cls), "checkpoint")
    try:
        with safe_open(source, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"checkpoint '{source}' is not a safetensors file: {error}") from error
    if metadata.get("kind") != kind.name:
        raise InputError(
            f"checkpoint '{source}' holds '{metadata.get('kind', 'something unnamed')}', "
            f"expected '{kind.name}'"
        )
    try:
        values = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in json.loads(metadata["config"]).items()
        }
        with torch.random.fork_rng(devices=[]):  # first weights are drawn, and thrown away
            model = cls(kind.config(**values))
        model.load_state_dict(tensors)
    # Keys, numbers and shapes that a damaged file lacks, or that belong to another version.
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"checkpoint '{source}' is damaged, or of another version: {str(error).splitlines()[0][:80]}"
        ) from error
    return model.eval().requires_grad_(False)


def shared_network(cls: type[Network], path: str | os.PathLike[str] | None = None) -> Network:
    """As `load_network`, but one object for all who ask for the same file: don't change it in place."""
    source = check_input(path or shipped(cls), "checkpoint").resolve()
    kind: Any = cls
    network: Network = _shared(kind, source, source.stat().st_mtime_ns)
    return network


@functools.lru_cache(maxsize=8)
def _shared(cls: Any, source: Path, modified: int) -> Any:  # noqa: ARG001, a file that changed is read again
    return load_network(cls, source)


def shipped(cls: type[nn.Module]) -> Path:
    """Path of the shipped weights of a class in `KINDS`."""
    return Path(str(resources.files("adamesh") / "assets" / KINDS[cls].asset))


def fingerprint(model: nn.Module) -> str:
    """16 hex digits that two models share iff their weights are equal; a style belongs to one of them."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
