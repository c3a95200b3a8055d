"""A face to look at: a picture with its landmarks, its mouth open, and some expressions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from adamesh.faces.face import Face
from adamesh.render import Camera, HeadRenderer
from adamesh.tracking.face_landmarks import Parameters, face_camera, mouth_opening

TILE = (360, 360)  # pixels
COLUMNS = 4
THREE_QUARTER = np.radians(40)
DOT = np.array([20, 90, 255], np.uint8)  # sRGB
OPENINGS = (0.3, 0.8)  # of a wide open mouth
COMPONENT_SIZE = 2.0  # standard deviations, where the expression's components have no names
BLENDSHAPES = (
    ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft", "cheekSquintRight"),
    ("mouthFunnel",),
    ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
)
SEED = 7  # of the other identity


@dataclass(frozen=True)
class FaceFacts:
    """What is known of a face.

    Attributes:
        name: in the library.
        space: of its expression coefficients.
        joints: by which it is posed.
        vertices, triangles: of its mesh.
        identity_components, expression_components: of its shape.
        landmarks: how many of the 478 it has.
    """

    name: str
    space: str
    joints: tuple[str, ...]
    vertices: int
    triangles: int
    identity_components: int
    expression_components: int
    landmarks: int


def face_facts(name: str, face: Face) -> FaceFacts:
    return FaceFacts(
        name=name,
        space=face.space,
        joints=face.joint_names,
        vertices=face.n_vertices,
        triangles=len(face.triangles),
        identity_components=face.n_betas,
        expression_components=face.n_expression,
        landmarks=int((face.landmark_triangles >= 0).sum()),
    )


def draw_face(face: Face) -> NDArray[np.uint8]:
    """[H, W, 3] sRGB: the face from the front and from the side with its landmarks as dots, its mouth
    open, some expressions, and another identity.

    Raises:
        MissingDependencyError: the extra for rendering is not installed.
    """
    front = face_camera(face, TILE, height=0.26)
    side = face_camera(face, TILE, height=0.26, yaw=THREE_QUARTER)
    tiles = []
    with HeadRenderer(face, TILE, front) as renderer:
        for camera in (front, side):
            renderer.camera = camera
            vertices = face().vertices[0]
            picture = renderer.render(vertices.numpy())
            tiles.append(_with_dots(picture, face, vertices, camera))
        renderer.camera = front
        for parameters in _variants(face):
            tiles.append(renderer.render(face(**parameters).vertices[0].numpy()))
    rows = [np.concatenate(tiles[i : i + COLUMNS], 1) for i in range(0, len(tiles), COLUMNS)]
    return np.concatenate(rows)


def _variants(face: Face) -> Iterator[Parameters]:
    """Two openings of the mouth, three expressions, and another identity."""
    for share in OPENINGS:
        yield mouth_opening(face)(share)
    for number, blendshapes in enumerate(BLENDSHAPES):
        expression = torch.zeros(1, face.n_expression, dtype=face.template.dtype)
        if face.expression_names is None:
            expression[0, number] = COMPONENT_SIZE
        else:
            expression[
                0, [face.expression_names.index(blendshape) for blendshape in blendshapes]
            ] = 1
        yield {"expression": expression}
    betas = torch.randn(1, face.n_betas, generator=torch.Generator().manual_seed(SEED))
    yield {"betas": betas.to(face.template.dtype)}


def _with_dots(
    picture: NDArray[np.uint8], face: Face, vertices: torch.Tensor, camera: Camera
) -> NDArray[np.uint8]:
    """The picture with a dot on each landmark that turns to the camera."""
    points = face.landmarks(vertices[None])[0].double().numpy()
    a, b, c = vertices[face.triangles[face.landmark_triangles]].double().numpy().swapaxes(0, 1)
    seen = (camera.to_camera(np.cross(b - a, c - a)) - camera.translation)[:, 2] > 0
    picture = picture.copy()
    for u, v, _ in camera.project(points[seen & np.isfinite(points[:, 0])]):
        x, y = round(u), round(v)
        picture[max(y - 1, 0) : y + 1, max(x - 1, 0) : x + 1] = DOT
    return picture
