"""The skin: what of the base mesh is kept, its colours, and how it goes with neck and jaw."""

from collections.abc import Callable

import numpy as np
from base_mesh import BaseMesh
from colors import BLUSH, HAIR, INSIDE, LIPS, SKIN, mixed
from geometry import Array, bump, compact, neighbour_mean, smoothstep, triangulate
from part import MATERIALS, Part


def skin_part(base: BaseMesh, mean: Array) -> Part:
    """Skin of the bust, eye sockets, and the inside of the mouth.

    Args:
        base: what it is cut from.
        mean: [N, 3] the average person's base mesh, metres.
    """
    quads, uv_quads = base.quads["body"], base.uv_quads["body"]
    # A rounded bust: inside of an ellipse in the frontal plane below the chin.
    x, y = base.vertices[:, 0], base.vertices[:, 1]
    inside = (y > 5.9) | ((x / 1.72) ** 2 + ((y - 5.9) / 0.92) ** 2 < 1)
    keep = inside[quads].all(axis=1)
    quads, uv_quads = quads[keep], uv_quads[keep]
    ids = np.unique(quads)
    uv_ids = np.unique(uv_quads)
    triangles, uv_triangles = triangulate(quads, uv_quads, base.mirror)
    (triangles,) = compact(ids, triangles)
    (uv_triangles,) = compact(uv_ids, uv_triangles)
    smooth = boundary_smoother(triangles)

    lips, inner = base.mask("lips")[ids], base.mask("inside-mouth")[ids]
    ears, lids = base.mask("ears")[ids], base.mask("eyelids")[ids]
    p = mean[ids]
    left_eye = mean[base.cube("joint-l-eye")].mean(0)

    material = np.full(len(triangles), MATERIALS.index("skin"))
    material[lips[triangles].mean(axis=1) > 0.5] = MATERIALS.index("lips")
    deep = (inner * (1 - lips))[triangles].mean(axis=1) > 0.5
    material[deep] = MATERIALS.index("gums")
    regions = {
        "lips": np.flatnonzero(lips > 0.5),
        "mouth_interior": np.flatnonzero((inner > 0.5) & (lips <= 0.5)),
        "ears": np.flatnonzero(ears > 0.5),
        "front": np.flatnonzero(base.mask("face")[ids] > 0.5),
    }
    return Part(
        name="skin",
        points=lambda values: smooth(values[..., ids, :]),
        triangles=triangles,
        uv=base.uv[uv_ids],
        uv_triangles=uv_triangles,
        material=material,
        colors=skin_colors(p, left_eye, lips=lips, inner=inner, ears=ears, lids=lids),
        weights=neck_weights(base, ids, p, triangles),
        regions=regions,
    )


def skin_colors(
    p: Array, left_eye: Array, *, lips: Array, inner: Array, ears: Array, lids: Array
) -> Array:
    """[n, 3] of the skin at `p` [n, 3], metres from the head joint, from the masks of it, [n] 0..1 each."""
    colors = np.tile(SKIN, (len(p), 1))
    # Blood near the surface: cheeks, tip of the nose, ears, lids, chin.
    side = np.abs(p) * [1, 0, 0] + p * [0, 1, 1]
    cheek = left_eye + np.array([0.016, -0.040, 0.0])
    nose = p[np.argmax(p[:, 2])]
    blush = 0.55 * bump(side[:, :2], cheek[:2], (0.016, 0.014)) * (p[:, 2] > left_eye[2] - 0.03)
    blush = np.maximum(blush, 0.5 * bump(p, nose, (0.014, 0.012, 0.012)))
    blush = np.maximum.reduce([blush, 0.45 * ears, 0.35 * lids])
    colors = mixed(colors, BLUSH, blush)
    colors = mixed(colors, HAIR, 0.75 * cropped_hair(p) * (1 - ears))
    # No light falls far into the mouth.
    depth = 0.25 + 0.75 * smoothstep(p[:, 2], 0.055, 0.098)[:, None]
    colors = mixed(colors, INSIDE * depth, np.clip(inner * 1.2, 0, 1) * (1 - lips))
    return mixed(colors, LIPS, lips)


def cropped_hair(p: Array) -> Array:
    """[n] density 0..1 of very short hair on the scalp; p: [n, 3] metres from the head joint."""
    # The hairline: over the forehead, round the ears, down to the nape.
    forward = p[:, 2]
    line = np.interp(
        forward,
        [-0.10, -0.05, -0.01, 0.015, 0.03, 0.06, 0.08, 0.10],
        [-0.045, -0.02, 0.030, 0.060, 0.065, 0.09, 0.105, 0.112],
    )
    return smoothstep(p[:, 1] - line, -0.004, 0.008)


def boundary_smoother(triangles: Array) -> Callable[[Array], Array]:
    """Irons the zigzag of the cut: its vertices become means along the edge, a linear map."""
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, counts = np.unique(edges, axis=0, return_counts=True)
    boundary = edges[counts == 1]
    ids = np.unique(boundary)
    (ends,) = compact(ids, boundary)
    step = np.zeros((len(ids), len(ids)))
    step[ends[:, 0], ends[:, 1]] = step[ends[:, 1], ends[:, 0]] = 1
    step = (np.eye(len(ids)) + step / step.sum(axis=1, keepdims=True)) / 2
    step = np.linalg.matrix_power(step, 8)

    def smoothed(values: Array) -> Array:
        values = values.copy()
        values[..., ids, :] = step @ values[..., ids, :]
        return values

    return smoothed


def neck_weights(base: BaseMesh, ids: Array, p: Array, triangles: Array) -> Array:
    """[n, 6] skinning weights along the neck, from the fixed shoulders to the head.

    The rig's own weights have three bones for the neck and turn the skin under the chin with them;
    we have one joint at the bottom of the neck and one at the top.

    Args:
        base: for the jaw.
        ids: [n] vertices of the base mesh.
        p: [n, 3] where they are, metres from the head joint.
        triangles: [F, 3] into `ids`.
    """
    # The head ends higher at the nape than below the chin.
    t = p[:, 1] + 0.40 * (p[:, 2] - 0.03)
    head = smoothstep(t, -0.105, -0.055)
    beside = np.hypot(p[:, 0], 0.8 * (p[:, 2] - 0.005))
    moving = smoothstep(t, -0.165, -0.085) * np.where(
        t < -0.085, smoothstep(-beside, -0.11, -0.06), 1
    )
    moving = np.maximum(moving, head)
    jaw = base.jaw_share()[ids] * head
    weights = np.column_stack([1 - moving, moving - head, head - jaw, jaw, 0 * jaw, 0 * jaw])
    near = neighbour_mean(triangles, len(ids))
    for _ in range(8):
        weights = 0.5 * weights + 0.5 * (near @ weights)
    # Nothing moves the shoulders, not even a little.
    weights = np.where(weights < 0.01, 0, weights)
    return weights / weights.sum(axis=1, keepdims=True)
