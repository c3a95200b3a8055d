"""`adamesh demo`: the main job on the packaged sample."""

from pathlib import Path
from typing import Annotated

import typer

from adamesh.cli.animate import animate
from adamesh.cli.options import Force
from adamesh.cli.reference import adapt
from adamesh.errors import InputError
from adamesh.files import check_output


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write to.")] = Path(
        "demo"
    ),
    force: Force = False,
) -> None:
    """The main job on the packaged sample: a reference video and a line of speech.

    [bold]Example[/bold]

      adamesh demo -o demo
    """
    from adamesh.animation.sample import SAMPLE_REFERENCE, SAMPLE_SPEECH
    from adamesh.export import OutputOptions, plan_export

    if output.exists() and not output.is_dir():
        raise InputError(f"output '{output}' is a file; give the path of a folder")
    output.mkdir(parents=True, exist_ok=True)
    style, *talking = (output / name for name in ("sample.style", "talking.glb", "talking.mp4"))
    check_output(style, force=force)
    for target in talking:
        plan_export(target, OutputOptions(force=force), sound=True)
    adapt(SAMPLE_REFERENCE, style, force=force)
    for target in talking:
        animate(SAMPLE_SPEECH, target, style=style, force=force)
