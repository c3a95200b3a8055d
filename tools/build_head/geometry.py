"""Geometry and mathematics that several parts of the head need; nothing here knows of heads."""

import numpy as np
import scipy.sparse

Array = np.ndarray


def triangulate(quads: Array, uv_quads: Array, mirror: Array) -> tuple[Array, Array]:
    """Splits quads along the diagonal of the vertex with the smallest number, of it and its mirror.

    So the triangles of left and right mirror each other wherever the quads do.
    """
    canonical = np.minimum(quads, mirror[quads])
    order = (canonical.argmin(axis=1)[:, None] + np.arange(4)) % 4
    rolled = [np.take_along_axis(q, order, 1) for q in (quads, uv_quads)]
    first, second = (np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]]) for q in rolled)
    return first, second


def grid_triangles(grid: Array, flip: bool) -> Array:
    """Triangles of grids [..., rows, columns] of vertex numbers."""
    a, b = grid[..., :-1, :-1], grid[..., :-1, 1:]
    d, c = grid[..., 1:, :-1], grid[..., 1:, 1:]
    quads = np.stack([a, d, c, b], -1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return triangles if flip else triangles[:, ::-1]


def compact(ids: Array, *index_arrays: Array) -> list[Array]:
    """Renumbers entries of index arrays that are all in the sorted `ids` to 0..len(ids)."""
    return [np.searchsorted(ids, a) for a in index_arrays]


def neighbour_mean(triangles: Array, n: int) -> scipy.sparse.csr_array:
    """[n, n] map to the mean over a vertex's neighbours."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    both = np.concatenate([pairs, pairs[:, ::-1]]).T
    near = scipy.sparse.csr_array((np.ones(both.shape[1]), both), shape=(n, n)).sign()
    return scipy.sparse.diags_array(1 / near.sum(axis=1)) @ near


def cast_front(xy: Array, vertices: Array, triangles: Array) -> tuple[Array, Array]:
    """Where lines along -Z from the front first meet a mesh: triangle [n], barycentric [n, 3]."""
    corners = vertices[triangles]  # [F, 3, 3]
    p, q, r = corners[:, 0, :2], corners[:, 1, :2], corners[:, 2, :2]
    area = cross2(q - p, r - p)
    point = xy[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.stack(
            [cross2(r - q, point - q), cross2(p - r, point - r), cross2(q - p, point - p)]
        )
        weights = np.moveaxis(weights / area, 0, -1)  # [n, F, 3]
    depth = np.where((weights >= -1e-9).all(-1), (weights * corners[..., 2]).sum(-1), -np.inf)
    best = depth.argmax(axis=1)
    return best, weights[np.arange(len(xy)), best]


def cross2(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def vertex_normals(vertices: Array, triangles: Array) -> Array:
    p, q, r = (vertices[triangles[:, i]] for i in range(3))
    face = np.cross(q - p, r - p)
    normals = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(normals, triangles[:, i], face)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def smoothstep(x: Array, low: float, high: float) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bump(x: Array, centre: tuple[float, ...] | Array, widths: tuple[float, ...]) -> Array:
    return np.exp(-0.5 * (((x - np.asarray(centre)) / np.asarray(widths)) ** 2).sum(-1))
