"""Meshes that are nothing like the embedded head's, with a known truth: other people, a cartoon, a mask.

Each is the embedded head with another shape and a mesh of its own: every triangle is split at the middles of
its edges, and most of the vertices are then removed, whichever bend the surface least.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from adamesh.errors import MissingDependencyError
from adamesh.faces import Face, load_embedded_face
from adamesh.faces.skinning import rotation_matrices
from adamesh.motion.spaces import ARKIT52
from adamesh.tracking.embedding import closest_barycentric
from adamesh.values import Value

Float = NDArray[np.float64]
Int = NDArray[np.int64]

PARTED = 0.6  # of jawOpen, at which no point of one lip is nearest to the other


@dataclass(frozen=True, eq=False, repr=False)
class OtherMesh(Value):
    """A mesh, and what is known of it.

    Attributes:
        points: [V, 3] metres, +Y up, the face along +Z.
        triangles: [F, 3].
        colors: [V, 3] sRGB 0..1.
        landmarks: [478, 3] where the embedded head's landmarks are.
        landmark_triangles: [478] triangle nearest to each.
        landmark_barycentric: [478, 3] place in it.
        blendshapes: [V, 3, 52] the embedded head's as the shape bends them, which is not what a face of this
            shape would do, but near to it.
    """

    points: Float
    triangles: Int
    colors: Float
    landmarks: Float
    landmark_triangles: Int
    landmark_barycentric: Float
    blendshapes: Float

    def at_landmarks(self, points: Float) -> Float:
        """[478, 3] the landmarks of this mesh with other points [V, 3]."""
        corners = points[self.triangles[self.landmark_triangles]]
        return (corners * self.landmark_barycentric[..., None]).sum(1)


def phenotype() -> OtherMesh:
    """Another person, longer and narrower, the chin to one side."""
    return _other(bend, deviations=1.3, seed=3, kept=0.3)


def cartoon() -> OtherMesh:
    """Large eyes and nose, a small chin, a tall skull."""
    return _other(stylise, deviations=0.5, seed=5, kept=0.35)


def mask() -> OtherMesh:
    """The front of somebody's face, open behind, without eyes, teeth and the inside of the mouth."""
    return _other(bend, deviations=1.0, seed=9, kept=0.2, only=_front)


MESHES: dict[str, Callable[[], OtherMesh]] = {
    "phenotype": phenotype,
    "cartoon": cartoon,
    "mask": mask,
}


def bend(points: Tensor) -> Tensor:
    """A smooth change of shape: longer and narrower, chin to one side, tilted, 4 % larger, elsewhere."""
    x, y, z = points.unbind(-1)
    y0 = y + 0.02
    bent = torch.stack(
        [0.95 * x + 0.35 * y0 * y0 * (y0 < 0), 1.07 * y + 0.6 * x * x, z - 1.2 * x * x + 0.06 * y],
        dim=-1,
    )
    tilt = rotation_matrices(torch.tensor([0.07, 0.0, 0.0], dtype=points.dtype))
    return 1.04 * bent @ tilt.T + torch.tensor([0.0, 0.03, -0.02], dtype=points.dtype)


def stylise(points: Tensor) -> Tensor:
    """A smooth change of shape as caricatures have it; [..., 3] metres."""

    def swollen(centre: list[float], radius: float, share: float) -> Tensor:
        away = points - torch.tensor(centre, dtype=points.dtype)
        near = torch.exp(-(away**2).sum(-1, keepdim=True) / (2 * radius**2))
        return share * near * away

    larger = points + swollen([0.0, 0.012, 0.115], 0.015, 0.4)
    for side in (-0.03, 0.03):
        larger = larger + swollen([side, 0.04, 0.085], 0.022, 0.55)
    x, y, z = larger.unbind(-1)
    chin = torch.sigmoid((-0.035 - points[..., 1]) / 0.02)
    skull = torch.sigmoid((points[..., 1] - 0.07) / 0.02)
    return torch.stack(
        [
            x * (1 - 0.35 * chin) * (1 + 0.25 * skull),
            y + 0.35 * skull * (points[..., 1] - 0.07),
            z - 0.004 * chin,
        ],
        dim=-1,
    )


