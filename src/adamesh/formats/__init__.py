"""Tracks of other tools: read as clips, and written of clips."""

from adamesh.formats.registry import (
    FORMATS,
    TrackFormat,
    check_track,
    detect,
    read_track,
    write_track,
)

__all__ = ["FORMATS", "TrackFormat", "check_track", "detect", "read_track", "write_track"]
