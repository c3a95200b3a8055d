"""Irises in the picture of a person's skin.

The picture has ten pixels across an iris: enough for its colour, not to look into from near. So the picture's
eyeballs only carry that colour, and the head's own painted irises take it.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from adamesh.faces.face import Face
from adamesh.media.color import LUMINANCE, to_linear, to_srgb
from adamesh.texture.texels import on, texels

Float = NDArray[np.floating]

EYEBALL = ("sclera", "iris", "pupil")
CONTRAST = 3.0  # of white and pupil, by which eyeballs are told from what was never painted


def paint_eyes(face: Face, size: int, iris: Float | None) -> tuple[NDArray[np.int64], Float]:
    """The eyeballs of a picture.

    Args:
        face: the embedded head.
        size: of the picture, pixels.
        iris: [3] linear mean colour; None leaves the head's own.
    Returns:
        Their pixels [N], and sRGB [N, 3] of each.
    """
    if iris is not None:
        face = _tinted(face, iris / _own_iris(face, size))
    eyeballs = texels(face, size, *EYEBALL)
    spread = eyeballs.from_vertices(face.triangles.numpy(), face.n_vertices)
    return eyeballs.pixel, spread @ face.colors.double().numpy()


def with_eyes_of(face: Face, picture: NDArray[np.uint8]) -> Face:
    """The face with irises of the colour that they have in a picture.

    Args:
        face: the embedded head.
        picture: [S, S, 3] sRGB in its UV map. Where its eyeballs have no pupil darker than their white, as in
            pictures that nobody painted them in, the face stays as it is.
    """
    parts = [texels(face, len(picture), name).pixel for name in EYEBALL]
    if not all(map(len, parts)):  # the picture is too small to show them
        return face
    seen = (picture.reshape(-1, 3)[part] / 255 for part in parts)
    sclera, iris, pupil = (to_linear(colors).mean(axis=0) for colors in seen)
    if sclera @ LUMINANCE < CONTRAST * (pupil @ LUMINANCE):
        return face
    return _tinted(face, iris / _own_iris(face, len(picture)))


def _own_iris(face: Face, size: int) -> Float:
    """[3] linear mean of the face's own irises over their pixels in a picture."""
    part = texels(face, size, "iris")
    spread = part.from_vertices(face.triangles.numpy(), face.n_vertices)
    return to_linear(spread @ face.colors.double().numpy()).mean(axis=0)


def _tinted(face: Face, factor: Float) -> Face:
    """The face with its irises times a factor [3] on linear light."""
    iris = np.unique(face.triangles.numpy()[on(face, "iris")])
    colors = face.colors.double().numpy().copy()
    colors[iris] = to_srgb(np.clip(to_linear(colors[iris]) * factor, 0, 1))
    return face.replace(colors=torch.from_numpy(colors).to(face.colors))
