"""Deformation transfer: what the triangles of one shape do, done by another shape of the same mesh.

The gradients of the movement of each triangle are carried over and integrated again (Sumner and Popovic,
Deformation Transfer for Triangle Meshes, 2004), with the distances across the mouth and the lids as further
equations, so that what touches on the source touches on the target (after Saito, Smooth Contact-Aware Facial
Blendshapes Transfer, 2013).
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from adamesh.faces.surface import area_normals
from adamesh.values import Value

Float = NDArray[np.float64]
Int = NDArray[np.int64]

MOVES = 1e-5  # metres; what no blendshape moves farther stays where it is
TOUCH = 1.0e-3  # metres between points that touch
APART = 3.0e-3  # metres between points that clearly don't
SMOOTHING_ROUNDS = 3
# Weights of further equations, in those of a mean triangle: across a gap; and that a vertex moves as the
# source's does, turned and stretched, which holds what would drift far from all that never moves.
PAIR_WEIGHT, HOLD = 30.0, 0.03


@dataclass(frozen=True, eq=False, repr=False)
class Pairs(Value):
    """Vertices that face each other across the mouth or between two lids.

    Attributes:
        first, second: [P] vertices.
    """

    first: Int
    second: Int

    @classmethod
    def touching(cls, closed: Float, opened: Float) -> "Pairs":
        """The pairs of vertices that touch in `closed` [V, 3] and are apart in `opened`."""
        first, second = cKDTree(closed).query_pairs(TOUCH, output_type="ndarray").T
        gap = np.linalg.norm(opened[first] - opened[second], axis=1)
        # Neighbours on one lip stretch too, but only what is on different ones comes far apart.
        apart = gap > APART
        return cls(first[apart], second[apart])

    def __add__(self, other: "Pairs") -> "Pairs":
        return Pairs(
            np.concatenate([self.first, other.first]), np.concatenate([self.second, other.second])
        )


class DeformationTransfer:
    """Carries displacements from a shape to another one of the same mesh.

    Args:
        source, target: [V, 3] the two shapes at rest, metres.
        triangles: [F, 3] a mesh whose vertices are all used.
        fixed: [V] which vertices never move.
        pairs: what faces each other across a gap.

    Attributes:
        turn: [V, 3, 3] what turns and stretches a direction on the source into the same one on the target.
    """

    def __init__(
        self,
        source: Float,
        target: Float,
        triangles: Int,
        fixed: NDArray[np.bool_],
        pairs: Pairs,
    ) -> None:
        self._gradient = _gradient(source, triangles)
        own = _gradient(target, triangles)
        frames = _frames(source, triangles), _frames(target, triangles)
        # Smoothed, since what a single triangle says depends on how it lies.
        turn = frames[1] @ np.linalg.inv(frames[0])
        for _ in range(SMOOTHING_ROUNDS):
            self.turn = _vertex_means(turn, triangles, len(source))
            turn = self.turn[triangles].mean(1)
        self._turn = turn
        area = np.linalg.norm(area_normals(target, triangles), axis=1)
        weight = np.repeat(area / area.mean(), 3)
        self._pairs, self._shapes = pairs, (source, target)
        across = _differences(pairs, len(source))
        self._free = np.flatnonzero(~fixed)
        gradients = own[:, self._free]
        gaps = across[:, self._free]
        # Gradients have the unit one, gaps and places metres: all are counted in edges of the target.
        square = area.mean()
        self._left = gradients.T.multiply(weight).tocsr()
        self._left_gaps = PAIR_WEIGHT / square * gaps.T
        self._hold = HOLD / square
        places = self._hold * scipy.sparse.eye_array(len(self._free))
        normal = self._left @ gradients + self._left_gaps @ gaps + places
        self._solver = splu(normal.tocsc())
        self._size = len(source)

    def __call__(self, displacement: Float) -> Float:
        """Displacements [V, 3] of the source -> of the target, metres."""
        # [F, 3 of place, 3 of displacement]
        change = (self._gradient @ displacement).reshape(-1, 3, 3)
        carried = (
            np.linalg.inv(self._turn).transpose(0, 2, 1) @ change @ self._turn.transpose(0, 2, 1)
        )
        right = self._left @ carried.reshape(-1, 3) + self._left_gaps @ self._gaps(displacement)
        right += self._hold * np.einsum("vij,vj->vi", self.turn, displacement)[self._free]
        result = np.zeros((self._size, 3))
        result[self._free] = self._solver.solve(right)
        return result

    def _gaps(self, displacement: Float) -> Float:
        """[P, 3] what displacements of the source should do to each gap of the target.

        The same in its size; but what closes closes, however far it is apart there.
        """
        first, second = self._pairs.first, self._pairs.second
        turn = (self.turn[first] + self.turn[second]) / 2
        before, own = (points[second] - points[first] for points in self._shapes)
        after = before + displacement[second] - displacement[first]
        closes = (np.linalg.norm(before, axis=1) > APART) & (np.linalg.norm(after, axis=1) < TOUCH)
        start = np.where(closes[:, None], own, np.einsum("pij,pj->pi", turn, before))
        return np.einsum("pij,pj->pi", turn, after) - start


def _frames(points: Float, triangles: Int) -> Float:
    """[F, 3, 3] two edges, and the normal as long as an edge, as columns."""
    a, b, c = (points[triangles[:, i]] for i in range(3))
    normal = area_normals(points, triangles)
    length = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-18)
    return np.stack([b - a, c - a, normal / np.sqrt(length)], axis=-1)


def _gradient(points: Float, triangles: Int) -> scipy.sparse.csr_array:
    """[3 F, V] from values at vertices to their gradient on each triangle."""
    normals = area_normals(points, triangles)
    square = np.maximum((normals**2).sum(1, keepdims=True), 1e-24)
    corners = [
        np.cross(normals, points[triangles[:, (i + 2) % 3]] - points[triangles[:, (i + 1) % 3]])
        / square
        for i in range(3)
    ]
    count = len(triangles)
    rows = np.tile(np.arange(3 * count), 3)
    columns = np.concatenate([np.repeat(triangles[:, i], 3) for i in range(3)])
    values = np.concatenate([corner.ravel() for corner in corners])
    return scipy.sparse.coo_array((values, (rows, columns)), shape=(3 * count, len(points))).tocsr()


def _vertex_means(values: Float, triangles: Int, count: int) -> Float:
    """[V, 3, 3] mean of values [F, 3, 3] around each vertex and around its neighbours."""
    corners = scipy.sparse.coo_array(
        (np.ones(triangles.size), (triangles.ravel(), np.repeat(np.arange(len(triangles)), 3))),
        shape=(count, len(triangles)),
    ).tocsr()
    around = corners @ corners.T  # to the vertices next to each one, and itself
    weight = np.maximum(np.asarray(around @ (corners @ np.ones(len(triangles)))), 1)
    flat = around @ (corners @ values.reshape(len(values), 9))
    return (flat / weight[:, None]).reshape(-1, 3, 3)


def _differences(pairs: Pairs, count: int) -> scipy.sparse.csr_array:
    """[P, V] second minus first."""
    P = len(pairs.first)
    rows = np.tile(np.arange(P), 2)
    columns = np.concatenate([pairs.second, pairs.first])
    values = np.concatenate([np.ones(P), -np.ones(P)])
    return scipy.sparse.coo_array((values, (rows, columns)), shape=(P, count)).tocsr()
