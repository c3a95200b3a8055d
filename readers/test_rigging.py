"""A mesh that was given shapes and joints: nothing to complain of, and Blender moves it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import issues
from scipy.spatial import cKDTree

from adamesh.avatars import apply_clip
from adamesh.evaluation.other_meshes import OtherMesh, mask
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52
from adamesh.rigging import rig_mesh


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> tuple[OtherMesh, Path]:
    """An open mask in centimetres with +Z up; at rest, with its jaw open, and turned to its left."""
    folder = tmp_path_factory.mktemp("transfer")
    mesh = mask()
    points = 100 * np.stack([mesh.points[:, 0], -mesh.points[:, 2], mesh.points[:, 1]], axis=1)
    lines = [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in points]
    lines += [f"f {a} {b} {c}" for a, b, c in mesh.triangles + 1]
    (folder / "mask.obj").write_text("\n".join(lines))
    rig_mesh(folder / "mask.obj", folder / "mask.glb", views=(9, 12))
    weights, head = np.zeros((3, 52), np.float32), np.zeros((3, 3), np.float32)
    weights[1, ARKIT52.index("jawOpen")] = 1
    head[2, 1] = 0.5
    clip = MotionClip("arkit52", 25.0, weights, head_pose=head)
    apply_clip(clip, folder / "mask.glb", folder / "moving.glb")
    return mesh, folder / "moving.glb"


def test_the_validator(moving: tuple[OtherMesh, Path]) -> None:
    found = issues(moving[1])
    assert (found["numErrors"], found["numWarnings"]) == (0, 0), found["messages"]


def test_blender(
    moving: tuple[OtherMesh, Path], blender: Callable[..., None], tmp_path: Path
) -> None:
    mesh, path = moving
    blender("blender_dump.py", path, "25.0", tmp_path / "seen.npz", "0", "1", "2")
    seen = np.load(tmp_path / "seen.npz")
    assert set(seen["shape_keys"].tolist()) == set(ARKIT52)
    rest, opened, turned = seen["posed"]
    distance, own = cKDTree(rest).query(mesh.points)
    assert distance.max() < 1e-4
    moved = (opened - rest)[own]
    chin = np.linalg.norm(mesh.points - mesh.landmarks[152], axis=1) < 0.01
    brow = np.linalg.norm(mesh.points - mesh.landmarks[9], axis=1) < 0.01
    assert -0.04 < moved[chin, 1].mean() < -0.01
    assert np.abs(moved[brow]).max() < 1e-3
    nose = np.linalg.norm(mesh.points - mesh.landmarks[1], axis=1).argmin()
    assert (turned - rest)[own][nose, 0] > 0.02  # to the subject's left
