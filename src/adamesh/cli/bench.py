"""`adamesh bench`: accuracy where the truth is known, and speed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adamesh.cli.options import Json, progress_bars
from adamesh.errors import InputError
from adamesh.files import check_input, temporary_folder

SILENT_CLIPS = 4
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")

bench_app = typer.Typer(help="Measure accuracy and speed on this machine.", no_args_is_help=True)


@bench_app.command("tracking")
def bench_tracking(
    videos: Annotated[
        list[Path] | None,
        typer.Argument(help="Real videos, or folders of them; rendered ones if none are given."),
    ] = None,
    clips: Annotated[int, typer.Option(help="Rendered clips with known motion.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """Accuracy of the tracker on rendered clips with known motion, or residual and speed on videos.

    Of rendered clips, what is found is told beside the floor: what the same fit finds where the landmark
    detector makes no error. Some more show somebody who does not move.

    [bold]Examples[/bold]

      adamesh bench tracking --clips 20

      adamesh bench tracking one.mp4 corpus/video
    """
    import json
    from dataclasses import asdict

    from adamesh.cli.tables import print_rows
    from adamesh.evaluation import tracking as figures

    with progress_bars() as report, temporary_folder() as folder:
        if videos:
            paths = [path for video in videos for path in _videos(video)]
            rows = figures.bench_videos(paths, progress=report)
        else:
            moving, silent = [], []
            for seed in range(clips):
                moving.append(figures.bench_synthetic(seed, folder))
                report("clips", seed + 1, clips)
            for seed in range(SILENT_CLIPS):
                silent.append(figures.bench_silence(seed, folder))
                report("silence", seed + 1, SILENT_CLIPS)
    if videos:
        print_rows("Tracking", rows, as_json=as_json)
    elif as_json:
        typer.echo(json.dumps({"moving": moving, "silent": silent}, default=asdict, indent=1))
    else:
        print_rows("Tracked, and the floor", moving, as_json=False)
        print_rows("Somebody who does not move: deviation", silent, as_json=False)


def _videos(path: Path) -> list[Path]:
    """A video, or all those in a folder and the folders in it."""
    if not path.is_dir():
        return [check_input(path, "video")]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        raise InputError(f"folder '{path}' holds no video ({', '.join(VIDEO_SUFFIXES)})")
    return found


@bench_app.command("speed")
def bench_speed(
    speech: Annotated[Path | None, typer.Option(help="Default: the packaged sample.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Default: the packaged sample.")] = None,
    as_json: Json = False,
) -> None:
    """Seconds that each stage takes, the first time and again.

    [bold]Example[/bold]

      adamesh bench speed --speech speech.wav --reference me.mp4
    """
    from adamesh.animation.sample import SAMPLE_REFERENCE, SAMPLE_SPEECH
    from adamesh.cli.tables import print_rows
    from adamesh.evaluation.speed import bench_speed as run

    with temporary_folder() as folder:
        times = run(speech or SAMPLE_SPEECH, reference or SAMPLE_REFERENCE, folder)
    print_rows("Seconds", times, as_json=as_json, medians=False)


@bench_app.command("retargeting")
def bench_retargeting(
    face: Annotated[str, typer.Option(help="Name of a face, see `adamesh face list`.")],
    tracks: Annotated[
        Path | None, typer.Option(help="Folder with clips (.npz) to send there and back.")
    ] = None,
    as_json: Json = False,
) -> None:
    """How well motion of the embedded head arrives on another face, and comes back, in millimetres.

    [bold]Example[/bold]

      adamesh bench retargeting --face flame2023 --tracks corpus-tracks
    """
    import json
    from dataclasses import asdict

    from adamesh.cli.tables import print_rows
    from adamesh.evaluation.retargeting import PairFigures
    from adamesh.faces import load_embedded_face
    from adamesh.faces.library import load_named_face
    from adamesh.motion.clip import MotionClip

    paths = [] if tracks is None else sorted(tracks.rglob("*.npz"))
    if tracks is not None and not paths:
        raise InputError(f"there is no clip (.npz) in '{tracks}'; make some with `adamesh track`")
    pair = PairFigures(load_embedded_face(), load_named_face(face))
    clips = []
    with progress_bars() as report:
        for done, path in enumerate(paths, start=1):
            clips.append(pair.clip(f"{path.parent.name}/{path.stem}", MotionClip.load(path)))
            report("clips", done, len(paths))
    blendshapes, lids = pair.blendshapes(), pair.lid_closure()
    if as_json:
        figures: dict[str, list[Any]] = {"blendshapes": blendshapes, "lids": [lids], "clips": clips}
        plain = {kind: [asdict(row) for row in rows] for kind, rows in figures.items()}
        typer.echo(json.dumps(plain, indent=1))
        return
    print_rows(f"Blendshapes on {face}, mm", blendshapes, as_json=False)
    print_rows("Lids that a full blink closes", [lids], as_json=False, medians=False)
    if clips:
        print_rows(f"Clips on {face} and back, mm", clips, as_json=False)


@bench_app.command("rigging")
def bench_rigging(as_json: Json = False) -> None:
    """How well meshes without shapes get the 52 blendshapes (`adamesh apply --rig`): three of other
    people, proportions and topology, whose truth is known.

    [bold]Example[/bold]

      adamesh bench rigging
    """
    from adamesh.cli.tables import print_rows
    from adamesh.evaluation.rigging import bench_rigging as run

    with progress_bars() as report:
        rows, _ = run(progress=report)
    print_rows("Blendshapes on other meshes", rows, as_json=as_json, medians=False)
