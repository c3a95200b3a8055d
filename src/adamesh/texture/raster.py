"""Triangles in a picture: which pixels each covers, and what is nearest in each pixel."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from adamesh.values import Value

Float = NDArray[np.floating]
Int = NDArray[np.int64]

CANDIDATES = 1_000_000  # pixels looked at at once, which bounds the memory


@dataclass(frozen=True, eq=False, repr=False)
class Covered(Value):
    """Pixels whose middles lie in triangles; a pixel comes once for each triangle that covers it.

    Attributes:
        pixel: [N] number of the pixel, row by row.
        triangle: [N].
        barycentric: [N, 3] float32 place in the triangle.
    """

    pixel: Int
    triangle: Int
    barycentric: NDArray[np.float32]

    def from_vertices(self, triangles: Int, n: int) -> scipy.sparse.csr_array:
        """[N, n] map from values at n vertices to those at the pixels; `triangles` are those rastered."""
        start = np.arange(0, 3 * len(self.pixel) + 1, 3)
        corners = triangles[self.triangle].ravel()
        entries = (self.barycentric.ravel(), corners, start)
        return scipy.sparse.csr_array(entries, shape=(len(self.pixel), n))


def rasterise(corners: Float, size: tuple[int, int]) -> Covered:
    """Finds the pixels of triangles.

    Args:
        corners: [F, 3, 2] x and y of each corner, pixels; (0, 0) is the middle of the top left one.
        size: (width, height) of the picture.
    """
    width, height = size
    corners = np.asarray(corners, np.float64)
    low = np.maximum(np.ceil(corners.min(1)), 0).astype(np.int64)
    high = np.minimum(np.floor(corners.max(1)), (width - 1, height - 1)).astype(np.int64)
    box = np.maximum(high - low + 1, 0)
    count = box.prod(1)
    a, b, c = corners.transpose(1, 0, 2)
    area = _cross(b - a, c - a)
    count[area == 0] = 0
    nothing = np.zeros(0, np.int64)
    found = [Covered(nothing, nothing, np.zeros((0, 3), np.float32))]
    for chosen in _batches(count):
        triangle = np.repeat(chosen, count[chosen])
        start = np.cumsum(count[chosen]) - count[chosen]
        k = np.arange(len(triangle)) - np.repeat(start, count[chosen])
        x = low[triangle, 0] + k % box[triangle, 0]
        y = low[triangle, 1] + k // box[triangle, 0]
        point = np.stack([x, y], 1)
        first = _cross(b[triangle] - point, c[triangle] - point) / area[triangle]
        second = _cross(c[triangle] - point, a[triangle] - point) / area[triangle]
        weights = np.stack([first, second, 1 - first - second], 1)
        inside = (weights >= 0).all(1)
        pixel = (y * width + x)[inside]
        found.append(Covered(pixel, triangle[inside], weights[inside].astype(np.float32)))
    return Covered(
        np.concatenate([part.pixel for part in found]),
        np.concatenate([part.triangle for part in found]),
        np.concatenate([part.barycentric for part in found]),
    )


def depth_map(pixels: Float, triangles: Int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Depth of the nearest surface.

    Args:
        pixels: [V, 3] x, y in pixels and depth of each vertex.
        triangles: [F, 3].
        size: (width, height) of the picture.
    Returns:
        [height, width]; inf where there is nothing.
    """
    covered = rasterise(pixels[triangles][..., :2], size)
    depth = np.full(size[0] * size[1], np.inf, np.float32)
    found = covered.from_vertices(triangles, len(pixels)) @ pixels[:, 2]
    np.minimum.at(depth, covered.pixel, found.astype(np.float32))
    return depth.reshape(size[1], size[0])


def _cross(a: Float, b: Float) -> Float:
    """[N, 2], [N, 2] -> [N]."""
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _batches(count: Int) -> list[Int]:
    """Triangles with pixels, in runs of about CANDIDATES of them."""
    some = np.flatnonzero(count)
    if not len(some):
        return []
    run = np.cumsum(count[some]) // CANDIDATES
    return np.split(some, np.flatnonzero(np.diff(run)) + 1)
