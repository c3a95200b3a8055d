"""Outputs that appear whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from adamesh.errors import InputError


def check_input(path: str | os.PathLike[str], what: str) -> Path:
    """The path of a readable, non-empty file, or one clear line.

    Raises:
        InputError: nothing is there, or it is a folder, or it is empty.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{what} '{path}' is a folder; give the path of a file")
    if not path.exists():
        raise InputError(f"{what} '{path}' does not exist; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"{what} '{path}' is empty (0 bytes); record or download it again")
    return path


def check_output(path: str | os.PathLike[str], *, force: bool) -> Path:
    """The path of a file that may be written, checked before any work is done.

    Raises:
        InputError: it exists and `force` is off, or it is a folder, or its folder does not exist.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"output '{path}' is a folder; give the path of a file")
    if not path.parent.is_dir():
        raise InputError(f"the folder of output '{path}' does not exist; create it first")
    if path.exists() and not force:
        raise InputError(f"output '{path}' exists already; use --force to replace it")
    return path


@contextlib.contextmanager
def atomic_output(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well.

    On any error the temporary file is removed and `path` is as it was. The temporary name keeps the
    suffix, since writers choose their format by it.

    Raises:
        InputError: the folder of `path` does not exist or cannot be written.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=".adamesh-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise InputError(
            f"cannot write '{path}': {error.strerror}; choose another folder"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_new_folder(path: str | os.PathLike[str]) -> Path:
    """The path of a folder that may be made, checked before any work is done.

    Raises:
        InputError: something is there, or the folder it is to lie in does not exist.
    """
    path = Path(path)
    if path.exists():  # may hold what nobody wants to lose, so --force does not help
        raise InputError(f"output folder '{path}' exists already; give a new name")
    if not path.parent.is_dir():
        raise InputError(f"the folder of output '{path}' does not exist; create it first")
    return path


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name when the block ends well.

    Raises:
        InputError: something is at `path`, or the folder cannot be made.
    """
    path = check_new_folder(path)
    try:
        temporary = tempfile.TemporaryDirectory(prefix=".adamesh-", dir=path.parent)
    except OSError as error:
        raise InputError(
            f"cannot write '{path}': {error.strerror}; choose another folder"
        ) from error
    with temporary as outer:
        whole = Path(outer) / path.name
        whole.mkdir()
        yield whole
        whole.replace(path)
