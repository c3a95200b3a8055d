"""What several commands share: their options, and the progress bars."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adamesh.animation.options import MotionOptions, Pose
from adamesh.errors import InputError
from adamesh.export import FORMATS
from adamesh.export.options import Encoding, Identity, OutputOptions
from adamesh.export.pictures import TRANSPARENT, CameraName, LightName, Pictures, parse_size
from adamesh.progress import Progress

if TYPE_CHECKING:
    from adamesh.animation.style import Style

SAID_FROM = 0.02  # s of an offset; less is neither seen nor sure

Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="File to write.")]
# Of a clip: the table of formats says which there are.
EXPORTED = f"File to write; its suffix is the format: {', '.join(FORMATS)}."
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
MadeFor = Annotated[
    str | None,
    typer.Option(help="Face that the clip was made for, where the clip itself does not tell."),
]
SoundOffsetMs = Annotated[
    str,
    typer.Option(
        "--sound-offset",
        metavar="auto|MS",
        help="By how many ms the reference's sound comes after its lips.",
    ),
]
Checkpoint = Annotated[
    Path | None, typer.Option(help="Expression adapter to use instead of the shipped one.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Data = Annotated[Path, typer.Option(help="Corpus: a folder with a video.csv.")]
Tracks = Annotated[
    Path, typer.Option(help="Folder of the corpus's tracks, from `adamesh prepare`.")
]


def check_suffix(output: Path, *suffixes: str) -> None:
    """Whether a file is named as what will be written into it.

    Raises:
        InputError: it ends in none of `suffixes`.
    """
    if output.suffix.lower() not in suffixes:
        raise InputError(f"output '{output}' must end in {' or '.join(suffixes)}")


def sound_offset(given: str) -> float | None:
    """What `--sound-offset` says, in seconds; None: to be found.

    Raises:
        InputError: neither a number nor `auto`.
    """
    if given == "auto":
        return None
    try:
        milliseconds = float(given)
    except ValueError:
        milliseconds = float("nan")
    if not abs(milliseconds) <= 2000:
        raise InputError(
            f"--sound-offset '{given}' is no offset; give auto, or milliseconds within -2000..2000 "
            "(positive: the sound comes after the lips)"
        )
    return milliseconds / 1000


def say_sound_offset(style: "Style") -> None:
    """One line about how late the reference's sound was, where there is something to say."""
    found = style.sound_offset
    if found is None:
        return
    if found.foreign:
        typer.echo(
            f"warning: the sound of '{style.source}' hardly fits the lips (r {found.correlation:.2f}); is it "
            "dubbed, or another person's? The style of such a video is of little use",
            err=True,
        )
    elif not found.confident:
        typer.echo("how late the sound is against the lips cannot be told; left as it is", err=True)
    elif abs(found.applied) >= SAID_FROM:
        when = "late" if found.applied > 0 else "early"
        typer.echo(
            f"the sound is {abs(found.applied) * 1000:.0f} ms {when} against the lips: made up for",
            err=True,
        )


def say_what_stays_behind(given: str, face: str) -> None:
    """One line where motion in the space `given` goes to a face that cannot show all of it."""
    from adamesh.faces.library import load_named_face

    space = load_named_face(face).space
    if given == "arkit52" != space:
        typer.echo(f"blinks are left out: the components of '{space}' close no lids", err=True)


def options_of(
    **makers: Callable[..., Any],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Puts the options of a function in the place of one parameter, which is given what the function returns.

    @app.command()
    @options_of(output=output_options)
    def show(clip: Path, *, output: OutputOptions) -> None: ...
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters.values()
        parts = {name: inspect.signature(maker).parameters for name, maker in makers.items()}
        parameters = [p for p in own if p.name not in makers] + [
            p.replace(kind=p.KEYWORD_ONLY) for part in parts.values() for p in part.values()
        ]

        @functools.wraps(command)
        def run(*values: Any, **options: Any) -> None:
            for name, maker in makers.items():
                options[name] = maker(**{p: options.pop(p) for p in parts[name] if p in options})
            command(*values, **options)

        # Typer reads both.
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def motion_options(
    pose: Annotated[
        Pose,
        typer.Option(
            help="Head motion: looped from the reference, new in its manner, eyes only, or nothing."
        ),
    ] = MotionOptions.pose,
    pose_scale: Annotated[
        float, typer.Option(min=0, max=4, help="Factor on the head's motion; 1 is the style's own.")
    ] = MotionOptions.pose_scale,
    intensity: Annotated[
        float,
        typer.Option(min=0, max=4, help="Factor on the mouth's motion; 1 is the style's own."),
    ] = MotionOptions.intensity,
    seed: Annotated[
        int, typer.Option(help="Of head motion, gaze, blinks and brows.", min=0, max=2**31)
    ] = MotionOptions.seed,
) -> MotionOptions:
    """How a style is played, from the command line."""
    return MotionOptions(pose, pose_scale, intensity, seed)


_PICTURES = "Pictures (.mp4, .webm, .gif, .png)"


def output_options(
    fps: Fps = OutputOptions.fps,
    face: Annotated[
        str | None,
        typer.Option("--face", help="Put the motion on this face, see `adamesh face list`."),
    ] = OutputOptions.face,
    identity: Annotated[
        Identity, typer.Option(help="Shape of the head: the person's, or the average.")
    ] = OutputOptions.identity,
    encoding: Annotated[
        Encoding, typer.Option(help="Of a .glb: all in full, only what moves, or integers.")
    ] = OutputOptions.encoding,
    texture: Annotated[
        Path | None,
        typer.Option(
            help="Skin of the head: a picture of `adamesh texture`, or a video to make it of."
        ),
    ] = OutputOptions.texture,
    size: Annotated[
        str,
        typer.Option(
            metavar="WIDTHxHEIGHT", help="Of the head's picture, pixels.", rich_help_panel=_PICTURES
        ),
    ] = "{}x{}".format(*Pictures.size),
    camera: Annotated[
        CameraName, typer.Option(help="Where it stands.", rich_help_panel=_PICTURES)
    ] = Pictures.camera,
    light: Annotated[
        LightName, typer.Option(help="How the head is lit.", rich_help_panel=_PICTURES)
    ] = Pictures.light,
    background: Annotated[
        str,
        typer.Option(
            metavar="COLOUR",
            help=f"Name in CSS, #RRGGBB, or {TRANSPARENT} (.webm and .png).",
            rich_help_panel=_PICTURES,
        ),
    ] = Pictures.background,
    wireframe: Annotated[
        bool, typer.Option("--wireframe", help="Draw the mesh.", rich_help_panel=_PICTURES)
    ] = Pictures.wireframe,
    beside: Annotated[
        Path | None,
        typer.Option(
            metavar="VIDEO", help="Show it to the left of the head.", rich_help_panel=_PICTURES
        ),
    ] = Pictures.beside,
    force: Force = OutputOptions.force,
) -> OutputOptions:
    """How a clip is written, from the command line."""
    look = Pictures(parse_size(size), camera, light, background, wireframe, beside)
    return OutputOptions(fps, face, identity, encoding, texture, look, force)


@contextmanager
def progress_bars() -> Iterator[Progress]:
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
