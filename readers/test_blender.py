"""Blender sees the vertices that we computed, at the right times, with the right names."""

from collections.abc import Callable

import numpy as np
import pytest
from conftest import FPS, FRAMES
from scipy.spatial import cKDTree

from adamesh.motion.spaces import ARKIT52

SHOWN = np.linspace(0, FRAMES - 1, 10).round().astype(int)


@pytest.fixture(scope="module", params=["glb", "usdc"])
def seen(
    request: pytest.FixtureRequest,
    blender: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, np.ndarray]:
    output = tmp_path_factory.mktemp("blender") / "seen.npz"
    path = request.getfixturevalue(request.param)
    blender("blender_dump.py", path, str(FPS), output, *map(str, SHOWN))
    return dict(np.load(output))


def test_shape_keys(seen: dict[str, np.ndarray]) -> None:
    assert set(seen["shape_keys"].tolist()) == set(ARKIT52)


def test_length(seen: dict[str, np.ndarray]) -> None:
    assert seen["seconds"] == pytest.approx((FRAMES - 1) / FPS, abs=0.5 / FPS)


def test_vertices_at_ten_frames(seen: dict[str, np.ndarray], vertices: np.ndarray) -> None:
    """Within 0.1 mm. Files repeat vertices; where two of ours lie at one place, either will do."""
    rest, posed = vertices[0], vertices[1:][SHOWN]
    ours = cKDTree(rest).query_ball_point(seen["rest"], r=2e-6)
    assert all(ours), "every vertex that Blender has is one of ours"
    error = np.zeros(len(ours))
    for k, places in enumerate(ours):
        distances = np.linalg.norm(posed[:, places] - seen["posed"][:, k, None], axis=-1)
        error[k] = distances.max(0).min()
    assert error.max() < 1e-4
    assert len({i for places in ours for i in places}) == len(rest), "and it has all of ours"
