"""Recordings as people have them: channels that cancel, what is no number, silence, changes on the way."""

import io
import wave
from pathlib import Path

import av
import numpy as np
import pytest
import soxr

from adamesh.animation.animator import animate
from adamesh.errors import InputError, InputNotice
from adamesh.media.audio import load_audio
from adamesh.media.channels import Channels
from adamesh.media.samples import is_silent, usable_samples
from adamesh.rates import SAMPLE_RATE

SECONDS = 2


def voice(seed: int = 0, rate: int = SAMPLE_RATE, seconds: float = SECONDS) -> np.ndarray:
    """A gliding tone that swells and fades, no stretch of it like another."""
    t = np.arange(round(seconds * rate)) / rate
    swell = np.interp(t, np.arange(0, seconds + 0.2, 0.1), np.random.default_rng(seed).uniform(
        0.2, 1, len(np.arange(0, seconds + 0.2, 0.1))))  # fmt: skip
    return (0.4 * swell * np.sin(2 * np.pi * (300 + 90 * np.sin(3 * t + seed)) * t)).astype(
        np.float32
    )


def write_floats(path: Path, *channels: np.ndarray, rate: int = SAMPLE_RATE) -> Path:
    """A WAV of 32-bit floats, which holds any value as it is."""
    content = np.stack(channels, 1).astype("<f4").tobytes()
    block = 4 * len(channels)
    form = b"fmt " + (16).to_bytes(4, "little") + (3).to_bytes(2, "little")
    form += len(channels).to_bytes(2, "little") + rate.to_bytes(4, "little")
    form += (rate * block).to_bytes(4, "little") + block.to_bytes(2, "little") + b"\x20\x00"
    body = b"WAVE" + form + b"data" + len(content).to_bytes(4, "little") + content
    path.write_bytes(b"RIFF" + len(body).to_bytes(4, "little") + body)
    return path


def encoded(codec: str, form: str, rate: int, layout: str, samples: np.ndarray) -> bytes:
    """The samples, given at `SAMPLE_RATE`, in every channel of a file of another rate."""
    content = io.BytesIO()
    with av.open(content, "w", format=form) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.layout = layout
        there = soxr.resample(samples, SAMPLE_RATE, rate).astype(np.float32)
        planes = np.tile(there, (stream.layout.nb_channels, 1))
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate = rate
        own = stream.codec_context.codec.audio_formats[0].name
        for part in av.AudioResampler(own, layout, rate).resample(frame):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return content.getvalue()


