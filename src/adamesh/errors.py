"""The one error root of the package.

Everything a user can cause is an `InputError`; its text is one line that says what was given, what was
expected and what to do. The command line prints that line and exits with code 2. What has no effect, or was
taken otherwise than it stands, is told by `notice`, and the work goes on.
"""

import itertools
import sys
import warnings
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TextIO

MOST_NAMES = 8  # of a file's, in a message
LONGEST_NAME = 40


class AdaMeshError(Exception):
    """Root of every error that this package raises on purpose."""


class InputError(AdaMeshError):
    """Something the user gave cannot be used as it is."""


class MissingDependencyError(AdaMeshError):
    """An optional dependency is needed for what was asked and is not installed."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        self.remedy = f'not installed: pip install "adamesh[{extra}]"'
        super().__init__(f"{purpose} needs the package '{package}', which is {self.remedy}")


class InputNotice(UserWarning):
    """Something of what the user gave has no effect, or is not taken as it stands; the work goes on."""


def notice(line: str) -> None:
    """Warns whoever called of such a thing, in one line; the command line prints it after `note: `."""
    warnings.warn(line, InputNotice, stacklevel=3)


def print_notices() -> None:
    """From now on this process prints each notice once, as a line on standard error."""
    show, said = warnings.showwarning, set[str]()

    def print_notice(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, InputNotice):
            show(message, category, filename, lineno, file, line)
        elif str(message) not in said:
            said.add(str(message))
            print(f"note: {message}", file=sys.stderr, flush=True)

    warnings.simplefilter("always", InputNotice)
    warnings.showwarning = print_notice


def need(module: str, *, package: str, purpose: str, extra: str) -> None:
    """Says before any work is done that an optional dependency is not installed.

    Raises:
        MissingDependencyError: `module` cannot be imported.
    """
    if find_spec(module) is None:
        raise MissingDependencyError(package, purpose, extra)


def printable(name: str) -> str:
    """A name out of a stranger's file without what moves a cursor or turns a line about."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def listed(names: Iterable[str]) -> str:
    """Names out of a stranger's file for a message of one line: the first few, as far as they print."""
    shown = list(itertools.islice(names, MOST_NAMES + 1))
    words = [printable(name[:LONGEST_NAME]) for name in shown[:MOST_NAMES]]
    return ", ".join(word for word in words if word) + (" ..." if len(shown) > MOST_NAMES else "")
