"""The semantic-aware pose style matrix (AdaMesh, arXiv 2310.07236, section 3.3) and retrieval by it.

For each unit of speech, what the head does while that unit is heard: the mean of the VQ-VAE's latents. Two
people who move alike at the same sounds have matrices close to each other, whatever sentences they spoke.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

NEIGHBOURS = 4  # styles that are blended
FEWEST_SHARED = 2  # units that two clips must share to be compared at all


@dataclass(frozen=True)
class StyleMatrix:
    """One clip's matrix.

    Attributes:
        mean: [U, D] mean latent of each unit, zero where the unit does not occur.
        present: [U] float, 1 where it occurs.
    """

    mean: Tensor
    present: Tensor


def style_matrix(latents: Tensor, units: Tensor, n_units: int) -> StyleMatrix:
    """The matrix of a motion.

    Args:
        latents: [K, D] of `PoseVQVAE.encode`.
        units: [S] unit of each feature frame, several feature frames a latent: S <= K S/K.
        n_units: U.
    """
    each = len(units) // max(len(latents), 1)
    spread = latents.repeat_interleave(each, dim=0)
    units = units[: len(spread)]
    total = latents.new_zeros(n_units, latents.shape[1]).index_add_(0, units, spread)
    count = torch.bincount(units, minlength=n_units)
    return StyleMatrix(total / count.clamp_min(1)[:, None], (count > 0).to(latents.dtype))


def retrieve(matrix: StyleMatrix, keys: Tensor, present: Tensor, values: Tensor) -> Tensor:
    """A style for a clip that was never trained on: those of its nearest neighbours, blended.

    The paper takes the nearest one's; a blend also lies between the styles that were seen.

    Args:
        keys: [N, U, D] matrices of the training clips, with present [N, U].
        values: [N, style_dim] their style embeddings.
    Returns:
        [style_dim]; the mean over all of them if nothing can be compared.
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
