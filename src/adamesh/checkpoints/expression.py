"""The expression adapter's checkpoint."""

import hashlib
import json
import os
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from adamesh.errors import InputError
from adamesh.files import atomic_output, check_input
from adamesh.models.expression import ExpressionAdapter, ExpressionConfig

KIND = "adamesh expression adapter"


def save_expression_adapter(
    path: str | os.PathLike[str], model: ExpressionAdapter, facts: dict[str, object]
) -> None:
    """Writes weights at half precision, with the network's configuration and facts for its card."""
    tensors = {name: x.detach().half().contiguous() for name, x in model.state_dict().items()}
    metadata = {
        "kind": KIND,
        "config": json.dumps(model.config.to_dict()),
        "facts": json.dumps(facts),
    }
    with atomic_output(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load_expression_adapter(path: str | os.PathLike[str] | None = None) -> ExpressionAdapter:
    """Reads a checkpoint, by default the shipped one; in eval mode, frozen, float32.

    Raises:
        InputError: not such a checkpoint; the message says what it is instead.
    """
    source = check_input(path or shipped_checkpoint(), "checkpoint")
    try:
        with safe_open(source, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"checkpoint '{source}' is not a safetensors file: {error}") from error
    if metadata.get("kind") != KIND:
        raise InputError(
            f"checkpoint '{source}' holds '{metadata.get('kind', 'something unnamed')}', "
            f"expected '{KIND}'"
        )
    model = ExpressionAdapter(ExpressionConfig(**json.loads(metadata["config"])))
    model.load_state_dict(tensors)
    return model.eval().requires_grad_(False)


def shipped_checkpoint() -> Path:
    """Path of the expression adapter in the package."""
    return Path(str(resources.files("adamesh") / "assets" / "expression.safetensors"))


def fingerprint(model: torch.nn.Module) -> str:
    """16 hex digits that two models share iff their weights are equal; a style belongs to one of them."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
