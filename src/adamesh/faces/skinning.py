"""Linear blend skinning, batched and differentiable."""

import torch
from torch import Tensor


def rotation_matrices(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula, with finite derivatives everywhere, zero included.

    R = I + (sin a / a) K + ((1 - cos a) / a^2) K^2, where a is the angle and K the cross-product
    matrix of the axis-angle vector. Near zero both factors are taken from their series, since the
    derivative of the angle itself does not exist there.

    Args:
        axis_angle: [..., 3] radians.
    Returns:
        [..., 3, 3] for column vectors.
    """
    square = (axis_angle * axis_angle).sum(dim=-1)
    small = square < 1e-4  # the first terms left out are below 1e-15 there
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    by_sine = torch.where(small, 1 - square / 6 + square**2 / 120, angle.sin() / angle)
    half = (angle / 2).sin() / angle  # 1 - cos a = 2 sin^2(a/2) without the cancellation
    by_cosine = torch.where(small, 0.5 - square / 24 + square**2 / 720, 2 * half**2)

    x, y, z = axis_angle.unbind(dim=-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return (
        identity + by_sine[..., None, None] * cross + by_cosine[..., None, None] * (cross @ cross)
    )


def joint_transforms(
    rotations: Tensor, joints: Tensor, parents: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """World transforms of a chain of joints, each turning about its own rest position.

    Args:
        rotations: [B, J, 3, 3] of every joint in its parent's frame.
        joints: [B, J, 3] rest positions, metres.
        parents: J indices; a parent stands before its children, the root's is -1.
    Returns:
        [B, J, 3, 3] and [B, J, 3]: the maps R p + t that carry rest positions to posed ones.
    """
    turned: list[Tensor] = []
    moved: list[Tensor] = []
    for j, parent in enumerate(parents):
        # R_j (p - c) + c in the parent's frame, then the parent's own map.
        own = rotations[:, j]
        shift = joints[:, j] - _apply(own, joints[:, j])
        if parent < 0:
            turned.append(own)
            moved.append(shift)
        else:
            turned.append(turned[parent] @ own)
            moved.append(_apply(turned[parent], shift) + moved[parent])
    return torch.stack(turned, dim=1), torch.stack(moved, dim=1)


def skin(vertices: Tensor, weights: Tensor, rotations: Tensor, translations: Tensor) -> Tensor:
    """Blends the joints' maps with the skinning weights and applies them.

    Args:
        vertices: [B, V, 3] at rest.
        weights: [V, J], rows sum to 1.
        rotations: [B, J, 3, 3] and
        translations: [B, J, 3] from `joint_transforms`.
    Returns:
        [B, V, 3]
    """
    blended = torch.einsum("vj,bjkl->bvkl", weights, rotations)
    return (blended @ vertices[..., None])[..., 0] + torch.einsum(
        "vj,bjk->bvk", weights, translations
    )


def _apply(rotation: Tensor, point: Tensor) -> Tensor:
    return (rotation @ point[..., None])[..., 0]
