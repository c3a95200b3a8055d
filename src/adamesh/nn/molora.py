"""MoLoRA, a mixture of low-rank adaptations (AdaMesh, arXiv 2310.07236, section 3.2).

A weight W0 gets N low-rank branches of *different* ranks, all added:

    W = W0 + sum_i (alpha_i / r_i) B_i A_i

For a linear layer W0 is [m, n], B_i [m, r_i], A_i [r_i, n]. A 1-D convolution weight [m, n / groups, k] is
unrolled to [m, (n / groups) k]; the shapes in the paper's figure do not multiply out to m x n x k. r_i is cut
to min(m, n k / groups). B_i starts at zero, so new branches change nothing until they are trained.

The branches are parametrizations of the weights, so layers are called, saved and moved as before.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


@dataclass(frozen=True)
class Branch:
    """One low-rank branch of every adapted weight."""

    rank: int
    alpha: float  # the branch is scaled by alpha / rank
    learning_rate: float  # of this branch's A and B


class LowRankMixture(nn.Module):
    """The parametrization W0 -> W0 + sum_i (alpha_i / r_i) B_i A_i of one weight."""

    def __init__(self, shape: torch.Size, branches: tuple[Branch, ...], generator: torch.Generator):
        super().__init__()
        rows, columns = shape[0], shape[1:].numel()
        ranks = [min(branch.rank, rows, columns) for branch in branches]
        self.scales = [branch.alpha / rank for branch, rank in zip(branches, ranks, strict=True)]
        self.a = nn.ParameterList(
            torch.randn(rank, columns, generator=generator) * columns**-0.5 for rank in ranks
        )
        self.b = nn.ParameterList(torch.zeros(rows, rank) for rank in ranks)

    def forward(self, weight: Tensor) -> Tensor:
        delta = sum(
            scale * (b @ a) for scale, a, b in zip(self.scales, self.a, self.b, strict=True)
        )
        return weight + delta.view_as(weight)

    @torch.no_grad()
    def set_change(self, change: Tensor) -> None:
        """Sets the branches so that they add `change` [m, n k] to the weight.

        If its rank is higher than theirs together, they add the nearest matrix of their rank. The largest
        singular values go to the first branch, the next ones to the second, and so on.
        """
        left, values, right = torch.linalg.svd(change, full_matrices=False)
        first = 0
        for scale, a, b in zip(self.scales, self.a, self.b, strict=True):
            part = slice(first, first + len(a))
            root = values[part].sqrt()
            b.zero_()
            b[:, : len(root)] = left[:, part] * root / scale
            a[: len(root)] = root[:, None] * right[part]
            first += len(a)


def adaptable_layers(model: nn.Module) -> list[str]:
    """Names of the layers that can have branches: all linear layers and 1-D convolutions."""
    return [name for name, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv1d)]


def attach(
    model: nn.Module,
    branches: tuple[Branch, ...],
    *,
    seed: int,
    layers: Iterable[str] | None = None,
) -> None:
    """Freezes `model` and adds branches to the weights of `layers`, by default of all adaptable layers.

    Args:
        seed: of the values that A starts with; drawn on the CPU, so they are the same on every device.
    """
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(False)
    for name in adaptable_layers(model) if layers is None else layers:
        layer: Any = model.get_submodule(name)
        mixture = LowRankMixture(layer.weight.shape, branches, generator).to(layer.weight)
        parametrize.register_parametrization(layer, "weight", mixture)


def adapted_layers(model: nn.Module) -> dict[str, LowRankMixture]:
    """The branches of each layer that has some, by the layer's name."""
    return {
        name: layer.parametrizations.weight[0]
        for name, layer in model.named_modules()
        if parametrize.is_parametrized(layer, "weight")
    }


def parameter_groups(model: nn.Module, branches: tuple[Branch, ...]) -> list[dict[str, object]]:
    """Optimiser groups, one for each branch, with that branch's learning rate."""
    mixtures = adapted_layers(model).values()
    return [
        {"params": [p for m in mixtures for p in (m.a[i], m.b[i])], "lr": branch.learning_rate}
        for i, branch in enumerate(branches)
    ]


def branch_state(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of all branches by name: all of an adapted model that a style has to store."""
    return {
        f"{layer}.{name}": tensor.detach().clone()
        for layer, mixture in adapted_layers(model).items()
        for name, tensor in mixture.state_dict().items()
    }


def load_branches(model: nn.Module, branches: tuple[Branch, ...], state: dict[str, Tensor]) -> None:
    """Adds the branches of a `branch_state` to a model that has none.

    A layer gets those of `branches` whose tensors are given for it.

    Raises:
        KeyError: the model lacks a layer, or a matrix is missing.
    """
    numbers = defaultdict(set)
    for name in state:
        layer, _, number = name.rsplit(".", 2)
        numbers[layer].add(int(number))
    for name, given in numbers.items():
        try:
            layer_of_model: Any = model.get_submodule(name)
        except AttributeError as error:
            raise KeyError(f"the model has no layer '{name}'") from error
        order = sorted(given)
        mixture = LowRankMixture(
            layer_of_model.weight.shape, tuple(branches[i] for i in order), torch.Generator()
        ).to(layer_of_model.weight)
        mixture.load_state_dict(
            {f"{m}.{i}": state[f"{name}.{m}.{j}"] for i, j in enumerate(order) for m in ("a", "b")}
        )
        parametrize.register_parametrization(layer_of_model, "weight", mixture)
    model.requires_grad_(False)


def mixed_branches(
    parts: Sequence[tuple[float, tuple[Branch, ...], dict[str, Tensor]]],
) -> tuple[tuple[Branch, ...], dict[str, Tensor]]:
    """One mixture that changes each weight by a weighted sum of the changes of several: W0 + sum_j w_j dW_j.

    It has the branches of all of them, with B multiplied by w_j, so the sum is exact.

    Args:
        parts: w_j, branches and `branch_state` of each mixture, all of the same model; a mixture without
            branches changes nothing.
    Returns:
        The branches and the `branch_state` of the sum.
    """
    branches: list[Branch] = []
    state = {}
    for weight, own, tensors in parts:
        for name, tensor in tensors.items():
            layer, matrix, number = name.rsplit(".", 2)
            place = f"{layer}.{matrix}.{len(branches) + int(number)}"
            state[place] = weight * tensor if matrix == "b" else tensor
        branches += own
    return tuple(branches), state


def merge(model: nn.Module) -> dict[str, Tensor]:
    """Adds the branches to the weights in place and removes them, so that inference costs nothing extra.

    Returns:
        The weights W0 by layer name, for `unmerge`.
    """
    originals = {}
    for name in adapted_layers(model):
        layer: Any = model.get_submodule(name)
        originals[name] = layer.parametrizations.weight.original.detach().clone()
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return originals


def unmerge(model: nn.Module, originals: dict[str, Tensor]) -> None:
    """Puts the weights W0 back, bit for bit, in place."""
    with torch.no_grad():
        for name, weight in originals.items():
            layer: Any = model.get_submodule(name)
            layer.weight.copy_(weight)
