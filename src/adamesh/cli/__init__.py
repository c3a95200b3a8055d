"""The command line. Nothing heavy is imported before a command runs."""

import signal
import sys


def main() -> None:
    """Runs the command line; what a user can mend becomes one line and exit code 2."""
    from adamesh.cli.app import app
    from adamesh.errors import AdaMeshError

    # A kill that can be heard unwinds like an error, so that unfinished files are removed.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        app()
    except AdaMeshError as error:
        print(f"adamesh: {error}", file=sys.stderr)
        sys.exit(2)
