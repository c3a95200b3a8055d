"""The one error root of the package.

Everything a user can cause is an `InputError`; its text is one line that says what was given, what was
expected and what to do. The command line prints that line and exits with code 2.
"""

from importlib.util import find_spec


class AdaMeshError(Exception):
    """Root of every error that this package raises on purpose."""


class InputError(AdaMeshError):
    """Something the user gave cannot be used as it is."""


class MissingDependencyError(AdaMeshError):
    """An optional dependency is needed for what was asked and is not installed."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed: "
            f'pip install "adamesh[{extra}]"'
        )


def need(module: str, *, package: str, purpose: str, extra: str) -> None:
    """Says before any work is done that an optional dependency is not installed.

    Raises:
        MissingDependencyError: `module` cannot be imported.
    """
    if find_spec(module) is None:
        raise MissingDependencyError(package, purpose, extra)
