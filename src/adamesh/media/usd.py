"""Writes USD layers and packages, and raises when that fails: USD's own packager leaves a cut file."""

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ALIGNMENT = 64  # bytes; so that readers can map the parts of a package into memory
_LOCAL_HEADER = 30  # bytes of a part's header in front of its name
_PADDING = 0x1986  # the kind of extra field that the specification has for this


def save_layer(layer: Any, path: Path) -> None:
    """Writes an `Sdf.Layer`; the suffix of `path` chooses text or binary.

    Raises:
        OSError: it cannot be written.
    """
    from pxr import Tf

    try:
        layer.Export(str(path))
    except Tf.ErrorException as error:
        raise OSError(error.args[0].commentary.strip().splitlines()[0]) from error


def save_package(path: Path, parts: Mapping[str, Path]) -> None:
    """Writes a .usdz.

    Args:
        path: the package.
        parts: files by their names in it; the first is what readers open.
    Raises:
        OSError: it cannot be written.
    Source: the USDZ file format specification of OpenUSD: a zip archive without compression in which the
        data of every file begin at a multiple of 64 bytes.
    """
    with path.open("wb") as file, zipfile.ZipFile(file, "w") as package:
        for name, part in parts.items():
            info = zipfile.ZipInfo(name)
            field = struct.calcsize("<HH")
            data_place = file.tell() + _LOCAL_HEADER + len(name.encode()) + field
            padding = -data_place % _ALIGNMENT
            info.extra = struct.pack("<HH", _PADDING, padding) + bytes(padding)
            package.writestr(info, part.read_bytes())
