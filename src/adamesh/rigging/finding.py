"""Where a mesh has its face, which way it looks and how large it is: seen in pictures of it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from adamesh.errors import InputError
from adamesh.faces import landmark_index as lm
from adamesh.faces.face import Face
from adamesh.faces.surface import connected_parts
from adamesh.render import Camera, HeadRenderer
from adamesh.tracking.embedding import Caster, Embedding, View, embed_landmarks
from adamesh.tracking.landmarker import FaceLandmarker
from adamesh.values import Value

Float = NDArray[np.float64]
Int = NDArray[np.int64]

SIZE = (512, 512)  # pixels
DISTANCE = 4.0  # of the camera, in heights of the picture
MOST_TURNED = 0.3  # between the nose and the middle of the eyes, in distances between the eyes
MOST_TILTED = 0.5  # radians of the line between the eyes
# Radians to the side and up, of the pictures in which landmarks are found.
VIEWS = tuple(itertools.product((-0.5, -0.25, 0.0, 0.25, 0.5), (-0.15, 0.15)))
FACE_HEIGHT = 4.0  # of those pictures, in distances between the eyes
# What a picture of the whole mesh shows: all of it, or the upper part of a body, as shares of its height.
UPPER_PARTS = (1.0, 0.35, 0.2)
LIFE_SIZE = 0.063  # metres between the eyes of an adult
SMALLEST_SHARE = 0.8  # of the landmarks that lie on the mesh
_NOSE = 1  # its tip
_EYE_CORNERS = (*lm.RIGHT_EYE_CORNERS, *lm.LEFT_EYE_CORNERS)


@dataclass(frozen=True, eq=False, repr=False)
class FoundFace(Value):
    """The face of a mesh.

    Attributes:
        rotation: [3, 3] a turn by right angles, from the mesh to +Y up and the face along +Z.
        triangles: [F, 3] of the mesh, anticlockwise from outside, where it was not.
        embedding: landmarks on those triangles.
    """

    rotation: Float
    triangles: Int
    embedding: Embedding


def find_face(points: Float, triangles: Int, colors: Float) -> FoundFace:
    """Turns a mesh until a face is seen, and finds its landmarks.

    Args:
        points: [V, 3] of any unit.
        triangles: [F, 3] either way round, but the same way on each connected part.
        colors: [V, 3] sRGB 0..1.
    Raises:
        InputError: no face is seen from any side.
        MissingDependencyError: the extra for rendering is not installed.
    """
    landmarker = FaceLandmarker()
    part = connected_parts(triangles, len(points))[triangles[:, 0]]
    for rotation in _turns():
        turned = points @ rotation.T
        face = plain_face(turned, triangles, colors)
        for camera in _whole_cameras(turned):
            seen = _look(landmarker, face, turned, camera)
            if seen is None:
                continue
            hits, caster = seen
            inward = np.isin(part, _backwards(part, hits, caster.facing))
            outward = np.where(inward[:, None], triangles[:, ::-1], triangles)
            embedding = _close_up(landmarker, turned, outward, colors, hits)
            if embedding is not None:
                return FoundFace(rotation, outward, embedding)
    raise InputError(
        "no face is seen on the mesh from any side; it must have eyes, nose and mouth, nothing before them"
    )


def plain_face(points: Float, triangles: Int, colors: Float) -> Face:
    """A `Face` that neither moves nor has materials, to make pictures of."""
    count = len(points)
    return Face(
        name="mesh",
        space="arkit52",
        expression_names=None,
        joint_names=("head",),
        joint_parents=(-1,),
        template=torch.from_numpy(points).float(),
        triangles=torch.from_numpy(np.ascontiguousarray(triangles)),
        shapedirs=torch.zeros(count, 3, 0),
        expressiondirs=torch.zeros(count, 3, 0),
        joints_template=torch.zeros(1, 3),
        joints_shapedirs=torch.zeros(1, 3, 0),
        skin_weights=torch.ones(count, 1),
        uv=torch.zeros(1, 2),
        uv_triangles=torch.zeros(len(triangles), 3, dtype=torch.int64),
        colors=torch.from_numpy(colors).float(),
        triangle_material=torch.zeros(len(triangles), dtype=torch.int64),
        material_names=(
            "any",
        ),  # not skin, whose back is dark: triangles may be the wrong way round
        regions={},
        landmark_triangles=torch.full((lm.LANDMARK_COUNT,), -1),
        landmark_barycentric=torch.zeros(lm.LANDMARK_COUNT, 3),
    )


def _turns() -> Iterator[Float]:
    """[3, 3] the 24 turns by right angles, the usual ones first: +Y up, then +Z up."""
    x, y, z = np.eye(3)
    for up, front in itertools.product((y, z, x, -y, -z, -x), (z, -y, -z, y, x, -x)):
        if not (up * front).any():
            yield np.stack([np.cross(up, front), up, front])


def _whole_cameras(points: Float) -> Iterator[Camera]:
    low, high = points.min(0), points.max(0)
    width, tall, _ = high - low
    for share in UPPER_PARTS:
        height = 1.15 * (max(tall, width) if share == 1 else share * tall)
        middle = [(low[0] + high[0]) / 2, high[1] - share * tall / 2, high[2]]
        yield Camera.looking_at(middle, size=SIZE, height=height, distance=DISTANCE * height)


def _look(
    landmarker: FaceLandmarker, face: Face, points: Float, camera: Camera
) -> tuple[Int, Caster] | None:
    """The triangles [478] at the landmarks, -1 for none, where an upright face looks at the camera."""
    with HeadRenderer(face, SIZE, camera) as renderer:
        image = renderer.render(points)
    found = landmarker.find(image)
    if found is None:
        return None
    pixels = found.landmarks[:, :2].astype(float)
    right, left = (pixels[list(c)].mean(0) for c in (lm.RIGHT_EYE_CORNERS, lm.LEFT_EYE_CORNERS))
    across = left - right
    unit = np.linalg.norm(across)
    nose = (pixels[_NOSE] - (left + right) / 2) @ across / unit**2
    if abs(np.arctan2(across[1], across[0])) > MOST_TILTED or abs(nose) > MOST_TURNED:
        return None
    caster = Caster(View(image, points, camera.project), face.triangles.numpy())
    return caster.first(pixels)[0], caster


def _backwards(part: Int, hits: Int, facing: Float) -> Int:
    """The parts that show more backs than fronts."""
    seen = hits[hits >= 0]
    fronts = np.bincount(part[seen], np.sign(facing[seen]), minlength=part.max() + 1)
    return np.flatnonzero(fronts < 0)


def _close_up(
    landmarker: FaceLandmarker, points: Float, triangles: Int, colors: Float, hits: Int
) -> Embedding | None:
    """Landmarks from some pictures of the face alone; None if none is to be seen there."""
    seen = hits >= 0
    if seen.mean() < SMALLEST_SHARE or not seen[[_NOSE, *_EYE_CORNERS]].all():
        return None
    corners = points[triangles[hits]].mean(1)
    if corners[_NOSE, 2] < corners[list(_EYE_CORNERS), 2].mean():
        return None  # a mask from behind, which looks like a face too
    # In life size, which is what the search for landmarks is made for.
    scale = LIFE_SIZE / float(lm.interocular_distance(corners))
    points = scale * points
    middle = scale * np.median(corners[seen], axis=0)
    face = plain_face(points, triangles, colors)
    height = FACE_HEIGHT * LIFE_SIZE
    views = []
    for yaw, pitch in VIEWS:
        camera = Camera.looking_at(
            middle, size=SIZE, height=height, distance=DISTANCE * height, yaw=yaw, pitch=pitch
        )
        with HeadRenderer(face, SIZE, camera) as renderer:
            views.append(View(renderer.render(points), points, camera.project))

    def find(image: NDArray[np.uint8]) -> NDArray | None:
        found = landmarker.find(image)
        return None if found is None else found.landmarks

    everything = np.ones(len(triangles), bool)
    try:
        return embed_landmarks(
            views, find, rest=points, triangles=triangles, skin=everything, eyeballs=everything
        )
    except InputError:
        return None