def split(
    fields: dict[str, Tensor], triangles: Int, material: Int
) -> tuple[dict[str, Tensor], Int, Int]:
    """Every triangle into four, at the middles of its edges.

    Args:
        fields: values [V, ...] at the vertices, of which middles get means.
        triangles: [F, 3].
        material: [F] anything; each part keeps it.
    """
    count = len(next(iter(fields.values())))
    edges = np.sort(np.stack([triangles, np.roll(triangles, -1, 1)], -1), -1)  # ab, bc, ca
    unique, middle = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True)
    ab, bc, ca = (count + middle.reshape(-1, 3)).T
    a, b, c = triangles.T
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    fine = np.concatenate([np.stack(part, 1) for part in parts])
    ends = torch.from_numpy(unique)
    means = {name: torch.cat([v, v[ends].mean(1)]) for name, v in fields.items()}
    return means, fine, np.tile(material, 4)


def decimate(points: Float, triangles: Int, material: Int, *, kept: float) -> tuple[Int, Int, Int]:
    """Which vertices stay where `kept` is the share of triangles, triangles of those, and their materials.

    Raises:
        MissingDependencyError: the extra for rendering is not installed.
    """
    try:
        import pyvista as pv
    except ImportError as error:
        raise MissingDependencyError("pyvista", "meshes to measure with", "render") from error
    cells = np.column_stack([np.full(len(triangles), 3), triangles])
    mesh = pv.PolyData(points, cells.ravel())
    thin = mesh.decimate_pro(1 - kept, preserve_topology=True, boundary_vertex_deletion=True)
    distance, own = cKDTree(points).query(np.asarray(thin.points, float))
    assert distance.max() < 1e-6, "this decimation keeps vertices where they are"
    used = thin.faces.reshape(-1, 4)[:, 1:].astype(np.int64)
    _, nearest = cKDTree(points[triangles].mean(1)).query(points[own][used].mean(1))
    return own, used, material[nearest]


def nearest_points(points: Float, vertices: Float, triangles: Int) -> tuple[Int, Float]:
    """Triangle [n] and barycentric [n, 3] of the surface point nearest to each of n points."""
    corners = vertices[triangles]
    rows = [closest_barycentric(point, corners) for point in points]
    best = [
        np.linalg.norm((w[..., None] * corners).sum(1) - p, axis=1).argmin()
        for p, w in zip(points, rows, strict=True)
    ]
    return np.array(best), np.array([w[i] for w, i in zip(rows, best, strict=True)])


def _other(
    warp: Callable[[Tensor], Tensor],
    *,
    deviations: float,
    seed: int,
    kept: float,
    only: Callable[[Face, Float], NDArray[np.bool_]] | None = None,
) -> OtherMesh:
    head = load_embedded_face(torch.float64)
    draws = torch.randn(head.n_betas, generator=torch.Generator().manual_seed(seed)).double()
    still = head.template + head.shapedirs @ (deviations * draws)
    rest = warp(still)
    moved = [warp(still + blendshape) - rest for blendshape in head.expressiondirs.unbind(-1)]
    fields = {"points": rest, "blendshapes": torch.stack(moved, dim=-1), "colors": head.colors}
    triangles, material = head.triangles.numpy(), head.triangle_material.numpy()
    if only is not None:
        chosen = only(head, still.numpy())
        triangles, material = triangles[chosen], material[chosen]
    fields, triangles, material = split(fields, triangles, material)
    own, triangles, material = decimate(fields["points"].numpy(), triangles, material, kept=kept)
    points, blendshapes, colors = (
        fields[n][own].numpy() for n in ("points", "blendshapes", "colors")
    )

    opened = PARTED * blendshapes[..., ARKIT52.index("jawOpen")]
    wide = rest + PARTED * moved[ARKIT52.index("jawOpen")]
    skin = np.flatnonzero(
        np.isin(material, [head.material_names.index(n) for n in ("skin", "lips")])
    )
    near, barycentric = nearest_points(
        head._at_landmarks(wide).numpy(), points + opened, triangles[skin]
    )
    return OtherMesh(
        points=points,
        triangles=triangles,
        colors=colors,
        landmarks=head._at_landmarks(rest).numpy(),
        landmark_triangles=skin[near],
        landmark_barycentric=barycentric,
        blendshapes=blendshapes,
    )


def _front(head: Face, points: Float) -> NDArray[np.bool_]:
    """[F] the skin and lips before the ears, between the hair and below the chin."""
    triangles = head.triangles.numpy()
    _, y, z = points[triangles].mean(1).T
    names = np.array(head.material_names)[head.triangle_material.numpy()]
    ears = np.isin(triangles, head.regions["ears"].numpy()).any(1)
    return np.isin(names, ("skin", "lips")) & ~ears & (z > 0.02) & (y > -0.075) & (y < 0.1)
