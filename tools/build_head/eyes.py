"""The eyeballs: rounder and finer than those of the base mesh, whose centre and size they follow."""

from collections.abc import Callable

import numpy as np
from base_mesh import DECIMETRE, BaseMesh
from colors import BLUSH, IRIS, IRIS_INNER, LIMBUS, PUPIL, SCLERA, mixed
from geometry import Array
from part import MATERIALS, SIDES, Part, weights_of


def eyeball(
    base: BaseMesh, side: str
) -> tuple[Callable[[Array], Array], Callable[[Array], Array], float]:
    """Centre and radius of the base mesh's eyeball as linear maps, and the radius of the base mesh.

    The centre is a fixed affine combination of the ball's vertices, the radius the mean of their
    offsets along fixed directions.
    """
    ids = base.ids(f"helper-{side}-eye")
    cloud = base.vertices[ids]
    # Least squares: |p|^2 = 2 c p + (r^2 - |c|^2).
    system = np.column_stack([2 * cloud, np.ones(len(ids))])
    middle = np.linalg.lstsq(system, (cloud**2).sum(1), rcond=None)[0][:3]
    # The smallest change of equal weights whose combination is that centre.
    affine = np.vstack([np.ones(len(ids)), cloud.T])
    combination = np.full(len(ids), 1 / len(ids))
    combination += np.linalg.pinv(affine) @ (np.append(1.0, middle) - affine @ combination)
    distance = np.linalg.norm(cloud - middle, axis=1, keepdims=True)
    spokes = (cloud - middle) / distance

    def centre(values: Array) -> Array:
        return np.einsum("n,...nk->...k", combination, values[..., ids, :])

    def size(values: Array) -> Array:
        return ((values[..., ids, :] - centre(values)[..., None, :]) * spokes).sum(-1).mean(-1)

    return centre, size, float(distance.mean())


def eye_part(base: BaseMesh, side: str) -> Part:
    """A round eyeball in place of the base mesh's coarse one, with pupil, iris and a slight cornea.

    Its centre and radius are linear in the base mesh, so it stays round for every identity.
    """
    centre, size, radius = eyeball(base, side)

    # Rings by their angle from the gaze, in radians; a ring is doubled where the material changes.
    iris = np.arcsin(0.0059 / (radius * DECIMETRE))
    pupil = 0.36 * iris
    angles = [0.5 * pupil, pupil, pupil, *np.linspace(pupil, iris, 5)[1:], iris]
    angles += list(np.linspace(iris, 2.0, 9)[1:])
    kinds = ["pupil"] * 2 + ["iris"] * 5 + ["sclera"] * 9
    segments = 32
    around = np.arange(segments) * 2 * np.pi / segments
    bulge = np.maximum(0, 1 - (np.array(angles) / (1.15 * iris)) ** 2) ** 2 * 0.035
    lift = 1 + np.append(0.035, bulge)
    polar = np.array(angles)
    ring = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(around),
            np.sin(polar)[:, None] * np.sin(around),
            np.repeat(np.cos(polar)[:, None], segments, 1),
        ],
        axis=-1,
    )
    unit = np.vstack([[[0, 0, 1.0]], ring.reshape(-1, 3)])
    unit *= np.append(lift[0], np.repeat(lift[1:], segments))[:, None]

    def points(values: Array) -> Array:
        return centre(values)[..., None, :] + size(values)[..., None, None] * unit

    index = 1 + np.arange(len(angles) * segments).reshape(len(angles), segments)
    following = np.roll(index, -1, axis=1)
    fan = np.stack([np.zeros(segments, int), index[0], following[0]], axis=-1)
    triangles, material = [fan], [np.full(segments, MATERIALS.index("pupil"))]
    for k in range(len(angles) - 1):
        if kinds[k] == kinds[k + 1]:
            a, b, c, d = index[k], following[k], following[k + 1], index[k + 1]
            triangles += [np.stack([a, d, c], -1), np.stack([a, c, b], -1)]
            material += [np.full(2 * segments, MATERIALS.index(kinds[k]))]
    uv_quads = base.uv[np.unique(base.uv_quads[f"helper-{side}-eye"])]
    low, high = uv_quads.min(0), uv_quads.max(0)
    flat = unit[:, :2] / np.maximum(np.linalg.norm(unit[:, :2], axis=1, keepdims=True), 1e-9)
    reach = np.append(0, np.repeat(polar, segments))[:, None] / polar.max()
    uv = (low + high) / 2 + flat * reach * (high - low) / 2
    name = SIDES[side]
    n = len(unit)
    every = np.concatenate(triangles)
    white = int(np.searchsorted([k == "sclera" for k in kinds], True))
    return Part(
        name=f"{name}_eye",
        points=points,
        triangles=every,
        uv=uv,
        uv_triangles=every,
        material=np.concatenate(material),
        colors=eye_colors(angles, kinds, segments, pupil, iris),
        weights=weights_of(f"{side}eye", n),
        moved=False,
        regions={
            f"{name}_eyeball": np.arange(n),
            f"{name}_pupil": np.arange(1),
            f"{name}_limbus": index[white],
        },
    )


def eye_colors(
    angles: list[float], kinds: list[str], segments: int, pupil: float, iris: float
) -> Array:
    """[1 + rings * segments, 3] of the middle of the pupil and of the rings.

    Args:
        angles: of each ring from the gaze, radians.
        kinds: the material of each.
        segments: vertices of a ring.
        pupil: its edge, radians.
        iris: its edge, radians.
    """
    colors = [PUPIL[None]]
    for k, kind in enumerate(kinds):
        fibre = 0.9 + 0.2 * (np.arange(segments) % 2)[:, None]
        if kind == "pupil":
            color = np.tile(PUPIL, (segments, 1))
        elif kind == "iris":
            outward = (angles[k] - pupil) / (iris - pupil)
            middle = mixed(IRIS_INNER, IRIS, np.clip(outward * 1.6, 0, 1)) * fibre
            color = mixed(middle, LIMBUS, np.clip((outward - 0.7) / 0.3, 0, 1) * 0.9)
        else:
            # The limbus is soft on the white's side too, and the white reddens to the back.
            edge = 0.55 if angles[k] == iris else 0.0
            color = mixed(SCLERA, LIMBUS, np.full(segments, edge))
            color = mixed(
                color, BLUSH, np.full(segments, np.clip((angles[k] - 0.7) * 0.35, 0, 0.5))
            )
        colors.append(np.clip(color, 0, 1))
    return np.concatenate(colors)
