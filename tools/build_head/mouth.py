"""Teeth, gums and tongue."""

from dataclasses import dataclass

import numpy as np
from base_mesh import BaseMesh
from colors import GUMS, TEETH, TONGUE
from geometry import Array, compact, grid_triangles, smoothstep, triangulate
from part import MATERIALS, Part, weights_of

# Half of a row of teeth from the middle outwards: widths of the crowns, metres.
UPPER_WIDTHS = np.array([8.7, 6.8, 7.8, 7.2, 6.9, 9.8, 9.2]) * 1e-3
LOWER_WIDTHS = np.array([5.6, 6.1, 7.0, 7.1, 7.2, 10.6, 10.0]) * 1e-3


@dataclass(frozen=True)
class DentalArch:
    """Half an ellipse in a level plane; metres in the average head."""

    half_width: float
    depth: float
    front: float  # z of its middle
    edge: float  # y of the biting edges
    up: float  # +1 where the roots are above: the upper teeth

    def at(self, arc: Array) -> tuple[Array, Array]:
        """Points [..., 3] and outward directions [..., 3] at arc lengths from the middle, + to the left."""
        angle = np.linspace(-np.pi / 2, np.pi / 2, 2001)
        curve = np.stack(
            [
                self.half_width * np.sin(angle),
                np.full_like(angle, self.edge),
                self.front - self.depth * (1 - np.cos(angle)),
            ],
            axis=-1,
        )
        length = np.append(0, np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1)))
        length -= length[1000]
        point = np.stack([np.interp(arc, length, curve[:, i]) for i in range(3)], axis=-1)
        angle = np.interp(arc, length, angle)
        outward = np.stack(
            [np.sin(angle) / self.half_width, 0 * angle, np.cos(angle) / self.depth], axis=-1
        )
        return point, outward / np.linalg.norm(outward, axis=-1, keepdims=True)


UPPER_ARCH = DentalArch(half_width=0.0272, depth=0.044, front=0.0925, edge=-0.0272, up=1.0)
LOWER_ARCH = DentalArch(half_width=0.0255, depth=0.042, front=0.0895, edge=-0.0262, up=-1.0)


def teeth_part(
    base: BaseMesh, mean: Array, name: str, arch: DentalArch, half_widths: Array
) -> Part:
    """A row of teeth in their gum, in place of the base mesh's plain band, which moves them."""
    crown = 0.0100 if arch.up > 0 else 0.0088
    teeth, teeth_triangles = crowns(arch, half_widths, crown)
    gum, gum_triangles = gum_band(arch, half_widths, crown)
    gum_triangles = gum_triangles + len(teeth)

    wanted = np.concatenate([teeth, gum])
    group = f"helper-{name.replace('_', '-')}"
    helper = base.ids(group)
    distance = np.linalg.norm(wanted[:, None] - mean[helper], axis=-1)
    nearness = np.exp(-((distance / 0.008) ** 2)) + 1e-9
    nearness /= nearness.sum(axis=1, keepdims=True)
    n = len(wanted)
    fresh = smoothstep(wanted[:, 2], 0.055, 0.091)[:, None]  # darker towards the back
    colors = np.where((np.arange(n) < len(teeth))[:, None], TEETH, GUMS) * (0.35 + 0.65 * fresh)
    triangles = np.concatenate([teeth_triangles, gum_triangles])
    uv_ids = np.unique(base.uv_quads[group])
    low, high = base.uv[uv_ids].min(0), base.uv[uv_ids].max(0)
    span = np.ptp(wanted, axis=0)
    unit = (wanted - wanted.min(axis=0))[:, [0, 1]] / span[[0, 1]]
    return Part(
        name=name,
        points=lambda values: nearness @ values[..., helper, :],
        offset=wanted - nearness @ mean[helper],
        triangles=triangles,
        uv=low + unit * (high - low),
        uv_triangles=triangles,
        material=np.repeat(
            [MATERIALS.index("teeth"), MATERIALS.index("gums")],
            [len(teeth_triangles), len(gum_triangles)],
        ),
        colors=colors,
        weights=weights_of("head" if arch.up > 0 else "jaw", n),
        regions={name: np.arange(n)},
    )


