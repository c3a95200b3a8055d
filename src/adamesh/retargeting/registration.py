"""Which surface point of one face is which of another, from their landmark embeddings.

The source's landmarks are laid on the target's by a smooth warp (thin-plate splines), which takes the
source's surface with it; a target point's partner is then the nearest point of the warped surface that looks
the same way and does not lie on the other lip. Meshes, vertex counts and scales may differ in every way.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from adamesh.errors import InputError
from adamesh.faces import landmark_index as lm
from adamesh.faces.face import Face
from adamesh.faces.surface import triangle_normals, vertex_normals
from adamesh.retargeting.articulation import SurfacePoints
from adamesh.tracking.embedding import closest_barycentric
from adamesh.values import Value

Float = NDArray[np.float64]
Int = NDArray[np.int64]

# Lengths here are shares of the distance between the eyes, about 60 mm in an adult.
REACH = 0.15  # from the nearest landmark, up to which the surface belongs to the face
FARTHEST_PARTNER = 0.1  # between a target point and its partner on the warped source
LIP_REACH = 0.4  # from the lips' landmarks, up to which it matters which lip a point belongs to
LIP_MARGIN = 0.05  # by which one lip must be nearer than the other, along the surface
SMOOTHING = 1e-4  # of the warp: landmarks are known to a millimetre or two
SMALLEST_COSINE = 0.4  # between the normals of two partners
CANDIDATES = 32  # nearest triangles among which a partner is looked for
ROWS_AT_ONCE = 4096  # points whose partners are looked for together
SMALLEST_SHARE = 0.8  # of the landmarks of the face that both faces must have

# Points of the lips that touch in a closed mouth. In the corners beyond them an embedding may take one lip
# for the other.
INNER_UPPER, INNER_LOWER = lm.INNER_LIPS_UPPER[1:-1], lm.INNER_LIPS_LOWER[1:-1]
_CORNERS = (set(lm.INNER_LIPS_UPPER) | set(lm.INNER_LIPS_LOWER)) - {*INNER_UPPER, *INNER_LOWER}
_UPPER_LIP, _LOWER_LIP = lm.OUTER_LIPS[12:-1] + INNER_UPPER, lm.OUTER_LIPS[2:9] + INNER_LOWER
# The outline slides over the face with the view; irises belong to the eyeballs.
ON_SKIN = tuple(
    sorted(
        set(range(lm.LANDMARK_COUNT)) - {*lm.FACE_OVAL, *lm.LEFT_IRIS, *lm.RIGHT_IRIS} - _CORNERS
    )
)


@dataclass(frozen=True, eq=False, repr=False)
class Registration(Value):
    """The target's face, point by point, on the source's.

    Attributes:
        vertices: [P] vertices of the target.
        corners: [P, 3] vertices of the source whose mean by `barycentric` is the partner.
        barycentric: [P, 3].
        form: [3, 3] the affine part of the map from source to target: what becomes of a displacement.
        unit: distance between the target's eyes, metres.
    """

    vertices: Int
    corners: Int
    barycentric: Float
    form: Float
    unit: float

    def on_source(self) -> SurfacePoints:
        """The partners."""
        return SurfacePoints(
            torch.from_numpy(self.corners), torch.from_numpy(self.barycentric).float()
        )

    def on_target(self) -> SurfacePoints:
        """The vertices."""
        return SurfacePoints.at_vertices(torch.from_numpy(self.vertices))

    def only(self, chosen: Int) -> "Registration":
        """The points of these indices."""
        return replace(
            self,
            vertices=self.vertices[chosen],
            corners=self.corners[chosen],
            barycentric=self.barycentric[chosen],
        )


@dataclass(frozen=True, eq=False, repr=False)
class FaceSurface(Value):
    """The skin of a face: the connected part of its mesh that carries the landmarks."""

    points: Float  # [V, 3]
    triangles: Int  # [F, 3]
    landmarks: Float  # [478, 3], rows without a landmark are zero
    valid: NDArray[np.bool_]  # [478]
    lip: Int  # [V] 1 on the upper lip's side of the mouth, -1 on the lower's, 0 where it doesn't matter
    unit: float  # distance between the eyes, metres


def register(source: Face, target: Face) -> Registration:
    """Finds the partners of the target's face on the source's.

    Raises:
        InputError: a face lacks landmarks.
    """
    a, b = face_surface(source), face_surface(target)
    for face, surface in ((source, a), (target, b)):
        if not surface.valid[[*INNER_UPPER, *INNER_LOWER]].all():
            raise _too_few(face)
    common = [i for i in ON_SKIN if a.valid[i] and b.valid[i]]
    # In one frame of unit length, so that smoothing means the same for all faces.
    from_centre, to_centre = a.landmarks[common].mean(0), b.landmarks[common].mean(0)
    from_points = (a.landmarks[common] - from_centre) / a.unit
    to_points = (b.landmarks[common] - to_centre) / b.unit
    fit = RBFInterpolator(from_points, to_points, smoothing=SMOOTHING)
    near, _ = cKDTree(a.landmarks[common]).query(a.points)
    reached = near < 2 * REACH * a.unit
    triangles = a.triangles[reached[a.triangles].all(1)]
    warped = to_centre + b.unit * fit((a.points - from_centre) / a.unit)

    near, _ = cKDTree(b.landmarks[common]).query(b.points)
    used = np.zeros(len(b.points), bool)
    used[b.triangles] = True
    chosen = np.flatnonzero(used & (near < REACH * b.unit))
    triangle, barycentric = partners(b, chosen, warped, triangles, a.lip)
    found = triangle >= 0
    chosen, barycentric = chosen[found], barycentric[found]

    form, *_ = np.linalg.lstsq(from_points, to_points, rcond=None)
    return Registration(
        vertices=chosen,
        corners=triangles[triangle[found]],
        barycentric=barycentric,
        form=form.T * (b.unit / a.unit),
        unit=b.unit,
    )


def partners(
    surface: FaceSurface, chosen: Int, warped: Float, triangles: Int, lip: Int
) -> tuple[Int, Float]:
    """Triangle [P] of the warped source, -1 for none, and barycentric [P, 3], of some target vertices."""
    corners = warped[triangles]
    normals = triangle_normals(warped, triangles)
    own_normals = vertex_normals(surface.points, surface.triangles)[chosen]
    sides = lip[triangles]
    _, candidates = cKDTree(corners.mean(1)).query(surface.points[chosen], k=CANDIDATES)
    triangle = np.full(len(chosen), -1)
    barycentric = np.zeros((len(chosen), 3))
    for first in range(0, len(chosen), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        near, points = candidates[rows], surface.points[chosen[rows]]
        alike = (normals[near] @ own_normals[rows, :, None])[..., 0] > SMALLEST_COSINE
        other_lip = (sides[near] * surface.lip[chosen[rows], None, None]).min(2) < 0
        row, place = np.nonzero(alike & ~other_lip)
        found = corners[near[row, place]]
        weights = closest_barycentric(points[row], found)
        distance = np.full(near.shape, np.inf)
        distance[row, place] = np.linalg.norm(
            (weights[..., None] * found).sum(1) - points[row], axis=1
        )
        every = np.zeros((*near.shape, 3))
        every[row, place] = weights
        here, best = np.arange(len(near)), distance.argmin(1)
        close = distance[here, best] < FARTHEST_PARTNER * surface.unit
        triangle[rows][close] = near[here, best][close]
        barycentric[rows][close] = every[here, best][close]
    return triangle, barycentric


def _too_few(face: Face) -> InputError:
    found = int((face.landmark_triangles >= 0).sum())
    return InputError(
        f"face '{face.name}' has {found} of {lm.LANDMARK_COUNT} landmarks, too few to map motion to or from "
        "it: embed its landmarks first"
    )


def face_surface(face: Face) -> FaceSurface:
    """The skin of a face.

    Raises:
        InputError: it lacks landmarks, beside those inside the lips.
    """
    points = face.template.numpy(force=True).astype(np.float64)
    triangles = face.triangles.numpy(force=True)
    of_landmark = face.landmark_triangles.numpy(force=True)
    valid = of_landmark >= 0
    needed = [*lm.LEFT_EYE_CORNERS, *lm.RIGHT_EYE_CORNERS]
    if valid[list(ON_SKIN)].mean() < SMALLEST_SHARE or not valid[needed].all():
        raise _too_few(face)
    lengths = np.linalg.norm(points[triangles] - points[np.roll(triangles, -1, 1)], axis=-1)
    ends = triangles.ravel(), np.roll(triangles, -1, 1).ravel()
    # Edges shared by two triangles come twice; a graph that sums them would double their length.
    pairs = np.sort(np.stack(ends, 1), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    edges = coo_array((lengths.ravel()[first], pairs.T), shape=(len(points), len(points))).tocsr()
    _, part = connected_components(edges, directed=False)
    skin = np.unique(part[triangles[of_landmark[list(ON_SKIN)][valid[list(ON_SKIN)]], 0]])
    landmarks = face.landmark_basis().template.numpy(force=True).astype(np.float64)
    unit = float(lm.interocular_distance(landmarks))

    def distance_to(lip: tuple[int, ...]) -> Float:
        of_lip = of_landmark[[i for i in lip if valid[i]]]
        seeds = np.unique(triangles[of_lip])
        return dijkstra(edges, directed=False, indices=seeds, min_only=True)

    reach = LIP_REACH * unit
    upper, lower = (distance_to(lip).clip(max=2 * reach) for lip in (_UPPER_LIP, _LOWER_LIP))
    matters = (np.minimum(upper, lower) < reach) & (np.abs(upper - lower) > LIP_MARGIN * unit)
    return FaceSurface(
        points=points,
        triangles=triangles[np.isin(part[triangles[:, 0]], skin)],
        landmarks=landmarks,
        valid=valid,
        lip=np.where(matters, np.where(upper < lower, 1, -1), 0),
        unit=unit,
    )