class TestChannels:
    @pytest.mark.parametrize("gain", [1.0, 0.8, 1.2])
    def test_those_that_cancel_give_the_louder(self, gain: float, tmp_path: Path) -> None:
        x = voice()
        path = write_floats(tmp_path / "a.wav", x, -gain * x)
        with pytest.warns(InputNotice, match=r"'.*a\.wav': its channels cancel each other"):
            heard = load_audio(path)
        np.testing.assert_allclose(heard, x if gain <= 1 else -gain * x, atol=1e-6)

    def test_those_that_agree_or_differ_are_mixed(self, tmp_path: Path) -> None:
        x, y = voice(0), voice(1)
        for other in (x, y, 0.3 * x):
            path = write_floats(tmp_path / "a.wav", x, other)
            np.testing.assert_allclose(load_audio(path), (x + other) / 2, atol=1e-6)

    def test_an_empty_one_takes_nothing_away(self, tmp_path: Path) -> None:
        x = voice()
        for channels in ((x, 0 * x), (1e-3 * voice(1), x)):
            heard = load_audio(write_floats(tmp_path / "a.wav", *channels))
            np.testing.assert_allclose(heard, x, atol=1e-6)

    @pytest.mark.parametrize("speech", ["FC", "FL"])
    def test_dialogue_is_in_the_centre_where_there_is_one(
        self, speech: str, tmp_path: Path
    ) -> None:
        x, music = voice(), 0.2 * voice(1)
        names = ["FL", "FR", "FC", "LFE", "BL", "BR"]
        planes = [music if name in ("FL", "FR") and speech == "FC" else 0 * x for name in names]
        planes[names.index(speech)] = x
        path = tmp_path / "a.flac"
        with av.open(path, "w") as file:
            stream = file.add_stream("flac", rate=SAMPLE_RATE)
            stream.layout = "5.1"
            frame = av.AudioFrame.from_ndarray(np.stack(planes), format="fltp", layout="5.1")
            frame.sample_rate = SAMPLE_RATE
            for part in av.AudioResampler("s16", "5.1", SAMPLE_RATE).resample(frame):
                file.mux(stream.encode(part))
            file.mux(stream.encode(None))
        np.testing.assert_allclose(load_audio(path), x, atol=1e-4)

    def test_numbers_of_energy(self) -> None:
        """Of parts as of the whole."""
        block = np.random.default_rng(0).normal(size=(2, 99))
        whole, parts = Channels(("FL", "FR")), Channels(("FL", "FR"))
        whole.add(block)
        for part in np.split(block, [10, 50], axis=1):
            parts.add(part)
        np.testing.assert_allclose(parts.energy, np.square(block).sum(1))
        assert parts.mixed == pytest.approx(np.square(block.mean(0)).sum())
        assert whole.mixed == pytest.approx(parts.mixed)


class TestNumbers:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
    @pytest.mark.parametrize("rate", [SAMPLE_RATE, 44_100])
    def test_a_few_that_are_none_are_zero(self, value: float, rate: int, tmp_path: Path) -> None:
        """At another rate they would spread through the resampler."""
        x = voice(rate=rate)
        broken, zeroed = x.copy(), x.copy()
        at = round(1.25 * rate)
        broken[at : at + 3], zeroed[at : at + 3] = value, 0
        clean = load_audio(write_floats(tmp_path / "b.wav", zeroed, rate=rate))
        path = write_floats(tmp_path / "a.wav", broken, rate=rate)
        with pytest.warns(InputNotice, match=r"a\.wav' has 3 of \d+ .* first at 1\.250 s"):
            np.testing.assert_array_equal(load_audio(path), clean)

    def test_many_are_no_recording(self, tmp_path: Path) -> None:
        x = voice()
        x[1000:20_000] = np.nan
        path = write_floats(tmp_path / "a.wav", x)
        with pytest.raises(InputError, match=r"a\.wav' has 19000 .* first at 0\.062 s; give"):
            load_audio(path)

    def test_of_arrays(self) -> None:
        x = voice()
        for scale, kind in ((2**15, np.int16), (2**31, np.int32)):
            integers = np.rint(x.astype(np.float64) * scale).astype(kind)
            np.testing.assert_allclose(usable_samples(integers, "x", SAMPLE_RATE), x, atol=1e-4)
        unsigned = np.rint(x * 128 + 128).astype(np.uint8)
        np.testing.assert_allclose(usable_samples(unsigned, "x", SAMPLE_RATE), x, atol=1e-2)
        for scale in (2**15, 2**31):
            with pytest.warns(InputNotice, match=f"divided by {scale}"):
                floats = usable_samples(x * scale, "x", SAMPLE_RATE)
            np.testing.assert_allclose(floats, x, atol=1e-6)
        np.testing.assert_array_equal(usable_samples(3 * x, "x", SAMPLE_RATE), 3 * x)
        with pytest.raises(InputError, match=r"x must be mono .* got float32\[2, 32000\]"):
            usable_samples(np.stack([x, x]), "x", SAMPLE_RATE)
        with pytest.raises(InputError, match="got bool"):
            usable_samples(x > 0, "x", SAMPLE_RATE)

    def test_the_api_has_the_same_door(self) -> None:
        x = voice()
        x[7] = np.nan
        with pytest.warns(InputNotice, match="speech has 1 of 32000"):
            assert np.isfinite(animate(x).expression).all()


