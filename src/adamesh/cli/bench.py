"""`adamesh bench`: accuracy where the truth is known, and speed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adamesh.cli.options import Json, progress_bars
from adamesh.files import check_input

bench_app = typer.Typer(help="Measure accuracy and speed on this machine.", no_args_is_help=True)


@bench_app.command("tracking")
def bench_tracking(
    videos: Annotated[
        list[Path] | None, typer.Argument(help="Real videos; rendered ones if none are given.")
    ] = None,
    clips: Annotated[int, typer.Option(help="Rendered clips with known motion.")] = 4,
    as_json: Json = False,
) -> None:
    """Accuracy of the tracker on rendered clips with known motion, or residual and speed on videos.

    [bold]Examples[/bold]

      adamesh bench tracking --clips 4

      adamesh bench tracking one.mp4 two.mp4
    """
    import tempfile

    from adamesh import bench
    from adamesh.cli.tables import print_rows

    with progress_bars() as report, tempfile.TemporaryDirectory() as folder:
        rows: list[Any]
        if videos:
            paths = [check_input(video, "video") for video in videos]
            rows = list(bench.bench_videos(paths, progress=lambda d, t: report("tracking", d, t)))
        else:
            rows = []
            for seed in range(clips):
                rows.append(bench.bench_synthetic(seed, Path(folder)))
                report("clips", seed + 1, clips)
    print_rows("Tracking", rows, as_json=as_json)


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
    import tempfile

    from adamesh.bench import bench_speed as run
    from adamesh.cli.tables import print_rows
    from adamesh.pipeline.sample import SAMPLE_REFERENCE, SAMPLE_SPEECH

    with tempfile.TemporaryDirectory() as folder:
        times = run(speech or SAMPLE_SPEECH, reference or SAMPLE_REFERENCE, Path(folder))
    print_rows("Seconds", times, as_json=as_json, medians=False)
