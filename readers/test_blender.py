"""Blender sees the vertices that we computed, at the right times, with the right names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import FPS, posed_vertices
from scipy.spatial import cKDTree

from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52
from adamesh.rates import exact_fps

FILES = [
    (".glb", "plain", FPS),
    (".glb", "sparse", FPS),
    (".glb", "quantised", FPS),
    (".usdc", "plain", FPS),
    (".fbx", "plain", FPS),
    (".fbx", "plain", 29.97),
    (".fbx", "plain", 26.3),
    (".abc", "plain", 23.976),
    (".abc", "plain", 60.0),
]


@dataclass(frozen=True)
class Seen:
    """What Blender shows of a file, and the clip at the file's rate."""

    suffix: str
    file: dict[str, np.ndarray]
    clip: MotionClip
    frames: np.ndarray


@pytest.fixture(scope="module", params=FILES, ids=lambda file: " ".join(map(str, file)))
def seen(
    request: pytest.FixtureRequest,
    clip: MotionClip,
    exported: Callable[..., Path],
    blender: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Seen:
    suffix, encoding, fps = request.param
    output = tmp_path_factory.mktemp("blender") / "seen.npz"
    clip = clip.resample(exact_fps(fps))
    frames = np.linspace(0, clip.frames - 1, 10).round().astype(int)
    path = exported(suffix, encoding, fps)
    blender("blender_dump.py", path, repr(clip.fps), output, *map(str, frames))
    return Seen(suffix, dict(np.load(output)), clip, frames)


def test_shape_keys(seen: Seen) -> None:
    names = set() if seen.suffix == ".abc" else set(ARKIT52)
    assert set(seen.file["shape_keys"].tolist()) == names


def test_rate_and_length(seen: Seen) -> None:
    assert seen.file["fps"] == pytest.approx(seen.clip.fps, rel=1e-6)
    length = (seen.clip.frames - 1) / seen.clip.fps
    assert seen.file["seconds"] == pytest.approx(length, abs=0.01 / seen.clip.fps)


def test_vertices_at_ten_frames(seen: Seen) -> None:
    """Each of Blender's follows one of ours within 0.1 mm, and each of ours is followed."""
    ours, theirs = posed_vertices(seen.clip)[seen.frames], seen.file["posed"]
    followed = set()
    near = cKDTree(ours[0]).query_ball_point(theirs[0], r=1e-4)
    for k, places in enumerate(near):
        distances = np.linalg.norm(ours[:, places] - theirs[:, k, None], axis=-1).max(0)
        close = np.array(places)[distances < 1e-4]
        assert len(close)
        followed.update(close.tolist())
    assert len(followed) == ours.shape[1]
