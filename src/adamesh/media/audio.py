"""Sound of any media file -> mono samples, and back to a WAV file."""

import io
import itertools
import os
import wave
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

from adamesh.errors import InputError, notice
from adamesh.files import atomic_output
from adamesh.media.channels import Channels, channel_names, plain_weights
from adamesh.media.container import first_picture_times, frames_of, open_media, picture_stream
from adamesh.media.samples import is_silent, say_broken, say_if_silent, unusable, usable_samples
from adamesh.rates import SAMPLE_RATE

SHORTEST = 0.5  # s of sound that are worth animating
ROUNDING = 0.001  # s; the times of Matroska and FLV are whole milliseconds
JITTER = 0.015  # s by which timestamps may be off; a lost packet is longer in every usual codec
AGREEING = 8  # blocks in a row whose times must tell of a gap, for a single one may be mistaken
LONGEST_GAP = 60.0  # s; a longer jump of the timestamps is a fault of the file, not silence
LONGEST_OVERLAP = 1.0  # s; a longer jump back is a clock that was set anew
LONGEST_PRIMING = 1.0  # s before time zero; an earlier start is a clock that ran over

# Samples that encoders put before the sound, for files that do not tell: the delays of LAME, TwoLAME,
# FFmpeg's AC-3 and libopus. AAC has one block or more, as the first block of its overlapped transform
# cannot be restored; FFmpeg's encoder has just one.
AAC = ("aac", "aac_latm")
PRIMING = {"mp3": 529 + 576, "mp2": 481, "ac3": 256, "eac3": 256, "opus": 312}

# Streams without times: FFmpeg counts packets of the first one's length, whatever rate they turn to.
UNTIMED = ("aac", "ac3", "amr", "eac3", "loas", "mp3")

Block = tuple[float, np.ndarray]
Weights = dict[tuple[str, ...], np.ndarray]  # [C] of a mix, by the names of its channels


