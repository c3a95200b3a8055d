"""What reading sound and reading pictures share: opening a file, its streams, decoding."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
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
    for packet in container.demux(stream):
        with contextlib.suppress(av.error.FFmpegError):
            yield from packet.decode()
