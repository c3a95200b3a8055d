"""New faces into the user's library: landmarks found by rendering, kept as plain numbers."""

from adamesh.face_import.flame import import_flame

__all__ = ["import_flame"]
