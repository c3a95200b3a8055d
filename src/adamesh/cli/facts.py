"""`adamesh info` and `adamesh formats`: what there is."""

import typer

from adamesh.cli.options import Json


def formats() -> None:
    """Outputs that are written, and tracks of other tools that are read and written.

    [bold]Example[/bold]

      adamesh formats
    """
    from adamesh.cli.tables import print_formats

    print_formats()


def info(as_json: Json = False) -> None:
    """What is installed: weights with hashes, face, speech features, versions, devices.

    [bold]Example[/bold]

      adamesh info --json
    """
    import json

    from adamesh.info import collect

    facts = collect()
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    for section, content in facts.items():
        if not isinstance(content, dict):
            typer.echo(
                f"{section:<10}{', '.join(content) if isinstance(content, list) else content}"
            )
            continue
        typer.echo(f"\n{section}")
        for name, value in content.items():
            shown = (
                ", ".join(f"{k} {v}" for k, v in value.items())
                if isinstance(value, dict)
                else value
            )
            typer.echo(f"  {name:<26}{shown or 'not installed'}")
