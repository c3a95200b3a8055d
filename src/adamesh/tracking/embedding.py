"""Finds which surface points of a face model the 478 landmarks are.

The model is rendered, landmarks are detected in the pictures and cast back on the surface, and what
the views say is averaged. Nothing about the model needs to be known but which triangles are skin
and which are eyeballs, so it works for any mesh that looks like a face to the detector.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from adamesh.errors import InputError
from adamesh.faces.landmark_index import (
    FACE_OVAL,
    INNER_LIPS_LOWER,
    INNER_LIPS_UPPER,
    LANDMARK_COUNT,
    LEFT_IRIS,
    MIRROR,
    RIGHT_IRIS,
    interocular_distance,
)
from adamesh.faces.surface import triangle_normals
from adamesh.values import Value

Float = NDArray[np.float64]
Int = NDArray[np.int64]

MIN_VIEWS = 3  # landmarks seen in fewer are left out
MIN_FACING = (
    0.25  # cosine between the surface and the line of sight, below which a view tells little
)
OUTLIER = 2.5  # times the median distance from the median
VISIBLE = 0.0015  # metres that a point may be behind what is in front and still count as seen


@dataclass(frozen=True, eq=False, repr=False)
class View(Value):
    """A picture of the model.

    Attributes:
        image: uint8 RGB [H, W, 3].
        vertices: [V, 3] of the model in this picture, metres.
        project: [..., 3] points -> [..., 3] pixels u and v, and depth in metres.
    """

    image: NDArray[np.uint8]
    vertices: Float
    project: Callable[[Float], Float]


@dataclass(frozen=True, eq=False, repr=False)
class Embedding(Value):
    """Landmarks as points of the surface.

    Attributes:
        triangles: [478] triangle of each landmark, -1 where none was found.
        barycentric: [478, 3] place in it.
    """

    triangles: Int
    barycentric: Float

    def points(self, vertices: Float, triangles: Int) -> Float:
        """[478, 3] landmarks of the mesh given by vertices [V, 3] and triangles [F, 3]."""
        return (vertices[triangles[self.triangles]] * self.barycentric[..., None]).sum(axis=1)


def embed_landmarks(
    views: Iterable[View],
    find: Callable[[NDArray[np.uint8]], Float | None],
    *,
    rest: Float,
    triangles: Int,
    skin: NDArray[np.bool_],
    eyeballs: NDArray[np.bool_],
) -> Embedding:
    """Finds the landmarks on a mesh.

    Args:
        views: pictures of the mesh. Some should show the mouth a little open, which tells the edges
            of the two lips apart.
        find: the landmarks [478, 2 or more] in an image, pixels, or None where no face is seen.
        rest: [V, 3] the mesh on which the views are averaged, mouth a little open so that the lips
            do not touch.
        triangles: [F, 3].
        skin: [F] triangles that carry landmarks: the skin with the lips, but not what is behind
            them.
        eyeballs: [F] triangles that carry the irises' landmarks.
    Raises:
        InputError: no face was found in too many of the pictures.
    """
    irises = np.isin(np.arange(LANDMARK_COUNT), LEFT_IRIS + RIGHT_IRIS)
    inner_lips = np.isin(np.arange(LANDMARK_COUNT), INNER_LIPS_UPPER + INNER_LIPS_LOWER)
    front = triangle_normals(rest, triangles)[:, 2] > 0
    seen: list[Float] = []
    for view in views:
        landmarks = find(view.image)
        if landmarks is None:
            continue
        points = np.full((LANDMARK_COUNT, 3), np.nan)
        # The detector completes an iris that the lids cover, so nothing is in the way of those.
        for chosen, allowed, caster in (
            (~irises, skin, Caster(view, triangles)),
            (irises, eyeballs, Caster(view, np.where(eyeballs[:, None], triangles, 0))),
        ):
            ids = np.flatnonzero(chosen)
            hit, weights, facing = caster.cast(landmarks[ids, :2].astype(float), allowed)
            on_rest = (rest[triangles[hit]] * weights[..., None]).sum(axis=1)
            points[ids] = np.where(((hit >= 0) & (facing > MIN_FACING))[:, None], on_rest, np.nan)
        if _mouth_is_closed(landmarks):
            points[inner_lips] = np.nan
        seen.append(points)
    if len(seen) < MIN_VIEWS:
        raise InputError(
            f"a face was found in {len(seen)} pictures of the model and {MIN_VIEWS} are needed: "
            "its colours or the views are too unlike a face"
        )
    mean = _symmetric(_robust_mean(np.stack(seen)), rest)

    result = np.full(LANDMARK_COUNT, -1)
    barycentric = np.zeros((LANDMARK_COUNT, 3))
    for chosen, allowed in ((~irises, skin), (irises, eyeballs)):
        ids = np.flatnonzero(chosen & np.isfinite(mean).all(axis=1))
        candidates = np.flatnonzero(allowed)
        # Not onto the back of a thin fold, such as the inside of a lid.
        candidates = candidates[front[candidates]]
        for i in ids:
            weights = closest_barycentric(mean[i], rest[triangles[candidates]])
            points = (rest[triangles[candidates]] * weights[..., None]).sum(axis=1)
            best = np.linalg.norm(points - mean[i], axis=1).argmin()
            result[i], barycentric[i] = candidates[best], weights[best]
    return Embedding(result, barycentric)


def reprojection_residual(
    embedding: Embedding,
    views: Iterable[View],
    find: Callable[[NDArray[np.uint8]], Float | None],
    triangles: Int,
) -> Float:
    """Distance of embedded landmarks, projected, from detected ones.

    Args:
        embedding: what to judge.
        views: pictures that it was not made from.
        find: as in `embed_landmarks`.
        triangles: [F, 3] of the mesh.
    Returns:
        [N, 478] in inter-ocular distances of each of the N pictures with a face; NaN for the face
        oval, whose landmarks lie on the outline and not on the surface, and for landmarks not
        embedded.
    """
    rows = []
    for view in views:
        landmarks = find(view.image)
        if landmarks is None:
            continue
        projected = view.project(embedding.points(view.vertices, triangles))[:, :2]
        distance = np.linalg.norm(projected - landmarks[:, :2], axis=1)
        row = distance / interocular_distance(landmarks[:, :2].astype(float))
        row[list(FACE_OVAL)] = np.nan
        row[embedding.triangles < 0] = np.nan
        rows.append(row)
    return np.stack(rows)


class Caster:
    """Lines of sight through pixels of a view.

    Attributes:
        facing: [F] cosine between each triangle's normal and the line of sight to it.
    """

    def __init__(self, view: View, triangles: Int) -> None:
        self.pixels = view.project(view.vertices)  # [V, 3]
        self.corners = self.pixels[triangles]  # [F, 3, 3]
        normals = triangle_normals(view.vertices, triangles)
        # The line of sight at each triangle, from how moving towards the camera lessens the depth.
        centre = view.vertices[triangles].mean(axis=1)
        eye = _camera_position(view)
        sight = eye - centre
        self.facing = (normals * sight).sum(axis=1) / np.linalg.norm(sight, axis=1)

    def cast(self, pixels: Float, allowed: NDArray[np.bool_]) -> tuple[Int, Float, Float]:
        """The seen surface point at, or else nearest to, each pixel, among allowed triangles.

        Returns:
            triangle [n], -1 where there is none, barycentric [n, 3], and cosine [n] to the camera.
        """
        hit, weights, _ = self.first(pixels)
        missed = np.flatnonzero((hit < 0) | ~allowed[hit])
        hit[missed] = -1
        candidates = np.flatnonzero(allowed & (self.facing > 0))
        corners = self.corners[candidates]
        flat = corners * np.array([1.0, 1.0, 0.0])
        for i in missed:
            screen = closest_barycentric(np.append(pixels[i], 0.0), flat)
            points = (corners * screen[..., None]).sum(axis=1)
            distance = np.linalg.norm(points[:, :2] - pixels[i], axis=1)
            nearest = np.argsort(distance)[:24]
            in_front = self.first(points[nearest, :2])[2]
            depth = 1 / (screen[nearest] / corners[nearest, :, 2]).sum(axis=1)
            visible = nearest[depth < in_front + VISIBLE]
            if len(visible):
                best = visible[0]
                hit[i] = candidates[best]
                weights[i] = _perspective(screen[best], corners[best, :, 2])
        facing = np.where(hit >= 0, self.facing[hit], 0)
        return hit, weights, facing

    def first(self, pixels: Float) -> tuple[Int, Float, Float]:
        """What is first met through each pixel: triangle or -1, barycentric, depth (inf for
        none)."""
        low, high = self.corners[..., :2].min(axis=1), self.corners[..., :2].max(axis=1)
        inside = ((pixels[:, None] >= low) & (pixels[:, None] <= high)).all(axis=-1)
        pixel, triangle = np.nonzero(inside)
        screen = _barycentric_2d(pixels[pixel], self.corners[triangle, :, :2])
        covered = (screen >= -1e-9).all(axis=1)
        pixel, triangle, screen = pixel[covered], triangle[covered], screen[covered]
        depths = self.corners[triangle, :, 2]
        depth = 1 / (screen / depths).sum(axis=1)
        order = np.lexsort((-depth, pixel))  # the nearest one of a pixel is written last
        hit = np.full(len(pixels), -1)
        weights = np.zeros((len(pixels), 3))
        nearest = np.full(len(pixels), np.inf)
        hit[pixel[order]] = triangle[order]
        weights[pixel[order]] = _perspective(screen, depths)[order]
        nearest[pixel[order]] = depth[order]
        return hit, weights, nearest


def _perspective(screen: Float, depths: Float) -> Float:
    """Barycentric coordinates [..., 3] in the image -> on the triangle in space."""
    weights = screen / depths
    return weights / weights.sum(axis=-1, keepdims=True)


def _barycentric_2d(points: Float, corners: Float) -> Float:
    """[n, 2] in triangles [n, 3, 2] -> [n, 3]; infinite where the triangle has no area."""
    p, q, r = corners[:, 0], corners[:, 1], corners[:, 2]
    area = _cross(q - p, r - p)
    parts = [_cross(r - q, points - q), _cross(p - r, points - r), _cross(q - p, points - p)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack(parts, axis=-1) / area[:, None]


def _cross(a: Float, b: Float) -> Float:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def closest_barycentric(point: Float, corners: Float) -> Float:
    """The point of each triangle nearest to a point.

    Args:
        point: [3], or [n, 3] of one for each triangle.
        corners: [n, 3, 3].
    Returns:
        [n, 3] barycentric coordinates.
    """
    p = corners[:, 0]
    edges = np.stack([corners[:, 1] - p, corners[:, 2] - p], axis=-1)  # [n, 3, 2]
    gram = edges.transpose(0, 2, 1) @ edges
    right = edges.transpose(0, 2, 1) @ (point - p)[..., None]
    determinant = gram[:, 0, 0] * gram[:, 1, 1] - gram[:, 0, 1] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (gram[:, 1, 1] * right[:, 0, 0] - gram[:, 0, 1] * right[:, 1, 0]) / determinant
        v = (gram[:, 0, 0] * right[:, 1, 0] - gram[:, 0, 1] * right[:, 0, 0]) / determinant
    inside = np.stack([1 - u - v, u, v], axis=-1)
    # Outside of the triangle it is the best of the points nearest on the three edges.
    options = []
    for a, b in ((0, 1), (1, 2), (2, 0)):
        edge = corners[:, b] - corners[:, a]
        length = np.maximum((edge**2).sum(axis=1), 1e-30)
        t = np.clip(((point - corners[:, a]) * edge).sum(axis=1) / length, 0, 1)
        option = np.zeros_like(inside)
        option[:, a], option[:, b] = 1 - t, t
        options.append(option)
    stacked = np.stack(options)  # [3, n, 3]
    reached = (stacked[..., None] * corners).sum(axis=2)
    best = np.linalg.norm(reached - point, axis=-1).argmin(axis=0)
    outside = stacked[best, np.arange(len(corners))]
    is_inside = np.all(inside >= 0, axis=1)
    return np.where(is_inside[:, None], inside, outside)


def _camera_position(view: View) -> Float:
    """Where depth is zero and all lines of sight meet, from the projection alone.

    (u d, v d, d) is an affine function of the point; its zero is the camera.
    """
    probes = np.vstack([view.vertices.mean(axis=0) + np.eye(3) * 0.1, view.vertices.mean(axis=0)])
    seen = view.project(probes)
    homogeneous = np.column_stack([seen[:, :2] * seen[:, 2:], seen[:, 2]])
    linear = (homogeneous[:3] - homogeneous[3]).T / 0.1
    return probes[3] - np.linalg.solve(linear, homogeneous[3])


def _mouth_is_closed(landmarks: Float) -> bool:
    """Whether the lips touch: then their inner edges are hidden in the line between them."""
    gap = landmarks[list(INNER_LIPS_LOWER), 1] - landmarks[list(INNER_LIPS_UPPER), 1]
    return bool(np.abs(gap).max() < 0.03 * interocular_distance(landmarks[:, :2].astype(float)))


def _robust_mean(points: Float) -> Float:
    """[N, 478, 3] with NaN gaps -> mean [478, 3] without outliers; NaN where too few views tell."""
    enough = np.isfinite(points[..., 0]).sum(axis=0) >= MIN_VIEWS
    mean = np.full(points.shape[1:], np.nan)
    usable = points[:, enough]
    distance = np.linalg.norm(usable - np.nanmedian(usable, axis=0), axis=-1)
    limit = OUTLIER * np.nanmedian(distance, axis=0) + 1e-6
    kept = np.where((distance <= limit)[..., None], usable, np.nan)
    mean[enough] = np.nanmean(kept, axis=0)
    return mean


def _symmetric(points: Float, rest: Float) -> Float:
    """Landmarks averaged with their mirror images, if the mesh is symmetric."""
    flip = np.array([-1.0, 1.0, 1.0])
    distance, _ = cKDTree(rest).query(rest * flip)
    if distance.max() > 1e-5:
        return points
    return np.nanmean([points, points[list(MIRROR)] * flip], axis=0)
