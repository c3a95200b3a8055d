"""Where a mesh has its face, which way it looks and how large it is: seen in pictures of it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from adamesh.errors import InputError
from adamesh.faces import landmark_index as lm
from adamesh.faces.embedded import load_embedded_face
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
# Misfits of landmarks, see `_upright`; docs/decisions/rigging.md has those of faces and of other things.
GOOD_FIT, WORST_FIT, WORST_SIGHT = 0.10, 0.22, 0.5
MOST_TRIED = 4  # sights that are looked at closely
NEARLY_UPRIGHT = 0.35  # radians
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
        rotation: [3, 3] from the mesh to +Y up and the face along +Z; by right angles where that will do.
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
    best: tuple[float, FoundFace] | None = None
    for sight in sorted(_sights(landmarker, points, triangles, colors), key=lambda s: s.misfit)[
        :MOST_TRIED
    ]:
        turned = points @ sight.rotation.T
        inward = np.isin(part, _backwards(part, sight.hits, sight.facing))
        outward = np.where(inward[:, None], triangles[:, ::-1], triangles)
        embedding = _close_up(landmarker, turned, outward, colors, sight.hits)
        if embedding is None:
            continue
        there = embedding.points(turned, outward)
        there[embedding.triangles < 0] = np.nan
        _, misfit = _upright(there)
        if best is None or misfit < best[0]:
            best = misfit, FoundFace(sight.rotation, outward, embedding)
        if misfit < GOOD_FIT:
            break
    if best is None:
        raise InputError(
            "no face is seen on the mesh from any side; it must have eyes, nose and mouth, nothing before "
            "them"
        )
    if best[0] > WORST_FIT:
        raise InputError(
            f"the face found on the mesh does not fit: landmarks lie {100 * best[0]:.0f} % of the distance "
            f"between the eyes from where a face has them, at most {100 * WORST_FIT:.0f} % is taken; turn "
            "the mesh upright, and take away what is before the face"
        )
    return best[1]


@dataclass(frozen=True, eq=False, repr=False)
class _Sight(Value):
    """A face that was seen from one side.

    Attributes:
        rotation: [3, 3] that turns it upright and to the front.
        misfit: see `_upright`.
        hits: [478] the triangle at each landmark, -1 for none.
        facing: [478] how far that faces the camera.
    """

    rotation: Float
    misfit: float
    hits: Int
    facing: Float


def _sights(
    landmarker: FaceLandmarker, points: Float, triangles: Int, colors: Float
) -> Iterator[_Sight]:
    """All faces that are seen from the 24 sides, and at once when one of them fits well."""
    for rotation in _turns():
        turned = points @ rotation.T
        face = plain_face(turned, triangles, colors)
        for camera in _whole_cameras(turned):
            seen = _look(landmarker, face, turned, camera)
            if seen is None:
                continue
            hits, caster = seen
            there = np.where((hits >= 0)[:, None], turned[triangles[hits]].mean(1), np.nan)
            upright, misfit = _upright(there)
            whole = _settled(upright @ rotation)
            if misfit < WORST_SIGHT:
                yield _Sight(whole, misfit, hits, caster.facing)
            if misfit < GOOD_FIT and np.array_equal(whole, rotation):
                return


def _settled(rotation: Float) -> Float:
    """A turn by right angles, if one is near: a face that looks along an axis, authors mean to look so."""
    nearest = max(_turns(), key=lambda turn: float((turn * rotation).sum()))
    off = Rotation.from_matrix(nearest @ rotation.T).magnitude()
    return nearest if off < NEARLY_UPRIGHT else rotation


def _upright(landmarks: Float) -> tuple[Float, float]:
    """The turn that lays landmarks [478, 3] on those of the embedded head, and how badly they then fit.

    Landmarks that are NaN are left out. The misfit is the mean distance after turn, shift and scale, in
    distances between the eyes.
    """
    face = load_embedded_face()
    template, known = face.template.double().numpy(), face.landmark_triangles.numpy() >= 0
    corners = template[face.triangles.numpy()[face.landmark_triangles.numpy()]]
    there = (corners * face.landmark_barycentric.double().numpy()[..., None]).sum(1)
    both = known & np.isfinite(landmarks).all(1)
    if both.sum() < SMALLEST_SHARE * lm.LANDMARK_COUNT:
        return np.eye(3), np.inf
    a, b = landmarks[both], there[both]
    a, b = a - a.mean(0), b - b.mean(0)
    rotation, _ = Rotation.align_vectors(b, a)
    turned = rotation.apply(a)
    scale = (turned * b).sum() / (turned**2).sum()
    eyes = [there[list(c)].mean(0) for c in (lm.RIGHT_EYE_CORNERS, lm.LEFT_EYE_CORNERS)]
    unit = float(np.linalg.norm(eyes[0] - eyes[1]))
    return rotation.as_matrix(), float(np.linalg.norm(scale * turned - b, axis=1).mean() / unit)


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
    """The triangles [478] at the landmarks, -1 for none, where a face is seen."""
    with HeadRenderer(face, SIZE, camera) as renderer:
        image = renderer.render(points)
    found = landmarker.find(image)
    if found is None:
        return None
    pixels = found.landmarks[:, :2].astype(float)
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
