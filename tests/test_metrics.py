"""Metrics against values worked out by hand."""

import numpy as np
import pytest
import torch

from adamesh.errors import InputError
from adamesh.metrics.lips import dynamics_deviation, lip_vertex_error, mean_vertex_error
from adamesh.metrics.sync import synchrony


def test_lip_vertex_error_is_the_mean_of_the_largest_in_millimetres() -> None:
    target = torch.zeros(1, 2, 4, 3)
    pred = target.clone()
    pred[0, 0, 1, 0] = 0.003  # largest of frame 0
    pred[0, 0, 2, 1] = 0.001
    pred[0, 1, 2, 2] = 0.005  # largest of frame 1
    pred[0, :, 3] = 1.0  # not a lip
    ids = torch.tensor([0, 1, 2])
    assert lip_vertex_error(pred, target, ids).item() == pytest.approx(4.0)
    assert mean_vertex_error(pred, target, ids).item() == pytest.approx((3 + 1 + 5) / 6)


def test_metrics_refuse_different_lengths() -> None:
    with pytest.raises(InputError, match=r"\[1, 3, 2, 3\] and \[1, 4, 2, 3\]"):
        lip_vertex_error(torch.zeros(1, 3, 2, 3), torch.zeros(1, 4, 2, 3), torch.tensor([0]))


def test_dynamics_deviation_is_signed_and_blind_to_place() -> None:
    still = torch.zeros(1, 50, 2, 3)
    moving = still.clone()
    moving[0, :, 0, 1] = 0.01 * torch.sin(torch.arange(50.0))
    ids = torch.tensor([0])
    assert dynamics_deviation(moving, still, ids).item() > 1
    assert dynamics_deviation(still, moving, ids).item() < -1
    assert dynamics_deviation(moving + 1, moving, ids).item() == pytest.approx(0, abs=1e-3)


def test_synchrony_sees_lag_with_its_sign_and_scale() -> None:
    rng = np.random.default_rng(0)
    curve = np.convolve(rng.normal(size=400), np.ones(3) / 3)
    seen, late = curve[5:305], 2.5 * curve[2:302]  # three frames late, larger
    sync = synchrony(late, seen, fps=25)
    assert sync.best_lag == pytest.approx(3 / 25)
    assert sync.best_correlation == pytest.approx(1)
    assert sync.correlation < 0.5
    assert sync.std_ratio == pytest.approx(2.5, rel=0.05)


def test_a_still_mouth_has_no_correlation_and_no_deviation() -> None:
    sync = synchrony(np.zeros(100), np.sin(np.arange(100.0)))
    assert sync.correlation == 0
    assert sync.std_ratio == 0