def crowns(arch: DentalArch, half_widths: Array, crown: float) -> tuple[Array, Array]:
    """Vertices [n, 3] and triangles [F, 3] of a row of teeth.

    Args:
        arch: where they stand.
        half_widths: [7] from the middle outwards, metres.
        crown: height of the middle ones, metres.
    """
    centres = np.cumsum(half_widths) - half_widths / 2
    centres = np.concatenate([-centres[::-1], centres])
    widths = np.concatenate([half_widths[::-1], half_widths])
    # A crown: from the neck, inside the gum, over the front to the biting edge and a little behind it.
    across = np.array([-1.0, -0.45, 0.45, 1.0])
    height = np.array([1.15, 0.75, 0.35, 0.06, 0.0])  # of the crown, above the edge
    out = np.array([-0.0012, 0.0008, 0.0011, 0.0006, -0.0028])
    waist = np.array([0.72, 0.90, 1.0, 0.97, 0.90])
    arc = centres[:, None, None] + widths[:, None, None] / 2 * 0.985 * waist[:, None] * across
    point, outward = arch.at(arc)
    rounded = 0.0009 * np.abs(across) ** 3  # the sides turn back, so that a groove is left
    point = point + outward * (out[:, None] - rounded)[..., None]
    molar = np.abs(centres) > 0.031
    shrink = np.where(molar, 0.75, np.where(np.abs(centres) < 0.010, 1.0, 0.93))[:, None, None]
    corner = 0.0006 * np.abs(across) ** 4 * (height[:, None] < 0.2)
    point[..., 1] += arch.up * (crown * height[:, None] * shrink + corner)
    point[..., 1] += arch.up * 0.0004 * (widths < 0.0069)[:, None, None]
    teeth = point.reshape(-1, 3)
    grid = np.arange(len(teeth)).reshape(-1, len(height), len(across))
    return teeth, grid_triangles(grid, flip=arch.up > 0)


def gum_band(arch: DentalArch, half_widths: Array, crown: float) -> tuple[Array, Array]:
    """Vertices [n, 3] and triangles [F, 3] of the band over the necks of teeth; takes what `crowns` takes."""
    widths = np.concatenate([half_widths[::-1], half_widths])
    arc = np.linspace(-np.sum(widths) / 2, np.sum(widths) / 2, 29)
    point, outward = arch.at(arc)
    bands = []
    for outwards, above in ((-0.004, 0.016), (0.0008, 0.012), (0.0011, 0.0), (-0.0016, -0.0012)):
        band = point + outward * outwards
        band[:, 1] += arch.up * (0.82 * crown + above)
        bands.append(band)
    grid = np.arange(4 * len(arc)).reshape(1, 4, len(arc))
    return np.concatenate(bands), grid_triangles(grid, flip=arch.up > 0)


def tongue_part(base: BaseMesh, mean: Array) -> Part:
    """The base mesh's tongue."""
    group = "helper-tongue"
    ids = base.ids(group)
    uv_ids = np.unique(base.uv_quads[group])
    triangles, uv_triangles = triangulate(base.quads[group], base.uv_quads[group], base.mirror)
    (triangles,) = compact(ids, triangles)
    (uv_triangles,) = compact(uv_ids, uv_triangles)
    light = 0.25 + 0.75 * smoothstep(mean[ids, 2], 0.035, 0.088)[:, None]
    return Part(
        name="tongue",
        points=lambda values: values[..., ids, :],
        triangles=triangles,
        uv=base.uv[uv_ids],
        uv_triangles=uv_triangles,
        material=np.full(len(triangles), MATERIALS.index("tongue")),
        colors=TONGUE * light,
        weights=weights_of("jaw", len(ids)),
        regions={"tongue": np.arange(len(ids))},
    )
