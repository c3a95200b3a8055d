"""Commands that are written in texts: whether the program takes them."""

import shlex
from collections.abc import Iterator

from typer.core import TyperCommand
from typer.main import get_command

from adamesh.cli.app import app


def leaves(command: TyperCommand, *words: str) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    """Every command with the words that call it."""
    children = getattr(command, "commands", None)
    if children is None:
        yield words, command
        return
    for name, child in children.items():
        yield from leaves(child, *words, name)


COMMANDS = dict(leaves(get_command(app)))  # type: ignore[arg-type]


def parse(example: str) -> tuple[str, ...]:
    """The words of the command that an example calls; an error if it would not run as written."""
    words = shlex.split(example, comments=True)[1:]
    length = 2 if tuple(words[:2]) in COMMANDS else 1
    name = tuple(words[:length])
    COMMANDS[name].make_context("adamesh", words[length:])
    return name
