"""Fitting to a reference: the closed form and what it keeps, and the search by gradient."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from adamesh.animation import fitting
from adamesh.animation.adapt import BRANCHES, look
from adamesh.animation.fitting import LAST_LAYER, Descent, Shown, descend, solve
from adamesh.animation.sample import SAMPLE_REFERENCE
from adamesh.checkpoints.networks import fingerprint, load_network
from adamesh.faces import load_embedded_face
from adamesh.media.audio import load_audio
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import MOUTH, UPPER_FACE
from adamesh.nn.molora import Branch, adapted_layers, merge
from adamesh.rates import FPS, SAMPLES_PER_FRAME

FULL = (Branch(52, 1.0, 1e-3),)  # all that the last layer can have


@pytest.fixture(scope="module")
def model() -> ExpressionAdapter:
    return load_network(ExpressionAdapter)


@pytest.fixture(scope="module")
def shown(model: ExpressionAdapter, sample_clip: MotionClip) -> Shown:
    clip = sample_clip.resample(FPS)
    return look(clip, load_audio(SAMPLE_REFERENCE)[: clip.frames * SAMPLES_PER_FRAME], model)


@pytest.fixture(scope="module")
def embedding(model: ExpressionAdapter, shown: Shown) -> torch.Tensor:
    with torch.no_grad():
        return model.encode_style(shown.motion[None])[0]


def predict(model: ExpressionAdapter, shown: Shown, embedding: torch.Tensor) -> torch.Tensor:
    return model.predict(shown.features, embedding[None], shown.betas[None])[0]


def test_it_is_the_ridge_solution(
    model: ExpressionAdapter, shown: Shown, embedding: torch.Tensor
) -> None:
    """At the solution the gradient of the penalised squared error is zero: by autograd, in float64."""
    fitted = copy.deepcopy(model)
    solve(fitted, shown, embedding, FULL)
    layer = fitted.get_submodule(LAST_LAYER)
    given: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0][0]))
    before = predict(model, shown, embedding).double()
    predict(fitted, shown, embedding)
    handle.remove()
    hidden = torch.cat(given)[model.config.lookahead :].double()
    scale = hidden.std(0) + fitting.SMALLEST_STATE
    change = (adapted_layers(fitted)[LAST_LAYER](torch.zeros(52, model.config.dim))).double()
    change = change.detach().requires_grad_(True)
    missing = (shown.motion.double() - before) / model.std.double()
    missing[:, UPPER_FACE] = 0
    error = hidden @ change.T - missing
    strength = fitting.PRIOR * max(1, fitting.SHORT * FPS / len(shown.motion))
    loss = error.square().sum() + strength * (change * scale).square().sum()
    loss.backward()
    assert change.grad is not None
    scaled = change.grad / (2 * strength * scale * (change * scale).abs().max())
    assert scaled.abs().max() < 1e-3


def test_it_learns_the_reference_and_ranks_keep_most_of_it(
    model: ExpressionAdapter, shown: Shown, embedding: torch.Tensor
) -> None:
    base = (predict(model, shown, embedding) - shown.motion)[:, MOUTH].square().mean()
    errors = []
    for branches in (FULL, BRANCHES, (Branch(2, 4.0, 1e-3),)):
        fitted = copy.deepcopy(model)
        solve(fitted, shown, embedding, branches)
        merge(fitted)
        said = predict(fitted, shown, embedding)
        errors.append((said - shown.motion)[:, MOUTH].square().mean())
    assert errors[0] < errors[1] < errors[2] < base
    assert base - errors[1] > 0.9 * (base - errors[0])


def test_what_was_not_fitted_is_predicted_worse_than_what_was(
    model: ExpressionAdapter, shown: Shown, embedding: torch.Tensor
) -> None:
    fitted = copy.deepcopy(model)
    unseen = solve(fitted, shown, embedding, BRANCHES)
    merge(fitted)
    base, seen, fold = (
        (x - shown.motion).square().mean()
        for x in (predict(model, shown, embedding), predict(fitted, shown, embedding), unseen)
    )
    assert seen < fold < base


def test_a_stronger_prior_changes_less_and_a_short_reference_has_one(
    model: ExpressionAdapter, shown: Shown, embedding: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(shown: Shown, prior: float = fitting.PRIOR) -> float:
        monkeypatch.setattr(fitting, "PRIOR", prior)
        fitted = copy.deepcopy(model)
        solve(fitted, shown, embedding, BRANCHES)
        zeros = torch.zeros(52, model.config.dim)
        return float(adapted_layers(fitted)[LAST_LAYER](zeros).detach().norm())

    whole = change(shown)
    assert change(shown, 1e9) < 1e-3 * whole
    frames = 75
    short = replace(
        shown,
        features=shown.features[: 2 * (frames + model.config.lookahead)],
        motion=shown.motion[:frames],
    )
    assert change(short) < whole


@pytest.mark.parametrize(
    "options",
    [
        Descent(BRANCHES, steps=12),
        Descent(BRANCHES, convolutions=False, steps=12),
        Descent(None, steps=12),
    ],
)
def test_the_search_by_gradient_learns_too_and_leaves_activity_alone(
    model: ExpressionAdapter, shown: Shown, embedding: torch.Tensor, options: Descent
) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    fitted = copy.deepcopy(model)
    descend(fitted, load_embedded_face(), shown, options)
    assert torch.equal(torch.rand(4), expected), "the caller's randomness goes on"
    layers = adapted_layers(fitted)
    assert "activity" not in layers
    assert any("convs" in name for name in layers) == (
        options.branches is not None and options.convolutions
    )
    merge(fitted)
    assert torch.equal(fitted.activity.weight, model.activity.weight)
    errors = [(predict(m, shown, embedding) - shown.motion).abs().mean() for m in (model, fitted)]
    assert errors[1] < errors[0]
    assert fingerprint(model) == fingerprint(load_network(ExpressionAdapter))


def test_a_baseline_of_few_frames_is_drawn_towards_the_population(shown: Shown) -> None:
    own = shown.baseline
    other = replace(own, rest=own.rest + 0.1, amplitude=4 * own.amplitude)
    half = own.towards(other, 50)
    torch.testing.assert_close(half.rest, own.rest + 0.05)
    assert half.amplitude == pytest.approx(2 * own.amplitude)
    assert np.allclose(own.towards(other, 10**9).rest, own.rest, atol=1e-6)
