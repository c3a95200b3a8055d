"""What causal networks keep of the past, so that a sequence in chunks gives what the whole sequence gives.

Nothing of a stream is stored in a module. A network that streams has a method `step`, which takes a chunk and
a `State` and returns the next `State`: plain tensors that can be saved, sent to another process, and be
inputs and outputs of an exported graph.
"""

import torch
from torch import Tensor

# One tensor for each causal part, in the order in which the network runs them; `step` documents the shapes.
State = tuple[Tensor, ...]
START: State = ()  # before the first chunk


class Past:
    """The state of a network during one pass over a chunk.

    `step` makes one of the state it is given and hands it to the parts. Each causal part calls `extend` once,
    which gives it what it kept of earlier chunks and keeps what it needs for the next one. `state` is then
    what `step` returns.
    """

    def __init__(self, state: State) -> None:
        """Args: state: that the step before returned, or `START`."""
        self._given = state
        self._kept: list[Tensor] = []

    def extend(self, x: Tensor, keep: int, *, zeros: int = 0) -> Tensor:
        """Puts the past of the part that is running before its new frames.

        Args:
            x: [B, T, D] new frames.
            keep: the last frames of the result that the next chunk needs, >= 0.
            zeros: frames of zeros that a sequence begins with.
        Returns:
            [B, P + T, D].
        Raises:
            ValueError: the state has fewer tensors than this network takes.
        """
        if not self._given:
            before = x.new_zeros(x.shape[0], zeros, x.shape[2])
        elif len(self._kept) < len(self._given):
            before = self._given[len(self._kept)]
        else:
            raise self._misfit(f"more than {len(self._given)}")
        x = torch.cat([before, x], dim=1)
        # A copy: a view would keep the memory of the whole chunk.
        self._kept.append(x[:, max(x.shape[1] - keep, 0) :].detach().clone())
        return x

    @property
    def state(self) -> State:
        """For the next chunk, after all parts have run.

        Raises:
            ValueError: the state that was given has more tensors than this network takes.
        """
        if self._given and len(self._kept) != len(self._given):
            raise self._misfit(f"{len(self._kept)}")
        return tuple(self._kept)

    def _misfit(self, wanted: str) -> ValueError:
        return ValueError(
            f"the state has {len(self._given)} tensors, this network takes {wanted}; "
            "pass START or what its own step returned"
        )
