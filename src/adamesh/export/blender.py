"""Alembic and FBX: a process of its own runs Blender, which reads our .glb and writes them."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from adamesh.errors import InputError, MissingDependencyError
from adamesh.export.glb import write_glb
from adamesh.export.job import Job
from adamesh.files import atomic_output, temporary_folder

VARIABLE = "ADAMESH_BLENDER"
SCRIPT = Path(__file__).with_name("blender_convert.py")


def write(job: Job) -> None:
    """Writes `.abc` (moving points) or `.fbx` (blendshapes and joints) at the frame rate of the clip.

    Raises:
        InputError: clip and face do not fit, the identity has too many components, or Blender fails.
        MissingDependencyError: there is no Blender.
    """
    clip, path = job.clip, job.path
    command = blender_command()
    with temporary_folder() as folder, atomic_output(path) as temporary:
        source = folder / "performance.glb"
        # One frame a second: see blender_convert.py.
        write_glb(replace(clip, fps=1.0), source, face=job.face, betas=job.betas)
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
