"""The command line. Nothing heavy is imported before a command runs."""

import os
import signal
import sys
import warnings


def main() -> None:
    """Runs the command line; what a user can mend becomes one line and exit code 2."""
    # Before torch is loaded: its threads spin a moment while they wait, then sleep. By default they spin so
    # long that on a machine with other work they take from each other the very cores that they wait for.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from typer.exceptions import TyperException

    from adamesh.cli.app import app
    from adamesh.errors import AdaMeshError, print_notices

    # SIGTERM raises like an error, so that temporary files are removed on the way out.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with warnings.catch_warnings():
            print_notices()
            sys.exit(app(standalone_mode=False) or 0)
    except AdaMeshError as error:
        line = str(error)
    except TyperException as error:  # of the options; its own messages are boxes
        line = error.format_message().replace("Value error, ", "")
    if line:  # none where help was shown for want of arguments
        print(f"adamesh: {line}", file=sys.stderr)
    sys.exit(2)
