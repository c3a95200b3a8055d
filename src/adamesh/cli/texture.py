"""`adamesh texture`: a picture of a person's skin for the head."""

from pathlib import Path
from typing import Annotated

import typer

from adamesh.cli.options import Force, Output, check_suffix, progress_bars
from adamesh.files import check_input, check_output


def texture(
    video: Annotated[Path, typer.Argument(help="Some seconds of one person, in soft light.")],
    output: Output,
    person: Annotated[
        int, typer.Option(help="Whom of several people; 1 is the most prominent.", min=1)
    ] = 1,
    force: Force = False,
) -> None:
    """The skin of a person in a video as a picture (.png), for --texture of `animate` and `export`.

    [bold]Example[/bold]

      adamesh texture me.mp4 -o me.png
    """
    check_suffix(output, ".png")
    check_input(video, "video")
    check_output(output, force=force)
    from adamesh.media.picture import write_png
    from adamesh.texture import make_texture

    with progress_bars() as report:
        made = make_texture(video, person=person, progress=report)
    write_png(output, made.picture)
    side = len(made.picture)
    typer.echo(f"{output}: {side} x {side} pixels, of {len(made.frames)} frames of {video.name}")
