"""Alembic and FBX, which Blender writes of a .glb of ours, in a process of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from adamesh.errors import InputError, MissingDependencyError
from adamesh.export.glb import write_glb
from adamesh.files import atomic_output
from adamesh.motion import MotionClip

if TYPE_CHECKING:
    from adamesh.faces import Face

VARIABLE = "ADAMESH_BLENDER"
SCRIPT = Path(__file__).with_name("blender_convert.py")


def write_with_blender(
    clip: MotionClip, path: Path, *, face: "Face", betas: ArrayLike | None = None
) -> None:
    """Writes `.abc` (moving points) or `.fbx` (blend shapes and skin) at the frame rate of the clip.

    Args:
        clip: the performance; its coefficient space must be that of the face.
        path: the file; appears whole or not at all.
        face: the head to write; its joints must do for the clip.
        betas: [K] identity baked into the mesh and the joints; default: the average face.
    Raises:
        InputError: clip and face do not fit, the identity has too many components, or Blender fails.
        MissingDependencyError: there is no Blender.
    """
    command = blender_command()
    with tempfile.TemporaryDirectory() as folder, atomic_output(path) as temporary:
        source = Path(folder) / "performance.glb"
        write_glb(replace(clip, fps=1.0), source, face=face, betas=betas)  # see blender_convert.py
        arguments = ("--", str(source), str(temporary), repr(clip.fps))
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode or temporary.stat().st_size == 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise InputError(
                f"Blender ({command[0]}) did not write '{path}' (exit code {done.returncode}): "
                f"{said[-1] if said else 'it says nothing'}"
            )


def blender_command() -> list[str]:
    """What runs our script in Blender.

    In this order: the program, or a Python with Blender's module, that the environment variable
    `ADAMESH_BLENDER` names; this Python, if it has the module; the program `blender`.

    Raises:
        InputError: the variable names no program.
        MissingDependencyError: none is there.
    """
    named = os.environ.get(VARIABLE)
    if named and shutil.which(named) is None:
        raise InputError(f"{VARIABLE} names '{named}', which is no program; correct or unset it")
    if not named and find_spec("bpy") is not None:
        named = sys.executable
    program = shutil.which(named or "blender")
    if program is None:
        purpose = f"Alembic and FBX output, without the program blender or {VARIABLE} naming one,"
        raise MissingDependencyError("bpy", purpose, "blender")
    if not Path(program).stem.lower().startswith("blender"):
        return [program, str(SCRIPT)]
    quiet = ("--background", "--factory-startup", "--python-exit-code", "1")
    return [program, *quiet, "--python", str(SCRIPT)]
