"""Godot 3 plays our GLB: names, length, weights and joints of every frame. Skipped where it is missing."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FPS, FRAMES, posed_vertices
from scipy.spatial.transform import Rotation

from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52

GODOT = shutil.which("godot3-server")
pytestmark = pytest.mark.skipif(GODOT is None, reason="on Debian: apt-get install godot3-server")


@pytest.fixture(scope="module")
def seen(exported: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("godot")
    shutil.copy(exported(".glb", "plain"), folder / "performance.glb")
    shutil.copy(Path(__file__).parent / "godot_dump.gd", folder)
    (folder / "project.godot").write_text("config_version=4\n", encoding="utf-8")
    environment = os.environ | {"HOME": str(folder), "FPS": str(FPS), "FRAMES": str(FRAMES)}
    command = [GODOT, "--path", folder]
    # Its editor imports what lies in the folder. Without a window it does not quit by itself.
    editor = subprocess.Popen(
        [*command, "--editor"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(folder.glob(".import/performance*.md5")):  # written last
            assert time.monotonic() < deadline, "Godot did not import the file"
            time.sleep(0.2)
    finally:
        editor.kill()
        editor.wait()
    played = [*command, "--script", "godot_dump.gd"]
    subprocess.run(played, env=environment, capture_output=True, check=True, timeout=60)
    return json.loads((folder / "seen.json").read_text())


def test_weights(seen: dict[str, Any], clip: MotionClip) -> None:
    order = [ARKIT52.index(name) for name in seen["names"]]
    assert len(order) == len(ARKIT52)
    np.testing.assert_allclose(seen["weights"], clip.expression[:, order], atol=1e-5)


def test_length_and_size(seen: dict[str, Any], clip: MotionClip) -> None:
    assert seen["length"] == pytest.approx((FRAMES - 1) / FPS, abs=1e-3)
    # Its box bounds all shapes, so it is larger than the head: metres it is all the same.
    assert 1 <= seen["size"][1] / np.ptp(posed_vertices(clip)[0, :, 1]) < 1.3


def test_joints(seen: dict[str, Any], clip: MotionClip) -> None:
    """Its importer leaves out keys by default, up to 0.01 rad."""
    poses = (clip.neck_pose, clip.head_pose, clip.leye_pose, clip.reye_pose)
    for ours, theirs in zip(poses, np.moveaxis(seen["rotations"], 1, 0), strict=True):
        between = Rotation.from_rotvec(ours).inv() * Rotation.from_quat(theirs)
        assert between.magnitude().max() < 0.01
