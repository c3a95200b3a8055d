"""Arrays out of other programs' files, and into them, without running anything that is in them.

The files are strangers': none of their pickles is executed, and nothing larger than `LARGEST` is opened.
"""

import codecs
import contextlib
import csv
import io
import json
import os
import pickle
import pickletools
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from adamesh.errors import InputError, MissingDependencyError, listed
from adamesh.files import atomic_folder, atomic_output, check_input

Array = NDArray[Any]

LARGEST = 2**30  # bytes; an hour of whole-body motion at 60 fps is a third of that
LARGEST_TEXT = 2**28
LARGEST_PICKLE = 2**22  # of a .pt file: names and shapes; the numbers lie beside it
_NUMBERS = "fiu"  # kinds of dtype
_PICKLE = b"\x80"  # its first byte
BARE = ""  # name of an array that lies in its file without one

# What numpy, scipy, torch, h5py, zipfile, zlib, json and csv say of foreign, cut and forged files.
_UNREADABLE = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    csv.Error,
    pickle.UnpicklingError,  # the class only: nothing here unpickles
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextlib.contextmanager
def unreadable_as(path: Path, what: str) -> Iterator[None]:
    """Turns what a library says of a bad file into one line.

    Raises:
        InputError: as said.
    """
    try:
        yield
    except _UNREADABLE as error:
        raise InputError(
            f"'{path}' cannot be read as {what}; it is damaged, or another kind of file"
        ) from error


def read_arrays(path: Path, wanted: Container[str]) -> dict[str, Array | None]:
    """The arrays of a `.npz`, `.npy`, `.pt`, `.mat` or `.hdf5`, or of a folder of `.npy` files.

    Args:
        wanted: the names to read.
    Returns:
        Array of numbers by name; None under names that are in the file and not wanted. An array
        without a name has the name `BARE`.
    Raises:
        InputError: the file is damaged, too large, of another kind, or holds more than arrays.
        MissingDependencyError: it is `.hdf5`, and h5py is not installed.
    """
    if path.is_dir():
        arrays = _read_folder(path, wanted)
    else:
        check_input(path, "track")
        suffix = path.suffix.lower()
        with unreadable_as(path, f"a {suffix} file"):
            arrays = _READERS[suffix](path, wanted)
    for name, array in arrays.items():
        if array is not None and array.dtype.kind not in _NUMBERS:
            raise InputError(f"'{name}' of '{path}' must be an array of numbers, got {array.dtype}")
    return arrays


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: it is damaged or too large.
    """
    with unreadable_as(path, "JSON"):
        return json.loads(read_text(path))


def read_csv(path: Path) -> list[list[str]]:
    """The rows of a CSV file, header first; rows without text are left out.

    Raises:
        InputError: it is damaged or too large.
    """
    with unreadable_as(path, "CSV"):
        rows = csv.reader(read_text(path).splitlines())
        table = [row for row in rows if any(cell.strip() for cell in row)]
    if not table:
        raise InputError(f"'{path}' has no rows; record or download it again")
    return table


def contents(path: Path) -> set[str]:
    """What a file names: its arrays, the keys of its object, or the columns of its header, in lower case.

    Raises:
        InputError: as the readers.
    """
    suffix = path.suffix.lower()
    if suffix == ".json" and not path.is_dir():
        top = read_json(path)
        # A list has no keys; the tools that write one write a list of frames.
        named = {key.lower() for key in top} if isinstance(top, dict) else {"frames"}
        frames = top.get("frames") if isinstance(top, dict) else top
        return named | {f"frames.{key}" for key in _frame_keys(frames)}
    if suffix == ".csv" and not path.is_dir():
        return {name.strip().lower() for name in read_csv(path)[0]}
    if suffix in (".tsv", ".txt", ".jsonl", ".ndjson") and not path.is_dir():
        return set()
    return {name.lower() for name in read_arrays(path, ())}


def _frame_keys(frames: Any) -> set[str]:
    """Keys of the first objects of a list, in lower case and without underscores."""
    if not isinstance(frames, list):
        return set()
    objects = [frame for frame in frames[:100] if isinstance(frame, dict)]
    return {str(key).lower().replace("_", "") for frame in objects for key in frame}


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Writes arrays in the kind of file that the suffix of `path` names; whole or not at all.

    Raises:
        InputError: the folder does not exist or cannot be written.
        MissingDependencyError: it is `.hdf5`, and h5py is not installed.
    """
    with atomic_output(path) as temporary:
        _WRITERS[path.suffix.lower()](temporary, arrays)


