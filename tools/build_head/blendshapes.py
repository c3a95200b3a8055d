"""The 52 blendshapes of the Face Units asset pack, and what is mended in them."""

import numpy as np
from assembly import Assembly
from base_mesh import DECIMETRE, BaseMesh
from geometry import Array, cast_front, neighbour_mean
from part import SIDES, Part

from adamesh.motion.spaces import ARKIT52, MIRROR

SMILE_ROUNDS = 12  # of averaging over neighbours
BLINK_OVERLAP = 0.0004  # metres that the lids overlap in a blink


def base_blendshapes(base: BaseMesh) -> Array:
    """[52, N, 3] offsets of the base mesh, metres; the right one is the left one's mirror image."""
    raw = np.stack(
        [base.target(f"faceunits01/targets/faceunits/{name}.target") for name in ARKIT52]
    )
    return (raw + base.mirrored(raw[MIRROR])) / 2 * DECIMETRE


def head_blendshapes(head: Assembly, raw: Array, vertices: Array) -> Array:
    """[52, V, 3] offsets of the head's vertices, metres.

    Args:
        head: what they move.
        raw: [52, N, 3] those of the base mesh, metres.
        vertices: [V, 3] neutral head, metres.
    """
    blendshapes = head.points(raw)[:, : head.n_vertices]
    for name in ("mouthSmileLeft", "mouthSmileRight"):
        iron_smile(blendshapes[ARKIT52.index(name), head.span("skin")], head.parts["skin"])
    for side, name in (("l", "eyeBlinkLeft"), ("r", "eyeBlinkRight")):
        fit_blink(blendshapes[ARKIT52.index(name)], vertices, head, side)
    for part in head.parts.values():
        if not part.moved:
            blendshapes[:, head.span(part.name)] = 0
    return blendshapes


def iron_smile(smile: Array, skin: Part) -> None:
    """Smooths a smile [n, 3] on the cheeks in place: as made, it pulls the cheek over itself into a fold."""
    near = neighbour_mean(skin.triangles, len(skin))
    cheeks = np.ones((len(skin), 1))
    cheeks[skin.regions["lips"]] = cheeks[skin.regions["mouth_interior"]] = 0
    for _ in range(SMILE_ROUNDS):
        smile += 0.5 * cheeks * (near @ smile - smile)


def fit_blink(blink: Array, vertices: Array, head: Assembly, side: str) -> None:
    """Scales a blink in place, column by column, so that the upper lid just meets the lower.

    Args:
        blink: [V, 3] what it adds, metres.
        vertices: [V, 3] neutral head, metres.
        head: for its triangles.
        side: l or r.
    """
    span = head.span(f"{SIDES[side]}_eye")
    ball = np.arange(span.start, span.stop)
    triangles = head.triangles
    hard = (triangles < head.span("skin").stop).all(axis=1) | np.isin(triangles, ball).all(axis=1)
    hard = triangles[hard]  # skin and eyeball, without lashes and brows
    centre = vertices[ball].mean(axis=0)
    rows = np.arange(-0.011, 0.013, 0.0001)
    columns, scales = [], []
    for x in centre[0] + np.arange(-0.016, 0.017, 0.001):
        xy = np.column_stack([np.full_like(rows, x), centre[1] + rows])
        hit, weights = cast_front(xy, vertices, hard)
        seen = np.flatnonzero(np.isin(hard[hit], ball).all(axis=1))
        if len(seen) < 12:
            continue
        above = seen.max() + 1  # the first line that meets the upper lid
        down = -(blink[hard[hit[above]], 1] * weights[above]).sum()
        columns.append(x)
        scales.append((rows[seen.max()] - rows[seen.min()] + BLINK_OVERLAP) / down)
    order = np.argsort(columns)
    smooth = np.convolve(np.pad(np.array(scales)[order], 2, "edge"), np.ones(5) / 5, "valid")
    smooth = np.minimum(smooth, 0.87)  # the inner corner hardly moves, and must not be stretched
    blink *= np.interp(vertices[:, 0], np.array(columns)[order], smooth)[:, None]
