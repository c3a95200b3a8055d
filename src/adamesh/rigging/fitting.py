"""Our head laid on another mesh: its shape becomes that mesh's, its own mesh stays."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from adamesh.faces.face import Face
from adamesh.retargeting.registration import (
    ON_SKIN,
    REACH,
    SMOOTHING,
    FaceSurface,
    face_surface,
    partners,
)
from adamesh.values import Value

Float = NDArray[np.float64]
Int = NDArray[np.int64]

FADE = 1.5  # distances between the eyes from the landmarks, where the warp is half affine
# Metres that landmarks may miss in proportion to a standard deviation of identity.
LANDMARK_ERROR = 0.003
IDENTITY_ROUNDS = 5
# Stiffness of the surface, in the weight of a vertex that is pulled to the mesh: first it gives way as a
# whole, then to smaller forms.
STIFFNESS = (100.0, 10.0, 1.0)
# Distances between the eyes from the landmarks, up to which the surface is pulled.
REACHED = 2 * REACH


@dataclass(frozen=True, eq=False, repr=False)
class FittedHead(Value):
    """The source on the target.

    Attributes:
        source, target: the skins of both, that of the source with the identity most like the target.
        vertices: [V, 3] all of the source's vertices, in the target's place and shape.
        joints: [J, 3] the source's joints likewise.
    """

    source: FaceSurface
    target: FaceSurface
    vertices: Float
    joints: Float


def fit_head(source: Face, target: Face) -> FittedHead:
    """Lays one face on another: by its identity, by their landmarks, and then by their surfaces.

    What no landmark shows, as the folds of lids and the inside of the mouth, goes by identity.

    Args:
        source: whose mesh is kept; a face with identity components.
        target: of any mesh, with landmarks.
    Raises:
        InputError: a face lacks landmarks.
    """
    b = face_surface(target)
    source = _alike(source, b)
    a = face_surface(source)
    warp = _Warp(a, b)
    vertices = warp(a.points)
    skin = np.unique(a.triangles)
    smooth = _bending(a.triangles, len(a.points))[skin][:, skin]
    near, _ = cKDTree(a.landmarks[warp.common]).query(a.points[skin])
    pulled = skin[near < REACHED * a.unit]
    border = _border(b.triangles, len(b.points))
    for stiffness in STIFFNESS:
        laid = replace(a, points=vertices, unit=b.unit)
        triangle, barycentric = partners(laid, pulled, b.points, b.triangles, b.lip)
        corners = b.triangles[triangle]
        # A point beyond the edge of an open mesh finds its edge, which says nothing.
        inside = (triangle >= 0) & ((barycentric > 1e-9) & ~border[corners]).any(1)
        pull = np.zeros((len(a.points), 3))
        goal = (b.points[corners] * barycentric[..., None]).sum(1)
        pull[pulled[inside]] = (goal - vertices[pulled])[inside]
        weight = scipy.sparse.diags_array(np.isin(skin, pulled[inside]).astype(float))
        moved = splu((stiffness * smooth + weight).tocsc()).solve(pull[skin])
        # What is not skin goes along with the skin that is nearest.
        _, nearest = cKDTree(vertices[skin]).query(vertices)
        vertices = vertices + moved[nearest]
    return FittedHead(a, b, vertices, warp(source.joints_template.numpy(force=True)))


def _alike(face: Face, target: FaceSurface) -> Face:
    """The face with the identity whose landmarks are most like the target's, as its template."""
    basis = face.landmark_basis()
    valid = basis.valid.numpy() & target.valid
    common = [i for i in ON_SKIN if valid[i]]
    mean = basis.template.double().numpy()[common]
    directions = basis.shapedirs.double().numpy()[common]
    goal = target.landmarks[common]
    betas = np.zeros(face.n_betas)
    ridge = LANDMARK_ERROR**2 * np.eye(face.n_betas)
    flat = directions.reshape(-1, face.n_betas)
    for _ in range(IDENTITY_ROUNDS):
        points = mean + directions @ betas
        centre, middle = points.mean(0), goal.mean(0)
        placed = similarity(points - centre, goal - middle)
        # The target in the frame and the size of the face.
        missing = (goal - middle) @ np.linalg.inv(placed) + centre - mean
        betas = np.linalg.solve(flat.T @ flat + ridge, flat.T @ missing.ravel())
    given = torch.from_numpy(betas).to(face.template.dtype)
    return face.replace(
        template=face.template + face.shapedirs @ given,
        joints_template=face.joints_template + face.joints_shapedirs @ given,
    )


class _Warp:
    """A smooth map that lays landmarks on landmarks, and is affine far away from them."""

    def __init__(self, source: FaceSurface, target: FaceSurface) -> None:
        self.common = [i for i in ON_SKIN if source.valid[i] and target.valid[i]]
        # In one frame of unit length, so that smoothing means the same for all faces.
        self._from_centre = source.landmarks[self.common].mean(0)
        self._to_centre = target.landmarks[self.common].mean(0)
        self._from_unit, self._to_unit = source.unit, target.unit
        self._points = (source.landmarks[self.common] - self._from_centre) / source.unit
        to_points = (target.landmarks[self.common] - self._to_centre) / target.unit
        self._affine = similarity(self._points, to_points)
        self._rest = RBFInterpolator(
            self._points, to_points - self._points @ self._affine, smoothing=SMOOTHING
        )

    def __call__(self, points: Float) -> Float:
        local = (points - self._from_centre) / self._from_unit
        distance, _ = cKDTree(self._points).query(local)
        share = 1 / (1 + (distance[:, None] / FADE) ** 4)
        return self._to_centre + (local @ self._affine + share * self._rest(local)) * self._to_unit


def similarity(source: Float, target: Float) -> Float:
    """[3, 3] rotation and scale of rows [N, 3], both of mean zero, that bring source to target."""
    u, sizes, v = np.linalg.svd(source.T @ target)
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
    return u @ mirror @ v * (sizes @ mirror.diagonal() / (source**2).sum())


def _bending(triangles: Int, count: int) -> scipy.sparse.csr_array:
    """[V, V] how much values differ from the mean of their neighbours', squared."""
    ends = triangles.ravel(), np.roll(triangles, -1, 1).ravel()
    edges = scipy.sparse.coo_array((np.ones(triangles.size), ends), shape=(count, count)).tocsr()
    edges = ((edges + edges.T) > 0).astype(float)
    degree = np.maximum(np.asarray(edges.sum(1)), 1)
    laplacian = scipy.sparse.eye_array(count) - scipy.sparse.diags_array(1 / degree) @ edges
    return (laplacian.T @ laplacian).tocsr()


def _border(triangles: Int, count: int) -> NDArray[np.bool_]:
    """[V] which vertices lie on an edge of only one triangle."""
    edges = np.sort(np.stack([triangles, np.roll(triangles, -1, 1)], -1).reshape(-1, 2), axis=1)
    unique, times = np.unique(edges, axis=0, return_counts=True)
    border = np.zeros(count, bool)
    border[unique[times == 1]] = True
    return border
