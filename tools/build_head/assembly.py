"""The head put together of its parts: one mesh, its joints, and where each part lies in it."""

import numpy as np
from base_mesh import BaseMesh
from eyes import eyeball
from geometry import Array
from part import Part


class Assembly:
    """The parts as one mesh, one after the other, whose arrays have the names that `Part` gives them.

    `parts` are by name; `regions` [R] are numbered in the whole.

    Args:
        base: for the joints.
        parts: with different names.
    """

    def __init__(self, base: BaseMesh, parts: list[Part]) -> None:
        self.parts = {part.name: part for part in parts}
        starts = np.cumsum([0] + [len(part) for part in parts])
        self.n_vertices = int(starts[-1])
        self._spans = {
            part.name: slice(start, start + len(part))
            for part, start in zip(parts, starts, strict=False)
        }
        self._clavicles = np.concatenate([base.cube(f"joint-{side}-clavicle") for side in "lr"])
        self._cubes = [base.cube(f"joint-{name}") for name in ("neck", "head", "mouth")]
        self._eye_centres = [eyeball(base, side)[0] for side in "lr"]
        self.triangles = np.concatenate([p.triangles + self.span(p.name).start for p in parts])
        uv_starts = np.cumsum([0] + [len(part.uv) for part in parts])
        self.uv = np.concatenate([part.uv for part in parts])
        self.uv_triangles = np.concatenate(
            [part.uv_triangles + s for part, s in zip(parts, uv_starts, strict=False)]
        )
        self.material = np.concatenate([part.material for part in parts])
        self.colors = np.concatenate([part.colors for part in parts])
        self.weights = np.concatenate([part.weights for part in parts])
        self.regions = {
            name: ids + self.span(part.name).start
            for part in parts
            for name, ids in part.regions.items()
        }

    def span(self, name: str) -> slice:
        """The vertices of a part."""
        return self._spans[name]

    def points(self, values: Array) -> Array:
        """Values at the base mesh [..., N, 3] -> at vertices, then joints of the head [..., V + J, 3]."""
        joints = [
            values[..., self._clavicles, :].mean(-2),
            *(values[..., cube, :].mean(-2) for cube in self._cubes),
            *(centre(values) for centre in self._eye_centres),
        ]
        points = [part.points(values) for part in self.parts.values()]
        return np.concatenate([*points, np.stack(joints, axis=-2)], axis=-2)

    def template(self, mean: Array) -> Array:
        """[V + J, 3] the head and its joints, of the average person's base mesh [N, 3]."""
        template = self.points(mean)
        for part in self.parts.values():
            template[self.span(part.name)] += part.offset
        return template
