"""Errors of vertices, in millimetres."""

from torch import Tensor

from adamesh.errors import InputError


def _distances(pred: Tensor, target: Tensor, ids: Tensor) -> Tensor:
    """[B, T, L] millimetres between the chosen vertices."""
    if pred.shape != target.shape:
        raise InputError(
            f"pred and target must have the same shape, got {list(pred.shape)} and "
            f"{list(target.shape)}; cut both to the same frames"
        )
    return 1000.0 * (pred[:, :, ids] - target[:, :, ids]).norm(dim=-1)


def lip_vertex_error(pred: Tensor, target: Tensor, lip_ids: Tensor) -> Tensor:
    """Mean over frames of the largest lip-vertex distance.

    Args:
        pred: [B, T, V, 3] vertices, metres.
        target: [B, T, V, 3] vertices, metres; same frames as `pred`.
        lip_ids: [L] int64 indices into V.
    Returns:
        [B] error in millimetres. Zero iff the lips coincide.
    Raises:
        InputError: shapes differ; the message gives both.
    Source: FaceFormer's definition (arXiv 2112.05329) with distances, not squared distances.
    """
    return _distances(pred, target, lip_ids).amax(2).mean(1)


def mean_vertex_error(pred: Tensor, target: Tensor, ids: Tensor) -> Tensor:
    """Mean over frames and vertices of the distance; used on the upper face.

    Args, Raises: as `lip_vertex_error`.
    Returns:
        [B] error in millimetres.
    """
    return _distances(pred, target, ids).mean((1, 2))


def dynamics_deviation(pred: Tensor, target: Tensor, ids: Tensor) -> Tensor:
    """Difference of how much the vertices move: upper-face dynamics deviation (CodeTalker, 2301.02379).

    A vertex's dynamics is the standard deviation over time of its distance to its own mean position.

    Args, Raises: as `lip_vertex_error`.
    Returns:
        [B] millimetres, signed: negative when `pred` moves less than `target`.
    """
    _distances(pred, target, ids)  # the same checks

    def dynamics(vertices: Tensor) -> Tensor:
        centred = vertices[:, :, ids] - vertices[:, :, ids].mean(1, keepdim=True)
        return 1000.0 * centred.norm(dim=-1).std(1).mean(1)

    return dynamics(pred) - dynamics(target)
