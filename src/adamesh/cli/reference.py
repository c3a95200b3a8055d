"""`adamesh adapt` and `adamesh track`: what a reference video shows of a person."""

from pathlib import Path
from typing import Annotated

import typer

from adamesh.cli.options import (
    As,
    Checkpoint,
    Force,
    MadeFor,
    Output,
    SoundOffsetMs,
    TrackFps,
    check_suffix,
    progress_bars,
    say_sound_offset,
    sound_offset,
)
from adamesh.errors import InputError
from adamesh.files import check_input, check_output


def adapt(
    reference: Annotated[
        Path, typer.Argument(help="Video of about 10 s of one person talking, or a track of it.")
    ],
    output: Output,
    audio: Annotated[
        Path | None, typer.Option(help="Sound of the reference, which is then a track.")
    ] = None,
    kind: As = None,
    fps: TrackFps = None,
    made_for: MadeFor = None,
    offset: SoundOffsetMs = "auto",
    checkpoint: Checkpoint = None,
    force: Force = False,
) -> None:
    """A person's style as one small file, from a video or from a track with its sound.

    A track is a clip of `adamesh track` or a file of another tool, see `adamesh formats`.

    [bold]Examples[/bold]

      adamesh adapt me.mp4 -o me.style

      adamesh adapt me.csv --audio me.wav -o me.style

      adamesh adapt me.mp4 --sound-offset 80 -o me.style
    """
    seconds = sound_offset(offset)
    if audio is None:
        check_input(reference, "video")
    else:
        check_input(audio, "sound")
    check_suffix(output, ".style")
    check_output(output, force=force)
    from adamesh.animation.adapt import adapt as learn
    from adamesh.checkpoints.networks import load_network
    from adamesh.faces.library import load_named_face
    from adamesh.models.expression import ExpressionAdapter

    model = load_network(ExpressionAdapter, checkpoint)
    with progress_bars() as report:
        style = learn(
            reference,
            audio=audio,
            format=kind,
            fps=fps,
            made_for=None if made_for is None else load_named_face(made_for),
            sound_offset=seconds,
            model=model,
            progress=report,
        )
    style.save(output, force=force)
    say_sound_offset(style)
    typer.echo(f"{output}: the style of {reference.name}")


def track(
    video: Annotated[Path | None, typer.Argument(help="Video with a face in view.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write.")] = None,
    person: Annotated[
        int, typer.Option(help="Whom of several people; 1 is the most prominent.", min=1)
    ] = 1,
    list_people: Annotated[
        bool, typer.Option("--list", help="List the people in the video instead.")
    ] = False,
    overlay: Annotated[
        Path | None, typer.Option(help="Also write the video with the fitted mesh drawn on it.")
    ] = None,
    imported: Annotated[
        Path | None,
        typer.Option("--import", help="Another tool's track, instead of a video."),
    ] = None,
    kind: As = None,
    fps: TrackFps = None,
    force: Force = False,
) -> None:
    """Motion of the face in a video, or in another tool's file, as a clip.

    [bold]Examples[/bold]

      adamesh track me.mp4 -o me.npz --overlay me-mesh.mp4

      adamesh track interview.mp4 --list

      adamesh track interview.mp4 --person 2 -o guest.npz

      adamesh track --import codes.mat --as deca --fps 25 -o me.npz

      adamesh track --import export/flame_param --fps 25 -o me.npz
    """
    if list_people and video is not None and output is None:
        _list_people(video)
        return
    if output is None or list_people:
        raise InputError("give either -o FILE.npz to write the clip to, or VIDEO and --list")
    check_suffix(output, ".npz")
    check_output(output, force=force)
    if imported is not None:
        if video is not None or overlay is not None:
            raise InputError("--import takes the place of a video: leave out VIDEO and --overlay")
        _import_track(imported, output, kind, fps, person)
        return
    if video is None or kind is not None or fps is not None:
        raise InputError("give a VIDEO alone, or --import FILE with --as and --fps where needed")
    check_input(video, "video")
    if overlay is not None:
        check_suffix(overlay, ".mp4", ".mov", ".mkv")
        check_output(overlay, force=force)
    from adamesh.tracking.overlay import write_overlay
    from adamesh.tracking.track import track_video

    with progress_bars() as report:
        tracked = track_video(video, person=person, progress=report)
        tracked.clip.save(output)
        if overlay is not None:
            write_overlay(tracked, video, overlay, progress=report)
    typer.echo(
        f"{output}: {tracked.clip.frames} frames at {tracked.clip.fps:g} fps, residual "
        f"{tracked.residual_percent:.2f} % of the inter-ocular distance"
    )


def _list_people(video: Path) -> None:
    from adamesh.cli.tables import print_rows
    from adamesh.tracking.track import list_people

    with progress_bars() as report:
        people = list_people(video, progress=report)
    print_rows(f"People in {video.name}", people, as_json=False, medians=False)


def _import_track(
    file: Path, output: Path, kind: str | None, fps: float | None, person: int
) -> None:
    from adamesh.formats import FORMATS, detect, read_track

    name = kind or detect(file)
    clip = read_track(file, format=name, fps=fps, person=person)
    clip.save(output)
    typer.echo(
        f"{output}: {clip.frames} frames at {clip.fps:g} fps in {clip.space}, from "
        f"{FORMATS[name].tool} ({FORMATS[name].note})"
    )
