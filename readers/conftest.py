"""What the readers of other people are given: a performance that uses all that a clip can hold."""

import functools
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from adamesh.export import OutputOptions, export
from adamesh.export.options import Encoding
from adamesh.faces import load_embedded_face
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52

FPS = 25.0
FRAMES = 50
# A Python with Blender's module, in an environment of its own.
BLENDER = Path(os.environ.get("ADAMESH_READERS", ".")) / "venv/bin/python"


@pytest.fixture(scope="session")
def clip() -> MotionClip:
    """Two seconds: every action once, neck, head and eyes turning, the head moving, somebody's shape."""
    rng = np.random.default_rng(0)
    time = np.arange(FRAMES)[:, None] / FPS
    peaks = rng.uniform(0, FRAMES / FPS, len(ARKIT52))
    turns = 0.2 * np.sin(2 * np.pi * (time + np.arange(12) / 12))
    return MotionClip(
        "arkit52",
        FPS,
        0.6 * np.exp(-0.5 * ((time - peaks) / 0.15) ** 2),
        neck_pose=turns[:, :3],
        head_pose=turns[:, 3:6],
        leye_pose=turns[:, 6:9],
        reye_pose=turns[:, 6:9],
        transl=0.2 * turns[:, 9:],
        betas=rng.normal(0, 0.7, 50),
    )


@pytest.fixture(scope="session")
def exported(clip: MotionClip, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The performance by suffix, encoding and frame rate, written once."""

    @functools.cache
    def write(suffix: str, encoding: Encoding = "plain", fps: float | None = None) -> Path:
        path = tmp_path_factory.mktemp(encoding) / f"performance{suffix}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ADAMESH_BLENDER", str(BLENDER))
            export(clip, path, OutputOptions(encoding=encoding, fps=fps))
        return path

    return write


def posed_vertices(clip: MotionClip) -> np.ndarray:
    """[T, V, 3] metres, of every frame, by our own forward."""
    face = load_embedded_face()
    poses = ("expression", "neck_pose", "head_pose", "leye_pose", "reye_pose", "transl")
    given = {name: torch.tensor(getattr(clip, name)) for name in poses}
    return face(betas=torch.tensor(clip.betas)[None], **given).vertices.numpy()


@pytest.fixture(scope="session")
def blender() -> Callable[..., None]:
    """Runs a script of this folder in Blender."""

    def run(script: str, *arguments: str | Path) -> None:
        command = [BLENDER, Path(__file__).parent / script, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def issues(path: Path) -> dict[str, object]:
    """What the Khronos validator finds in a .glb."""
    script = Path(__file__).parent / "validate.mjs"
    done = subprocess.run(["node", script, path], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["issues"]
