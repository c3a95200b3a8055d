"""The add-on in Blender: our frames, rate, sound and picture, and our motion on a differently rigged head."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import BLENDER, FPS, FRAMES, posed_vertices
from scipy.spatial import cKDTree

from adamesh.export import OutputOptions, export
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52
from adamesh.rates import exact_fps

ADDON = Path(__file__).parents[1] / "blender" / "adamesh_addon.py"
SOUND = (0.1 * np.sin(np.arange(FRAMES * 16_000 // 25) / 5), 16_000)  # 2 s


@pytest.mark.parametrize("fps", [25.0, 29.97, 26.3])
def test_head(clip: MotionClip, blender: Callable[..., None], tmp_path: Path, fps: float) -> None:
    """Every frame of Blender's is one of ours, weights and vertices; the sound starts with the first."""
    export(clip, tmp_path / "talking.glb", OutputOptions(fps=fps), audio=SOUND)
    blender("blender_addon.py", "head", tmp_path / "talking.glb", tmp_path / "seen.npz")
    seen = np.load(tmp_path / "seen.npz")
    ours = clip.resample(exact_fps(fps))
    assert seen["fps"] == pytest.approx(ours.fps, rel=1e-6)
    assert seen["frames"].tolist() == list(range(ours.frames))
    order = [ARKIT52.index(name) for name in seen["names"]]
    np.testing.assert_allclose(seen["weights"], ours.expression[:, order], atol=1e-5)
    vertices = posed_vertices(ours)
    near = cKDTree(vertices[0]).query(seen["vertices"][0])[1]
    assert np.abs(vertices[:, near] - seen["vertices"]).max() < 1e-4
    start, length = seen["sound"]
    assert start == 0
    assert length == pytest.approx(len(SOUND[0]) / SOUND[1] * ours.fps, abs=1)
    assert Path(str(seen["sound_path"])) == tmp_path / "talking.wav"


def test_curves(clip: MotionClip, blender: Callable[..., None], tmp_path: Path) -> None:
    """Put on a head that is named, turned and rigged otherwise they give our vertices, at another rate."""
    clip = replace(clip, transl=np.zeros((clip.frames, 3)))
    still = MotionClip("arkit52", FPS, np.zeros((1, 52)), betas=clip.betas)
    export(still, tmp_path / "still.glb")
    export(clip, tmp_path / "curves.json", audio=SOUND)
    files = (tmp_path / name for name in ("still.glb", "curves.json", "seen.npz"))
    frames = (0, 7, 20, 49)
    blender("blender_addon.py", "curves", *files, *map(str, frames))
    seen = np.load(tmp_path / "seen.npz")
    x, y, z = np.moveaxis(seen["posed"], -1, 0)
    turned_back = np.stack([-z, y, x], -1)
    ours = posed_vertices(clip)[list(frames)]
    near = cKDTree(ours[0]).query(turned_back[0])[1]
    assert np.abs(ours[:, near] - turned_back).max() < 1e-4
    assert seen["sound"] == 101
    assert len(seen["below"]) == 1  # what the armature did before


def test_rendering_from_the_command_line(clip: MotionClip, tmp_path: Path) -> None:
    export(clip.slice(0, 10), tmp_path / "talking.glb", audio=(SOUND[0][:6400], SOUND[1]))
    command = [BLENDER, ADDON, "--", "talking.glb", "-o", "talking.mp4", "--size", "64"]
    command += ["--engine", "cycles"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / "talking.mp4")) as video:
        assert video.streams.video[0].average_rate == 25
        assert video.streams.audio[0].duration * video.streams.audio[0].time_base > 0.35
        pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(pictures) == 10
    middle, corner = pictures[0][28:36, 28:36].astype(int), pictures[0][:4, :4].astype(int)
    assert (middle[..., 0] - middle[..., 2]).mean() > 20  # skin
    assert np.ptp(corner, axis=-1).max() < 15  # grey
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "error: talking.mp4 exists" in again.stderr
