"""The built wheel, used away from the sources, as a user would have it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

USE = """
import pathlib, sys
import adamesh
from adamesh.faces import load_embedded_face
from adamesh.motion import MotionClip
import numpy as np, onnxruntime

home = pathlib.Path(adamesh.__file__).parent
assert home.is_relative_to(sys.argv[1]), home
face = load_embedded_face()
assert len(face.expression_names) == 52
for model in ("face_detector", "face_mesh"):
    onnxruntime.InferenceSession(home / "assets" / f"{model}.onnx")
# Twice: the function has the name of a sub-package, which importing it must not put in its place.
for name in ("still.npz", "still.glb"):
    adamesh.export(MotionClip(face.space, 25, np.zeros((2, 52))), name)
print("used")
"""


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)),
        cwd=ROOT,
    )
    (path,) = out.glob("adamesh-*.whl")
    return path


def test_the_wheel_holds_the_package_and_its_licences(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        notices = {n.rsplit("/", 1)[-1] for n in names if ".dist-info/licenses/" in n}
    sources = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "adamesh").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= names
    assert {n for n in names if ".dist-info/" not in n} == sources
    assert notices == {"LICENSE", "NOTICE"}


def test_the_wheel_works_away_from_the_sources(wheel, tmp_path):
    home = tmp_path / "site"
    run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
        *("--no-compile", "--target", str(home), str(wheel)),
        cwd=tmp_path,
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    said = run(sys.executable, "-c", USE, str(home), cwd=elsewhere, PYTHONPATH=str(home))
    assert said.split() == ["used"]
    assert (elsewhere / "still.glb").stat().st_size > 1_000_000
