"""What reading sound and reading pictures share: opening a file, its streams, decoding."""

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from adamesh.errors import InputError
from adamesh.files import check_input


@contextlib.contextmanager
def open_media(path: str | os.PathLike[str], what: str) -> Iterator[InputContainer]:
    """Opens a media file for reading; what goes wrong with it until it is closed is one clear line.

    Raises:
        InputError: no such file, or a folder, or empty, or not decodable.
    """
    path = check_input(path, what)
    # the absolute path is never taken for a protocol, and a playlist may not reach into the network
    options = {"protocol_whitelist": "file"}
    try:
        with av.open(str(path.absolute()), metadata_errors="ignore", options=options) as container:
            if container.format.name == "tty":  # FFmpeg's way of playing a text
                raise InputError(f"{what} '{path}' is a text; give a recording")
            yield container
    except av.error.FFmpegError as error:
        raise InputError(
            f"{what} '{path}' cannot be read ({error.strerror}); "
            "is it a media file, and was it copied to its end?"
        ) from error


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first stream of moving pictures; the cover of a song is none."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def decoded(container: InputContainer, stream: AudioStream | VideoStream) -> Iterator[Any]:
    """The stream's `AudioFrame`s or `VideoFrame`s in order; damaged packets are passed over."""
    return frames_of(container.demux(stream))


def frames_of(packets: "Iterable[Packet[Any]]") -> Iterator[Any]:
    """What `decoded` gives, of packets that were demultiplexed."""
    for packet in packets:
        with contextlib.suppress(av.error.FFmpegError):
            yield from packet.decode()


def first_picture_times(path: str | os.PathLike[str], what: str, count: int) -> list[float]:
    """Seconds on the file's clock of the first pictures that can be decoded.

    A stream may start before them: one that was cut begins with pictures that need an earlier one.

    Returns:
        As many as there are, `count` at most; where none can be decoded, the start of the stream, if
        it is known.
    Raises:
        InputError: as `open_media`.
    """
    with open_media(path, what) as container:
        stream = picture_stream(container)
        if stream is None:
            return []
        frames = itertools.islice(decoded(container, stream), count)
        times = [float(frame.time) for frame in frames if frame.time is not None]
        if not times and stream.start_time is not None and stream.time_base is not None:
            times = [float(stream.start_time * stream.time_base)]
        return times
