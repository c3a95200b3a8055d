"""A face model as one safetensors file."""

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from adamesh.errors import InputError
from adamesh.faces.face import Face
from adamesh.files import atomic_output, check_input

_FORMAT = "adamesh-face-1"
_HEADER = "adamesh"
_REGION = "region."
_DIRECTIONS = ("shapedirs", "expressiondirs", "posedirs")
_INDICES = ("triangles", "uv_triangles", "triangle_material", "landmark_triangles")


def save_face(
    face: Face,
    path: str | os.PathLike[str],
    *,
    directions_dtype: torch.dtype = torch.float32,
    notes: dict[str, str] | None = None,
) -> None:
    """Writes a face model.

    Args:
        face: what to write.
        path: safetensors file; replaced if it exists.
        directions_dtype: type of shape, expression and pose directions. float16 halves the file;
            its rounding is below 0.02 mm for displacements of 3 cm.
        notes: text about origin and licence, kept in the file's header.
    """
    tensors = {}
    for key, value in face.tensors().items():
        dtype = torch.int32 if key in _INDICES else torch.float32
        tensors[key] = value.to(directions_dtype if key in _DIRECTIONS else dtype).contiguous()
    for region, ids in face.regions.items():
        tensors[_REGION + region] = ids.to(torch.int32)
    # The order of the regions is not kept by safetensors, which sorts by name.
    attributes = face.attributes() | {"region_names": face.region_names}
    # One entry only: safetensors writes several in random order, and files should be reproducible.
    header = {"format": _FORMAT, "face": attributes, "notes": notes or {}}
    metadata = {_HEADER: json.dumps(header, sort_keys=True)}
    with atomic_output(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))


def load_face(path: str | os.PathLike[str], dtype: torch.dtype = torch.float32) -> Face:
    """Reads a face model that `save_face` wrote.

    Args:
        path: safetensors file.
        dtype: of all real numbers of the face.
    Raises:
        InputError: there is no such file, or it is not a face model of this program.
    """
    with _opened(path) as (file, header):
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, not a dict
    attributes: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in header["face"].items()
    }
    tensors = {
        key: value.to(dtype if value.is_floating_point() else torch.int64)
        for key, value in tensors.items()
    }
    regions = {name: tensors.pop(_REGION + name) for name in attributes.pop("region_names")}
    return Face(**attributes, **tensors, regions=regions)


def face_notes(path: str | os.PathLike[str]) -> dict[str, str]:
    """The notes that `save_face` was given, without reading the face.

    Raises:
        InputError: there is no such file, or it is not a face model of this program.
    """
    with _opened(path) as (_, header):
        return header["notes"]


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A face model's file and its header."""
    path = check_input(path, "face model")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
            if header.get("format") != _FORMAT:
                raise InputError(
                    f"'{path}' is not a face model of this program: its format is "
                    f"{header.get('format')!r}, expected {_FORMAT!r}"
                )
            yield file, header
    except SafetensorError as error:
        raise InputError(f"face model '{path}' is not a safetensors file ({error})") from error
