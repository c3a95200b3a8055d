"""Animated GIF: 256 colours chosen for the clip, and delays that keep its time."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Self, cast

import av
import numpy as np
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from adamesh.errors import InputError
from adamesh.files import atomic_output
from adamesh.rates import exact_fps

TICK = Fraction(1, 100)  # s; delays are whole ones
FASTEST = 50.0  # pictures a second: browsers take a delay of one tick for ten
# An ordered pattern, which stands still where the picture does; error diffusion would flicker.
DITHER = "dither=bayer:bayer_scale=5:diff_mode=rectangle"


def choose_palette(pictures: Iterable[NDArray[np.uint8]]) -> VideoFrame:
    """The 256 colours that serve pictures [height, width, 3] best, for `GifWriter`.

    Raises:
        InputError: there are no pictures.
    """
    graph = av.filter.Graph()
    source = None
    for number, picture in enumerate(pictures):
        frame = _frame(picture, number)
        if source is None:
            source = _input(graph, frame)
            graph.link_nodes(
                source, graph.add("palettegen", "reserve_transparent=1"), graph.add("buffersink")
            ).configure()
        source.push(frame)
    if source is None:
        raise InputError("a palette needs at least one picture")
    source.push(None)
    palette = cast(VideoFrame, graph.pull())
    palette.pts, palette.time_base = 0, TICK
    return palette


class GifWriter:
    """Writes a GIF that repeats for ever; whole or, after an error, not at all.

    Picture k is shown from k / fps on, rounded to the format's ticks of 10 ms: delays differ by one where
    they must, so that nothing drifts.

    Args:
        path: the file.
        fps: pictures per second, at most `FASTEST`.
        width, height: pixels.
        palette: of `choose_palette`.
    Raises:
        InputError: too many pictures a second, or the file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fps: float,
        width: int,
        height: int,
        palette: VideoFrame,
    ) -> None:
        if fps > FASTEST:
            raise InputError(f"a GIF shows at most {FASTEST:g} pictures a second, got {fps:g}")
        self._path, self._rate, self._count = Path(path), exact_fps(fps), 0
        self._width, self._height = width, height
        self._graph = av.filter.Graph()
        self._source = _input(self._graph, _frame(np.zeros((height, width, 3), np.uint8), 0))
        colors = _input(self._graph, palette)
        use = self._graph.add("paletteuse", DITHER)
        self._source.link_to(use, 0, 0)
        colors.link_to(use, 0, 1)
        use.link_to(self._graph.add("buffersink"))
        self._graph.configure()
        colors.push(palette)
        colors.push(None)

    def __enter__(self) -> Self:
        self._file = self._open()
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._file.__exit__(*error)

    @contextlib.contextmanager
    def _open(self) -> Iterator[None]:
        with (
            atomic_output(self._path) as temporary,
            self._errors(),
            av.open(str(temporary.absolute()), "w") as self._container,
        ):
            self._stream = self._container.add_stream("gif", 1 / TICK)
            self._stream.width, self._stream.height = self._width, self._height
            self._stream.pix_fmt = "pal8"
            self._stream.codec_context.time_base = TICK
            yield
            self._source.push(None)
            self._take()
            self._container.mux(self._stream.encode(None))

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except av.error.FFmpegError as error:
            raise InputError(f"cannot write GIF '{self._path}': {error.strerror}") from error

    def write(self, picture: NDArray[np.uint8]) -> None:
        """Adds the next picture, uint8 sRGB [height, width, 3]."""
        start, end = (round((self._count + i) / self._rate / TICK) for i in (0, 1))
        frame = _frame(picture, start)
        frame.duration = end - start
        self._source.push(frame)
        self._count += 1
        self._take()

    def _take(self) -> None:
        """Writes the pictures that the filters have done."""
        for frame in iter(self._pull, None):
            for packet in self._stream.encode(frame):
                packet.duration = frame.duration  # the last delay is read from it
                self._container.mux(packet)

    def _pull(self) -> VideoFrame | None:
        with contextlib.suppress(av.error.BlockingIOError, av.error.EOFError):
            return cast(VideoFrame, self._graph.pull())
        return None


def _frame(picture: NDArray[np.uint8], ticks: int) -> VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame.pts, frame.time_base = ticks, TICK
    return frame


def _input(graph: av.filter.Graph, like: VideoFrame) -> FilterContext:
    """Where pictures like this one enter the filters."""
    return graph.add_buffer(
        width=like.width, height=like.height, format=like.format, time_base=TICK
    )
