"""A mesh of any shape and topology -> a `Face` with the 52 blendshapes, in metres and upright."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from adamesh.faces import Face, load_embedded_face
from adamesh.faces import landmark_index as lm
from adamesh.faces.appearance import MATERIALS, plain_appearance
from adamesh.faces.surface import connected_parts
from adamesh.motion.spaces import ARKIT52
from adamesh.progress import Progress, no_progress
from adamesh.retargeting.registration import INNER_LOWER, INNER_UPPER, ON_SKIN
from adamesh.rigging.blendshapes import with_blendshapes
from adamesh.rigging.finding import FoundFace, find_face, plain_face
from adamesh.rigging.fitting import similarity
from adamesh.rigging.geometry import Scene
from adamesh.tracking.embedding import closest_barycentric
from adamesh.tracking.face_landmarks import LandmarkQuality, pictures, with_landmarks
from adamesh.tracking.face_regions import with_regions
from adamesh.values import Value

Float = NDArray[np.float64]
Int = NDArray[np.int64]

HEAD = 0.3  # metres around the middle of the face, in life size, which blendshapes can move
PARTED = 0.008  # metres between the lips of an open mouth; jawOpen makes some 30 mm
# Pictures of the moving face that its landmarks are found by; the first ones only for colours.
VIEWS = (20, 45)
SKIN = MATERIALS.index("skin")
# Landmarks agree that lie this near to those of the head, in distances between the eyes.
AGREES, ROUNDS = 0.2, 5
# Of an eyeball, in widths of the eye: how far its middle is from the eye's, how large it is at most, and
# how much wider than tall or taller than wide.
BESIDE, LARGEST, ROUND = 0.45, 2.0, 1.5
SEED = 52


@dataclass(frozen=True, eq=False, repr=False)
class MeshFace(Value):
    """A face on a scene's mesh.

    Attributes:
        face: with blendshapes, joints and landmarks, in life size, upright, looking along +Z.
        vertices: [V of the face] which of the scene's different vertices its vertices are.
        placed: [3, 3] rotation and scale from the scene to the face.
        origin: [3] the scene's point at the face's origin.
        turn: [3, 3] the turn by right angles that brings the scene upright, its face along +Z.
        quality: of the landmarks.
    """

    face: Face
    vertices: Int
    placed: Float
    origin: Float
    turn: Float
    quality: LandmarkQuality

    @property
    def eye_distance(self) -> float:
        """Between the eyes, in the scene's units."""
        landmarks = self.face.landmark_basis().template.double().numpy()
        return float(lm.interocular_distance(self.to_scene(landmarks)))

    @property
    def eyeballs(self) -> int:
        """How many of the two eyeballs the scene has."""
        regions = (self.face.regions[name] for name in ("left_eyeball", "right_eyeball"))
        return sum(bool((ids < len(self.vertices)).all()) for ids in regions)

    @property
    def lips_part(self) -> bool:
        """Whether an open jaw opens the mouth."""
        jaw = torch.zeros(1, len(ARKIT52))
        jaw[0, ARKIT52.index("jawOpen")] = 1
        points = self.face.landmarks(self.face(expression=jaw).vertices)[0]
        middle = len(INNER_UPPER) // 2
        gap = points[INNER_UPPER[middle]] - points[INNER_LOWER[middle]]
        return bool(gap.norm() > PARTED)  # not so where one is not known

    def to_scene(self, points: Float) -> Float:
        """[N, 3] points of the face in the scene's units and axes."""
        return points @ np.linalg.inv(self.placed) + self.origin

    def directions_to_scene(self, directions: Float) -> Float:
        """[N, 3, E] displacements of the face in the scene's units and axes."""
        return np.einsum("nie,ij->nje", directions, np.linalg.inv(self.placed))


