"""What several commands share: their options, and the progress bars."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="File to write.")]
Fps = Annotated[
    float | None, typer.Option(help="Frames per second of the output.", min=1, max=1000)
]
As = Annotated[
    str | None,
    typer.Option("--as", metavar="FORMAT", help="Whose file it is, from `adamesh formats`."),
]
TrackFps = Annotated[
    float | None,
    typer.Option(
        "--fps", help="Frames per second of the file, if it does not say.", min=1, max=1000
    ),
]
FaceName = Annotated[
    str | None,
    typer.Option("--face", help="Put the motion on this face, see `adamesh face list`."),
]
TextureFile = Annotated[
    Path | None,
    typer.Option(
        "--texture",
        help="Skin of the head: a picture of `adamesh texture`, or a video to make it of.",
    ),
]
MadeFor = Annotated[
    str | None,
    typer.Option(help="Face that the clip was made for, where the clip itself does not tell."),
]
Checkpoint = Annotated[
    Path | None, typer.Option(help="Expression adapter to use instead of the shipped one.")
]
Json = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
Data = Annotated[Path, typer.Option(help="Corpus: a folder with a video.csv.")]
Tracks = Annotated[
    Path, typer.Option(help="Folder of the corpus's tracks, from `adamesh prepare`.")
]


@contextmanager
def progress_bars() -> Iterator[Callable[..., None]]:
    """A progress bar a stage, on the terminal's error stream; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int, note: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, note=note)
            bars.update(tasks[stage], completed=done, total=total, note=note)

        yield report
