"""The Khronos glTF validator has nothing to say."""

from pathlib import Path

import numpy as np
import pytest
from conftest import issues

from adamesh.export import OutputOptions, export
from adamesh.export.options import Encoding
from adamesh.media.picture import write_png
from adamesh.motion.clip import MotionClip


@pytest.mark.parametrize(
    ("fps", "encoding"),
    [(None, "plain"), (24, "plain"), (29.97, "sparse"), (60, "quantised")],
)
def test_a_performance(
    clip: MotionClip, tmp_path: Path, fps: float | None, encoding: Encoding
) -> None:
    export(clip, tmp_path / "clip.glb", OutputOptions(fps=fps, encoding=encoding))
    found = issues(tmp_path / "clip.glb")
    assert (found["numErrors"], found["numWarnings"]) == (0, 0), found["messages"]


@pytest.mark.parametrize("encoding", ["plain", "quantised"])
def test_one_frame(tmp_path: Path, encoding: Encoding) -> None:
    still = MotionClip("arkit52", 25, np.zeros((1, 52)))
    export(still, tmp_path / "still.glb", OutputOptions(encoding=encoding))
    found = issues(tmp_path / "still.glb")
    assert (found["numErrors"], found["numWarnings"]) == (0, 0), found["messages"]


def test_a_texture(clip: MotionClip, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    write_png(tmp_path / "skin.png", picture)
    export(clip, tmp_path / "skin.glb", OutputOptions(texture=tmp_path / "skin.png"))
    found = issues(tmp_path / "skin.glb")
    assert (found["numErrors"], found["numWarnings"]) == (0, 0), found["messages"]


def test_it_would_complain(clip: MotionClip, tmp_path: Path) -> None:
    export(clip, tmp_path / "clip.glb")
    data = (tmp_path / "clip.glb").read_bytes()
    (tmp_path / "cut.glb").write_bytes(data[: len(data) // 2])
    assert issues(tmp_path / "cut.glb")["numErrors"]
