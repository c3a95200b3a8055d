"""MoLoRA: identity at the start, exact algebra, only its own parameters train, merge and back."""

import copy

import pytest
import torch
from torch import nn

from adamesh.nn.conformer import Conv
from adamesh.nn.molora import (
    Branch,
    LowRankMixture,
    adapted_layers,
    attach,
    branch_state,
    load_branches,
    merge,
    parameter_groups,
    unmerge,
)

BRANCHES = (Branch(2, 4.0, 1e-2), Branch(3, 1.5, 1e-3), Branch(64, 8.0, 1e-4))


class Net(nn.Module):
    """Linear, full, pointwise and depthwise convolutions, as in the expression adapter."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 8)
        self.full = Conv(8, 8, 3, causal=True)
        self.pointwise = Conv(8, 8, 1, causal=True)
        self.depthwise = Conv(8, 8, 5, causal=True, groups=8)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.full(torch.tanh(self.linear(x)))
        return self.norm(self.depthwise(torch.tanh(self.pointwise(x))))


def disturb(model: nn.Module) -> None:
    """Any state that training may reach: all branches away from their start."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for mixture in adapted_layers(model).values():
            for b in mixture.b:
                b.copy_(torch.randn(b.shape, generator=generator) * 0.3)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 11, 6, generator=torch.Generator().manual_seed(1))


def test_starts_as_the_identity_bit_for_bit(x: torch.Tensor) -> None:
    model = Net()
    before = model(x)
    attach(model, BRANCHES, seed=0)
    assert set(adapted_layers(model)) == {"linear", "full", "pointwise", "depthwise"}
    assert torch.equal(model(x), before)