class TestSilence:
    @pytest.mark.parametrize("level", [0.0, 1e-4])
    def test_is_told(self, level: float, tmp_path: Path) -> None:
        path = write_floats(tmp_path / "a.wav", level * voice())
        with pytest.warns(InputNotice, match=r"a\.wav' is silent .*the mouth stays shut"):
            load_audio(path)

    def test_quiet_speech_is_none(self) -> None:
        for level in (-40, -30):
            assert not is_silent(10 ** (level / 20) * voice(), SAMPLE_RATE)
        long = np.concatenate([np.zeros(60 * SAMPLE_RATE, np.float32), 0.01 * voice()])
        assert not is_silent(long, SAMPLE_RATE)

    def test_a_silent_track_gives_way_to_one_with_sound(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mka"
        tracks = [0 * voice(), voice()]
        with av.open(path, "w") as file:
            streams = [file.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono") for _ in "ab"]
            for stream, samples in zip(streams, tracks, strict=True):
                pcm = np.rint(samples[None] * 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
                frame.sample_rate = SAMPLE_RATE
                file.mux(stream.encode(frame))
                file.mux(stream.encode(None))
        with pytest.warns(InputNotice, match="audio track 0 of .* is silent; track 1 is taken"):
            heard = load_audio(path)
        assert np.corrcoef(heard, voice())[0, 1] > 0.999


@pytest.mark.parametrize(
    ("codec", "form", "padding"),
    [("aac", "adts", 0.06), ("libmp3lame", "mp3", 0.06), ("aac", "mpegts", 0.06)],
)
@pytest.mark.parametrize("layouts", ["mono stereo mono", "stereo mono stereo"])
def test_streams_that_change_on_the_way(
    codec: str, form: str, padding: float, layouts: str, tmp_path: Path
) -> None:
    """Every part keeps its length and pitch, but for what its encoder put around it."""
    path = tmp_path / f"a.{form}"
    parts = [voice(seed) for seed in range(3)]
    path.write_bytes(
        b"".join(
            encoded(codec, form, rate, layout, part)
            for rate, layout, part in zip(
                (44_100, 22_050, 48_000), layouts.split(), parts, strict=True
            )
        )
    )
    heard = load_audio(path)
    assert len(heard) / SAMPLE_RATE == pytest.approx(3 * SECONDS + 2 * padding, abs=0.06)
    size = round(0.5 * SAMPLE_RATE)
    for number, part in enumerate(parts):
        middle = part[SAMPLE_RATE : SAMPLE_RATE + size]
        begin = (number * SECONDS + 1) * SAMPLE_RATE - 800
        there = heard[begin : begin + size + 3200]
        found = np.lib.stride_tricks.sliding_window_view(there, size)
        alike = found @ middle / np.linalg.norm(found, axis=1) / np.linalg.norm(middle)
        assert alike.max() > 0.98, number


@pytest.mark.parametrize("rate", [11_025, 22_050, 44_100])
def test_flash_video_with_mp3(rate: int, tmp_path: Path) -> None:
    path = tmp_path / "a.flv"
    path.write_bytes(encoded("libmp3lame", "flv", rate, "mono", voice()))
    heard = load_audio(path)
    assert len(heard) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.12)


def test_whole_numbers_of_eight_and_twenty_four_bits(tmp_path: Path) -> None:
    x = voice()
    for width, scale in ((1, 2**7), (3, 2**23)):
        integers = np.rint(x.astype(np.float64) * (scale - 1)).astype("<i4")
        if width == 1:
            content = (integers + 128).astype(np.uint8).tobytes()
        else:
            content = integers.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        with wave.open(str(tmp_path / "a.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(width)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(content)
        np.testing.assert_allclose(load_audio(tmp_path / "a.wav"), x, atol=2 / scale)
