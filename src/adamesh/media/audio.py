"""Sound of any media file -> mono samples, and back to a WAV file."""

import io
import os
import wave
from collections.abc import Iterator

import av
import numpy as np
import soxr
from av.audio.stream import AudioStream
from av.container import InputContainer

from adamesh.errors import InputError
from adamesh.files import atomic_output
from adamesh.media.container import decoded, open_media, picture_stream
from adamesh.rates import SAMPLE_RATE

SHORTEST = 0.5  # s of sound that are worth animating
JITTER = 0.1  # s by which timestamps may be off without a gap in the sound
LONGEST_GAP = 60.0  # s; a longer jump of the timestamps is a fault of the file, not silence


def load_audio(path: str | os.PathLike[str], sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """The sound of a media file, its channels mixed to one.

    In a video, sample 0 belongs to the first picture: sound from before it is cut, and a later
    start or a gap in the recording is silence.

    Args:
        path: anything that FFmpeg decodes: WAV, MP3, FLAC, Opus, MP4, ...
        sample_rate: of the result, Hz.
    Returns:
        float32 [N], -1..1.
    Raises:
        InputError: the file cannot be read, has no sound, or less than half a second of it.
    """
    with open_media(path, "recording") as container:
        stream = container.streams.best("audio")
        if not isinstance(stream, AudioStream):
            raise InputError(f"recording '{path}' has no audio track; give one with sound")
        resampler = soxr.ResampleStream(stream.rate, sample_rate, 1, dtype="float32")
        pieces = [resampler.resample_chunk(block) for block in _blocks(container, stream)]
        pieces.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    samples = np.concatenate(pieces)
    if len(samples) < SHORTEST * sample_rate:
        raise InputError(
            f"recording '{path}' has {len(samples) / sample_rate:.2f} s of readable sound; "
            f"give at least {SHORTEST} s"
        )
    return samples


def _blocks(container: InputContainer, stream: AudioStream) -> Iterator[np.ndarray]:
    """Mono float32 [n] at the stream's rate, gapless from the first picture, or the first sound."""
    to_floats = av.AudioResampler(format="fltp")
    pictures = picture_stream(container)
    origin = None
    if pictures is not None and pictures.start_time is not None and pictures.time_base is not None:
        origin = float(pictures.start_time * pictures.time_base)
    position = 0
    for frame in decoded(container, stream):
        parts = [part.to_ndarray().mean(0) for part in to_floats.resample(frame)]
        block = np.concatenate(parts)
        if frame.time is not None:
            if origin is None:
                origin = frame.time
            missing = round((frame.time - origin) * stream.rate) - position
            if position == 0 and missing < 0:
                block = block[-missing:]
            elif position == 0 or JITTER * stream.rate < missing < LONGEST_GAP * stream.rate:
                yield np.zeros(missing, np.float32)
                position += missing
            elif abs(missing) > JITTER * stream.rate:  # the file's clock was set anew
                origin = frame.time - position / stream.rate
        yield block
        position += len(block)


def write_wav(path: str | os.PathLike[str], samples: np.ndarray, sample_rate: int) -> None:
    """Writes mono samples [N], -1..1, as 16-bit PCM; what is louder is clipped.

    Raises:
        InputError: the samples are not one-dimensional, or the file cannot be written.
    """
    content = wav_bytes(samples, sample_rate)
    with atomic_output(path) as temporary:
        temporary.write_bytes(content)


def wav_bytes(samples: np.ndarray, sample_rate: int) -> bytes:
    """What `write_wav` writes.

    Raises:
        InputError: the samples are not one-dimensional.
    """
    if samples.ndim != 1:
        raise InputError(f"samples must be mono [N], got {list(samples.shape)}")
    pcm = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(pcm.tobytes())
    return content.getvalue()