@pytest.mark.parametrize(
    ("shape", "columns"), [((8, 6), 6), ((8, 8, 3), 24), ((8, 1, 5), 5), ((3, 40), 40)]
)
def test_weight_is_the_formula(shape: tuple[int, ...], columns: int) -> None:
    """Against loops over branches, rows, columns and ranks; ranks are cut to what the weight allows."""
    mixture = LowRankMixture(torch.Size(shape), BRANCHES, torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        for b in mixture.b:
            b.normal_(generator=torch.Generator().manual_seed(2))
    w0 = torch.randn(shape, dtype=torch.float64)
    expected = w0.clone().reshape(shape[0], columns)
    for branch, a, b in zip(BRANCHES, mixture.a, mixture.b, strict=True):
        rank = min(branch.rank, shape[0], columns)
        assert b.shape == (shape[0], rank)
        assert a.shape == (rank, columns)
        for i in range(shape[0]):
            for j in range(columns):
                for r in range(rank):
                    expected[i, j] += branch.alpha / rank * (b[i, r] * a[r, j]).item()
    torch.testing.assert_close(mixture(w0), expected.reshape(shape))


def test_gradients_in_float64() -> None:
    mixture = LowRankMixture(torch.Size((4, 2, 3)), BRANCHES, torch.Generator()).double()
    disturb_b = [torch.randn_like(b, requires_grad=True) for b in mixture.b]
    w0 = torch.randn(4, 2, 3, dtype=torch.float64)

    def weight(*b: torch.Tensor) -> torch.Tensor:
        state = {f"b.{i}": value for i, value in enumerate(b)}
        return torch.func.functional_call(mixture, state, (w0,))

    assert torch.autograd.gradcheck(weight, disturb_b)


def test_only_branches_train(x: torch.Tensor) -> None:
    model = Net()
    before = copy.deepcopy(model.state_dict())
    attach(model, BRANCHES, seed=0)
    optimizer = torch.optim.AdamW(parameter_groups(model, BRANCHES), weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
    state = model.state_dict()
    for name, tensor in before.items():
        layer, _, kind = name.rpartition(".")
        adapted = f"{layer}.parametrizations.{kind}.original"
        assert torch.equal(state[adapted if adapted in state else name], tensor), name
    for name, mixture in adapted_layers(model).items():
        assert all(b.abs().sum() > 0 for b in mixture.b), f"{name}: a branch did not train"


def test_every_branch_has_its_own_learning_rate() -> None:
    model = Net()
    attach(model, BRANCHES, seed=0)
    groups = parameter_groups(model, BRANCHES)
    assert [group["lr"] for group in groups] == [1e-2, 1e-3, 1e-4]
    ids = [id(p) for group in groups for p in group["params"]]  # type: ignore[attr-defined]
    trainable = [id(p) for p in model.parameters() if p.requires_grad]
    assert sorted(ids) == sorted(trainable)


def test_merge_gives_the_same_output_and_unmerge_restores_w0(x: torch.Tensor) -> None:
    model = Net()
    plain = model(x)
    before = copy.deepcopy(model.state_dict())
    attach(model, BRANCHES, seed=0)
    disturb(model)
    adapted = model(x)
    assert not torch.allclose(adapted, plain, atol=1e-2)
    originals = merge(model)
    assert not adapted_layers(model)
    torch.testing.assert_close(model(x), adapted)
    unmerge(model, originals)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


def test_branch_state_round_trip_and_seed(x: torch.Tensor) -> None:
    model = Net()
    other = copy.deepcopy(model)
    attach(model, BRANCHES, seed=3)
    disturb(model)
    state = branch_state(model)
    load_branches(other, BRANCHES, state)
    assert torch.equal(model(x), other(x))
    assert not any(p.requires_grad for p in other.parameters())
    with pytest.raises(KeyError):
        load_branches(Net(), BRANCHES, state | {"elsewhere.a.0": torch.zeros(1)})
    again = Net()
    attach(again, BRANCHES, seed=3)
    start = branch_state(again)
    assert all(torch.equal(start[name], state[name]) for name in state if ".a." in name)


def test_some_layers_alone_may_have_branches(x: torch.Tensor) -> None:
    model = Net()
    base = copy.deepcopy(model)
    attach(model, BRANCHES, seed=0, layers=["full"])
    disturb(model)
    assert set(adapted_layers(model)) == {"full"}
    load_branches(base, BRANCHES, branch_state(model))
    assert torch.equal(model(x), base(x))


def test_a_change_goes_into_the_branches_largest_first() -> None:
    generator = torch.Generator().manual_seed(2)
    branches = (Branch(1, 4.0, 1e-3), Branch(2, 1.5, 1e-3))
    change = torch.randn(6, 9, generator=generator)
    mixture = LowRankMixture(torch.Size((6, 9)), branches, generator)
    mixture.set_change(change)
    left, values, right = torch.linalg.svd(change, full_matrices=False)
    nearest = left[:, :3] * values[:3] @ right[:3]
    torch.testing.assert_close(mixture(torch.zeros(6, 9)), nearest, atol=1e-5, rtol=1e-5)
    first = 4.0 * mixture.b[0] @ mixture.a[0]
    torch.testing.assert_close(first, values[0] * left[:, :1] @ right[:1], atol=1e-5, rtol=1e-5)
    # More rank than the change has: exactly it.
    wide = LowRankMixture(torch.Size((6, 9)), (Branch(4, 1.0, 0.1), Branch(8, 1.0, 0.1)), generator)
    wide.set_change(change)
    torch.testing.assert_close(wide(torch.zeros(6, 9)), change, atol=1e-5, rtol=1e-5)


def test_summed_branches_span_one_lora_of_the_rank_sum() -> None:
    """The mixture differs from one LoRA of rank sum r_i in initialisation, scale and rates alone."""
    branches = (Branch(1, 1.0, 1e-3), Branch(2, 2.0, 1e-3))
    mixture = LowRankMixture(torch.Size((9, 9)), branches, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for b in mixture.b:
            b.normal_()
    delta = mixture(torch.zeros(9, 9))
    assert torch.linalg.matrix_rank(delta, rtol=1e-4) == 3
