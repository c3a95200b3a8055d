"""Gives a face model its landmarks, by looking at pictures of it.

    face, quality = with_landmarks(face, seed=0)

It works for any face that has skin and eyeballs: the embedded head, and models that come without
landmarks. The mouth is opened a little in some of the pictures, which tells the lips apart; how,
depends on the face (`mouth_opening`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adamesh.errors import InputError
from adamesh.faces.face import Face
from adamesh.faces.landmark_index import OUTER_LIPS
from adamesh.progress import Progress, no_progress
from adamesh.render import Camera, HeadRenderer
from adamesh.tracking.embedding import View, embed_landmarks, reprojection_residual
from adamesh.tracking.landmarker import FaceLandmarker

Float = NDArray[np.float64]
Parameters = dict[str, Tensor]  # arguments of a face's forward, [1, ...] each

JUDGED = 1 / 3  # pictures that the landmarks are compared with afterwards, per one looked at
SIZE = (640, 640)  # pixels
SKIN, EYEBALLS = ("skin", "lips"), ("sclera", "iris", "pupil")  # materials
# Of a wide open mouth: how far it is open in the pictures in turn, and on the mesh on which the views
# are averaged.
OPENINGS = (0.0, 0.0, 0.15, 0.3, 0.0)
PARTED = 0.25
WIDE_JAW = 0.4  # radians of the jaw's joint in a wide open mouth
WIDE_GAP = 0.025  # metres that a wide open mouth parts the lips, where only expressions can
# Metres from between the eyes to the middle of the pictures.
_BELOW_EYES = np.array([0.0, -0.02145, -0.01507])
SMILE = 0.4  # weight in the last of the pictures in turn, where the face has such a blendshape
# Factors on the skin's colours: as it is, light, brown and dark.
TONES = ((1.0, 1.0, 1.0), (1.12, 1.14, 1.16), (0.72, 0.66, 0.62), (0.5, 0.42, 0.38))


@dataclass(frozen=True)
class LandmarkQuality:
    """How well landmarks fit pictures that they were not made from.

    Attributes:
        found: how many of the 478 there are.
        mean_percent, p95_percent: distance from the detected ones, in % of the inter-ocular
            distance, the face's outline left out.
    """

    found: int
    mean_percent: float
    p95_percent: float


def with_landmarks(
    face: Face,
    *,
    seed: int,
    views: int = 60,
    progress: Progress = no_progress,
) -> tuple[Face, LandmarkQuality]:
    """The face with its 478 landmarks, and how well they fit.

    Args:
        face: any face with the materials of SKIN; of irises there are no landmarks where it has none of
            EYEBALLS. Landmarks that it has serve to open
            its mouth where nothing else does.
        seed: of the pictures' people, cameras and backgrounds.
        views: pictures to look at; less than about 20 make landmarks less exact.
        progress: told how far it is.
    Raises:
        InputError: too few pictures look like a face.
        MissingDependencyError: the extra for rendering is not installed.
    """
    landmarker = FaceLandmarker()
    done, total = 0, pictures(views)
    judged = total - views

    def find(image: NDArray[np.uint8]) -> NDArray | None:
        nonlocal done
        done += 1
        progress("landmarks", done, total)
        found = landmarker.find(image)
        return None if found is None else found.landmarks

    rng = np.random.default_rng(seed)
    triangles = face.triangles.numpy()
    opening = mouth_opening(face)
    embedding = embed_landmarks(
        _views(face, opening, rng, views),
        find,
        rest=face(**opening(PARTED)).vertices[0].double().numpy(),
        triangles=triangles,
        skin=_made_of(face, SKIN),
        eyeballs=_made_of(face, EYEBALLS, needed=False),
    )
    residual = 100 * reprojection_residual(
        embedding, _views(face, opening, rng, judged), find, triangles
    )
    embedded = face.replace(
        landmark_triangles=torch.from_numpy(embedding.triangles),
        landmark_barycentric=torch.from_numpy(embedding.barycentric).to(face.template.dtype),
    )
    return embedded, LandmarkQuality(
        found=int((embedding.triangles >= 0).sum()),
        mean_percent=float(np.nanmean(residual)),
        p95_percent=float(np.nanpercentile(residual, 95)),
    )


def pictures(views: int) -> int:
    """How many pictures `with_landmarks` makes: those it looks at, and some to judge by."""
    return views + round(JUDGED * views)


def mouth_opening(face: Face) -> Callable[[float], Parameters]:
    """How to open this face's mouth: from the share of a wide open one, to arguments of its forward.

    By the blendshape jawOpen where there is one, by the jaw's joint, or else by the smallest expression
    that parts the lips; those are told by landmarks, and without any the mouth stays closed.
    """
    dtype = face.template.dtype
    if face.expression_names is not None and "jawOpen" in face.expression_names:
        blendshape = torch.zeros(1, face.n_expression, dtype=dtype)
        blendshape[0, face.expression_names.index("jawOpen")] = 1
        return lambda share: {"expression": share * blendshape}
    if "jaw" in face.joint_names:
        jaw = torch.tensor([[WIDE_JAW, 0.0, 0.0]], dtype=dtype)
        return lambda share: {"jaw_pose": share * jaw}
    basis = face.landmark_basis()
    upper, lower = 0, 17  # the middle of the outer edges, which closed lips show too
    assert {upper, lower} < set(OUTER_LIPS)
    parting = basis.expressiondirs[upper, 1] - basis.expressiondirs[lower, 1]  # [E] metres
    expression = torch.zeros_like(parting)[None]
    if basis.valid[[upper, lower]].all():
        expression = (WIDE_GAP * parting / (parting @ parting))[None]
    return lambda share: {"expression": share * expression}


def face_camera(
    face: Face,
    size: tuple[int, int],
    *,
    height: float,
    distance: float = 1.2,
    yaw: float = 0.0,
    pitch: float = 0.0,
) -> Camera:
    """A camera that looks at the middle of the face: see `Camera.looking_at`."""
    eyes = [face.joint_names.index(joint) for joint in ("leye", "reye")]
    middle = face.joints_template[eyes].double().numpy().mean(axis=0) + _BELOW_EYES
    return Camera.looking_at(
        middle, size=size, height=height, distance=distance, yaw=yaw, pitch=pitch
    )


def _views(
    face: Face, opening: Callable[[float], Parameters], rng: np.random.Generator, count: int
) -> Iterator[View]:
    """Pictures of the face: random people, the mouth closed and open, all sides, several skins."""
    on_skin = np.zeros(face.n_vertices, bool)
    on_skin[face.triangles.numpy()[_made_of(face, SKIN)]] = True
    for number in range(count):
        betas = torch.from_numpy(rng.normal(0, 0.5 if number % 2 else 0.0, (1, face.n_betas)))
        parameters = opening(OPENINGS[number % len(OPENINGS)])
        if number % len(OPENINGS) == len(OPENINGS) - 1:
            parameters = parameters | _smile(face)
        vertices = face(betas=betas.to(face.template.dtype), **parameters).vertices[0]
        colors = face.colors.numpy().copy()
        colors[on_skin] = np.clip(colors[on_skin] * TONES[number % len(TONES)], 0, 1)
        camera = face_camera(
            face,
            SIZE,
            height=0.30,
            distance=rng.uniform(0.6, 2.0),
            yaw=np.radians(rng.uniform(-25, 25)),
            pitch=np.radians(rng.uniform(-10, 10)),
        )
        background = tuple(rng.uniform(0.1, 0.9, 3))
        with HeadRenderer(face, SIZE, camera, background, colors) as renderer:
            image = renderer.render(vertices.numpy())
        yield View(image, vertices.double().numpy(), camera.project)


def _smile(face: Face) -> Parameters:
    """A little smile, where the face's blendshapes have names."""
    names = face.expression_names
    if names is None:
        return {}
    row = torch.zeros(1, face.n_expression, dtype=face.template.dtype)
    row[0, [names.index(name) for name in ("mouthSmileLeft", "mouthSmileRight")]] = SMILE
    return {"expression": row}


def _made_of(face: Face, materials: tuple[str, ...], *, needed: bool = True) -> NDArray[np.bool_]:
    """[F] which triangles are made of one of these.

    Raises:
        InputError: none is, and some are needed.
    """
    numbers = [face.material_names.index(name) for name in materials if name in face.material_names]
    mask = np.isin(face.triangle_material.numpy(), numbers)
    if needed and not mask.any():
        raise InputError(
            f"face '{face.name}' has nothing made of {' or '.join(materials)}, only "
            f"{', '.join(face.material_names)}: its landmarks cannot be found"
        )
    return mask
