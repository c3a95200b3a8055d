"""`adamesh animate`: speech in, a talking head out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adamesh.animation.options import MotionOptions
from adamesh.cli.options import (
    EXPORTED,
    Checkpoint,
    SoundOffsetMs,
    motion_options,
    options_of,
    output_options,
    progress_bars,
    say_sound_offset,
    say_what_stays_behind,
    sound_offset,
)
from adamesh.errors import InputError
from adamesh.export import OutputOptions
from adamesh.files import check_input

if TYPE_CHECKING:
    from adamesh.jobs.animate_file import AnimateOptions


@options_of(motion=motion_options, output=output_options)
def animate(
    speech: Annotated[Path | None, typer.Argument(help="Any file with an audio track.")] = None,
    target: Annotated[Path | None, typer.Option("-o", "--output", help=EXPORTED)] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Video of about 10 s of somebody talking.")
    ] = None,
    style: Annotated[Path | None, typer.Option(help="Style file from `adamesh adapt`.")] = None,
    offset: SoundOffsetMs = "auto",
    checkpoint: Checkpoint = None,
    batch: Annotated[
        Path | None,
        typer.Option(metavar="LIST.csv", help="Many rows of speech, style (or video) and output."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Processes of a batch; one a core by default.", min=1)
    ] = None,
    *,
    motion: MotionOptions,
    output: OutputOptions,
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
        make_animator,
        plan_output,
    )

    options = AnimateOptions(motion, output, sound_offset(offset), checkpoint)
    if batch is not None:
        if any(given is not None for given in (speech, target, reference, style)):
            raise InputError(
                "--batch names speech, style and output in its list: leave out SPEECH, -o, "
                "--reference and --style"
            )
        _animate_batch(batch, options, jobs)
        return
    if speech is None or target is None:
        raise InputError("give SPEECH and --output FILE, or --batch LIST.csv")
    if jobs is not None:
        raise InputError("--jobs is for --batch LIST.csv; leave it out")
    if reference is not None and style is not None:
        raise InputError("both --reference and --style are given; give one of them")
    if offset != "auto" and reference is None:
        raise InputError("--sound-offset is of a reference's sound; give --reference VIDEO with it")
    from adamesh.animation.style import Style

    check_input(speech, "speech")
    plan = plan_output(target, options)  # what is wrong with it is said before a style is learned
    with progress_bars() as report:
        learned = None
        if style is not None:
            learned = Style.load(style)
        elif reference is not None:
            learned = learn_style(reference, options, progress=report)
        animator = make_animator(learned, options)
        clip = animate_file(speech, animator, plan, progress=report)
    if reference is not None and learned is not None:
        say_sound_offset(learned)
    say_what_stays_behind(clip.space, plan.options.face or base_model(options).config.face)
    typer.echo(f"{plan.files[0]}: {clip.duration:.1f} s")


def _animate_batch(file: Path, options: "AnimateOptions", jobs: int | None) -> None:
    from adamesh.jobs.batch import animate_batch, read_batch

    rows = read_batch(file)
    with progress_bars() as report:
        result = animate_batch(rows, options, jobs=jobs, progress=report)
    for problem in result.problems:
        typer.echo(problem, err=True)
    typer.echo(
        f"{file}: {result.written} written, {result.skipped} there already, "
        f"{len(result.problems)} failed"
    )
    if result.problems:
        raise typer.Exit(1)