def face_of(
    scene: Scene,
    *,
    views: tuple[int, int] = VIEWS,
    progress: Progress = no_progress,
) -> MeshFace:
    """Finds the face of a mesh and gives it the blendshapes of the embedded head.

    Args:
        scene: what to look at.
        views: pictures in the two rounds of finding landmarks on the moving face.
        progress: told how far it is.
    Raises:
        InputError: no face is seen, or it is too unlike one.
        MissingDependencyError: the extra for rendering is not installed.
    """
    first = np.unique(scene.welded, return_index=True)[1]
    points, colors = scene.points[first], scene.colors[first]
    triangles = scene.welded[scene.triangles]
    corners = np.sort(triangles, axis=1)
    triangles = triangles[(np.diff(corners, axis=1) > 0).all(1)]
    found = find_face(points, triangles, colors)

    head = load_embedded_face()
    embedding = found.embedding
    landmarks = embedding.points(points, found.triangles)
    placed, origin, near = _placed(head, landmarks, embedding.triangles >= 0)
    vertices, face = _plain(found, (points - origin) @ placed, colors, near)
    face = with_blendshapes(head, _with_eyeballs(head, _complete(head, face), scene.colored))
    looked, total = 0, sum(map(pictures, views))

    def report(stage: str, done: int, _: int, note: str = "") -> None:
        progress(stage, looked + done, total, note)

    for number, count in enumerate(views):
        face, quality = with_landmarks(face, seed=SEED, views=count, progress=report)
        looked += pictures(count)
        face = with_blendshapes(head, face)
        if number == 0 and not scene.colored:
            face = with_regions(face)  # lips and brows in colours show better where they are
    return MeshFace(face, vertices, placed, origin, found.rotation, quality)


def _placed(
    head: Face, landmarks: Float, found: NDArray[np.bool_]
) -> tuple[Float, Float, NDArray[np.bool_]]:
    """How a mesh lies to the head, by those landmarks that agree.

    Returns:
        [3, 3] rotation and scale, [3] the origin of the head in the mesh, and [478] which landmarks agree.
    """
    basis = head.landmark_basis().template.double().numpy()
    unit = float(lm.interocular_distance(basis))
    on_skin = found & np.isin(np.arange(lm.LANDMARK_COUNT), ON_SKIN)
    near = on_skin
    for _ in range(ROUNDS):
        centre, middle = landmarks[near].mean(0), basis[near].mean(0)
        placed = similarity(landmarks[near] - centre, basis[near] - middle)
        missed = np.linalg.norm((landmarks - centre) @ placed + middle - basis, axis=1)
        limit = max(AGREES * unit, float(np.median(missed[near])))
        near = on_skin & (missed < limit)
    return placed, centre - middle @ np.linalg.inv(placed), found & (missed < limit)


def _plain(
    found: FoundFace, points: Float, colors: Float, near: NDArray[np.bool_]
) -> tuple[Int, Face]:
    """What of a mesh in life size is near its face, and that as a face that cannot move.

    Args:
        found: landmarks and triangles.
        points: [V, 3] in the place of the head.
        colors: [V, 3].
        near: [478] which landmarks are where a face has them.
    """
    embedding = found.embedding
    middle = np.median(embedding.points(points, found.triangles)[near], axis=0)
    kept = np.linalg.norm(points - middle, axis=1) < HEAD
    used = kept[found.triangles].all(1)
    vertices = np.unique(found.triangles[used])
    number = np.full(len(points), -1)
    number[vertices] = np.arange(len(vertices))
    place = np.cumsum(used) - 1
    own = np.where(near & used[embedding.triangles], place[embedding.triangles], -1)
    face = plain_face(points[vertices], number[found.triangles[used]], colors[vertices])
    return vertices, face.replace(
        landmark_triangles=torch.from_numpy(own),
        landmark_barycentric=torch.from_numpy(embedding.barycentric).float(),
    )


def _complete(head: Face, face: Face) -> Face:
    """The face with landmarks that were not found where the head has them, on the nearest point of its mesh.

    Those inside the lips stay away: the nearest point may be on the other lip.
    """
    expected = head.landmark_basis().template.double().numpy()
    triangles = face.landmark_triangles.numpy().copy()
    barycentric = face.landmark_barycentric.double().numpy().copy()
    corners = face.template.double().numpy()[face.triangles.numpy()]
    for i in set(ON_SKIN) - {*lm.INNER_LIPS_UPPER, *lm.INNER_LIPS_LOWER}:
        if triangles[i] < 0:
            weights = closest_barycentric(expected[i], corners)
            distance = np.linalg.norm((weights[..., None] * corners).sum(1) - expected[i], axis=1)
            triangles[i] = distance.argmin()
            barycentric[i] = weights[triangles[i]]
    return face.replace(
        landmark_triangles=torch.from_numpy(triangles),
        landmark_barycentric=torch.from_numpy(barycentric).float(),
    )


