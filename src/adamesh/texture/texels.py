"""Which pixels of a picture in a face's UV map are of which material."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from adamesh.faces.face import Face
from adamesh.texture.raster import Covered, rasterise


def texels(face: Face, size: int, *materials: str) -> Covered:
    """The pixels of a picture of size x size that lie on these materials, and where on the surface."""
    chosen = np.flatnonzero(on(face, *materials))
    corners = face.uv.double().numpy()[face.uv_triangles.numpy()[chosen]]
    covered = rasterise(corners * [size, -size] + [-0.5, size - 0.5], (size, size))
    return replace(covered, triangle=chosen[covered.triangle])


def on(face: Face, *materials: str) -> NDArray[np.bool_]:
    """[F] which triangles are of these materials."""
    numbers = [face.material_names.index(name) for name in materials]
    return np.isin(face.triangle_material.numpy(), numbers)
