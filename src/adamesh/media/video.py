"""Pictures of a video file, and back to a video with sound."""

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from adamesh.errors import InputError
from adamesh.files import atomic_output
from adamesh.media.container import decoded, open_media, picture_stream
from adamesh.media.hdr import is_wide, to_bt709
from adamesh.rates import exact_fps

DEFAULT_RATE = 25.0  # of a single picture
UNSPECIFIED = 2  # H.273's number for what a file does not tell
AUDIO_RATE = 48_000  # Hz, of the sound in written videos: every player takes it
AUDIO_BIT_RATE = 128_000  # bit/s


@dataclass(frozen=True)
class _Codecs:
    """How a container's pictures and sound are coded, in FFmpeg's names."""

    video: str
    audio: str
    quality: int  # CRF, hard to tell from the original
    options: dict[str, object]
    alpha: bool = False  # it has a place for transparency


_H264 = _Codecs("libx264", "aac", 18, {})
# A bit rate of 0 leaves the size to the quality.
_VP9 = _Codecs("libvpx-vp9", "libopus", 24, {"b": "0"}, alpha=True)
CONTAINERS = {".mp4": _H264, ".mov": _H264, ".mkv": _H264, ".webm": _VP9}


@dataclass(frozen=True)
class VideoInfo:
    """What a video holds, as `read_frames` gives it."""

    fps: float  # mean over the video
    frames: int
    width: int  # pixels, upright
    height: int
    duration: float  # s
    rotation: int  # degrees counter-clockwise by which stored pictures are turned: 0, 90, 180, 270
    has_audio: bool


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Reads what a video is, and its first picture.

    Raises:
        InputError: the file cannot be read or has no pictures.
    """
    with _open_pictures(path) as (container, stream):
        first = next(decoded(container, stream), None)
        if first is None:
            raise _no_pictures(path)
        frames, fps = _count(container, stream)
        width, height = _stored_size(first, stream)
        rotation = _quarter_turns(first) * 90
        if rotation % 180:
            width, height = height, width
        return VideoInfo(
            fps=fps,
            frames=frames,
            width=width,
            height=height,
            duration=frames / fps,
            rotation=rotation,
            has_audio=bool(container.streams.audio),
        )


def read_frames(
    path: str | os.PathLike[str], fps: float | None = None, max_size: int | None = None
) -> Iterator[np.ndarray]:
    """The pictures of a video, upright and with square pixels, decoded one by one.

    Args:
        path: anything that FFmpeg decodes.
        fps: rate of the result: picture k is the one nearest in time to k / fps after the first, so
            pictures are left out or repeated. By default every picture, as stored.
        max_size: pixels; pictures whose longer side exceeds it are scaled down to it.
    Yields:
        uint8 RGB [H, W, 3]. A repeated picture is the same array.
    Raises:
        InputError: the file cannot be read or has no pictures.
    """
    with _open_pictures(path) as (container, stream):
        count = 0
        for frame, repeats in _timed(decoded(container, stream), fps):
            if repeats:
                image = _to_image(frame, stream, max_size)
                for _ in range(repeats):
                    yield image
            count += 1
        if count == 0:
            raise _no_pictures(path)


@contextlib.contextmanager
def _open_pictures(
    path: str | os.PathLike[str],
) -> Iterator[tuple[InputContainer, VideoStream]]:
    with open_media(path, "video") as container:
        stream = picture_stream(container)
        if stream is None:
            raise InputError(f"video '{path}' has no pictures, only sound; give a video")
        stream.thread_type = "AUTO"
        yield container, stream


def _no_pictures(path: str | os.PathLike[str]) -> InputError:
    return InputError(f"no picture of video '{path}' can be decoded; is the file damaged?")


def _count(container: InputContainer, stream: VideoStream) -> tuple[int, float]:
    """Number of pictures and their mean rate.

    Some files state neither, or a rate of 1000 (recordings of browsers): there packets are counted.
    """
    stated = float(stream.average_rate or DEFAULT_RATE)
    if stream.frames:
        return stream.frames, stated
    container.seek(0)
    times = sorted(
        float(packet.pts * packet.time_base)
        for packet in container.demux(stream)
        if packet.pts is not None and packet.time_base is not None
    )
    if len(times) < 2 or times[0] == times[-1]:
        return max(len(times), 1), stated
    counted = (len(times) - 1) / (times[-1] - times[0])
    return len(times), stated if math.isclose(stated, counted, rel_tol=0.01) else counted


def _timed(frames: Iterator[VideoFrame], fps: float | None) -> Iterator[tuple[VideoFrame, int]]:
    """Every frame with the number of ticks of a clock of `fps` that it is nearest to.

    The clock starts with the first frame and ends one mean distance of frames after the last.
    """
    if fps is None:
        yield from ((frame, 1) for frame in frames)
        return
    shown: VideoFrame | None = None
    start = time = 0.0
    ticks = count = 0
    for frame in frames:
        next_time = frame.time if frame.time is not None else time + 1 / fps
        if shown is None:
            start = next_time
        else:
            # a tick is nearer to the shown frame if it is before the middle between the two
            due = max(math.ceil(((time + next_time) / 2 - start) * fps), ticks)
            yield shown, due - ticks
            ticks = due
        shown, time = frame, next_time
        count += 1
    if shown is not None:
        length = (time - start) * count / (count - 1) if count > 1 else 1 / fps
        yield shown, max(round(length * fps) - ticks, 0)


def _quarter_turns(frame: VideoFrame) -> int:
    """How often the stored picture is to be turned counter-clockwise by 90 degrees: 0..3."""
    return round(frame.rotation / 90) % 4


def _stored_size(
    frame: VideoFrame, stream: VideoStream, max_size: int | None = None
) -> tuple[int, int]:
    """Width and height with square pixels, before the picture is turned."""
    width, height = frame.width * float(stream.sample_aspect_ratio or 1), float(frame.height)
    scale = 1.0 if max_size is None else min(1.0, max_size / max(width, height))
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _to_image(frame: VideoFrame, stream: VideoStream, max_size: int | None) -> np.ndarray:
    width, height = _stored_size(frame, stream, max_size)
    smooth = "AREA" if width < frame.width else "BILINEAR"
    context = stream.codec_context
    light = (
        int(frame.color_trc or context.color_trc),
        int(frame.color_primaries or context.color_primaries),
    )
    matrix = None if frame.colorspace != UNSPECIFIED else _usual_matrix(frame)
    wide = is_wide(*light)
    stored: Any = frame.reformat(
        width, height, "rgb48le" if wide else "rgb24", matrix, interpolation=smooth
    ).to_ndarray()
    rgb: np.ndarray = to_bt709(stored, *light) if wide else stored
    return np.ascontiguousarray(np.rot90(rgb, _quarter_turns(frame)))


def _usual_matrix(frame: VideoFrame) -> Colorspace:
    """Between YCbCr and RGB, where a file does not tell: players take BT.709 from 720 lines on."""
    return (
        Colorspace.ITU709 if max(frame.width / 1280, frame.height / 720) >= 1 else Colorspace.ITU601
    )


class VideoWriter:
    """Writes H.264 video with AAC sound, or WebM with VP9 and Opus; whole or, after an error, not at all.

        with VideoWriter("talking.mp4", 25, 512, 512, (samples, 16_000)) as video:
            video.write(frame)

    Sound and pictures start at time zero. All of the sound is written, even beyond the pictures.

    Args:
        path: the suffix chooses the container, one of `CONTAINERS`.
        fps: pictures per second; 29.97 and so on mean what they round, 30000/1001.
        width, height: even numbers of pixels.
        audio: mono samples float32 [N], -1..1, and their rate in Hz.
        quality: CRF, 0 (best) to 51 of H.264 and 63 of VP9; default: hard to tell from the original.
        alpha: pictures have straight alpha as a fourth channel; WebM alone has a place for it.
    Raises:
        InputError: a size is odd, the suffix is another, it has no place for alpha, or the file cannot be
            written; on leaving the block also if no picture was written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fps: float,
        width: int,
        height: int,
        audio: tuple[np.ndarray, int] | None = None,
        quality: int | None = None,
        alpha: bool = False,
    ) -> None:
        if Path(path).suffix.lower() not in CONTAINERS:
            raise InputError(f"video '{path}' must end in {', '.join(CONTAINERS)}")
        if width % 2 or height % 2:
            raise InputError(f"video needs an even width and height, got {width} x {height}")
        self._path, self._width, self._height = Path(path), width, height
        self._codecs = CONTAINERS[self._path.suffix.lower()]
        if alpha and not self._codecs.alpha:
            raise InputError(f"video '{path}' has no place for transparency; write a .webm")
        self._quality = self._codecs.quality if quality is None else quality
        self._channels = 4 if alpha else 3
        # Pixel formats of the pictures that are given and of those that are coded, in FFmpeg's names.
        self._given, self._coded = ("rgba", "yuva420p") if alpha else ("rgb24", "yuv420p")
        self._rate = Fraction(exact_fps(fps)).limit_denominator(1001)
        self._samples, self._sample_rate = audio or (np.zeros(0, np.float32), AUDIO_RATE)
        self._pictures = self._sounded = 0  # pictures and samples written

    def __enter__(self) -> Self:
        self._file = self._open()
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._file.__exit__(*error)

    @contextlib.contextmanager
    def _open(self) -> Iterator[None]:
        # The index in front, so that browsers play while they load; WebM has it there anyway.
        options = {} if self._codecs is _VP9 else {"movflags": "+faststart"}
        with atomic_output(self._path) as temporary, self._errors():
            path = str(temporary.absolute())
            with av.open(path, "w", container_options=options) as self._container:
                self._video = self._add_video_stream()
                self._audio = self._add_audio_stream() if len(self._samples) else None
                yield
                if self._pictures == 0:
                    raise InputError(f"no picture was written to '{self._path}'")
                self._write_sound(len(self._samples))
                self._container.mux(self._video.encode(None))
                if self._audio is not None:
                    self._container.mux(self._audio.encode(None))

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except av.error.FFmpegError as error:
            raise InputError(f"cannot write video '{self._path}': {error.strerror}") from error

    def _add_video_stream(self) -> VideoStream:
        stream = cast(VideoStream, self._container.add_stream(self._codecs.video, self._rate))
        stream.width, stream.height, stream.pix_fmt = self._width, self._height, self._coded
        stream.options = self._codecs.options | {"crf": str(self._quality)}
        codec = stream.codec_context
        codec.colorspace, codec.color_range = Colorspace.ITU709, ColorRange.MPEG
        codec.color_primaries, codec.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        return stream

    def _add_audio_stream(self) -> AudioStream:
        stream = cast(
            AudioStream,
            self._container.add_stream(self._codecs.audio, rate=AUDIO_RATE, layout="mono"),
        )
        stream.bit_rate = AUDIO_BIT_RATE
        return stream

    def write(self, frame: np.ndarray) -> None:
        """Adds the next picture, uint8 RGB [height, width, 3], with alpha [height, width, 4].

        Raises:
            InputError: the picture has another shape or type.
        """
        expected = (self._height, self._width, self._channels)
        if frame.shape != expected or frame.dtype != np.uint8:
            raise InputError(
                f"a picture must be uint8 {list(expected)}, got {frame.dtype} {list(frame.shape)}"
            )
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=self._given)
        picture = picture.reformat(
            format=self._coded, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        picture.pts, picture.time_base = self._pictures, 1 / self._rate
        self._container.mux(self._video.encode(picture))
        self._pictures += 1
        # sound goes beside its pictures, so that players need not look ahead
        self._write_sound(round(self._pictures / self._rate * self._sample_rate))

    def _write_sound(self, stop: int) -> None:
        block = self._samples[self._sounded : stop].astype(np.float32)
        if self._audio is None or len(block) == 0:
            return
        sound = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
        sound.sample_rate = self._sample_rate
        sound.pts, sound.time_base = self._sounded, Fraction(1, self._sample_rate)
        self._container.mux(self._audio.encode(sound))
        self._sounded += len(block)
