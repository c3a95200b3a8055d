"""The one error root of the package.

Everything a user can cause is an `InputError`; its text is one line that says what was given, what was
expected and what to do. The command line prints that line and exits with code 2.
"""

import itertools
import re
from collections.abc import Iterable
from importlib.util import find_spec

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


def need(module: str, *, package: str, purpose: str, extra: str) -> None:
    """Says before any work is done that an optional dependency is not installed.

    Raises:
        MissingDependencyError: `module` cannot be imported.
    """
    if find_spec(module) is None:
        raise MissingDependencyError(package, purpose, extra)


def listed(names: Iterable[str]) -> str:
    """Names out of a stranger's file for a message of one line: the first few, without control codes."""
    shown = list(itertools.islice(names, MOST_NAMES + 1))
    words = [re.sub(r"[^\x20-\x7e]", "?", name[:LONGEST_NAME]) for name in shown[:MOST_NAMES]]
    return ", ".join(word for word in words if word) + (" ..." if len(shown) > MOST_NAMES else "")
