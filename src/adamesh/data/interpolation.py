"""Linear interpolation along time."""

from torch import Tensor


def interpolate(x: Tensor, times: Tensor) -> Tensor:
    """Linear interpolation along the first axis; beyond the ends, the end values.

    Args:
        x: [T, ...].
        times: [N] in frames of `x`.
    Returns:
        [N, ...].
    """
    times = times.clamp(0, len(x) - 1)
    low = times.floor().long()
    high = (low + 1).clamp_max(len(x) - 1)
    share = (times - low).to(x.dtype).reshape(-1, *[1] * (x.dim() - 1))
    return x[low].lerp(x[high], share)
