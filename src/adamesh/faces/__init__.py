"""Face models: one skinned forward for all of them, their files, and the embedded head."""

from adamesh.faces.embedded import load_embedded_face
from adamesh.faces.face import Face, FaceOutput, LandmarkBasis
from adamesh.faces.flame import read_flame
from adamesh.faces.storage import face_notes, load_face, save_face

__all__ = [
    "Face",
    "FaceOutput",
    "LandmarkBasis",
    "face_notes",
    "load_embedded_face",
    "load_face",
    "read_flame",
    "save_face",
]
