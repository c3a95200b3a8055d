"""A browser shows what is behind a transparent WebM, and its head at the time asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from browser import browse
from PIL import Image

from adamesh.export import OutputOptions, Pictures, export
from adamesh.motion.clip import MotionClip

SIDE = 256  # pixels
PAGE = """<body style="margin: 0; background: magenta">
<video id="video" src="clear.webm" muted preload="auto"></video>
<script>video.onloadeddata = () => { video.currentTime = 1 }</script>
"""


def test_transparent_webm(clip: MotionClip, tmp_path: Path) -> None:
    clip = replace(clip, transl=None)  # else each picture is about the middle of its own clip
    look = Pictures((SIDE, SIDE), background="transparent")
    export(clip, tmp_path / "clear.webm", OutputOptions(pictures=look))
    export(clip.slice(25, 26), tmp_path / "still.png", OutputOptions(pictures=look))
    (tmp_path / "index.html").write_text(PAGE, encoding="utf-8")
    shot = tmp_path / "shot.png"
    browse(
        f"--screenshot={shot}", "--allow-file-access-from-files", f"file://{tmp_path}/index.html"
    )
    found = np.asarray(Image.open(shot).convert("RGB"))[:SIDE, :SIDE].astype(float)
    still = np.asarray(Image.open(tmp_path / "still" / "still_0001.png")).astype(float)
    alpha = still[..., 3:] / 255
    expected = still[..., :3] * alpha + np.array([255, 0, 255]) * (1 - alpha)
    assert np.abs(found - expected).mean() < 3
