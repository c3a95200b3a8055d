"""Which parts of a head a photo of it can be trusted for, from its landmarks, regions and colours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from adamesh.faces.face import Face
from adamesh.faces.landmark_index import FACE_OVAL
from adamesh.values import Value

Float = NDArray[np.floating]

REACH = 0.03  # m from the landmarks to which the fit is right
INSIDE = 0.012  # m from the landmarks within the outline that are surely the face
OUTSIDE = 0.025  # m from them where hair and background begin
UNFITTED = ("ears", "neck", "shoulders")  # regions that no landmark is on


@dataclass(frozen=True, eq=False, repr=False)
class Places(Value):
    """Shares 0..1 of each vertex, [V] each.

    Attributes:
        fitted: the mesh lies on the person there.
        face: no hair or background can be seen there, so what is unlike skin is a brow or a beard.
        scalp: hair grows there.
    """

    fitted: Float
    face: Float
    scalp: Float

    @classmethod
    def of(cls, face: Face) -> "Places":
        """Finds them on the neutral face."""
        vertices = face.template.double().numpy()
        landmarks = face.landmarks(face.template[None])[0].double().numpy()
        within = np.delete(landmarks, FACE_OVAL, axis=0)
        near, nearer = _distance(vertices, landmarks), _distance(vertices, within)
        fitted = np.clip((REACH - near) / (REACH - INSIDE), 0, 1)
        for region in UNFITTED:
            fitted[face.regions[region].numpy()] = 0
        inside = np.clip((OUTSIDE - nearer) / (OUTSIDE - INSIDE), 0, 1)

        # The head is painted with its scalp: how far each colour is from the skin's to the vertex' on top.
        colors = face.colors.double().numpy()
        skin = np.median(colors[face.regions["front"].numpy()], axis=0)
        hair = colors[vertices[:, 1].argmax()] - skin
        scalp = np.clip((colors - skin) @ hair / (hair @ hair), 0, 1) * (near > INSIDE)
        return cls(fitted, inside, scalp)


def _distance(vertices: Float, landmarks: Float) -> Float:
    """[V] metres from each vertex to the nearest landmark that there is."""
    known = landmarks[np.isfinite(landmarks[:, 0])]
    distance, _ = KDTree(known).query(vertices)
    return distance
