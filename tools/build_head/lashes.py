"""The lashes."""

import numpy as np
from base_mesh import BaseMesh
from colors import LASHES
from geometry import Array, compact, grid_triangles
from part import MATERIALS, SIDES, Part, weights_of


def lash_part(base: BaseMesh, side: str, upper: bool) -> Part:
    """Lashes, each a thin blade, along the base mesh's broad strips, which move them."""
    group = f"helper-{side}-eyelashes-{2 if upper else 1}"
    ids = base.ids(group)
    (quads,) = compact(ids, base.quads[group])
    rows = strip_rows(base.vertices[ids], quads)  # from the lid to the tips
    count, reach, width = (40, 0.80, 0.07) if upper else (20, 0.40, 0.05)
    place = (np.arange(count) + 0.5) / count * 0.94 + 0.03  # 0 at the nose, 1 outside
    long = np.interp(place, [0, 0.25, 0.75, 1], [0.45, 0.85, 1.0, 0.75])
    long *= reach * (1 - 0.18 * (np.arange(count) % 2))
    columns = rows.shape[1] - 1
    blades = []
    for u, stretch in zip(place * columns, long, strict=True):
        for du, row in ((-1.0, 0.0), (1.0, 0.0), (-0.7, 0.45), (0.7, 0.45), (0.0, 1.0)):
            blades.append((u + du * width, 1 + 3 * stretch * row))  # the skin ends at row 1
    # A dark line where they grow.
    line = np.arange(2 * (columns + 1))
    for u in range(columns + 1):
        blades += [(u, 0.75), (u, 1.12 if upper else 1.0)]
    combination = np.stack([strip_weights(rows, len(ids), u, row) for u, row in blades])
    first = np.arange(count)[:, None, None] * 5
    blade = first + np.array([[0, 1, 3], [0, 3, 2], [2, 3, 4]])
    line = 5 * count + line.reshape(-1, 2)
    strip = grid_triangles(line[None], flip=False)
    triangles = np.concatenate([blade.reshape(-1, 3), strip])
    uv_of = np.zeros((len(ids), 2))
    uv_of[quads] = base.uv[base.uv_quads[group]]
    name = f"{SIDES[side]}_{'upper' if upper else 'lower'}_lashes"
    return Part(
        name=name,
        points=lambda values: combination @ values[..., ids, :],
        triangles=triangles,
        uv=combination @ uv_of,
        uv_triangles=triangles,
        material=np.full(len(triangles), MATERIALS.index("lashes")),
        colors=np.tile(LASHES, (len(combination), 1)),
        weights=weights_of("head", len(combination)),
        regions={name: np.arange(len(combination))},
    )


def strip_rows(vertices: Array, quads: Array) -> Array:
    """[rows, columns] vertex numbers of a strip of quads, from its edge at the eye, nose outwards."""
    neighbours: list[set[int]] = [set() for _ in vertices]
    for quad in quads:
        for a, b in zip(quad, np.roll(quad, 1), strict=True):
            neighbours[a].add(int(b))
            neighbours[b].add(int(a))
    border = {i for i, near in enumerate(neighbours) if len(near) <= 3}

    def edge(start: int, first: int) -> list[int]:
        walk = [start, first]
        while len(neighbours[walk[-1]]) > 2:
            walk.append(next(i for i in neighbours[walk[-1]] if i in border and i != walk[-2]))
        return walk

    corners = [i for i, near in enumerate(neighbours) if len(near) == 2]
    edges = [edge(corner, first) for corner in corners for first in neighbours[corner]]
    longest = max(len(e) for e in edges)
    row = min((e for e in edges if len(e) == longest), key=lambda e: vertices[e, 2].mean())
    if abs(vertices[row[0], 0]) > abs(vertices[row[-1], 0]):
        row = row[::-1]
    rows, used = [row], set(row)
    while len(used) < len(vertices):
        row = [next(i for i in neighbours[below] if i not in used) for below in row]
        rows.append(row)
        used |= set(row)
    return np.array(rows)


def strip_weights(rows: Array, n: int, column: float, row: float) -> Array:
    """[n] bilinear weights of a place in a strip; beyond its ends it goes on straight."""
    weights = np.zeros(n)
    j = int(np.clip(np.floor(column), 0, rows.shape[1] - 2))
    i = int(np.clip(np.floor(row), 0, rows.shape[0] - 2))
    for k, along in ((j, 1 - (column - j)), (j + 1, column - j)):
        for m, outwards in ((i, 1 - (row - i)), (i + 1, row - i)):
            weights[rows[m, k]] += along * outwards
    return weights
