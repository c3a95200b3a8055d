"""The command line. Nothing heavy is imported before a command runs."""

import sys


def main() -> None:
    """Runs the command line; what a user can mend becomes one line and exit code 2."""
    from adamesh.cli.app import app
    from adamesh.errors import AdaMeshError

    try:
        app()
    except AdaMeshError as error:
        print(f"adamesh: {error}", file=sys.stderr)
        sys.exit(2)
