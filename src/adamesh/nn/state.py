"""What causal networks keep of the past, so that a sequence in chunks gives what the whole gives.

A `State` is plain tensors: it can be saved, sent, and be an input and an output of an exported network.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

State = tuple[
    Tensor, ...
]  # [B, P, D] for each causal part, in the order in which the network runs them
START: State = ()  # before the first chunk


class Past:
    """The state during one pass: gives each causal part its past, and collects what it needs next time.

    Args:
        state: of the chunk before.
    """

    def __init__(self, state: State) -> None:
        self._given: Iterator[Tensor] | None = iter(state) if state else None
        self._kept: list[Tensor] = []

    def extend(self, x: Tensor, keep: int) -> tuple[Tensor, int]:
        """Puts the past of the part that runs now before its input, and keeps the end of both.

        Args:
            x: [B, T, D] new frames.
            keep: frames to remember, >= 0.
        Returns:
            [B, P + T, D] and the number P of past frames in it, P <= keep.
        """
        frames = x.shape[1]
        if self._given is not None:
            x = torch.cat([next(self._given), x], dim=1)
        self._kept.append(x[:, max(x.shape[1] - keep, 0) :].detach())
        return x, x.shape[1] - frames

    @property
    def state(self) -> State:
        """For the next chunk, after all parts have run."""
        return tuple(self._kept)
