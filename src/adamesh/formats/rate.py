"""The frame rate of a track: its file's own, its tool's, or the one that the user gives; never a guess."""

from pathlib import Path

from adamesh.errors import InputError

SLOWEST, FASTEST = 1.0, 1000.0  # fps


def frame_rate(
    path: Path, tool: str, *, own: float | None = None, usual: float | None, given: float | None
) -> float:
    """Frames per second of a file.

    Args:
        tool: who wrote it, for the message.
        own: what the file says.
        usual: what all files of that tool have.
        given: what the user says.
    Raises:
        InputError: nobody knows the rate, file and user differ, or it is no rate of a track.
    """
    if own is not None and given is not None and abs(own - given) > 1e-3:
        raise InputError(f"'{path}' has {own:g} fps, --fps says {given:g}; leave out --fps")
    for rate in (own, given, usual):
        if rate is not None:
            if not SLOWEST <= rate <= FASTEST:
                raise InputError(
                    f"the frame rate of '{path}' must lie in {SLOWEST:g}..{FASTEST:g}, got {rate:g}"
                )
            return rate
    raise InputError(f"'{path}' of {tool} has no frame rate; give it with --fps, e.g. 25")
