"""Where imported faces are kept, and how they are found by name."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from adamesh.errors import InputError
from adamesh.faces.embedded import load_embedded_face
from adamesh.faces.face import Face
from adamesh.faces.storage import face_notes, load_face
from adamesh.files import check_output

EMBEDDED = "embedded"  # the name of the head that comes with the package
_SUFFIX = ".safetensors"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class FaceEntry:
    """A face in the library.

    Attributes:
        name: how it is asked for.
        path: its file; None for the embedded head.
        notes: text about its origin.
    """

    name: str
    path: Path | None
    notes: dict[str, str]


def library_folder() -> Path:
    """The user's folder of faces: $XDG_DATA_HOME/adamesh/faces, ~/.local/share/... without that
    variable, ~/Library/Application Support/... on macOS, %LOCALAPPDATA%\\... on Windows."""
    import platformdirs

    return platformdirs.user_data_path("adamesh", appauthor=False) / "faces"


def list_faces() -> list[FaceEntry]:
    """The embedded head, then the imported faces by name."""
    files = sorted(library_folder().glob(f"*{_SUFFIX}"))
    notes = {"made_by": "this program", "licence": "CC0 1.0"}
    return [
        FaceEntry(EMBEDDED, None, notes),
        *(FaceEntry(path.stem, path, face_notes(path)) for path in files),
    ]


def load_named_face(name: str = EMBEDDED) -> Face:
    """The face of that name, read once and shared: don't change it in place.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    if name == EMBEDDED:
        return load_embedded_face()
    known = [path.stem for path in sorted(library_folder().glob(f"*{_SUFFIX}"))]
    if name not in known:
        raise InputError(
            f"there is no face '{name}'; known: {', '.join([EMBEDDED, *known])}. "
            "`adamesh face import` adds one"
        )
    path = library_folder() / f"{name}{_SUFFIX}"
    return _loaded(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _loaded(path: Path, modified: int) -> Face:  # noqa: ARG001, a file that changed is read again
    """One object a file: what is kept for a face, such as its registration with another, goes by that."""
    return load_face(path)


def check_new_face(name: str, *, force: bool) -> Path:
    """The file of a face to be imported under that name, checked before any work is done.

    Raises:
        InputError: the name is taken and `force` is off, or it is no name.
    """
    if not _NAME.fullmatch(name) or name == EMBEDDED:
        raise InputError(
            f"'{name}' cannot be the name of a face: give one of letters, digits, '.', '_' and '-' "
            f"with --name, other than '{EMBEDDED}'"
        )
    folder = library_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the folder of faces '{folder}': {error.strerror}; "
            "set XDG_DATA_HOME to another one"
        ) from error
    return check_output(folder / f"{name}{_SUFFIX}", force=force)
