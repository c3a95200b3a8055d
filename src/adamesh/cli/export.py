"""`adamesh export`: a clip as a file of another program."""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adamesh.cli.options import (
    FaceName,
    Force,
    Fps,
    MadeFor,
    Output,
    TextureFile,
    options_of,
    pictures,
    progress_bars,
)
from adamesh.errors import InputError
from adamesh.export.pictures import Pictures
from adamesh.files import check_input

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adamesh.motion.clip import MotionClip


class Identity(StrEnum):
    reference = "reference"
    neutral = "neutral"


class Encoding(StrEnum):
    plain = "plain"
    sparse = "sparse"
    quantised = "quantised"


GlbEncoding = Annotated[
    Encoding,
    typer.Option("--encoding", help="Of a .glb: all in full, only what moves, or integers."),
]
WhoseShape = Annotated[
    Identity, typer.Option("--identity", help="Shape of the head: the person's, or the average.")
]


def _with_shape(clip: "MotionClip", identity: Identity) -> "MotionClip":
    return replace(clip, betas=None) if identity is Identity.neutral else clip


def read_texture(file: Path | None, report: Callable[..., None]) -> "NDArray[np.uint8] | None":
    if file is None:
        return None
    from adamesh.texture import load_texture

    return load_texture(file, progress=report)


def say_what_stays_behind(given: str, shown: str) -> None:
    if given == "arkit52" != shown:
        typer.echo(f"blinks are left out: the components of '{shown}' close no lids", err=True)


@options_of(pictures=pictures)
def export(
    clip: Annotated[Path, typer.Argument(help="Clip (.npz) from `track` or `animate`.")],
    output: Output,
    audio: Annotated[Path | None, typer.Option(help="Sound that goes with it.")] = None,
    fps: Fps = None,
    kind: Annotated[
        str | None,
        typer.Option("--format", help="Another tool's format, from `adamesh formats`."),
    ] = None,
    identity: WhoseShape = Identity.reference,
    face: FaceName = None,
    made_for: MadeFor = None,
    encoding: GlbEncoding = Encoding.plain,
    texture: TextureFile = None,
    force: Force = False,
    *,
    pictures: Pictures,
) -> None:
    """A clip in another format; the suffix of the output chooses it, or --format.

    [bold]Examples[/bold]

      adamesh export talking.npz -o talking.glb --audio speech.wav

      adamesh export talking.npz -o small.glb --encoding quantised

      adamesh export talking.npz --format a2f-json -o talking.json

      adamesh export talking.npz --face flame2023 --camera close -o talking.mp4

      adamesh export talking.npz --face flame2023 --format vhap -o talking-vhap.npz
    """
    from adamesh.export import check_export
    from adamesh.faces.library import load_named_face
    from adamesh.formats import check_track, write_track

    check_input(clip, "clip")
    shown = None if face is None else load_named_face(face)
    if kind is not None:
        if audio is not None:
            raise InputError(f"files of {kind} have no sound; leave out --audio")
        if encoding is not Encoding.plain:
            raise InputError(f"--encoding is for .glb, not for files of {kind}; leave it out")
        if pictures != Pictures():
            raise InputError(f"files of {kind} hold no pictures; leave out what is for those")
        if texture is not None:
            raise InputError(f"files of {kind} cannot hold a texture; leave out --texture")
        check_track(output, kind, force=force)
    else:
        check_export(
            output,
            force=force,
            sound=audio is not None,
            fps=fps,
            encoding=encoding.value,
            pictures=pictures,
            texture=texture is not None,
            face=shown,
        )
    if texture is not None:
        check_input(texture, "texture")
    if made_for is not None and face is None:
        raise InputError("--made-for tells where motion comes from; say with --face where it goes")
    from adamesh.export import export as write
    from adamesh.media.audio import load_audio
    from adamesh.motion.clip import MotionClip
    from adamesh.rates import SAMPLE_RATE
    from adamesh.retargeting import fit_to_face

    motion = _with_shape(MotionClip.load(clip), identity)
    if shown is not None:
        source = None if made_for is None else load_named_face(made_for)
        given = motion.space
        motion = fit_to_face(motion, shown, made_for=source)
        say_what_stays_behind(given, shown.space)
    if kind is not None:
        rate = write_track(motion, output, kind, fps=fps, force=force)
        typer.echo(f"{output}: {kind} at {rate:g} fps")
        return
    sound = None if audio is None else (load_audio(audio), SAMPLE_RATE)
    with progress_bars() as report:
        written, *_ = write(
            motion,
            output,
            face=shown,
            audio=sound,
            fps=fps,
            encoding=encoding.value,
            force=force,
            pictures=pictures,
            texture=read_texture(texture, report),
            progress=lambda done, total: report("writing", done, total),
        )
    typer.echo(str(written))
