"""The same words in another voice, room, microphone and codec, every one at its own time.

Needs the sound itself, so it is done a few times for each recording ahead of training.
"""

import io
from dataclasses import dataclass

import av
import numpy as np
import soxr
from av.audio.stream import AudioStream
from scipy.signal import butter, fftconvolve, sosfiltfilt

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

    pitch: float = 1.2  # pitch, formants and tempo together, up to this factor up or down
    gain_db: float = 10.0  # louder or softer
    reverberation: float = 0.4  # share of recordings in a room
    noise: float = 0.5  # share with background noise
    hum: float = 0.2  # share with a mains hum
    band_limit: float = 0.3  # share with a poor microphone
    codec: float = 0.3  # share through a codec


def alter_voice(
    samples: np.ndarray, augmentation: VoiceAugmentation, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """One recording as somebody else might have spoken and recorded it.

    A tape that runs faster raises the pitch, the formants and the tempo by one factor, exactly: no word moves
    but by that. Changing pitch alone would move each by tens of milliseconds.

    Args:
        samples: [N] mono, -1..1, at `SAMPLE_RATE`.
    Returns:
        [N / speed] samples and the speed: what was heard at t seconds is now heard at t / speed.
    """
    a = augmentation
    speed = float(np.exp(rng.uniform(-1, 1) * np.log(a.pitch)))
    altered = soxr.resample(samples, SAMPLE_RATE * speed, SAMPLE_RATE).astype(np.float32)
    speed = len(samples) / len(altered)
    if rng.random() < a.reverberation:
        altered = _reverberate(altered, rng)
    altered = altered * 10 ** (rng.uniform(-1, 1) * a.gain_db / 20)
    if rng.random() < a.noise:
        level = np.sqrt(np.square(altered).mean() * 10 ** (-rng.uniform(5, 35) / 10))
        altered = altered + level * coloured_noise(len(altered), rng)
    if rng.random() < a.hum:
        level = np.sqrt(np.square(altered).mean() * 10 ** (-rng.uniform(5, 35) / 10))
        altered = altered + level * mains_hum(len(altered), rng)
    if rng.random() < a.band_limit:
        low, high = rng.uniform(50, 300), rng.uniform(3_000, 7_000)
        band = butter(2, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos")
        altered = sosfiltfilt(band, altered)  # forwards and backwards: no delay
    altered = np.clip(altered, -1, 1).astype(np.float32)
    if rng.random() < a.codec:
        name, container, rate, bit_rates = CODECS[rng.integers(len(CODECS))]
        altered = through_codec(altered, name, container, rate, int(rng.choice(bit_rates)))
    return altered, speed


def coloured_noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """[count] noise of deviation 1, anywhere between white and red."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    noise = np.fft.irfft(spectrum * np.maximum(hertz, 50) ** -rng.uniform(0, 1), count)
    return noise / (noise.std() + 1e-12)


def mains_hum(count: int, rng: np.random.Generator) -> np.ndarray:
    """[count] a hum of deviation 1: 50 or 60 Hz with overtones that fall off."""
    base, fall = rng.choice([50.0, 60.0]), rng.uniform(0.5, 2.0)
    times = np.arange(count) / SAMPLE_RATE
    hum = np.zeros(count)
    for k in range(1, 13):
        hum += k**-fall * np.sin(2 * np.pi * (k * base * times + rng.random()))
    return hum / (hum.std() + 1e-12)


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