def write_frames(folder: Path, arrays: Mapping[str, Array]) -> None:
    """Writes arrays [T, ...] as a new folder that holds a folder a frame, with a `.npy` an array.

    Raises:
        InputError: the folder exists, or it cannot be written.
    """
    with atomic_folder(folder) as whole:
        for frame in range(len(next(iter(arrays.values())))):
            one = whole / f"{frame + 1:06d}_000"
            one.mkdir()
            for name, array in arrays.items():
                np.save(one / f"{name}.npy", array[frame])


def read_text(path: Path) -> str:
    """A text in UTF-8, in UTF-16 with its mark, or, as Excel saves it in the west, in Windows-1252.

    Raises:
        InputError: no such file, or it is too large.
    """
    check_input(path, "track")
    if path.stat().st_size > LARGEST_TEXT:
        raise InputError(f"'{path}' has more than {LARGEST_TEXT >> 20} MiB; cut it into parts")
    with unreadable_as(path, "a text"):
        return _decoded(path.read_bytes())


def _decoded(content: bytes) -> str:
    """The text in some bytes.

    Raises:
        ValueError: they are none.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    if content[1:4:2] == b"\0\0":  # UTF-16 that lost its mark
        return content.decode("utf-16-le")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in content:
            raise
        return content.decode("cp1252")


def check_size(path: Path, size: int) -> None:
    """Refuses arrays of so many bytes.

    Raises:
        InputError: they are more than `LARGEST`.
    """
    if size > LARGEST:
        raise InputError(
            f"'{path}' holds more than {LARGEST >> 30} GiB in arrays; cut it into parts"
        )


def _read_npy(path: Path, wanted: Container[str]) -> dict[str, Array | None]:
    with path.open("rb") as file:
        return {BARE: _load_npy(path, file) if BARE in wanted else None}


def _read_npz(path: Path, wanted: Container[str]) -> dict[str, Array | None]:
    arrays: dict[str, Array | None] = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            arrays[name] = None
            if name in wanted:
                check_size(path, info.file_size)
                with archive.open(info) as file:
                    arrays[name] = _load_npy(path, file)
    return arrays


def _load_npy(path: Path, file: IO[bytes]) -> Array:
    first = file.read(1)
    file.seek(0)
    try:
        if first == _PICKLE:
            raise ValueError("a pickle: allow_pickle")
        return np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise InputError(
            f"'{path}' holds Python objects (a pickle), which may run code and are not opened; "
            "save the arrays in it again: np.savez('x.npz', **the_dictionary)"
        ) from error


def _read_pt(path: Path, wanted: Container[str]) -> dict[str, Array | None]:
    import torch

    _check_pickle(path)
    stored = torch.load(path, map_location="cpu", weights_only=True)
    named = stored if isinstance(stored, dict) else {BARE: stored}
    arrays: dict[str, Array | None] = {}
    for name, tensor in named.items():
        arrays[str(name)] = None
        if name in wanted:
            if not isinstance(tensor, torch.Tensor):
                raise InputError(
                    f"'{name}' of '{path}' must be a tensor, got {type(tensor).__name__}"
                )
            check_size(path, tensor.numel() * tensor.element_size())
            arrays[str(name)] = tensor.detach().to(torch.float32).numpy()
    return arrays


def _check_pickle(path: Path) -> None:
    """Refuses a `.pt` that asks for anything but tensors and dictionaries of them.

    torch's own restricted loader runs no code, but would still build a `bytearray` of any size.
    """
    with zipfile.ZipFile(path) as archive:
        check_size(path, sum(info.file_size for info in archive.infolist()))
        pickles = [info for info in archive.infolist() if info.filename.endswith("data.pkl")]
        (info,) = pickles
        if info.file_size > LARGEST_PICKLE:
            raise InputError(f"'{path}' holds more than tensors; save only tensors in it")
        for code, argument, _ in pickletools.genops(archive.read(info)):
            known = code.name == "GLOBAL" and _TENSOR_PARTS.fullmatch(str(argument))
            if code.name in ("GLOBAL", "STACK_GLOBAL", "INST") and not known:
                found = listed([str(argument or "objects")])
                raise InputError(
                    f"'{path}' holds {found}, and only tensors are opened; save "
                    "them again: torch.save({name: torch.as_tensor(array), ...}, 'x.pt')"
                )


_TENSOR_PARTS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor_v2|parameter)|torch \w+Storage"
)


def _read_mat(path: Path, wanted: Container[str]) -> dict[str, Array | None]:
    import scipy.io

    try:
        return _load_mat(path, wanted)
    except scipy.io.matlab.MatReadError as error:
        raise ValueError("not a .mat file") from error


def _load_mat(path: Path, wanted: Container[str]) -> dict[str, Array | None]:
    import scipy.io

    with path.open("rb") as file:
        named = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(file)}
        here = [name for name in named if name in wanted]
        for name in here:
            shape, kind = named[name]
            check_size(path, 8 * int(np.prod(shape, dtype=object)))
            if kind in ("cell", "struct", "object", "function", "opaque", "char", "sparse"):
                raise InputError(f"'{name}' of '{path}' must be an array of numbers, got a {kind}")
        file.seek(0)
        loaded = scipy.io.loadmat(file, variable_names=here) if here else {}
    return {name: loaded.get(name) for name in named}


def _read_hdf5(path: Path, wanted: Container[str]) -> dict[str, Array | None]:
    h5py = _h5py("reading .hdf5")
    arrays: dict[str, Array | None] = {}
    with h5py.File(path, "r") as file:
        for name in file:
            arrays[name] = None
            if name not in wanted:
                continue
            # Links and virtual or external data may name any other file of this machine.
            link = file.get(name, getlink=True)
            dataset = file[name] if isinstance(link, h5py.HardLink) else None
            if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
                raise InputError(f"'{name}' of '{path}' must be an array in the file itself")
            if dataset.dtype.kind not in _NUMBERS:
                raise InputError(f"'{name}' of '{path}' must be an array of numbers")
            check_size(path, dataset.size * dataset.dtype.itemsize)
            arrays[name] = dataset[()]
    return arrays


def _read_folder(folder: Path, wanted: Container[str]) -> dict[str, Array | None]:
    """The `.npy` files of a folder, by their names."""
    arrays: dict[str, Array | None] = {}
    for file in sorted(folder.glob("*.npy")):
        arrays[file.stem] = None
        if file.stem in wanted:
            with unreadable_as(check_input(file, "frame"), "a .npy file"):
                arrays[file.stem] = _read_npy(file, {BARE})[BARE]
    return arrays


def _h5py(purpose: str) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError("h5py", purpose, "formats") from error
    return h5py


def _write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **dict[str, Any](arrays))


def _write_pt(path: Path, arrays: Mapping[str, Array]) -> None:
    import torch

    tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
    content = io.BytesIO()  # a full disk would be an error of torch's own
    torch.save(tensors.get(BARE, tensors), content)
    path.write_bytes(content.getbuffer())


def _write_mat(path: Path, arrays: Mapping[str, Array]) -> None:
    import scipy.io

    scipy.io.savemat(os.fspath(path), dict(arrays))


def _write_hdf5(path: Path, arrays: Mapping[str, Array]) -> None:
    content = io.BytesIO()  # on a full disk h5py's own files print traces and cannot be closed
    with _h5py("writing .hdf5").File(content, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    path.write_bytes(content.getbuffer())


_READERS: dict[str, Callable[[Path, Container[str]], dict[str, Array | None]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".pt": _read_pt,
    ".mat": _read_mat,
    ".hdf5": _read_hdf5,
    ".h5": _read_hdf5,
}
_WRITERS: dict[str, Callable[[Path, Mapping[str, Array]], None]] = {
    ".npz": _write_npz,
    ".pt": _write_pt,
    ".mat": _write_mat,
    ".hdf5": _write_hdf5,
    ".h5": _write_hdf5,
}
