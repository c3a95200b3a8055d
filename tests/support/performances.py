"""Performances, faces to show them on, and where their vertices must be."""

import numpy as np
import pytest
import torch

from adamesh.faces import Face, load_embedded_face
from adamesh.motion import ARKIT52, MotionClip

JOINTS = ("root", "neck", "head", "jaw", "leye", "reye")


def small_face(space: str = "arkit52") -> Face:
    """A head-sized ball with a UV seam, three materials and every joint."""
    rng = np.random.default_rng(1)
    rows, columns = 9, 12
    grid = [(i, j) for i in range(rows) for j in range(columns)]
    polar = np.array([np.pi * (i + 0.5) / rows for i, _ in grid])
    turn = np.array([2 * np.pi * j / columns for _, j in grid])
    ball = np.stack(
        [np.sin(polar) * np.sin(turn), np.cos(polar), np.sin(polar) * np.cos(turn)], axis=1
    )
    template = 0.1 * ball + [0, 1.6, 0]

    # The last column of the UV map is not the first one: vertices there have two places in it.
    triangles, uv_triangles = [], []
    for i in range(rows - 1):
        for j in range(columns):
            a, b = i * columns + j, i * columns + (j + 1) % columns
            quad = [a, a + columns, b + columns, b]
            u = [i * (columns + 1) + j + s for s in (0, columns + 1, columns + 2, 1)]
            for corners in ((0, 1, 2), (0, 2, 3)):
                triangles.append([quad[c] for c in corners])
                uv_triangles.append([u[c] for c in corners])
    uv = np.array(
        [[j / columns, 1 - i / (rows - 1)] for i in range(rows) for j in range(columns + 1)]
    )
    V, F, E, K, J = len(template), len(triangles), 52, 4, len(JOINTS)
    material = np.zeros(F, int)
    material[F // 2 :] = 1
    material[-20:] = 2
    colors = rng.uniform(size=(V, 3))
    colors[triangles[-20:]] = [0.9, 0.9, 0.9]
    weights = rng.uniform(size=(V, J)) ** 4
    weights[np.arange(V)[:, None], np.argsort(weights, axis=1)[:, :2]] = 0  # four joints at most
    sparse = rng.normal(size=(V, 3, E)) * (rng.uniform(size=(V, 1, E)) < 0.3) * 0.01

    def real(array: np.ndarray) -> torch.Tensor:
        return torch.tensor(array, dtype=torch.float64)

    return Face(
        name="ball",
        space=space,
        expression_names=ARKIT52,
        joint_names=JOINTS,
        joint_parents=(-1, 0, 1, 2, 2, 2),
        template=real(template),
        triangles=torch.tensor(triangles),
        shapedirs=real(rng.normal(size=(V, 3, K)) * 0.005),
        expressiondirs=real(sparse),
        joints_template=real(rng.normal(size=(J, 3)) * 0.05 + [0, 1.5, 0]),
        joints_shapedirs=real(rng.normal(size=(J, 3, K)) * 0.002),
        skin_weights=real(weights),
        uv=real(uv),
        uv_triangles=torch.tensor(uv_triangles),
        colors=real(colors),
        triangle_material=torch.tensor(material),
        material_names=("skin", "lips", "sclera"),
        regions={},
        landmark_triangles=torch.full((478,), -1),
        landmark_barycentric=torch.zeros(478, 3),
    )


def embedded_face() -> Face:
    return load_embedded_face(torch.float64)


FACES = [pytest.param(small_face, id="ball"), pytest.param(embedded_face, id="embedded")]


def performance(
    frames: int = 12, fps: float = 25.0, space: str = "arkit52", **more: object
) -> MotionClip:
    rng = np.random.default_rng(7)
    size = 52 if space == "arkit52" else 50
    return MotionClip(
        space=space,
        fps=fps,
        expression=rng.uniform(size=(frames, size)),
        **{
            f"{joint}_pose": rng.normal(size=(frames, 3)) * 0.3
            for joint in ("neck", "head", "leye", "reye")
        },
        transl=rng.normal(size=(frames, 3)) * 0.05,
        **more,
    )


def expected(face: Face, clip: MotionClip, frame: int, betas: np.ndarray) -> np.ndarray:
    def row(values: np.ndarray) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64)[None]

    names = ("expression", "neck_pose", "head_pose", "leye_pose", "reye_pose", "transl")
    given = {name: row(getattr(clip, name)[frame]) for name in names}
    return face(betas=row(betas), **given).vertices[0].numpy()
