"""The compliance checker of usd-core 25.11 has nothing to say; that of 26.11 runs in `tests/`."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from adamesh.export import export
from adamesh.motion.clip import MotionClip

PYTHON = Path(os.environ.get("ADAMESH_READERS", ".")) / "usd/bin/python"
SILENCE = (np.zeros(32_000, np.float32), 16_000)


def complaints(path: Path) -> dict[str, list[str]]:
    script = Path(__file__).with_name("usd_compliance.py")
    done = subprocess.run([PYTHON, script, path], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[str(path)]


@pytest.mark.parametrize("suffix", [".usda", ".usdc", ".usdz"])
def test_a_performance(clip: MotionClip, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"performance{suffix}"
    export(clip, path)
    assert complaints(path) == {"base": [], "arkit": []}


def test_sound_in_a_package(clip: MotionClip, tmp_path: Path) -> None:
    """The specification allows it; the stricter rules for ARKit know only layers and pictures."""
    path = tmp_path / "performance.usdz"
    export(clip, path, audio=SILENCE)
    found = complaints(path)
    assert found["base"] == []
    (complaint,) = found["arkit"]
    assert "unsupported extension 'wav'" in complaint


def test_it_would_complain(tmp_path: Path) -> None:
    (tmp_path / "bad.usda").write_text('#usda 1.0\ndef Shader "s" { token info:id = "Nothing" }\n')
    assert complaints(tmp_path / "bad.usda")["base"]
