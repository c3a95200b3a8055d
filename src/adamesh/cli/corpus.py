"""`adamesh prepare` and `adamesh evaluate`: many videos with a table of them."""

from pathlib import Path
from typing import Annotated

import typer

from adamesh.cli.options import (
    Data,
    Json,
    Tracks,
    progress_bars,
)
from adamesh.errors import InputError


def prepare(
    data: Annotated[Path, typer.Argument(help="Corpus: a folder with a video.csv.")],
    tracks: Annotated[Path, typer.Option(help="Folder that the tracks are written to.")],
    jobs: Annotated[int | None, typer.Option(help="Processes; one a core by default.")] = None,
) -> None:
    """Track all videos of a corpus and find how late their sound is, resuming where it was stopped.

    [bold]Example[/bold]

      adamesh prepare corpus --tracks corpus-tracks
    """
    from adamesh.data.corpus import read_corpus
    from adamesh.data.prepare import prepare as run
    from adamesh.data.sound_offsets import find_offsets

    videos = read_corpus(data, tracks)
    with progress_bars() as report:
        problems = run(videos, jobs=jobs, progress=report)
        offsets = find_offsets(videos, tracks, progress=report)
    for problem in problems:
        typer.echo(f"left out: {problem}", err=True)
    sure = sum(offset.confident for offset in offsets.values())
    typer.echo(
        f"{tracks}: {len(videos) - len(problems)} of {len(videos)} videos tracked; how late the "
        f"sound is known of {sure}"
    )


def evaluate(
    data: Data,
    tracks: Tracks,
    adaptation: Annotated[
        bool, typer.Option("--adaptation", help="Figures before and after adapting, not lip sync.")
    ] = False,
    pose: Annotated[
        bool, typer.Option("--pose", help="Figures of the head's motion, not lip sync.")
    ] = False,
    offsets: Annotated[
        bool,
        typer.Option("--offsets", help="How well known shifts of the sound are found again."),
    ] = False,
    upper_face: Annotated[
        bool, typer.Option("--upper-face", help="Figures of brows, lids and gaze, not lip sync.")
    ] = False,
    curves: Annotated[
        Path | None, typer.Option(help="Also write a picture of seen and generated openings.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Instead of the shipped one.")] = None,
    as_json: Json = False,
) -> None:
    """Metrics on the validation people of a corpus.

    [bold]Examples[/bold]

      adamesh evaluate --data corpus --tracks corpus-tracks

      adamesh evaluate --data corpus --tracks corpus-tracks --adaptation

      adamesh evaluate --data corpus --tracks corpus-tracks --pose

      adamesh evaluate --data corpus --tracks corpus-tracks --offsets

      adamesh evaluate --data corpus --tracks corpus-tracks --upper-face
    """
    chosen = {
        "adaptation": adaptation,
        "pose": pose,
        "offsets": offsets,
        "upper-face": upper_face,
    }
    if sum(chosen.values()) > 1:
        raise InputError(f"give one of {', '.join(f'--{name}' for name in chosen)}")
    kind = next((name for name, given in chosen.items() if given), "lips")
    if checkpoint is not None and kind in ("pose", "offsets"):
        raise InputError(
            f"--checkpoint is an expression adapter's, which --{kind} does not look at: leave one out"
        )
    if curves is not None and kind != "lips":
        raise InputError(f"--curves is a picture of lip sync: leave out --{kind}")
    from adamesh.checkpoints.networks import load_network
    from adamesh.cli.tables import PRINTED
    from adamesh.evaluation.registry import evaluate as measure
    from adamesh.models.expression import ExpressionAdapter

    model = load_network(ExpressionAdapter, checkpoint)
    with progress_bars() as report:
        metrics = measure(kind, data, tracks, model, progress=report)
    PRINTED[kind](metrics, as_json)
    if curves is not None:
        from adamesh.evaluation.sync import draw_curves

        draw_curves(metrics, curves)
        typer.echo(str(curves), err=True)
