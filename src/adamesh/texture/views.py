"""Where a frame shows the surface of the fitted head, and what it says of its colour."""

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
import scipy.sparse
import torch
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from scipy.spatial import KDTree

from adamesh.faces import landmark_index as lm
from adamesh.faces.face import Face
from adamesh.faces.surface import vertex_normals
from adamesh.media.color import to_linear
from adamesh.motion.rotation import axis_angle_to_matrix
from adamesh.texture.raster import depth_map, rasterise
from adamesh.tracking.detector_bias import load_bias, upright, view_terms
from adamesh.tracking.face_landmarks import PARTED, mouth_opening
from adamesh.tracking.track import TrackedVideo
from adamesh.values import Value

Float = NDArray[np.floating]
Int = NDArray[np.int64]

GRAZING = 0.25  # cosine of the angle of view below which a surface is not looked at
BEHIND = 0.006  # m behind the nearest surface from which on a point is hidden
BLOWN = 0.93  # of the brightest linear value: a channel beyond it is clipped, and the colour lost
EDGE = (
    0.03  # of the distance between the eyes: margin around openings and edges that hide something
)
SMOOTHING = 1e-3  # of the warp, against the detector's noise
REACH = 0.02  # m from the landmarks over which the warp ends

OPENINGS = (lm.LEFT_EYE, lm.RIGHT_EYE, lm.INNER_LIPS)


@dataclass(frozen=True, eq=False, repr=False)
class Samples(Value):
    """What one frame says of N points of the surface.

    Attributes:
        color: [N, 3] linear.
        weight: [N] 0..1; 0 where the point is not seen.
        normal: [N, 3] of unit length, in the camera's frame.
    """

    color: NDArray[np.float32]
    weight: NDArray[np.float32]
    normal: NDArray[np.float32]


class Viewer:
    """Looks at one tracked person.

    Args:
        face: the embedded head, which the tracker fits.
        tracked: the video.
        points: [N, V] from the vertices to N points of the surface.
    """

    def __init__(self, face: Face, tracked: TrackedVideo, points: scipy.sparse.csr_array) -> None:
        self._face, self._tracked, self._points = face, tracked, points
        self._triangles = face.triangles.numpy()
        self._ids = np.flatnonzero(_fixed(face))
        self._spread = _spread(face, self._ids)
        self._rotations = axis_angle_to_matrix(tracked.fit.rotation)
        terms = view_terms(upright(torch.from_numpy(self._rotations).float())[1])
        self._errors = torch.einsum("tk,klc->tlc", terms, load_bias()[:, self._ids]).numpy()

    def look(self, t: int, frame: NDArray[np.uint8]) -> Samples:
        """What frame t, [H, W, 3] sRGB, shows."""
        vertices, seen = self._project(t)
        x, y, depth = (self._points @ seen).T
        normal = self._points @ vertex_normals(vertices, self._triangles)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        ray = self._points @ vertices
        cosine = -(normal * ray).sum(1) / np.linalg.norm(ray, axis=1)
        weight = np.clip((cosine - GRAZING) / (1 - GRAZING), 0, 1) ** 2

        height, width = frame.shape[:2]
        inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
        column = np.clip(np.rint(x), 0, width - 1).astype(np.int64)
        row = np.clip(np.rint(y), 0, height - 1).astype(np.int64)
        landmarks = self._tracked.landmarks[t]
        margin = max(1, round(EDGE * float(lm.interocular_distance(landmarks[:, :2]))))
        nearest = depth_map(seen, self._triangles, (width, height))
        nearest = scipy.ndimage.minimum_filter(nearest, 2 * margin + 1)
        weight *= inside & (depth < nearest[row, column] + BEHIND)
        weight *= 1 - _openings(landmarks[:, :2], margin, (width, height))[row, column]

        linear = to_linear(np.arange(256, dtype=np.float32) / 255).astype(np.float32)[frame]
        color = np.stack(
            [
                scipy.ndimage.map_coordinates(linear[..., c], [y, x], order=1, mode="nearest")
                for c in range(3)
            ],
            axis=1,
        )
        weight *= color.max(axis=1) < BLOWN
        return Samples(color, weight.astype(np.float32), normal.astype(np.float32))

    def _project(self, t: int) -> tuple[Float, Float]:
        """Vertices [V, 3] in the camera's frame, and their pixels and depths [V, 3]."""
        clip, fit = self._tracked.clip, self._tracked.fit
        with torch.no_grad():
            posed = self._face(
                *(torch.from_numpy(x)[None].float() for x in (fit.betas, clip.expression[t])),
                leye_pose=torch.from_numpy(clip.leye_pose[t : t + 1]),
                reye_pose=torch.from_numpy(clip.reye_pose[t : t + 1]),
            )
            landmarks = self._face.landmarks(posed.vertices)[0].double().numpy()[self._ids]
        move = self._rotations[t], fit.translation[t]
        vertices = posed.vertices[0].double().numpy() @ move[0].T + move[1]
        seen = self._pixels(vertices)
        # The fit leaves some pixels between the landmarks of the mesh and those of the picture.
        expected = self._pixels(landmarks @ move[0].T + move[1])
        turn = upright(torch.from_numpy(self._rotations[t : t + 1]))[0][0].numpy()
        error = self._errors[t] @ turn * [1, -1] * fit.focal / expected[:, 2:]
        found = self._tracked.landmarks[t, self._ids, :2] - error
        seen[:, :2] += self._spread @ (found - expected[:, :2])
        return vertices, seen

    def _pixels(self, points: Float) -> Float:
        """[N, 3] in the camera's frame -> [N, 3] x, y in pixels and depth."""
        depth = -points[:, 2:]
        middle = np.array(self._tracked.size) / 2
        offset = self._tracked.fit.focal * points[:, :2] * [1, -1] / depth
        return np.concatenate([middle + offset, depth], axis=1)


def _fixed(face: Face) -> NDArray[np.bool_]:
    """[478] landmarks that stay on the same place of the surface."""
    fixed = (face.landmark_triangles >= 0).numpy().copy()
    fixed[[*lm.LEFT_IRIS, *lm.RIGHT_IRIS, *lm.FACE_OVAL]] = False
    return fixed


def _spread(face: Face, ids: Int) -> Float:
    """[V, L] from displacements at landmarks to smooth ones at all vertices."""
    with torch.no_grad():
        parted = face(**mouth_opening(face)(PARTED)).vertices  # or the lips were one place
        landmarks = face.landmarks(parted)[0].double().numpy()[ids]
    vertices = parted[0].double().numpy()
    smooth = RBFInterpolator(landmarks, np.eye(len(ids)), smoothing=SMOOTHING, kernel="linear")
    distance, _ = KDTree(landmarks).query(vertices)
    return smooth(vertices) * np.exp(-0.5 * np.square(distance / REACH))[:, None]


def _openings(landmarks: Float, margin: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """[H, W] 1 between the lids and between the lips, where no skin is, and `margin` pixels around."""
    inside = np.zeros(size[0] * size[1], bool)
    for outline in OPENINGS:
        edge = landmarks[list(outline)]
        middle = np.broadcast_to(edge.mean(0), edge.shape)
        fan = np.stack([middle, edge, np.roll(edge, -1, axis=0)], axis=1)
        inside[rasterise(fan, size).pixel] = True
    image = inside.reshape(size[1], size[0])
    return scipy.ndimage.binary_dilation(image, iterations=margin).astype(np.float32)
