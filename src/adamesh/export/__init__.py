"""Motion clips into files that other programs open; the suffix chooses the format."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamesh.errors import InputError, need
from adamesh.export.pictures import Medium, Pictures
from adamesh.files import atomic_output, check_new_folder, check_output
from adamesh.motion import MotionClip
from adamesh.rates import exact_fps

if TYPE_CHECKING:
    from adamesh.export.rendered import Film
    from adamesh.faces import Face

__all__ = [
    "FORMATS",
    "Encoding",
    "Pictures",
    "Sound",
    "check_export",
    "export",
    "exported_files",
]

Sound = tuple[NDArray[np.float32], int]  # mono samples [N], -1..1, and their rate in Hz
Encoding = Literal["plain", "sparse", "quantised"]  # of a .glb, see docs/exports.md
Progress = Callable[[int, int], None]  # called with frames done and frames in all


@dataclass(frozen=True)
class _Job:
    """Everything a writer may need; the clip is already at the frame rate asked for."""

    clip: MotionClip
    path: Path
    face: "Face | None"
    betas: ArrayLike | None
    encoding: Encoding
    audio: Sound | None
    pictures: Pictures
    texture: NDArray[np.uint8] | None
    progress: Progress | None


def _need_usd() -> None:
    need("pxr", package="usd-core", purpose="USD output", extra="usd")


def _need_renderer() -> None:
    need("pyvista", package="pyvista", purpose="rendering", extra="render")


def _need_blender() -> None:
    from adamesh.export.blender import blender_command

    blender_command()


@dataclass(frozen=True)
class _Format:
    write: Callable[[_Job], None]
    need: Callable[[], None] = lambda: None  # what must be installed
    sound_suffix: str | None = None  # of a file beside the output that takes the sound
    fps: float | None = None  # what its readers expect; None: the clip's own
    encodings: bool = False  # it has others than the plain one
    folder: bool = False  # the output is a folder of the name without suffix
    medium: Medium | None = None  # of a format that is pictures of the head
    texture: bool = False  # it can show a picture of the skin
    picture_beside: bool = False  # which is a .png beside the output


def export(
    clip: MotionClip,
    path: str | os.PathLike[str],
    *,
    audio: Sound | None = None,
    fps: float | None = None,
    face: "Face | None" = None,
    force: bool = False,
    betas: ArrayLike | None = None,
    encoding: Encoding = "plain",
    pictures: Pictures | None = None,
    texture: NDArray[np.uint8] | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Writes a clip in the format of the suffix of `path`.

    - `.npz`: the clip itself, see `MotionClip.save`. Sound has no place in it.
    - `.glb`: a head with morph targets, joints and animation. glTF has no sound, so it goes into a
      `.wav` of the same name beside it.
    - `.usda`, `.usdc`: the same as USD, in text or binary, with the sound in a `.wav` of the same name
      beside it; `.usdz`: one package with the sound in it.
    - `.abc`, `.fbx`: points that move, or blend shapes and a skin, both through Blender; the sound goes
      into a `.wav` beside it.
    - `.mp4`, `.webm`: a rendering, with the sound in it.
    - `.gif`: a rendering at 25 fps where no other rate is asked for, at most 50; the sound goes into a `.wav`
      of the same name beside it.
    - `.png`: a rendering as a folder of the name without suffix, with a numbered picture a frame; the sound
      goes into a `.wav` beside it.
    - `.csv`: Live Link Face, at 60 fps where no other rate is asked for; the sound goes into a `.wav` of the
      same name beside it.
    - `.json`: named curves, with rotations as quaternions; the sound goes into a `.wav` beside it.
    - `.obj`, `.ply`: a folder of the name without suffix, with a numbered mesh a frame; the sound goes into a
      `.wav` beside it. A folder that exists is never replaced.

    Args:
        clip: what to write.
        path: where; its suffix is the format.
        audio: the speech, mono, and its rate.
        fps: frame rate of the output; 23.976, 29.97 and so on mean 24000/1001 and 30000/1001; default: what
            the format's readers expect, else the clip's.
        face: the head to show; default: the embedded one.
        force: replace files that exist.
        betas: [K] identity to show; default: that of the clip, else the average face.
        encoding: of a `.glb`: every number in full; only what morph targets move; or integers.
        pictures: what a rendering looks like.
        texture: [S, S, 3] sRGB in the UV map of the embedded head, for its skin and the colour of its
            irises, see `make_texture`; into `.glb`, USD (as a `.png` beside it, in the package of `.usdz`)
            and renderings.
        progress: called with frames done and frames in all, by formats that take long.
    Returns:
        The files written, or the folder.
    Raises:
        InputError: unknown suffix, a file exists already, clip and face do not fit, or the format has no such
            encoding, or cannot hold such pictures or a texture.
        MissingDependencyError: the format needs an extra, or Blender, that is not installed.
    """
    outputs = check_export(
        path,
        force=force,
        sound=audio is not None,
        fps=fps,
        encoding=encoding,
        pictures=pictures,
        texture=texture is not None,
        face=face,
    )
    path = Path(path)
    kind = FORMATS[path.suffix.lower()]
    rate = fps or kind.fps
    clip = clip if rate is None else clip.resample(exact_fps(rate))
    betas = clip.betas if betas is None else betas
    pictures = pictures or Pictures()
    kind.write(_Job(clip, path, face, betas, encoding, audio, pictures, texture, progress))
    return outputs


