"""The faces that a user has: the embedded head, and FLAME models imported once."""

from adamesh.library.flame import import_flame
from adamesh.library.store import EMBEDDED, FaceEntry, library_folder, list_faces, load_named_face

__all__ = [
    "EMBEDDED",
    "FaceEntry",
    "import_flame",
    "library_folder",
    "list_faces",
    "load_named_face",
]
