"""Outputs that appear whole or not at all."""

import contextlib
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from adamesh.errors import InputError

if sys.platform != "win32":
    import fcntl

_PREFIX = ".adamesh-"  # of temporary names
_FOLDER = "adamesh-"  # of temporary folders in the system's place for such
_LOCK = ".lock"  # in a temporary folder; held as long as somebody works there


def named_path(path: str | os.PathLike[str], what: str) -> Path:
    """`path`, if a file of that name can be.

    Raises:
        InputError: the name is too long.
    """
    path = Path(path)
    try:
        path.exists()
    except OSError as error:  # not of a missing file: of a name that is too long
        raise InputError(
            f"{what} '{path}' cannot be looked up: {error.strerror}; give another path"
        ) from error
    return path


def check_input(path: str | os.PathLike[str], what: str) -> Path:
    """The path of a readable, non-empty file, or one clear line.

    Raises:
        InputError: nothing is there, or it is a folder, or it is empty, or the name is too long.
    """
    path = named_path(path, what)
    if path.is_dir():
        raise InputError(f"{what} '{path}' is a folder; give the path of a file")
    if not path.exists():
        raise InputError(f"{what} '{path}' does not exist; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"{what} '{path}' is empty (0 bytes); make or download it again")
    return path


def check_output(path: str | os.PathLike[str], *, force: bool) -> Path:
    """The path of a file that may be written, checked before any work is done.

    Raises:
        InputError: it exists and `force` is off, or it is a folder, its name is too long, or
            its folder does not exist or is read-only.
    """
    path = named_path(path, "output")
    if path.is_dir():
        raise InputError(f"output '{path}' is a folder; give the path of a file")
    if not path.parent.is_dir():
        raise InputError(f"the folder of output '{path}' does not exist; create it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"the folder of output '{path}' cannot be written to; choose another")
    if path.exists() and not force:
        raise InputError(f"output '{path}' exists already; use --force to replace it")
    return path


@contextlib.contextmanager
def clear_write_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """What the system says of a failed write, as a full disk, in one line that names `path`.

    Raises:
        InputError: in place of any `OSError` in the block.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "make room or choose another folder" if full else "choose another folder"
        raise InputError(f"cannot write '{path}': {error.strerror or error}; {advice}") from error


@contextlib.contextmanager
def atomic_output(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well.

    On any error the temporary file is removed and `path` is as it was. The temporary name keeps the
    suffix, since writers choose their format by it. A process that is killed outright can remove nothing; the
    next output in the same folder does so.

    Raises:
        InputError: the folder of `path` does not exist or cannot be written, or the disk is full.
    """
    path = Path(path)
    with clear_write_errors(path):
        _remove_leftovers(path.parent)
        with _temporary_beside(path) as temporary:
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)


@contextlib.contextmanager
def _temporary_beside(path: Path) -> Iterator[Path]:
    """A new file that is gone after the block, locked within it so that nobody takes it for a leftover."""
    while True:
        handle, name = tempfile.mkstemp(prefix=_PREFIX, suffix=path.suffix, dir=path.parent)
        with os.fdopen(handle) as file:
            if sys.platform == "win32":
                file.close()  # an open file could not be renamed
            else:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:  # somebody is about to remove it
                    continue
                except OSError:
                    pass  # a file system without locks: nothing is taken for a leftover there
                if os.fstat(handle).st_nlink == 0:
                    continue
            try:
                yield Path(name)
            finally:
                Path(name).unlink(missing_ok=True)
            return


@contextlib.contextmanager
def temporary_folder(beside: Path | None = None) -> Iterator[Path]:
    """A new folder that is gone after the block. Those that killed processes left are removed first.

    Args:
        beside: a path in whose folder it is made; by default where the system has such folders.
    """
    place = Path(tempfile.gettempdir()) if beside is None else beside.parent
    _remove_leftovers(place, _FOLDER if beside is None else _PREFIX)
    prefix = _FOLDER if beside is None else _PREFIX
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place) as name:
        folder = Path(name)
        if sys.platform == "win32":
            yield folder
            return
        with (folder / f"{_LOCK}-new").open("w") as lock:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # It takes its name when it is locked, so that nobody finds it unlocked.
                Path(lock.name).replace(folder / _LOCK)
            yield folder


def _remove_leftovers(folder: Path, prefix: str = _PREFIX) -> None:
    """Removes temporary files and folders of killed processes: the system has given up their locks."""
    if sys.platform == "win32":
        return
    for leftover in folder.glob(f"{prefix}*/{_LOCK}"):
        with contextlib.suppress(OSError), leftover.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(leftover.parent, ignore_errors=True)
    for leftover in folder.glob(f"{_PREFIX}*"):
        # Gone meanwhile, a folder, being written, or somebody else's: none of our business.
        with contextlib.suppress(OSError), leftover.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()


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
    with clear_write_errors(path), temporary_folder(beside=path) as outer:
        whole = outer / path.name
        whole.mkdir()
        yield whole
        whole.replace(path)