def check_export(
    path: str | os.PathLike[str],
    *,
    force: bool = False,
    sound: bool = False,
    fps: float | None = None,
    encoding: Encoding = "plain",
    pictures: Pictures | None = None,
    texture: bool = False,
    face: "Face | None" = None,
) -> list[Path]:
    """What `export` would write, checked before any work is done.

    Args:
        path, fps, encoding, pictures: as for `export`.
        force: files that exist may be replaced.
        sound: the export will have sound.
        texture: it will have a texture.
        face: as for `export`.
    Returns:
        The files that `export` will write, `path` or the folder first.
    Raises:
        InputError: unknown suffix, a file exists already, there is no such folder, or the format has no such
            encoding, or cannot hold such pictures or a texture.
        MissingDependencyError: the format needs an extra that is not installed.
    """
    output, *beside = exported_files(path, sound=sound, texture=texture)
    suffix = Path(path).suffix.lower()
    kind, pictures = FORMATS[suffix], pictures or Pictures()
    if kind.medium is None and pictures != Pictures():
        drawn = ", ".join(name for name, other in FORMATS.items() if other.medium)
        raise InputError(
            f"{suffix} holds no pictures, so their size, camera and so on have no place in it; leave "
            f"them out or write one of {drawn}"
        )
    if encoding != "plain" and not kind.encodings:
        raise InputError(f"the encoding '{encoding}' is for .glb; leave it out for '{output.name}'")
    if texture and not kind.texture:
        able = ", ".join(suffix for suffix, other in FORMATS.items() if other.texture)
        raise InputError(f"'{Path(path).name}' cannot hold a texture; these can: {able}")
    if texture and face is not None:
        check_textured(face)
    kind.need()
    check = check_new_folder(output) if kind.folder else check_output(output, force=force)
    outputs = [check, *(check_output(file, force=force) for file in beside)]
    if kind.medium is not None:
        pictures.check(suffix, kind.medium, fps)
    return outputs


def check_textured(face: "Face") -> None:
    """Whether a face can be shown with a texture.

    Raises:
        InputError: it is not the embedded head.
    """
    if face.name != "embedded":
        raise InputError(
            f"a texture is for the embedded head, not for the face '{face.name}', which has another UV map"
        )


