"""What is installed here: weights with their hashes, face, speech features, versions, devices."""

import hashlib
import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from safetensors import safe_open

PACKAGES = (
    "torch", "numpy", "scipy", "safetensors", "onnxruntime", "av", "soxr", "pyvista", "transformers",
    "vector-quantize-pytorch", "usd-core", "trimesh",
)  # fmt: skip


def collect() -> dict[str, Any]:
    """Everything that `adamesh info` prints, as plain values."""
    import torch

    from adamesh import __version__
    from adamesh.checkpoints.networks import KINDS, shipped
    from adamesh.export import FORMATS
    from adamesh.faces.embedded import load_embedded_face
    from adamesh.features import FEATURES

    weights = {}
    for cls in KINDS:
        path = shipped(cls)
        with safe_open(path, framework="pt") as file:
            stored = file.metadata() or {}
            parameters = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
        config = json.loads(stored["config"])
        weights[path.name] = {
            "kind": stored["kind"],
            "parameters": parameters,
            "bytes": path.stat().st_size,
            "sha256": _sha256(path),
            **({"features": config["features"]} if "features" in config else {}),
        }
    face = load_embedded_face()
    cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "adamesh": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "devices": [f"cpu, {os.cpu_count()} cores, {torch.get_num_threads()} threads", *cuda],
        "packages": {name: _version(name) for name in PACKAGES},
        "face": {
            "name": "embedded head",
            "space": face.space,
            "vertices": face.n_vertices,
            "identity components": face.shapedirs.shape[-1],
        },
        "speech features": {name: f"{kind.ready}; {kind.holds}" for name, kind in FEATURES.items()},
        "outputs": {suffix: f"{kind.ready}; {kind.holds}" for suffix, kind in FORMATS.items()},
        "weights": weights,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
