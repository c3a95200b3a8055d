"""What every part of the head has, and the names that they all use."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from geometry import Array

MATERIALS = (
    "skin",
    "lips",
    "brows",
    "lashes",
    "sclera",
    "iris",
    "pupil",
    "teeth",
    "gums",
    "tongue",
)
JOINTS = ("root", "neck", "head", "jaw", "leye", "reye")
PARENTS = (-1, 0, 1, 2, 2, 2)
SIDES = {"l": "left", "r": "right"}  # the base mesh's word: ours


@dataclass
class Part:
    """A piece of the head.

    `points(x)` maps values at the base mesh's vertices [..., N, 3] linearly to values at the part's
    vertices [..., n, 3]; `offset` [n, 3] is what is added to the template only.
    """

    name: str
    points: Callable[[Array], Array]
    triangles: Array
    uv: Array
    uv_triangles: Array
    material: Array  # [F]
    colors: Array  # [n, 3]
    weights: Array  # [n, 6]
    moved: bool = True  # whether blendshapes move it
    offset: Array | float = 0.0
    regions: dict[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.colors)


def weights_of(joint: str, n: int) -> Array:
    """[n, 6] skinning weights of what goes with one joint only."""
    return np.tile(np.eye(len(JOINTS))[JOINTS.index(joint)], (n, 1))
