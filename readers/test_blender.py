"""Blender sees the vertices that we computed, at the right times, with the right names."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import FPS, FRAMES
from scipy.spatial import cKDTree

from adamesh.motion.spaces import ARKIT52

SHOWN = np.linspace(0, FRAMES - 1, 10).round().astype(int)


FILES = [(".glb", "plain"), (".glb", "sparse"), (".glb", "quantised"), (".usdc", "plain")]


@pytest.fixture(scope="module", params=FILES, ids=" ".join)
def seen(
    request: pytest.FixtureRequest,
    exported: Callable[..., Path],
    blender: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, np.ndarray]:
    output = tmp_path_factory.mktemp("blender") / "seen.npz"
    blender("blender_dump.py", exported(*request.param), str(FPS), output, *map(str, SHOWN))
    return dict(np.load(output))


def test_shape_keys(seen: dict[str, np.ndarray]) -> None:
    assert set(seen["shape_keys"].tolist()) == set(ARKIT52)


def test_length(seen: dict[str, np.ndarray]) -> None:
    assert seen["seconds"] == pytest.approx((FRAMES - 1) / FPS, abs=0.5 / FPS)


def test_vertices_at_ten_frames(seen: dict[str, np.ndarray], vertices: np.ndarray) -> None:
    """Each of Blender's follows one of ours within 0.1 mm, and each of ours is followed."""
    ours, theirs = vertices[1:][SHOWN], seen["posed"]
    followed = set()
    near = cKDTree(ours[0]).query_ball_point(theirs[0], r=1e-4)
    for k, places in enumerate(near):
        distances = np.linalg.norm(ours[:, places] - theirs[:, k, None], axis=-1).max(0)
        close = np.array(places)[distances < 1e-4]
        assert len(close)
        followed.update(close.tolist())
    assert len(followed) == ours.shape[1]
