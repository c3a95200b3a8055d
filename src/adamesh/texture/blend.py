"""Many views of a surface into one colour a point, and colours for the points that none shows."""

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

Float = NDArray[np.floating]
Int = NDArray[np.int64]

AGREEMENT = 0.25  # of the median colour, by which a sample may differ before it counts less
BLOCK = 50_000  # points worked on at once, which bounds the memory
FADING = 0.04  # m over which the colours of what is seen give way to those expected
EVIDENCE = 1e7  # per m^2, of a vertex that is seen well against its neighbours


def robust_mean(colors: Float, weights: Float) -> Float:
    """The mean of the samples that agree with their median.

    Args:
        colors: [K, N, 3] linear.
        weights: [K, N].
    Returns:
        [N, 3]; where all weights are 0, anything.
    """
    means = np.empty(colors.shape[1:])
    for start in range(0, len(means), BLOCK):
        block = slice(start, start + BLOCK)
        seen, sure = colors[:, block], weights[:, block]
        middle = _weighted_median(seen, sure)
        away = np.linalg.norm(seen - middle, axis=2) / (AGREEMENT * middle.mean(axis=1) + 1e-4)
        sure = sure * np.exp(-0.5 * np.square(away)) + 1e-9
        means[block] = (sure[..., None] * seen).sum(axis=0) / sure.sum(axis=0)[:, None]
    return means


def _weighted_median(colors: Float, weights: Float) -> Float:
    """[K, N, 3], [K, N] -> [N, 3], each channel for itself."""
    order = np.argsort(colors, axis=0)
    share = np.cumsum(np.take_along_axis(weights[..., None], order, axis=0), axis=0)
    half = (share >= share[-1:] / 2).argmax(axis=0)
    place = np.take_along_axis(order, half[None], axis=0)
    return np.take_along_axis(colors, place, axis=0)[0]


def extend(
    values: Float, weights: Float, expected: Float, vertices: Float, triangles: Int
) -> Float:
    """Continues values smoothly over a mesh.

    Solves a screened Poisson equation: where nothing is known, values are the mean of their neighbours',
    and with the distance from what is known, over FADING, they become those expected.

    Args:
        values: [V, C], known as far as `weights`.
        weights: [V] 0..1.
        expected: [V, C].
        vertices: [V, 3] metres.
        triangles: [F, 3] of the surface.
    Returns:
        [V, C].
    """
    n = len(vertices)
    a, b = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).T
    length = np.maximum(np.linalg.norm(vertices[a] - vertices[b], axis=1), 1e-4)
    edges = np.concatenate([a, b]), np.concatenate([b, a])
    near = scipy.sparse.coo_array((np.tile(1 / length**2, 2), edges), shape=(n, n)).tocsr()
    # On a square grid of step h the Laplacian is 4 / h^2 (mean of the neighbours - value); an edge comes
    # once from each of its two triangles.
    links = np.bincount(edges[0], minlength=n)
    near = scipy.sparse.diags_array(4 / np.maximum(links, 1)) @ near
    known, fade = EVIDENCE * weights, 1 / FADING**2
    matrix = scipy.sparse.diags_array(near.sum(axis=1) + known + fade) - near
    right = known[:, None] * values + fade * expected
    return scipy.sparse.linalg.splu(matrix.tocsc()).solve(right)
