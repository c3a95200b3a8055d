"""The head: its parts, its identities, its blendshapes and its regions as one face model."""

import numpy as np
import torch
from assembly import Assembly
from base_mesh import BaseMesh
from blendshapes import base_blendshapes, head_blendshapes
from brows import brow_part
from eyes import eye_part
from geometry import Array
from identity import average_person, identity_directions, random_people, random_sizes
from lashes import lash_part
from mouth import LOWER_ARCH, LOWER_WIDTHS, UPPER_ARCH, UPPER_WIDTHS, teeth_part, tongue_part
from part import JOINTS, MATERIALS, PARENTS, Part
from regions import derived_regions
from skin import skin_part

from adamesh.faces.face import N_LANDMARKS, Face
from adamesh.motion.spaces import ARKIT52

OPENER = 0.30  # of eyeWide, in the neutral head


def build(base: BaseMesh, seed: int) -> Face:
    """The head without its landmarks; `seed` draws the people that its identity is of."""
    rng = np.random.default_rng(seed)
    weights, targets = random_people(base, rng)
    sizes = random_sizes(len(weights), rng)
    raw = base_blendshapes(base)
    # The average person's lids hang lower than those of the base mesh that the blendshapes are made for.
    wide = raw[ARKIT52.index("eyeWideLeft")] + raw[ARKIT52.index("eyeWideRight")]
    mean = average_person(base, weights, targets) + OPENER * wide

    head = Assembly(base, parts_of(base, mean))
    n = head.n_vertices
    neutral = head.template(mean)
    blendshapes = head_blendshapes(head, raw, neutral[:n])
    # A general size of the head beside MakeHuman's changes.
    moves = head.points(np.concatenate([base.centred(targets), mean[None]]))
    shapes = identity_directions(head, neutral, np.column_stack([weights, sizes]), moves)
    regions = head.regions | derived_regions(head, neutral[:n], blendshapes)
    return Face(
        name="embedded",
        space="arkit52",
        expression_names=ARKIT52,
        joint_names=JOINTS,
        joint_parents=PARENTS,
        template=real(neutral[:n]),
        triangles=index(head.triangles),
        shapedirs=real(np.moveaxis(shapes[:, :n], 0, -1)),
        expressiondirs=real(np.moveaxis(blendshapes, 0, -1)),
        joints_template=real(neutral[n:]),
        joints_shapedirs=real(np.moveaxis(shapes[:, n:], 0, -1)),
        skin_weights=real(head.weights),
        uv=real(head.uv),
        uv_triangles=index(head.uv_triangles),
        colors=real(head.colors),
        triangle_material=index(head.material),
        material_names=MATERIALS,
        regions={name: index(ids) for name, ids in sorted(regions.items())},
        landmark_triangles=torch.full((N_LANDMARKS,), -1),
        landmark_barycentric=torch.zeros(N_LANDMARKS, 3),
    )


def parts_of(base: BaseMesh, mean: Array) -> list[Part]:
    """All parts of the head; mean: [N, 3] the average person's base mesh, metres."""
    skin = skin_part(base, mean)
    return [
        skin,
        eye_part(base, "l"),
        eye_part(base, "r"),
        teeth_part(base, mean, "upper_teeth", UPPER_ARCH, UPPER_WIDTHS),
        teeth_part(base, mean, "lower_teeth", LOWER_ARCH, LOWER_WIDTHS),
        tongue_part(base, mean),
        *(lash_part(base, side, upper) for side in "lr" for upper in (True, False)),
        *(brow_part(base, mean, skin, side) for side in "lr"),
    ]


def real(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def index(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.int64))
