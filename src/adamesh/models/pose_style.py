"""The semantic-aware pose style matrix (AdaMesh, arXiv 2310.07236, section 3.3) and retrieval by it.

A row for each unit of speech: the mean of the VQ-VAE's latents while that unit is spoken. Two people who move
alike at the same sounds have similar matrices, whatever they say.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from adamesh.values import Value

NEIGHBOURS = 4  # nearest styles that are blended
FEWEST_SHARED = 2  # units that two clips must share to be compared


@dataclass(frozen=True, eq=False, repr=False)
class StyleMatrix(Value):
    """The style matrix of a clip.

    Attributes:
        mean: [U, D] mean latent of each unit, zero if the unit does not occur.
        present: [U] float, 1 if it occurs.
    """

    mean: Tensor
    present: Tensor


def style_matrix(latents: Tensor, units: Tensor, n_units: int) -> StyleMatrix:
    """The style matrix of a clip.

    Args:
        latents: [K, D] of `PoseVQVAE.encode`.
        units: [S] int64 unit of each feature frame; S // K of them belong to each latent.
        n_units: U.
    """
    each = len(units) // max(len(latents), 1)
    spread = latents.repeat_interleave(each, dim=0)
    units = units[: len(spread)]
    total = latents.new_zeros(n_units, latents.shape[1]).index_add_(0, units, spread)
    count = torch.bincount(units, minlength=n_units)
    return StyleMatrix(total / count.clamp_min(1)[:, None], (count > 0).to(latents.dtype))


def retrieve(matrix: StyleMatrix, keys: Tensor, present: Tensor, values: Tensor) -> Tensor:
    """The style embedding of a clip that was not trained on: a blend of those of its nearest neighbours.

    The paper takes that of the nearest one. A blend can also give styles between those that were seen.

    Args:
        keys: [N, U, D] `mean` of the matrices of the training clips.
        present: [N, U] the same of `present`.
        values: [N, style_dim] their style embeddings.
    Returns:
        [style_dim]; the mean of all `values` if no clip shares enough units with this one.
    """
    both = present * matrix.present
    distance = ((keys - matrix.mean).square().mean(2) * both).sum(1) / both.sum(1).clamp_min(1)
    distance[both.sum(1) < FEWEST_SHARED] = torch.inf
    if distance.isinf().all():
        return values.mean(0)
    nearest = distance.topk(min(NEIGHBOURS, len(keys)), largest=False)
    scale = nearest.values[0].clamp_min(1e-6)
    weight = (-(nearest.values - nearest.values[0]) / (0.1 * scale)).softmax(0)
    return weight @ values[nearest.indices]
