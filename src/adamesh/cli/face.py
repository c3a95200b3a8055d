"""`adamesh face`: the faces there are, and FLAME models to add to them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from adamesh.cli.options import Force, Json, check_suffix, progress_bars
from adamesh.files import check_input, check_output

face_app = typer.Typer(help="The faces there are, and FLAME models to add.", no_args_is_help=True)


@face_app.command("import")
def import_face(
    path: Annotated[Path, typer.Argument(help="FLAME model: a .pkl of any edition, or an .npz.")],
    name: Annotated[
        str | None, typer.Option(help="To keep it under; the file's by default.")
    ] = None,
    no_jaw: Annotated[
        bool,
        typer.Option("--no-jaw", help="Its expressions open the mouth; known of files named so."),
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Convert your FLAME model and keep it; no code in the file is run.

    [bold]Examples[/bold]

      adamesh face import generic_model.pkl --name flame2020

      adamesh face import flame2023_no_jaw.pkl
    """
    check_input(path, "face model")
    from adamesh.face_import import import_flame

    with progress_bars() as report:
        entry, quality = import_flame(
            path, name, has_jaw=False if no_jaw else None, force=force, progress=report
        )
    if as_json:
        facts = {"name": entry.name, "path": str(entry.path), **entry.notes}
        typer.echo(json.dumps(facts | {"landmarks": asdict(quality)}, indent=1))
        return
    typer.echo(
        f"{entry.name}: {quality.found} of 478 landmarks, {quality.mean_percent:.1f} % of the "
        f"inter-ocular distance from the detected ones; kept in {entry.path}"
    )


@face_app.command("list")
def list_all(as_json: Json = False) -> None:
    """The faces there are.

    [bold]Example[/bold]

      adamesh face list --json
    """
    from adamesh.faces.library import list_faces

    entries = list_faces()
    if as_json:
        records = [
            {"name": e.name, "path": None if e.path is None else str(e.path), **e.notes}
            for e in entries
        ]
        typer.echo(json.dumps(records, indent=1))
        return
    for entry in entries:
        origin = entry.notes.get("source", "comes with the program")
        typer.echo(f"{entry.name:<24}{origin:<32}{entry.path or ''}".rstrip())


@face_app.command()
def show(
    name: Annotated[str, typer.Argument(help="One of `adamesh face list`.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Draw it with its landmarks into this .png."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """What a face is, and a picture of it: landmarks, open mouth, expressions, another identity.

    [bold]Examples[/bold]

      adamesh face show embedded -o head.png

      adamesh face show flame2020 --json
    """
    if output is not None:
        check_suffix(output, ".png")
        check_output(output, force=force)
    from adamesh.face_import.sheet import draw_face, face_facts
    from adamesh.faces.library import load_named_face

    face = load_named_face(name)
    facts = asdict(face_facts(name, face))
    if output is not None:
        from adamesh.media.picture import write_png

        write_png(output, draw_face(face))
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    for key, value in facts.items():
        shown = ", ".join(value) if isinstance(value, tuple) else value
        typer.echo(f"{key.replace('_', ' '):<24}{shown}")