def load_audio(path: str | os.PathLike[str], sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """The sound of a media file, its channels mixed to one.

    The mean of the channels is taken, unless they cancel each other, some are empty, or one of many is for
    the dialogue, see `media.channels`. Of several audio tracks it is the one that the file marks, or the
    first, in which anything is heard. A track may change its rate and its channels on the way.

    In a video, sample 0 belongs to the first picture that can be decoded: sound from before it is cut,
    and a later start is silence. Otherwise sample 0 is the first sound. Gaps in a recording, and what
    of it is damaged, are silence, so that the rest keeps its time.

    What encoders put before the sound ("priming") is cut, so that a recording keeps its time through
    every codec. MP4 tells of it in an edit list, Matroska, WebM and Ogg in their headers, MP3 in LAME's.
    Beside pictures, the times on the file's clock decide: MPEG-TS, FLV, and MP4 without an edit list
    have no other means, and a writer that sets them right needs none. What cannot be told:

    - Without pictures, raw AAC, MPEG-TS, FLV, AVI, MP4 without an edit list and MP3 without LAME's
      header do not tell of the priming. The least that is usual for the codec is cut; what an encoder
      put there beyond it is heard. With AAC these are about 24 ms at 44.1 kHz from Apple's and
      Fraunhofer's encoders, none from FFmpeg's.
    - AVI counts pictures instead of timing them, so its sound may be off by half a picture or more,
      and it starts with the pictures even if it was recorded later.
    - A writer that forgot the priming beside pictures made the sound late. Only that of FFmpeg's AAC
      is recognised, by the encoder's signature, and cut.

    Args:
        path: anything that FFmpeg decodes: WAV, MP3, FLAC, Opus, MP4, ...
        sample_rate: of the result, Hz.
    Returns:
        float32 [N], -1..1.
    Raises:
        InputError: the file cannot be read, has no sound, or less than half a second of it.
    """
    what = f"recording '{path}'"
    tracks = _audio_tracks(path)
    for track in tracks:
        samples = usable_samples(_load_track(path, track, sample_rate), what, sample_rate)
        if track == tracks[0]:
            marked = samples
        if not is_silent(samples, sample_rate):
            break
    else:
        track, samples = tracks[0], marked
    if track != tracks[0]:
        notice(f"audio track {tracks[0]} of {what} is silent; track {track} is taken")
    if len(samples) < SHORTEST * sample_rate:
        raise InputError(
            f"{what} has {len(samples) / sample_rate:.2f} s of readable sound; "
            f"give at least {SHORTEST} s"
        )
    say_if_silent(samples, what, sample_rate)
    return samples


def _audio_tracks(path: str | os.PathLike[str]) -> list[int]:
    """Numbers of the file's streams of sound, the one that it marks first."""
    with open_media(path, "recording") as container:
        best = container.streams.best("audio")
        if best is None:
            raise InputError(f"recording '{path}' has no audio track; give one with sound")
        others = [stream.index for stream in container.streams.audio if stream is not best]
        return [best.index, *others]


def _load_track(path: str | os.PathLike[str], track: int, sample_rate: int) -> np.ndarray:
    """float32 [N] of one track at `sample_rate`, mixed as what is in its channels calls for."""
    heard = _Heard()
    samples = _decode_track(path, track, sample_rate, {}, heard)
    if heard.broken:
        say_broken(f"recording '{path}'", heard.broken, heard.total, heard.first_broken)
    mixes = {names: channels.weights() for names, channels in heard.channels.items()}
    weights = {names: mix for names, (mix, _) in mixes.items()}
    if all(np.array_equal(mix, plain_weights(names)) for names, mix in weights.items()):
        return samples
    for said in {said for _, said in mixes.values() if said is not None}:
        notice(f"recording '{path}': {said}")
    return _decode_track(path, track, sample_rate, weights, _Heard())


def _decode_track(
    path: str | os.PathLike[str],
    track: int,
    sample_rate: int,
    weights: Weights,
    heard: "_Heard",
) -> np.ndarray:
    """As `_load_track`, with mixes by the names of the channels, and the plain one where there is none.

    Args:
        heard: what comes is added to it.
    """
    with open_media(path, "recording") as container:
        stream = container.streams[track]
        assert isinstance(stream, AudioStream)
        pictures = []
        if picture_stream(container) is not None:
            pictures = first_picture_times(path, "recording", 3)
        packets = container.demux(stream)
        packet = next(packets)
        frames: Iterator[AudioFrame] = frames_of(itertools.chain([packet], packets))
        opening = list(itertools.islice(frames, 2))
        if not opening:
            return np.zeros(0, np.float32)
        # Not the stream's: of HE-AAC that is half of it until the first frame is decoded.
        rate = opening[0].sample_rate
        clock = container.format.name not in UNTIMED
        timed = _timed(itertools.chain(opening, frames), rate, clock, weights, heard)
        resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")
        pieces = [
            resampler.resample_chunk(block)
            for block in _blocks(timed, stream, packet, opening, rate, pictures)
        ]
        pieces.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(pieces)


def _blocks(
    timed: Iterable[Block],
    stream: AudioStream,
    packet: "Packet[AudioStream]",
    opening: list[AudioFrame],
    rate: int,
    pictures: list[float],
) -> Iterator[np.ndarray]:
    """Mono float32 [n] at `rate`, gapless from the first picture, or the first sound.

    Args:
        timed: of `_timed`.
        packet: the stream's first.
        opening: the first two frames.
        pictures: s on the file's clock of the first ones.
    """
    told = _told_priming(stream, packet, opening[0])
    if not pictures:
        skip = _usual_priming(stream, packet, opening[0]) if told is None else told
        yield from _gapless(timed, rate, skip=skip)
    else:
        begin = pictures[0] * rate
        if told is None and _is_priming(packet, opening, pictures):
            begin += opening[0].samples
        yield from _gapless(timed, rate, begin=begin)


def _told_priming(
    stream: AudioStream, packet: "Packet[AudioStream]", frame: AudioFrame
) -> float | None:
    """Samples of priming that the decoder left, if the file tells of it; below 0 if it cut too much.

    Args:
        packet: the stream's first.
        frame: the first that was decoded.
    """
    if packet.pts is not None and -LONGEST_PRIMING < packet.pts * packet.time_base < 0:
        return (
            -(frame.time or 0.0) * frame.sample_rate
        )  # FFmpeg skips as many samples as there are ticks
    if packet.has_sidedata("skip_samples") or stream.codec_context.delay:
        return 0.0
    return None


def _usual_priming(stream: AudioStream, packet: "Packet[AudioStream]", frame: AudioFrame) -> float:
    """Samples of priming from the first frame on, where the file doesn't tell."""
    codec = stream.codec_context.codec.canonical_name
    if codec in AAC:
        return frame.samples
    if codec == "mp3" and _layer(bytes(packet)) == 2:
        codec = "mp2"
    return PRIMING.get(codec, 0)


def _is_priming(
    packet: "Packet[AudioStream]", opening: list[AudioFrame], pictures: list[float]
) -> bool:
    """Whether a writer took the priming for the sound at the first picture, although it lies before it.

    FFmpeg's encoder of AAC signs its first packet, which is priming and nothing else. In FFmpeg's own
    files that begins before the first picture, or the first picture or the packet is lengthened.

    Args:
        packet: the stream's first.
        opening: the first two frames.
        pictures: s, the first three.
    """
    codec = packet.stream.codec_context.codec.canonical_name
    if codec not in AAC or b"Lavc" not in bytes(packet) or len(opening) < 2 or len(pictures) < 3:
        return False
    (first, second), length = opening, opening[0].samples / opening[0].sample_rate
    if first.time is None or second.time is None:
        return False
    return (
        abs(first.time - pictures[0]) <= ROUNDING
        and abs(second.time - first.time - length) <= ROUNDING
        and abs((pictures[1] - pictures[0]) - (pictures[2] - pictures[1])) < length / 2
    )


def _layer(packet: bytes) -> int:
    """1, 2 or 3 of MPEG audio, from its header: MPEG-TS calls all of them MP3."""
    return 4 - (packet[1] >> 1 & 3) if len(packet) > 1 else 3


def _timed(
    frames: Iterable[AudioFrame],
    rate: int,
    clock: bool,
    weights: Weights,
    heard: "_Heard",
) -> Iterator[Block]:
    """The frames' sound, mono float32 [n] at `rate`, each with the sample of the file's clock at which a
    gapless recording would have begun to have it at its time.

    Args:
        clock: whether the file has one; without, the frames follow each other.
    """
    begin, length = 0.0, 0
    for own_rate, run in itertools.groupby(frames, key=lambda frame: frame.sample_rate):
        resampler = soxr.ResampleStream(own_rate, rate, 1, dtype="float32")
        for frame in run:
            block = _mixed(frame, weights, heard)
            if frame.time is not None and (clock or not length):
                begin = frame.time * rate - length
            if own_rate != rate:
                # What it holds back comes with the next block: some samples, which is within the jitter.
                block = resampler.resample_chunk(block)
            yield begin, block
            length += len(block)
        if own_rate != rate:
            block = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            yield begin, block
            length += len(block)


@dataclass
class _Heard:
    """What came of a track, on the way to one channel.

    Attributes:
        channels: by the names of the channels; a track may change them.
        broken: samples that are no numbers, of `total`.
        first_broken: s, of the first of them.
    """

    channels: dict[tuple[str, ...], Channels] = field(default_factory=dict)
    broken: int = 0
    total: int = 0
    first_broken: float = 0.0

    def clean(self, block: np.ndarray, sample_rate: int) -> np.ndarray:
        """[C, n] with zeros for what is no number: it would spread through the resampler."""
        broken = unusable(block)
        if broken.any():
            if not self.broken:
                first = self.total + int(broken.any(0).argmax())
                self.first_broken = first / sample_rate
            self.broken += int(broken.any(0).sum())
            block = np.where(broken, 0, block)
        self.total += block.shape[1]
        return block


def _mixed(frame: AudioFrame, weights: Weights, heard: _Heard) -> np.ndarray:
    """Mono float32 [n] of one frame, in whatever format it is."""
    to_floats = av.AudioResampler(format="fltp")
    parts = [part.to_ndarray() for part in to_floats.resample(frame)]
    block = heard.clean(np.concatenate(parts, axis=1), frame.sample_rate)
    names = channel_names(frame.layout)
    heard.channels.setdefault(names, Channels(names)).add(block)
    return block.T @ weights.get(names, plain_weights(names))


def _gapless(
    blocks: Iterable[Block], rate: int, begin: float | None = None, skip: float = 0.0
) -> Iterator[np.ndarray]:
    """What `_timed` gives, with silence in the gaps.

    Args:
        rate: Hz.
        begin: the sample of the file's clock to begin with; None: the first of the blocks, and
            `skip` samples on.
    """
    started, surplus = False, 0
    for following in _windows(blocks, AGREEING):
        block = following[0][1]
        times = np.array([time for time, _ in following])
        if begin is None:
            begin = _usual(times, rate) + skip
        late = times - begin
        if not started or late.min() > JITTER * rate or late.max() < -JITTER * rate:
            step = round(_usual(late, rate))
            begin += step
            if started and not -LONGEST_OVERLAP * rate < step < LONGEST_GAP * rate:
                pass  # the file's clock was set anew
            elif step > 0:
                block = np.concatenate([np.zeros(step, np.float32), block])
            else:
                surplus -= step
        started = True
        cut = min(surplus, len(block))
        surplus -= cut
        yield block[cut:]


def _usual(times: np.ndarray, rate: int) -> float:
    """The first of times, samples [n], without its jitter: the median of those near it."""
    return float(np.median(times[np.abs(times - times[0]) <= JITTER * rate]))


def _windows(blocks: Iterable[Block], size: int) -> Iterator[list[Block]]:
    """Every block with those that follow it, `size` in all, fewer at the end."""
    window: deque[Block] = deque()
    for block in blocks:
        window.append(block)
        if len(window) == size:
            yield list(window)
            window.popleft()
    while window:
        yield list(window)
        window.popleft()


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
