"""Normals and connected parts of triangle meshes."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Points = NDArray[np.floating]
Float = NDArray[np.float64]
Int = NDArray[np.int64]

LEAST = 1e-18  # square metres; a normal of less has no direction


def area_normals(points: Points, triangles: Int) -> Float:
    """[F, 3] normals of triangles [F, 3] of points [V, 3], as long as twice the triangle's area."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    return np.cross(b - a, c - a).astype(np.float64)


def triangle_normals(points: Points, triangles: Int) -> Float:
    """[F, 3] unit normals; zero for a triangle without area."""
    normals = area_normals(points, triangles)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def vertex_normals(points: Points, triangles: Int) -> Float:
    """[V, 3] unit normals, weighted by area; +Z where a vertex has no surface."""
    area = area_normals(points, triangles)
    total = np.stack(
        [
            np.bincount(triangles.reshape(-1), np.repeat(area[:, axis], 3), minlength=len(points))
            for axis in range(3)
        ],
        axis=1,
    )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > LEAST, total / np.maximum(length, LEAST), [0.0, 0.0, 1.0])


def connected_parts(triangles: Int, count: int) -> Int:
    """[V] number of the connected part of a mesh of `count` vertices that each of them is of."""
    ends = triangles.ravel(), np.roll(triangles, 1, axis=1).ravel()
    graph = coo_array((np.ones(triangles.size), ends), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)
