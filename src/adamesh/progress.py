"""How long work tells how far it is: one type for every function that takes a `progress`."""

from typing import Protocol


class Progress(Protocol):
    """Called again and again while work goes on.

    Args:
        stage: name of the part of the work that is under way.
        done, total: its steps.
        note: a few words beside them, such as a loss.
    """

    def __call__(self, stage: str, done: int, total: int, /, note: str = "") -> None: ...


def no_progress(stage: str, done: int, total: int, note: str = "") -> None:
    """Nobody watches; the default."""


def under(stage: str, progress: Progress) -> Progress:
    """A progress that tells everything as of one stage, whatever the work itself calls its parts."""

    def report(_: str, done: int, total: int, note: str = "") -> None:
        progress(stage, done, total, note)

    return report
