"""`adamesh animate`: speech in, a talking head out."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adamesh.cli.export import (
    Encoding,
    GlbEncoding,
    Identity,
    WhoseShape,
    read_texture,
    say_what_stays_behind,
)
from adamesh.cli.options import (
    Checkpoint,
    FaceName,
    Force,
    Fps,
    SoundOffsetMs,
    TextureFile,
    options_of,
    pictures,
    progress_bars,
    say_sound_offset,
    sound_offset,
)
from adamesh.errors import InputError
from adamesh.export.pictures import Pictures
from adamesh.files import check_input

if TYPE_CHECKING:
    from adamesh.jobs.animate_file import AnimateOptions


class Pose(StrEnum):
    generated = "generated"
    reference = "reference"
    still = "still"
    off = "off"


@options_of(pictures=pictures)
def animate(
    speech: Annotated[Path | None, typer.Argument(help="Any file with an audio track.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write.")] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Video of about 10 s of somebody talking.")
    ] = None,
    style: Annotated[Path | None, typer.Option(help="Style file from `adamesh adapt`.")] = None,
    pose: Annotated[
        Pose,
        typer.Option(
            help="Head motion: looped from the reference, new in its manner, eyes only, or nothing."
        ),
    ] = Pose.reference,
    pose_scale: Annotated[
        float, typer.Option(min=0, max=4, help="Factor on the head's motion; 1 is the style's own.")
    ] = 1.0,
    fps: Fps = None,
    intensity: Annotated[
        float,
        typer.Option(min=0, max=4, help="Factor on the mouth's motion; 1 is the style's own."),
    ] = 1.0,
    seed: Annotated[
        int, typer.Option(help="Of head motion, gaze, blinks and brows.", min=0, max=2**31)
    ] = 0,
    identity: WhoseShape = Identity.reference,
    face: FaceName = None,
    encoding: GlbEncoding = Encoding.plain,
    texture: TextureFile = None,
    offset: SoundOffsetMs = "auto",
    checkpoint: Checkpoint = None,
    batch: Annotated[
        Path | None,
        typer.Option(metavar="LIST.csv", help="Many rows of speech, style (or video) and output."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Processes of a batch; one a core by default.", min=1)
    ] = None,
    force: Force = False,
    *,
    pictures: Pictures,
) -> None:
    """Speech in, animated head out.

    [bold]Examples[/bold]

      adamesh animate speech.wav --reference me.mp4 -o talking.glb

      adamesh animate speech.wav --style me.style -o talking.mp4

      adamesh animate speech.wav --face flame2023 -o talking.glb

      adamesh animate speech.wav --background transparent -o talking.webm

      adamesh animate speech.wav --reference me.mp4 --texture me.mp4 -o talking.mp4

      adamesh animate --batch lines.csv
    """
    from adamesh.jobs.animate_file import (
        AnimateOptions,
        animate_file,
        base_model,
        learn_style,
        shown_face,
    )

    options = AnimateOptions(
        pose=pose.value,
        pose_scale=pose_scale,
        intensity=intensity,
        seed=seed,
        encoding=encoding.value,
        fps=fps,
        neutral=identity is Identity.neutral,
        face=face,
        sound_offset=sound_offset(offset),
        checkpoint=checkpoint,
        pictures=pictures,
        force=force,
    )
    if texture is not None:
        check_input(texture, "texture")
    if batch is not None:
        if any(given is not None for given in (speech, output, reference, style)):
            raise InputError(
                "--batch names speech, style and output in its list: leave out SPEECH, -o, "
                "--reference and --style"
            )
        _animate_batch(batch, options, texture, jobs)
        return
    if speech is None or output is None:
        raise InputError("give SPEECH and --output FILE, or --batch LIST.csv")
    if jobs is not None:
        raise InputError("--jobs is for --batch LIST.csv; leave it out")
    if reference is not None and style is not None:
        raise InputError("both --reference and --style are given; give one of them")
    if offset != "auto" and reference is None:
        raise InputError("--sound-offset is of a reference's sound; give --reference VIDEO with it")
    from adamesh.animation.style import Style
    from adamesh.export import check_export

    check_input(speech, "speech")
    # What is wrong with these is said before a style is learned.
    shown = shown_face(options)
    check_export(
        output,
        force=force,
        sound=True,
        fps=fps,
        encoding=encoding.value,
        pictures=pictures,
        texture=texture is not None,
        face=shown,
    )
    with progress_bars() as report:
        options = replace(options, texture=read_texture(texture, report))
        personal = None
        if style is not None:
            personal = Style.load(style)
        elif reference is not None:
            personal = learn_style(reference, options, progress=report)
        clip, written = animate_file(
            speech, personal, output, options, progress=lambda d, t: report("writing", d, t)
        )
    if reference is not None and personal is not None:
        say_sound_offset(personal)
    say_what_stays_behind(base_model(checkpoint).config.space, clip.space)
    typer.echo(f"{written}: {clip.duration:.1f} s")


def _animate_batch(
    file: Path, options: "AnimateOptions", texture: Path | None, jobs: int | None
) -> None:
    from adamesh.export import check_textured
    from adamesh.jobs.animate_file import shown_face
    from adamesh.jobs.batch import animate_batch, read_batch

    rows = read_batch(file)
    if texture is not None:
        check_textured(shown_face(options))
    with progress_bars() as report:
        options = replace(options, texture=read_texture(texture, report))
        result = animate_batch(
            rows, options, jobs=jobs, progress=lambda d, t: report("animating", d, t)
        )
    for problem in result.problems:
        typer.echo(problem, err=True)
    typer.echo(
        f"{file}: {result.written} written, {result.skipped} there already, "
        f"{len(result.problems)} failed"
    )
    if result.problems:
        raise typer.Exit(1)
