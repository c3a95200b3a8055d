"""Plain colours for a face model that comes without any: skin, and eyes with an iris and a pupil."""

from dataclasses import dataclass

import numpy as np

from adamesh.faces.surface import connected_parts

Array = np.ndarray

# Materials that a picture of a person's skin is for, and what lies on the skin and is in the picture.
TEXTURED = ("skin", "lips")
PICTURED = ("brows",)

MATERIALS = ("skin", "lips", "sclera", "iris", "pupil")

# sRGB
SKIN = np.array([0.82, 0.63, 0.54])
LIPS = np.array([0.70, 0.40, 0.38])
BROWS = np.array([0.36, 0.25, 0.20])
INSIDE = np.array([0.25, 0.09, 0.09])
_SCLERA = np.array([0.93, 0.91, 0.89])
_LIMBUS = np.array([0.14, 0.17, 0.17])
_IRIS = np.array([0.33, 0.40, 0.38])
_PUPIL = np.array([0.02, 0.02, 0.02])

# Radians from the optical axis, seen from the eyeball's centre: an iris 11.8 mm wide on an eyeball of
# 24 mm, as in the average adult.
_IRIS_ANGLE = float(np.arcsin(5.9 / 12))
_PUPIL_ANGLE = float(np.arcsin(2.0 / 12))


@dataclass(frozen=True)
class Appearance:
    """What `Face` wants to know about looks, by the names of its arguments.

    Attributes:
        colors: [V, 3] sRGB 0..1.
        triangle_material: [F] int64 into `material_names`.
        material_names: of MATERIALS.
        uv: [V, 2] texture coordinates, one for each vertex.
        regions: left_eyeball, right_eyeball and both, int64.
    """

    colors: Array
    triangle_material: Array
    material_names: tuple[str, ...]
    uv: Array
    regions: dict[str, Array]


def plain_appearance(
    template: Array, triangles: Array, *, left_eye: Array, right_eye: Array
) -> Appearance:
    """Skin everywhere but on the eyeballs, which are parts of their own.

    Args:
        template: [V, 3] metres, the face looking along +Z.
        triangles: [F, 3].
        left_eye, right_eye: [V] True where a vertex goes with that eye's joint. An eyeball is what of
            the mesh hangs together and is mostly that.
    """
    n = len(template)
    part = connected_parts(triangles, n)
    colors = np.tile(SKIN, (n, 1))
    material = np.zeros(len(triangles), np.int64)
    regions = {}
    for name, eye in (("left_eyeball", left_eye), ("right_eyeball", right_eye)):
        share = np.bincount(part, eye) / np.bincount(part)
        ball = np.flatnonzero(share[part] > 0.5)
        regions[name] = ball
        if not len(ball):
            continue
        offset = template[ball] - (template[ball].min(0) + template[ball].max(0)) / 2
        angle = np.full(n, np.nan)
        angle[ball] = np.arctan2(np.hypot(offset[:, 0], offset[:, 1]), offset[:, 2])
        colors[ball] = _eye_colors(angle[ball])
        middle = angle[triangles].mean(axis=1)  # NaN beside the eyeball
        for look, limit in (("sclera", np.pi), ("iris", _IRIS_ANGLE), ("pupil", _PUPIL_ANGLE)):
            material[middle <= limit] = MATERIALS.index(look)
    regions["eyeballs"] = np.concatenate(list(regions.values()))
    return Appearance(colors, material, MATERIALS, _cylindrical(template), regions)


def _eye_colors(angle: Array) -> Array:
    """[n] radians from the optical axis -> [n, 3] sRGB."""
    rings = [0, _PUPIL_ANGLE, 1.15 * _PUPIL_ANGLE, 0.85 * _IRIS_ANGLE, _IRIS_ANGLE]
    rings += [1.12 * _IRIS_ANGLE, np.pi]
    looks = np.stack([_PUPIL, _PUPIL, _IRIS, _IRIS, _LIMBUS, _SCLERA, _SCLERA])
    return np.stack([np.interp(angle, rings, channel) for channel in looks.T], axis=1)


def _cylindrical(template: Array) -> Array:
    """[V, 2] texture coordinates of a cylinder around the head, its seam at the back."""
    low, high = template.min(axis=0), template.max(axis=0)
    x, _, z = (template - (low + high) / 2).T
    return np.column_stack(
        [0.5 + np.arctan2(x, z) / (2 * np.pi), (template[:, 1] - low[1]) / (high[1] - low[1])]
    )
