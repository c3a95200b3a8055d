"""The examples of docs/extending.md, run as they stand there."""

import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adamesh.animation.sample import SAMPLE_SPEECH
from adamesh.cli import main
from adamesh.errors import InputError
from adamesh.evaluation import sync
from adamesh.export import registry as outputs
from adamesh.features import registry as features
from adamesh.formats import registry as tracks
from adamesh.media.audio import load_audio
from adamesh.motion.clip import MotionClip

PAGE = (Path(__file__).parent.parent / "docs" / "extending.md").read_text(encoding="utf-8")


def run(heading: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """All blocks of Python under a heading, one after another."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert found, f"docs/extending.md has no '{heading}'"
    space = {} if names is None else names
    for block in re.findall(r"```python\n(.*?)```", found[1], re.S):
        exec(block, space)
    return space


def adamesh(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["adamesh", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_a_speech_feature(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        run("A speech feature")
        joined = features.load_features("log_mel+crossings")
        found = joined(load_audio(SAMPLE_SPEECH))
        assert found.shape[1] == joined.dim == features.load_features("log_mel").dim + 1
        assert found[:, -1].std() > 0.01
        assert adamesh(monkeypatch, "info") == 0
        assert "hissing against voice" in capsys.readouterr().out
        with pytest.raises(InputError, match="crossings"):
            features.load_features("unheard")
    finally:
        features.FEATURES.pop("crossings", None)


def test_an_output_format_and_a_trackers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = types.ModuleType("adamesh.export.jaw")
    monkeypatch.setitem(sys.modules, "adamesh.export.jaw", module)
    try:
        run("An output format", module.__dict__)
        run("A tracker's format")
        clip = tmp_path / "clip.npz"
        weights = np.linspace(0, 1, 50)[:, None] * np.ones(52)
        MotionClip("arkit52", 25, weights).save(clip)
        target = tmp_path / "talking.jaw"
        assert adamesh(monkeypatch, "export", clip, "-o", target, "--audio", SAMPLE_SPEECH) == 0
        assert (tmp_path / "talking.wav").exists()
        back = tmp_path / "back.npz"
        assert adamesh(monkeypatch, "track", "--import", target, "--as", "jaw", "-o", back) == 0
        opened = MotionClip.load(back).expression_by_name("jawOpen")
        np.testing.assert_allclose(opened, weights[:, 0], atol=1e-3)
        again = tmp_path / "again.jaw"
        assert adamesh(monkeypatch, "export", back, "--format", "jaw", "-o", again) == 0
        capsys.readouterr()
        assert adamesh(monkeypatch, "formats") == 0
        assert "jaw meter" in capsys.readouterr().out
        assert adamesh(monkeypatch, "export", clip, "-o", tmp_path / "a.blend") == 2
        assert ".jaw" in capsys.readouterr().err
    finally:
        outputs.FORMATS.pop(".jaw", None)
        tracks.FORMATS.pop("jaw", None)


def test_a_metric() -> None:
    try:
        run("A metric of lip sync")
        seen = np.zeros(100)
        found = sync.METRICS["p95 mm"].of({"seen": seen, "right": seen + 0.002})
        assert found == pytest.approx(2.0)
    finally:
        sync.METRICS.pop("p95 mm", None)


def test_a_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    run("A face")
    assert adamesh(monkeypatch, "face", "list") == 0
    assert "an example" in capsys.readouterr().out
    talking = tmp_path / "talking.npz"
    assert adamesh(monkeypatch, "animate", SAMPLE_SPEECH, "--face", "wide", "-o", talking) == 0
    assert MotionClip.load(talking).space == "arkit52"
