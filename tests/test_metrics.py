"""Metrics against values worked out by hand."""

import numpy as np
import pytest
import torch

from adamesh.audio.onsets import ONSET_RATE, onset_strength
from adamesh.errors import InputError
from adamesh.faces import load_embedded_face
from adamesh.metrics.lips import dynamics_deviation, lip_vertex_error, mean_vertex_error
from adamesh.metrics.mouth import CLOSED, closure_f1, closures, mouth_opening, opening_direction
from adamesh.metrics.sync import lag_correlation, pearson, synchrony
from adamesh.models.baseline import Baseline
from adamesh.motion.spaces import ARKIT52, MOUTH, UPPER_FACE
from adamesh.rates import SAMPLE_RATE


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


def test_a_lag_is_positive_where_the_first_curve_is_late() -> None:
    curve = np.random.default_rng(0).normal(size=200)
    late = np.concatenate([np.zeros(5), curve[:-5]])
    r = lag_correlation(late, curve, [-5, 0, 5])
    assert r[2] == pytest.approx(1)
    assert abs(r[0]) < 0.3
    between = lag_correlation(curve, curve, [0.5])[0]
    halfway = (curve[:-1] + curve[1:]) / 2
    assert between == pytest.approx(pearson(halfway, curve[:-1]))


def test_the_opening_is_linear_and_signed() -> None:
    face = load_embedded_face()
    gap, direction = opening_direction(face)
    x = torch.rand(4, 52)
    torch.testing.assert_close(mouth_opening(face, x), gap + x @ direction)
    assert direction[ARKIT52.index("jawOpen")] > 0.01
    assert direction[ARKIT52.index("mouthClose")] < 0


def test_closures_are_runs_of_two_frames_and_more() -> None:
    opening = np.ones(60)
    opening[5] = opening[20:22] = opening[40:47] = 0.0
    opening[30:33] = 0.3
    assert closures(opening, CLOSED) == [(20, 22), (40, 47)]
    assert closures(np.concatenate([opening, [0, 0]]), CLOSED)[-1] == (60, 62)


def test_closures_are_matched_by_overlap() -> None:
    seen, generated = np.ones(100), np.ones(100)
    for start in (10, 30, 50, 70):
        seen[start : start + 4] = 0.0
    for start in (12, 29, 90):
        generated[start : start + 3] = 0.0
    # Two of four are found, two of three are real.
    assert closure_f1(generated, seen) == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))
    assert closure_f1(seen, seen) == 1
    assert closure_f1(np.linspace(1, 2, 100), seen) <= 0.4
    # A bounded motion that never shuts is shut where it is lowest: its own range counts.
    assert closure_f1(5 + 0.1 * generated, seen) == closure_f1(generated, seen)


def test_a_baseline_takes_rest_and_size_away_and_puts_them_back() -> None:
    face = load_embedded_face()
    rng = np.random.default_rng(0)
    rest = torch.from_numpy(rng.uniform(0.05, 0.2, 52)).float()
    rest[MOUTH] = 0.02
    wave = torch.from_numpy(np.clip(rng.normal(0.3, 0.2, 400), 0, 0.7)).float()
    expression = rest.repeat(400, 1)
    expression[:, ARKIT52.index("jawOpen")] += wave
    expression[:, ARKIT52.index("browInnerUp")] += 0.3 * wave
    baseline = Baseline.of(face, expression)
    torch.testing.assert_close(baseline.rest[MOUTH], rest[MOUTH], rtol=0, atol=0.03)
    motion = baseline.remove("arkit52", expression)
    assert 1000 * mouth_opening(face, motion).std() == pytest.approx(3.0, rel=0.01)
    torch.testing.assert_close(
        motion[:, UPPER_FACE], expression[:, UPPER_FACE] - baseline.rest[UPPER_FACE]
    )
    torch.testing.assert_close(baseline.restore("arkit52", motion), expression)
    with pytest.raises(InputError, match=r"0\.00 mm only .*expected at least 0\.5 mm"):
        Baseline.of(face, rest.repeat(50, 1))


def test_onsets_are_where_sounds_begin_and_ends_are_none() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.001, 2 * SAMPLE_RATE)
    for start in (0.5, 1.2):
        samples[int(start * SAMPLE_RATE) : int((start + 0.3) * SAMPLE_RATE)] *= 100
    strength = onset_strength(samples, 2 * ONSET_RATE)
    assert len(strength) == 2 * ONSET_RATE
    assert strength.min() == 0
    highest = sorted([*np.argsort(strength)[-2:].tolist(), int(strength[:100].argmax())])
    assert all(min(abs(i - 50), abs(i - 120)) <= 2 for i in highest)
    assert strength[[0, 1, -2, -1]].max() < 0.2 * strength.max()
