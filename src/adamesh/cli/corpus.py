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
        problems = run(videos, jobs=jobs, progress=lambda d, t: report("tracking", d, t))
        offsets = find_offsets(videos, tracks, progress=lambda d, t: report("sound", d, t))
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
    """Figures on the validation people of a corpus.

    [bold]Examples[/bold]

      adamesh evaluate --data corpus --tracks corpus-tracks

      adamesh evaluate --data corpus --tracks corpus-tracks --adaptation

      adamesh evaluate --data corpus --tracks corpus-tracks --pose

      adamesh evaluate --data corpus --tracks corpus-tracks --offsets

      adamesh evaluate --data corpus --tracks corpus-tracks --upper-face
    """
    if adaptation + pose + offsets + upper_face > 1:
        raise InputError("give one of --adaptation, --pose, --offsets and --upper-face")
    if checkpoint is not None and (pose or offsets):
        raise InputError("--checkpoint is an expression adapter's: leave out --pose and --offsets")
    if curves is not None and (adaptation or pose or offsets or upper_face):
        raise InputError("--curves is a picture of lip sync: leave out the other options")
    from adamesh.checkpoints.networks import load_network
    from adamesh.cli.tables import (
        print_adaptation,
        print_pose,
        print_rows,
        print_sync,
        print_upper_face,
    )
    from adamesh.data.corpus import read_corpus
    from adamesh.evaluation import sync as figures
    from adamesh.evaluation.adaptation import evaluate_adaptation
    from adamesh.evaluation.offsets import evaluate_offsets
    from adamesh.evaluation.pose import evaluate_pose
    from adamesh.evaluation.upper_face import evaluate_upper_face
    from adamesh.models.expression import ExpressionAdapter

    model = load_network(ExpressionAdapter, checkpoint)
    videos = read_corpus(data, tracks)
    valid = [video for video in videos if video.split == "valid"]
    people = figures.load_people(valid, tracks)
    people = [p for p in people if p.seconds >= figures.SHORTEST_PERSON]
    with progress_bars() as report:

        def progress(done: int, total: int) -> None:
            report("people", done, total)

        if adaptation:
            rows = evaluate_adaptation(model, people, progress=progress)
        elif pose:
            heads = evaluate_pose(people, progress=progress)
        elif offsets:
            shifts = evaluate_offsets(people, progress=progress)
        elif upper_face:
            upper = evaluate_upper_face(model, people, progress=progress)
        else:
            train = [video for video in videos if video.split == "train"]
            sync = figures.evaluate_sync(model, people, train, tracks, progress=report)
    if adaptation:
        print_adaptation(rows, as_json=as_json)
    elif pose:
        print_pose(heads, as_json=as_json)
    elif offsets:
        print_rows("Offsets that were put into the sound, found again", shifts, as_json=as_json)
    elif upper_face:
        print_upper_face(upper, as_json=as_json)
    else:
        print_sync(sync, as_json=as_json)
    if curves is not None:
        figures.draw_curves(sync, curves)
        typer.echo(str(curves), err=True)
