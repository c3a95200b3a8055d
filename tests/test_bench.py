"""The bench calls the truth perfect, and what is known to be wrong by as much as it is."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from adamesh.evaluation.synthetic import SyntheticClip, silent_clip, synthetic_clip
from adamesh.evaluation.tracking import SEEN_MOUTH, _accuracy, perfect_landmarks
from adamesh.faces import load_embedded_face
from adamesh.motion.spaces import ARKIT52
from adamesh.tracking.fit import FaceFit


@pytest.fixture(scope="module")
def truth() -> SyntheticClip:
    return synthetic_clip(load_embedded_face(), seed=1, frames=75)


@pytest.fixture(scope="module")
def exact(truth: SyntheticClip) -> FaceFit:
    frames = len(truth.expression)
    still = np.zeros((frames, 3))
    return FaceFit(
        betas=np.zeros(50),
        expression=truth.expression,
        rotation=Rotation.from_matrix(truth.rotation).as_rotvec(),
        translation=still,
        leye_pose=still,
        reye_pose=still,
        focal=1000.0,
        residual=np.zeros(frames),
        agreement=np.ones(frames),
        fitted=np.zeros((frames, 478, 2)),
    )


def test_the_truth_is_perfect(truth: SyntheticClip, exact: FaceFit) -> None:
    figures = _accuracy(truth, exact)
    assert figures.rotation_deg == pytest.approx(0, abs=1e-3)
    assert (figures.below_zero, figures.below_mean) == pytest.approx((100, 100))
    assert figures.aperture_mm == pytest.approx(0, abs=1e-6)


def test_errors_are_what_they_are(truth: SyntheticClip, exact: FaceFit) -> None:
    turned = Rotation.from_rotvec(exact.rotation) * Rotation.from_rotvec([0, np.radians(3), 0])
    nothing = replace(
        exact, rotation=turned.as_rotvec(), expression=np.zeros_like(exact.expression)
    )
    figures = _accuracy(truth, nothing)
    assert figures.rotation_deg == pytest.approx(3, abs=1e-3)
    assert figures.below_zero == pytest.approx(0)
    mean = np.zeros_like(exact.expression) + truth.expression.mean(0)
    assert _accuracy(truth, replace(exact, expression=mean)).below_mean == pytest.approx(
        0, abs=1e-3
    )
    assert "tongueOut" not in {ARKIT52[i] for i in SEEN_MOUTH}


def test_clips_are_drawn_from_their_seed(truth: SyntheticClip) -> None:
    face = load_embedded_face()
    again, other = (synthetic_clip(face, seed, frames=75) for seed in (1, 2))
    np.testing.assert_array_equal(perfect_landmarks(again), perfect_landmarks(truth))
    assert np.abs(other.expression - truth.expression).max() > 0.1
    assert other.camera.focal != truth.camera.focal
    # Every mouth action is made, and the head turns.
    assert (truth.expression[:, SEEN_MOUTH].max(0) > 0.4).all()
    assert np.degrees(np.abs(np.arcsin(truth.rotation[:, 0, 2])).max()) > 8
    assert not silent_clip(face, 1, frames=5).expression.any()