def exported_files(
    path: str | os.PathLike[str], *, sound: bool, texture: bool = False
) -> list[Path]:
    """What `export` writes: the file or, of a sequence, the folder, and sound and texture beside it.

    Raises:
        InputError: unknown suffix.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"cannot write '{path.name}': the formats are {', '.join(FORMATS)}")
    kind = FORMATS[suffix]
    output = path.with_suffix("") if kind.folder else path
    files = [output]
    if sound and kind.sound_suffix is not None:
        files.append(path.with_suffix(kind.sound_suffix))
    if texture and kind.picture_beside:
        files.append(path.with_suffix(".png"))
    return files


def _write_npz(job: _Job) -> None:
    job.clip.save(job.path)


def _write_glb(job: _Job) -> None:
    from adamesh.export.glb import write_glb

    with _sound_beside(job):
        write_glb(
            job.clip,
            job.path,
            face=_face(job),
            betas=job.betas,
            encoding=job.encoding,
            texture=job.texture,
        )


def _write_usd(job: _Job) -> None:
    from adamesh.export.usd import write_usd

    sound = None if job.audio is None else job.path.with_suffix(".wav").name
    texture = None if job.texture is None else job.path.with_suffix(".png").name
    with _sound_beside(job), _texture_beside(job):
        write_usd(
            job.clip, job.path, face=_face(job), betas=job.betas, sound=sound, texture=texture
        )


def _write_usdz(job: _Job) -> None:
    from adamesh.export.usd import write_usdz

    write_usdz(
        job.clip,
        job.path,
        face=_face(job),
        betas=job.betas,
        audio=job.audio,
        texture=job.texture,
    )


def _write_with_blender(job: _Job) -> None:
    from adamesh.export.blender import write_with_blender

    with _sound_beside(job):
        write_with_blender(job.clip, job.path, face=_face(job), betas=job.betas)


def _write_csv(job: _Job) -> None:
    from adamesh.formats.livelink import write_livelink

    with _sound_beside(job):
        write_livelink(job.clip, job.path)


def _write_json(job: _Job) -> None:
    from adamesh.export.curves import write_curves

    with _sound_beside(job):
        write_curves(job.clip, job.path)


def _write_sequence(job: _Job) -> None:
    from adamesh.export.sequence import write_sequence

    with _sound_beside(job):
        write_sequence(job.clip, job.path, face=_face(job), betas=job.betas, progress=job.progress)


@contextlib.contextmanager
def _sound_beside(job: _Job) -> Iterator[None]:
    """The sound, in a file that appears when the block ends well: both files are there, or neither."""
    if job.audio is None:
        yield
        return
    from adamesh.media.audio import wav_bytes

    with atomic_output(job.path.with_suffix(".wav")) as temporary:
        temporary.write_bytes(wav_bytes(*job.audio))
        yield


@contextlib.contextmanager
def _texture_beside(job: _Job) -> Iterator[None]:
    """The picture, as `_sound_beside` the sound."""
    if job.texture is None:
        yield
        return
    from adamesh.media.picture import png_bytes

    with atomic_output(job.path.with_suffix(".png")) as temporary:
        temporary.write_bytes(png_bytes(job.texture))
        yield


def _write_video(job: _Job) -> None:
    from adamesh.export.rendered import write_video

    alpha = job.pictures.transparent
    write_video(_film(job), job.path, audio=job.audio, alpha=alpha, progress=job.progress)


def _write_gif(job: _Job) -> None:
    from adamesh.export.rendered import write_gif

    with _sound_beside(job):
        write_gif(_film(job), job.path, progress=job.progress)


def _write_png(job: _Job) -> None:
    from adamesh.export.rendered import write_png_files

    with _sound_beside(job):
        write_png_files(_film(job), job.path, progress=job.progress)


def _film(job: _Job) -> "Film":
    from adamesh.export.rendered import Film

    return Film(job.clip, _face(job), job.betas, job.pictures, job.texture)


def _face(job: _Job) -> "Face":
    from adamesh.faces import load_embedded_face

    face = load_embedded_face() if job.face is None else job.face
    if job.texture is None:
        return face
    from adamesh.faces.appearance import PICTURED
    from adamesh.texture import with_eyes_of

    return with_eyes_of(face.without(*PICTURED), job.texture)


FORMATS: dict[str, _Format] = {
    ".npz": _Format(_write_npz),
    ".glb": _Format(_write_glb, sound_suffix=".wav", encodings=True, texture=True),
    ".usda": _Format(_write_usd, _need_usd, sound_suffix=".wav", texture=True, picture_beside=True),
    ".usdc": _Format(_write_usd, _need_usd, sound_suffix=".wav", texture=True, picture_beside=True),
    ".usdz": _Format(_write_usdz, _need_usd, texture=True),
    ".abc": _Format(_write_with_blender, _need_blender, sound_suffix=".wav"),
    ".fbx": _Format(_write_with_blender, _need_blender, sound_suffix=".wav"),
    ".mp4": _Format(_write_video, _need_renderer, texture=True, medium=Medium()),
    ".webm": _Format(_write_video, _need_renderer, texture=True, medium=Medium(alpha=True)),
    ".gif": _Format(
        _write_gif,
        _need_renderer,
        sound_suffix=".wav",
        fps=25.0,
        texture=True,
        medium=Medium(odd=True, fastest=50.0),
    ),
    ".png": _Format(
        _write_png,
        _need_renderer,
        sound_suffix=".wav",
        folder=True,
        texture=True,
        medium=Medium(alpha=True, odd=True),
    ),
    ".csv": _Format(_write_csv, sound_suffix=".wav", fps=60.0),
    ".json": _Format(_write_json, sound_suffix=".wav"),
    ".obj": _Format(_write_sequence, sound_suffix=".wav", folder=True),
    ".ply": _Format(_write_sequence, sound_suffix=".wav", folder=True),
}
