"""The eyebrows."""

import numpy as np
from base_mesh import BaseMesh
from colors import BROWS, SKIN, mixed
from geometry import Array, cast_front, vertex_normals
from part import MATERIALS, SIDES, Part


def brow_part(base: BaseMesh, mean: Array, skin: Part, side: str) -> Part:
    """An eyebrow: a thin cushion that is bound to the skin below it."""
    sign = 1 if side == "l" else -1
    eye = mean[base.cube(f"joint-{side}-eye")].mean(0)
    # Spine from the nose outwards, in the frontal plane, relative to the eye; half the height there.
    along = np.linspace(0, 1, 17)
    spine_x = np.interp(along, [0, 1], [-0.0185, 0.0270])
    spine_y = np.interp(along, [0, 0.25, 0.5, 0.7, 0.85, 1], [176, 186, 195, 199, 190, 170])
    spine_y = np.convolve(np.pad(spine_y, 2, "edge"), np.ones(5) / 5, "valid") * 1e-4
    half = np.interp(along, [0, 0.08, 0.35, 0.7, 1], [22, 36, 37, 26, 3]) * 1e-4
    across = np.linspace(-1, 1, 7)
    x = eye[0] + sign * (spine_x[:, None] + 0.0012 * across)
    y = eye[1] + spine_y[:, None] + half[:, None] * across
    surface = skin.points(mean)
    triangle, corners = cast_front(np.stack([x, y], -1).reshape(-1, 2), surface, skin.triangles)
    ids = skin.triangles[triangle]  # [n, 3]
    normals = vertex_normals(surface, skin.triangles)
    normal = (normals[ids] * corners[..., None]).sum(1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    # Highest along the middle; the rim is under the skin.
    profile = (1 - across**2) * np.interp(along, [0, 0.1, 0.8, 1], [0.4, 1, 0.8, 0.2])[:, None]
    height = (profile * 0.0011 - 0.0003).reshape(-1, 1)

    grid = np.arange(len(along) * len(across)).reshape(len(along), len(across))
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]
    quads = np.stack([a, b, c, d], -1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    if side == "r":
        triangles = triangles[:, ::-1]
    rim = np.abs(across) > 0.99
    share = (
        np.where(rim, 0.45, 1.0) * np.interp(along, [0, 0.12, 0.8, 1], [0.6, 1, 1, 0.7])[:, None]
    )
    uv_of = np.zeros((len(skin), 2))
    uv_of[skin.triangles] = skin.uv[skin.uv_triangles]
    name = f"{SIDES[side]}_brow"
    return Part(
        name=name,
        points=lambda values: (skin.points(values)[..., ids, :] * corners[..., None]).sum(-2),
        offset=normal * height,
        triangles=triangles,
        uv=(uv_of[ids] * corners[..., None]).sum(1),
        uv_triangles=triangles,
        material=np.full(len(triangles), MATERIALS.index("brows")),
        colors=mixed(SKIN, BROWS, share.reshape(-1)),
        weights=(skin.weights[ids] * corners[..., None]).sum(1),
        regions={name: np.arange(len(ids))},
    )
