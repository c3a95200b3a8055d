"""The same words in another voice, room, microphone and codec: augmentation of speech as sound.

What can be done to log-mel features is done there, at every training step (`data.augment`). This is what
needs the sound itself, and is done a few times for each recording ahead of training.
"""

import io
from dataclasses import dataclass

import av
import numpy as np
import soxr
from av.audio.stream import AudioStream
from scipy.signal import butter, fftconvolve, sosfilt

from adamesh.rates import SAMPLE_RATE

# Codec, container, sample rate, bit rates: telephone, conference, broadcast, web video.
CODECS = (
    ("pcm_mulaw", "wav", 8_000, (64_000,)),
    ("libopus", "ogg", 16_000, (8_000, 12_000, 24_000)),
    ("libmp3lame", "mp3", 16_000, (16_000, 32_000)),
    ("aac", "mp4", 16_000, (16_000, 32_000)),
)


LARGEST_DELAY = 4_000  # samples of a codec


@dataclass(frozen=True)
class VoiceAugmentation:
    """Ranges and shares of what is done to a recording; a share of zero switches a part off."""

    pitch: float = 1.25  # pitch and formants together, up to this factor up or down
    tempo: float = 1.15  # speed of speaking, up to this factor up or down; the pitch stays
    gain_db: float = 10.0  # louder or softer
    reverberation: float = 0.4  # share of recordings in a room
    noise: float = 0.5  # share with background noise
    band_limit: float = 0.3  # share with a poor microphone
    codec: float = 0.3  # share through a codec


def alter_voice(
    samples: np.ndarray, augmentation: VoiceAugmentation, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """One recording as somebody else might have spoken and recorded it.

    Args:
        samples: [N] mono, -1..1, at `SAMPLE_RATE`.
    Returns:
        [M] samples and the speed N / M: what was heard at t seconds is now heard at t / speed.
    """
    a = augmentation
    pitch, tempo = (float(np.exp(rng.uniform(-1, 1) * np.log(x))) for x in (a.pitch, a.tempo))
    altered = soxr.resample(samples, SAMPLE_RATE * pitch, SAMPLE_RATE).astype(np.float32)
    altered = stretch(altered, tempo / pitch)
    speed = len(samples) / len(altered)
    if rng.random() < a.reverberation:
        altered = _reverberate(altered, rng)
    altered = altered * 10 ** (rng.uniform(-1, 1) * a.gain_db / 20)
    if rng.random() < a.noise:
        altered = altered + _noise(altered, rng)
    if rng.random() < a.band_limit:
        low, high = rng.uniform(50, 300), rng.uniform(3_000, 7_000)
        band = butter(4, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos")
        altered = sosfilt(band, altered)
    altered = np.clip(altered, -1, 1).astype(np.float32)
    if rng.random() < a.codec:
        name, container, rate, bit_rates = CODECS[rng.integers(len(CODECS))]
        altered = through_codec(altered, name, container, rate, int(rng.choice(bit_rates)))
    return altered, speed


def stretch(samples: np.ndarray, factor: float) -> np.ndarray:
    """[N] -> [N / factor]: faster or slower by FFmpeg's `atempo`, at the same pitch."""
    if abs(factor - 1) < 1e-3:
        return samples
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="flt", sample_rate=SAMPLE_RATE, layout="mono")
    tempo = graph.add("atempo", f"{factor:.6f}")
    sink = graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(
        samples[None].astype(np.float32), format="flt", layout="mono"
    )
    frame.sample_rate = SAMPLE_RATE
    source.push(frame)
    source.push(None)
    parts = []
    while True:
        try:
            stretched = sink.pull()
            assert isinstance(stretched, av.AudioFrame)
            parts.append(stretched.to_ndarray()[0])
        except (av.error.EOFError, av.error.BlockingIOError):
            break
    wanted = round(len(samples) / factor)
    joined = np.concatenate(parts)[:wanted]
    return np.pad(joined, (0, wanted - len(joined)))


def through_codec(
    samples: np.ndarray, codec: str, container: str, rate: int, bit_rate: int
) -> np.ndarray:
    """[N] -> [N]: encoded and decoded again, with the codec's delay taken out."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, AudioStream)
        stream.bit_rate = bit_rate
        scaled = (soxr.resample(samples, SAMPLE_RATE, rate) * 32767).clip(-32768, 32767)
        frame = av.AudioFrame.from_ndarray(
            scaled.astype(np.int16)[None], format="s16", layout="mono"
        )
        frame.sample_rate = rate
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as source:
        to_floats = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
        parts = []
        for decoded in [*source.decode(audio=0), None]:
            parts += [part.to_ndarray()[0] for part in to_floats.resample(decoded)]
    heard = np.concatenate(parts)
    delay = _delay(heard, samples)
    heard = heard[delay:] if delay > 0 else np.pad(heard, (-delay, 0))
    return np.pad(heard[: len(samples)], (0, max(len(samples) - len(heard), 0)))


def _delay(heard: np.ndarray, samples: np.ndarray) -> int:
    """Samples by which `heard` comes late: not every container tells the delay of its codec."""
    if not samples.any():
        return 0
    match = fftconvolve(heard, samples[::-1])
    none = len(samples) - 1  # index of a delay of zero
    first = max(none - LARGEST_DELAY, 0)
    return first + int(np.argmax(match[first : none + LARGEST_DELAY])) - none


def _reverberate(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In a room: noise that dies away over 0.15 to 0.6 s behind the direct sound."""
    decay = rng.uniform(0.15, 0.6)
    times = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.normal(size=len(times)) * 10 ** (-3 * times / decay)
    tail[: int(rng.uniform(0.002, 0.02) * SAMPLE_RATE)] = 0.0
    tail *= np.sqrt(10 ** (rng.uniform(-15, 0) / 10) / np.square(tail).sum())
    tail[0] = 1.0
    wet = fftconvolve(samples, tail)[: len(samples)]
    return wet * np.sqrt((np.square(samples).mean() + 1e-9) / (np.square(wet).mean() + 1e-9))


def _noise(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Coloured noise, 5 to 35 dB below the speech."""
    spectrum = np.fft.rfft(rng.normal(size=len(samples)))
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    noise = np.fft.irfft(spectrum * np.maximum(hertz, 50) ** -rng.uniform(0, 1), len(samples))
    level = np.sqrt(np.square(samples).mean() * 10 ** (-rng.uniform(5, 35) / 10))
    return noise * level / np.sqrt(np.square(noise).mean() + 1e-12)