def _with_eyeballs(head: Face, face: Face, colored: bool) -> Face:
    """The face with its eyeballs as such, in plain colours if it has none.

    Where it has none, as a mask, those of the head are added behind its last vertex: the detector wants
    eyes, and nobody should see through a head.
    """
    points, triangles = face.template.double().numpy(), face.triangles.numpy()
    landmarks = face.landmark_basis().template.double().numpy()
    part = connected_parts(triangles, len(points))
    eyes, added = [], []
    for corners in (lm.LEFT_EYE_CORNERS, lm.RIGHT_EYE_CORNERS):
        eyes.append(_eyeball(points, part, landmarks[list(corners)]))
        added.append(None if eyes[-1].any() else _head_eyeball(head, corners, landmarks))
    for side, ball in enumerate(added):
        if ball is not None:
            triangles = np.concatenate([triangles, ball[1] + len(points)])
            points = np.concatenate([points, ball[0]])
            eyes = [np.pad(eye, (0, len(ball[0]))) for eye in eyes]
            eyes[side][-len(ball[0]) :] = 1
    looks = plain_appearance(points, triangles, left_eye=eyes[0], right_eye=eyes[1])
    colors = looks.colors.copy()
    if colored:
        colors[: face.n_vertices] = face.colors.numpy()
    # What carries no landmark of a closed mouth is no skin: teeth must not be taken for lips.
    of_landmarks = face.landmark_triangles.numpy()
    skin = np.unique(part[face.triangles.numpy()[of_landmarks[of_landmarks >= 0], 0]])
    part = connected_parts(triangles, len(points))[triangles[:, 0]]
    other = (looks.triangle_material == SKIN) & ~np.isin(part, skin)
    return plain_face(points, triangles, colors).replace(
        triangle_material=torch.from_numpy(
            np.where(other, len(looks.material_names), looks.triangle_material)
        ),
        material_names=(*looks.material_names, "other"),
        regions={name: torch.from_numpy(ids) for name, ids in looks.regions.items()},
        landmark_triangles=face.landmark_triangles,
        landmark_barycentric=face.landmark_barycentric,
    )


def _head_eyeball(head: Face, corners: tuple[int, ...], landmarks: Float) -> tuple[Float, Int]:
    """Vertices and triangles of the head's eyeball between two corners of an eye, in that eye's size."""
    own = head.landmark_basis().template.double().numpy()[list(corners)]
    goal = landmarks[list(corners)]
    name = "left_eyeball" if corners == lm.LEFT_EYE_CORNERS else "right_eyeball"
    vertices = head.regions[name].numpy()
    number = np.full(head.n_vertices, -1)
    number[vertices] = np.arange(len(vertices))
    triangles = number[head.triangles.numpy()]
    scale = np.linalg.norm(goal[0] - goal[1]) / np.linalg.norm(own[0] - own[1])
    points = scale * (head.template.double().numpy()[vertices] - own.mean(0)) + goal.mean(0)
    return points, triangles[(triangles >= 0).all(1)]


def _eyeball(points: Float, part: Int, corners: Float) -> Float:
    """[V] 1 on the connected parts that are an eyeball, or something of one, behind two corners of an eye."""
    middle, width = corners.mean(0), np.linalg.norm(corners[0] - corners[1])
    chosen = np.zeros(len(points))
    for number in np.unique(part[np.linalg.norm(points - middle, axis=1) < width]):
        mine = part == number
        low, high = points[mine].min(0), points[mine].max(0)
        size, offset = high - low, (low + high) / 2 - middle
        beside = np.abs(offset[:2]).max() > BESIDE * width
        flat = not 1 / ROUND < size[0] / max(size[1], 1e-9) < ROUND
        if not beside and not flat and size.max() < LARGEST * width and offset[2] < BESIDE * width:
            chosen[mine] = 1
    return chosen
