"""The formats that clips are written in, by suffix: a new one is a module with a writer, and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from adamesh.errors import InputError, MissingDependencyError, need
from adamesh.export.job import Job
from adamesh.export.pictures import Medium


@dataclass(frozen=True)
class Format:
    """What is known of a format without writing it.

    Attributes:
        writer: `module:function` in this package; it takes a `Job`, and is imported when it is needed.
        holds: what a file of it is, for people.
        need: raises where something is missing that must be installed.
        sound: where the speech goes: into a `.wav` of the same name beside the output, into it, or nowhere.
        fps: frame rate that its readers expect; None: the clip's own.
        encodings: there are others than the plain one.
        folder: the output is a folder, of the name without its suffix, with a file a frame.
        medium: what pictures in it can be, of a format that is pictures of the head.
        texture: where a picture of the skin goes, if it has a place.
    """

    writer: str
    holds: str
    need: Callable[[], None] = lambda: None
    sound: Literal["beside", "inside", "nowhere"] = "beside"
    fps: float | None = None
    encodings: bool = False
    folder: bool = False
    medium: Medium | None = None
    texture: Literal["beside", "inside", "nowhere"] = "nowhere"

    @property
    def ready(self) -> str:
        """Whether it can be written here, in words."""
        try:
            self.need()
        except MissingDependencyError as error:
            return error.remedy
        except InputError as error:
            return str(error)
        return "ready"

    def write(self, job: Job) -> None:
        module, _, function = self.writer.partition(":")
        getattr(import_module(f"adamesh.export.{module}"), function)(job)


def _need_usd() -> None:
    need("pxr", package="usd-core", purpose="USD output", extra="usd")


def _need_renderer() -> None:
    need("pyvista", package="pyvista", purpose="rendering", extra="render")


def _need_blender() -> None:
    from adamesh.export.blender import blender_command

    blender_command()


FORMATS: dict[str, Format] = {
    ".npz": Format("npz:write", "the clip itself, for this program", sound="nowhere"),
    ".glb": Format(
        "glb:write",
        "a head with morph targets, joints and animation",
        encodings=True,
        texture="inside",
    ),
    ".usda": Format("usd:write", "the same as USD, in text", _need_usd, texture="beside"),
    ".usdc": Format("usd:write", "the same as USD, binary", _need_usd, texture="beside"),
    ".usdz": Format(
        "usd:write_package",
        "USD with sound and skin in it",
        _need_usd,
        sound="inside",
        texture="inside",
    ),
    ".abc": Format("blender:write", "Alembic: points that move", _need_blender),
    ".fbx": Format("blender:write", "blendshapes and joints for older tools", _need_blender),
    ".mp4": Format(
        "rendered:write_video",
        "a rendering",
        _need_renderer,
        sound="inside",
        texture="inside",
        medium=Medium(),
    ),
    ".webm": Format(
        "rendered:write_video",
        "a rendering, transparent if wanted",
        _need_renderer,
        sound="inside",
        texture="inside",
        medium=Medium(alpha=True),
    ),
    ".gif": Format(
        "rendered:write_gif",
        "a rendering in 256 colours",
        _need_renderer,
        fps=25.0,
        texture="inside",
        medium=Medium(odd=True, fastest=50.0),
    ),
    ".png": Format(
        "rendered:write_png_files",
        "a rendering as numbered pictures",
        _need_renderer,
        folder=True,
        texture="inside",
        medium=Medium(alpha=True, odd=True),
    ),
    ".csv": Format("livelink:write", "Live Link Face", fps=60.0),
    ".json": Format("curves:write", "named curves, rotations as quaternions"),
    ".obj": Format("sequence:write", "numbered meshes", folder=True),
    ".ply": Format("sequence:write", "numbered meshes, binary", folder=True),
}
