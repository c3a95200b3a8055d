"""`adamesh export`: a clip as a file of another program."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated

import typer

from adamesh.cli.options import (
    EXPORTED,
    MadeFor,
    options_of,
    output_options,
    progress_bars,
    say_what_stays_behind,
)
from adamesh.errors import InputError
from adamesh.export import OutputOptions
from adamesh.files import check_input

TRACKED = (
    "fps",
    "face",
    "identity",
    "force",
)  # options that other trackers' files have a place for


@options_of(output=output_options)
def export(
    clip: Annotated[Path, typer.Argument(help="Clip (.npz) from `track` or `animate`.")],
    target: Annotated[Path, typer.Option("-o", "--output", help=EXPORTED)],
    audio: Annotated[Path | None, typer.Option(help="Sound that goes with it.")] = None,
    kind: Annotated[
        str | None,
        typer.Option("--format", help="Another tracker's format, from `adamesh formats`."),
    ] = None,
    made_for: MadeFor = None,
    *,
    output: OutputOptions,
) -> None:
    """A clip in another format; the suffix of the output chooses it, or --format.

    [bold]Examples[/bold]

      adamesh export talking.npz -o talking.glb --audio speech.wav

      adamesh export talking.npz -o small.glb --encoding quantised

      adamesh export talking.npz --format a2f-json -o talking.json

      adamesh export talking.npz --face flame2023 --camera close -o talking.mp4

      adamesh export talking.npz --face flame2023 --format vhap -o talking-vhap.npz
    """
    from adamesh.export import plan_export, write_export
    from adamesh.formats import check_track, write_track
    from adamesh.media.audio import load_audio
    from adamesh.motion.clip import MotionClip
    from adamesh.rates import SAMPLE_RATE

    check_input(clip, "clip")
    if kind is not None:
        if audio is not None:
            raise InputError(f"files of {kind} have no sound; leave out --audio")
        for option in fields(OutputOptions):
            if option.name not in TRACKED and getattr(output, option.name) != option.default:
                raise InputError(
                    f"files of {kind} have no {option.name}; leave out what is for that"
                )
        check_track(target, kind, force=output.force)
    else:
        plan = plan_export(target, output, sound=audio is not None)
    if made_for is not None and output.face is None:
        raise InputError("--made-for tells where motion comes from; say with --face where it goes")
    motion = MotionClip.load(clip)
    if output.face is not None:
        from adamesh.faces.library import load_named_face
        from adamesh.retargeting import fit_to_face

        source = None if made_for is None else load_named_face(made_for)
        say_what_stays_behind(motion.space, output.face)
        motion = fit_to_face(motion, load_named_face(output.face), made_for=source)
    if kind is not None:
        if output.identity == "average":
            motion = replace(motion, betas=None)
        rate = write_track(motion, target, kind, fps=output.fps, force=output.force)
        typer.echo(f"{target}: {kind} at {rate:g} fps")
        return
    sound = None if audio is None else (load_audio(audio), SAMPLE_RATE)
    with progress_bars() as report:
        written, *_ = write_export(plan, motion, audio=sound, progress=report)
    typer.echo(str(written))
