"""Kinds of damage that `fuzz/run.py` found, each refused in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import save_file
from support.styles import style_of

from adamesh.animation.style import Style
from adamesh.checkpoints.networks import load_network, save_network
from adamesh.errors import InputError
from adamesh.formats import read_track
from adamesh.jobs.batch import read_batch
from adamesh.models.expression import ExpressionAdapter, ExpressionConfig
from adamesh.rigging import read_mesh


def rewritten(path: Path, **metadata: str | None) -> None:
    """A safetensors file with other metadata; None takes a key out."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        known = {**file.metadata(), **metadata}
    save_file(tensors, path, {key: value for key, value in known.items() if value is not None})


@pytest.mark.parametrize(
    "metadata", [{"sound_offset": None}, {"gain": "much"}, {"blinks": "[]"}, {"branches": "{}1"}]
)
def test_styles_that_lack_something(metadata: dict, tmp_path: Path) -> None:
    style_of("0" * 16).save(tmp_path / "a.style")
    rewritten(tmp_path / "a.style", **metadata)
    with pytest.raises(InputError, match=r"style '.*a\.style' is damaged"):
        Style.load(tmp_path / "a.style")


@pytest.mark.parametrize(
    "config", [None, "{", '{"dim": "x"}', '{"unknown": 1}', json.dumps({"dim": 12, "heads": 2})]
)
def test_checkpoints_that_lack_something(config: str | None, tmp_path: Path) -> None:
    tiny = ExpressionConfig(features="log_mel", feature_dim=100, dim=8, heads=2)
    save_network(tmp_path / "a.safetensors", ExpressionAdapter(tiny), {})
    rewritten(tmp_path / "a.safetensors", config=config)
    with pytest.raises(InputError, match=r"checkpoint '.*' is damaged, or of another version"):
        load_network(ExpressionAdapter, tmp_path / "a.safetensors")


def test_meshes_of_vertices_that_are_not_there(tmp_path: Path) -> None:
    head = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\n"
    head += "property float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
    (tmp_path / "a.ply").write_text(head + "0 0 0\n1 0 0\n0 1 0\n3 0 1 99\n")
    with pytest.raises(InputError, match=r"triangles of vertices that it lacks|cannot be read"):
        read_mesh(tmp_path / "a.ply")


def test_texts_that_are_none(tmp_path: Path) -> None:
    for suffix in ("tsv", "csv", "json", "jsonl"):
        (tmp_path / f"a.{suffix}").write_bytes(b"jawOpen\n\xb2\x00\xff" + np.arange(9).tobytes())
        with pytest.raises(InputError, match=rf"a\.{suffix}' cannot be read as"):
            read_track(tmp_path / f"a.{suffix}", fps=25)


def test_names_with_a_zero_byte(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("speech,style,output\na\0.wav,b\0.style,c.npz\n")
    with pytest.raises(InputError, match="is not a CSV in UTF-8: "):
        read_batch(tmp_path / "a.csv")
