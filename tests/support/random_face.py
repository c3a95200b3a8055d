"""A face of a few vertices."""

import torch
from torch import Tensor

from adamesh.faces import Face


def small_face(
    seed: int = 0, *, posedirs: bool = False, dtype: torch.dtype = torch.float64
) -> Face:
    """A random face of 7 vertices with FLAME's joints; `posedirs` for all that only FLAME has."""
    g = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=dtype)

    return Face(
        name="random",
        space="flame",
        expression_names=None,
        joint_names=("root", "neck", "jaw", "leye", "reye"),
        joint_parents=(-1, 0, 1, 1, 1),
        template=random(7, 3),
        triangles=torch.tensor([[0, 1, 2], [3, 4, 5], [4, 5, 6]]),
        shapedirs=random(7, 3, 4),
        expressiondirs=random(7, 3, 2),
        joints_template=random(5, 3),
        joints_shapedirs=random(5, 3, 4),
        skin_weights=random(7, 5).abs(),
        uv=random(7, 2).abs(),
        uv_triangles=torch.tensor([[0, 1, 2], [3, 4, 5], [4, 5, 6]]),
        colors=random(7, 3).sigmoid(),
        triangle_material=torch.zeros(3, dtype=torch.int64),
        material_names=("skin",),
        regions={"lips": torch.tensor([0, 1])},
        landmark_triangles=torch.full((478,), -1).index_fill_(0, torch.tensor([3]), 2),
        landmark_barycentric=torch.tensor([0.2, 0.3, 0.5], dtype=dtype).expand(478, 3).clone(),
        posedirs=random(7, 3, 36) if posedirs else None,
        joints_expressiondirs=random(5, 3, 2) if posedirs else None,
    )
