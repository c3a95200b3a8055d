"""What becomes of a Blender that is missing, fails, or is killed; `readers/` sees what a real one writes."""

import shutil
import sys
from pathlib import Path

import pytest
from support.performances import performance, small_face

from adamesh.errors import InputError, MissingDependencyError
from adamesh.export import OutputOptions, export, plan_export
from adamesh.export.blender import VARIABLE, blender_command

SOUND = (performance().expression.ravel(), 16_000)


@pytest.fixture
def acted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A program that acts instead of Blender, in an empty folder for its output."""

    def act(body: str, name: str = "python-with-bpy") -> Path:
        program = tmp_path / name
        lines = ("import os, sys", "source, target, fps = sys.argv[-3:]", body)
        program.write_text(f"#!{sys.executable}\n" + "\n".join(lines))
        program.chmod(0o755)
        monkeypatch.setenv(VARIABLE, str(program))
        (tmp_path / "out").mkdir()
        return tmp_path / "out"

    return act


def test_it_is_given_a_glb_of_whole_seconds_and_the_rate(acted):
    out = acted("open(target, 'w').write(open(source, 'rb').read(4).decode() + fps)")
    written = export(
        performance(),
        out / "a.abc",
        OutputOptions(fps=29.97, force=True),
        face=small_face(),
        audio=SOUND,
    )
    assert written == [out / "a.abc", out / "a.wav"]
    assert (out / "a.abc").read_text() == f"glTF{30000 / 1001!r}"
    assert {file.name for file in out.iterdir()} == {"a.abc", "a.wav"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("open(target, 'w').write('half'); sys.exit('out of luck')", r"code 1\): out of luck$"),
        ("open(target, 'w').write('half'); os.kill(os.getpid(), 9)", r"code -9\): it says nothing"),
        ("", r"code 0\)"),
    ],
    ids=["fails", "killed", "writes nothing"],
)
def test_a_failure_is_one_line_and_leaves_nothing(acted, body, said):
    out = acted(body)
    with pytest.raises(InputError, match=said) as raised:
        export(performance(), out / "a.fbx", face=small_face(), audio=SOUND)
    assert "\n" not in str(raised.value)
    assert list(out.iterdir()) == []


def test_blender_itself_and_a_python_are_called_differently(acted, monkeypatch):
    acted("", "Blender")
    assert blender_command()[1:4] == ["--background", "--factory-startup", "--python-exit-code"]
    monkeypatch.setenv(VARIABLE, sys.executable)
    assert len(blender_command()) == 2


def test_none_is_said_before_any_work(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setitem(sys.modules, "bpy", None)
    with pytest.raises(MissingDependencyError, match="without the program blender"):
        plan_export(tmp_path / "a.abc")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone"))
    with pytest.raises(InputError, match="no program"):
        plan_export(tmp_path / "a.fbx")
