"""Sound and pictures keep their time, pitch, colour and orientation through files of any kind."""

import math
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from adamesh.errors import InputError
from adamesh.media.audio import load_audio, write_wav
from adamesh.media.gif import GifWriter, choose_palette
from adamesh.media.video import VideoWriter, probe, read_frames
from adamesh.rates import SAMPLE_RATE

GREY = np.full((48, 64, 3), 90, np.uint8)
WHITE = np.full((48, 64, 3), 255, np.uint8)


def tone(seconds: float, rate: int, frequency: float = 440.0) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * frequency * t)).astype(np.float32)


def click(seconds: float, rate: int, at: float) -> np.ndarray:
    samples = np.zeros(round(seconds * rate), np.float32)
    start = round(at * rate)
    samples[start : start + rate // 50] = tone(0.02, rate, 1000)
    return samples


def onset(samples: np.ndarray, rate: int = SAMPLE_RATE) -> float:
    """Seconds until the sound becomes loud."""
    return float(np.argmax(np.abs(samples) > 0.2)) / rate


def pitch(samples: np.ndarray, rate: int = SAMPLE_RATE) -> float:
    """Hz of the strongest partial."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


def encode_audio(
    path: Path, codec: str, channels: np.ndarray, rate: int, layout: str = "mono"
) -> None:
    """Channels float32 [C, N] through an encoder of PyAV."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(channels, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def encode_video(
    path: Path,
    times: list[float],
    images: list[np.ndarray],
    rotation: int = 0,
    audio: tuple[np.ndarray, float] | None = None,  # samples at SAMPLE_RATE and their start, s
) -> None:
    """Pictures at any times, with sound from any time on."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=1000)
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt, video.options = "yuv420p", {"crf": "5"}
        video.set_display_rotation(rotation)
        sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if audio else None
        for time, image in zip(times, images, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            block = av.AudioFrame.from_ndarray(audio[0][None], format="fltp", layout="mono")
            block.sample_rate, block.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
            block.pts = round(audio[1] * SAMPLE_RATE)
            container.mux(sound.encode(block))
            container.mux(sound.encode(None))


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Two seconds at 25 fps; a flash and a click at 1.2 s."""
    path = tmp_path / "talk.mp4"
    with VideoWriter(path, 25, 64, 48, (click(2.0, 44_100, 1.2), 44_100)) as video:
        for k in range(50):
            video.write(WHITE if k == 30 else GREY)
    return path


class TestLoadAudio:
    @pytest.mark.parametrize(
        ("suffix", "codec", "rate", "layout"),
        [
            ("wav", "pcm_s16le", 8_000, "mono"),
            ("wav", "pcm_f32le", 16_000, "mono"),
            ("wav", "pcm_s24le", 44_100, "stereo"),
            ("wav", "pcm_u8", 22_050, "mono"),
            ("flac", "flac", 48_000, "stereo"),
            ("mp3", "libmp3lame", 44_100, "stereo"),
            ("opus", "libopus", 48_000, "mono"),
            ("m4a", "aac", 48_000, "5.1"),
        ],
    )
    def test_duration_and_pitch_survive(
        self, tmp_path: Path, suffix: str, codec: str, rate: int, layout: str
    ) -> None:
        path = tmp_path / f"tone.{suffix}"
        channels = np.tile(tone(1.5, rate), (av.AudioLayout(layout).nb_channels, 1))
        encode_audio(path, codec, channels, rate, layout)
        samples = load_audio(path)
        assert samples.dtype == np.float32
        # lossy codecs fill up their last block
        assert 1.5 <= len(samples) / SAMPLE_RATE <= 1.5 + 2 * 1152 / rate
        assert pitch(samples) == pytest.approx(440, abs=1)
        middle = samples[SAMPLE_RATE // 2 : SAMPLE_RATE]  # of 5.1, one channel holds low tones only
        assert np.abs(middle).max() == pytest.approx(0.5, abs=0.1 if layout == "5.1" else 0.03)

    def test_channels_are_averaged(self, tmp_path: Path) -> None:
        left = tone(1.0, SAMPLE_RATE)
        right = np.roll(0.2 * left[::-1], 37)
        encode_audio(
            tmp_path / "both.wav", "pcm_f32le", np.stack([left, right]), SAMPLE_RATE, "stereo"
        )
        mean = (left + right) / 2
        np.testing.assert_allclose(load_audio(tmp_path / "both.wav"), mean, atol=1e-6)

    def test_resampling_keeps_time(self, tmp_path: Path) -> None:
        write_wav(tmp_path / "click.wav", click(3.0, 44_100, 2.5), 44_100)
        for rate in (8_000, SAMPLE_RATE, 48_000):
            samples = load_audio(tmp_path / "click.wav", rate)
            assert len(samples) == 3 * rate
            assert onset(samples, rate) == pytest.approx(2.5, abs=0.001)

    def test_wav_round_trip_is_exact_to_16_bits(self, tmp_path: Path) -> None:
        samples = tone(1.0, SAMPLE_RATE) * 3  # clipped beyond 1
        write_wav(tmp_path / "a.wav", samples, SAMPLE_RATE)
        expected = np.clip(samples, -1, 1 - 2**-15)
        np.testing.assert_allclose(load_audio(tmp_path / "a.wav"), expected, atol=0.51 / 2**15)

    @pytest.mark.parametrize("suffix", ["mp4", "mkv"])
    @pytest.mark.parametrize("start", [-0.4, 0.0, 0.7])
    def test_sample_zero_is_at_the_first_picture(
        self, tmp_path: Path, suffix: str, start: float
    ) -> None:
        """Sound that starts at `start` with a click one second later, pictures from 0 on."""
        path = tmp_path / f"late.{suffix}"
        times = [k / 25 - min(start, 0) for k in range(50)]
        sound = click(2.5, SAMPLE_RATE, 1.0), max(start, 0)
        encode_video(path, times, [GREY] * 50, audio=sound)
        assert onset(load_audio(path)) == pytest.approx(1.0 + start, abs=0.01)

    def test_a_gap_in_the_recording_is_silence(self, tmp_path: Path) -> None:
        path = tmp_path / "gap.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
            block = av.AudioFrame.from_ndarray(tone(2.0, SAMPLE_RATE)[None], "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
            for packet in [*stream.encode(block), *stream.encode(None)]:
                if packet.pts * packet.time_base > 1:  # the second half comes a second later
                    packet.pts += round(1 / packet.time_base)
                    packet.dts = packet.pts
                container.mux(packet)
        samples = load_audio(path)
        quiet = np.flatnonzero(np.abs(samples).reshape(-1, SAMPLE_RATE // 100).max(1) < 0.1)
        assert len(samples) == pytest.approx(3 * SAMPLE_RATE, abs=20)
        assert len(quiet) == pytest.approx(100, abs=2)  # hundredths of a second
        assert quiet[-1] - quiet[0] == len(quiet) - 1

    def test_damaged_packets_do_not_shift_the_rest(self, tmp_path: Path) -> None:
        path = tmp_path / "damaged.m4a"
        sound = click(4.0, SAMPLE_RATE, 3.0)
        sound[: 2 * SAMPLE_RATE] = tone(2.0, SAMPLE_RATE)
        encode_audio(path, "aac", sound[None], SAMPLE_RATE)
        data = bytearray(path.read_bytes())
        for k in range(len(data) // 4, len(data) // 2, 50):  # in the tone
            data[k] ^= 0xFF
        path.write_bytes(data)
        samples = load_audio(path)
        assert len(samples) == pytest.approx(4 * SAMPLE_RATE, abs=2048)
        assert 2.5 + onset(samples[5 * SAMPLE_RATE // 2 :]) == pytest.approx(3.0, abs=0.01)


class TestReadFrames:
    def test_flash_and_click_stay_together(self, talk: Path) -> None:
        frames = list(read_frames(talk))
        flashes = [k for k, frame in enumerate(frames) if frame.mean() > 200]
        assert len(frames) == 50
        assert flashes == [30]
        assert onset(load_audio(talk)) == pytest.approx(1.2, abs=0.005)

    def test_probe(self, talk: Path) -> None:
        info = probe(talk)
        assert (info.fps, info.frames, info.width, info.height) == (25, 50, 64, 48)
        assert info.duration == pytest.approx(2.0, abs=0.03)
        assert (info.rotation, info.has_audio) == (0, True)

    @pytest.mark.parametrize("fps", [12.5, 24, 25, 30000 / 1001, 50, 60])
    def test_any_rate_shows_the_nearest_picture(self, tmp_path: Path, fps: float) -> None:
        """Picture k of a ramp of brightness, at an uneven clock."""
        rng = np.random.default_rng(0)
        times = np.cumsum(rng.integers(10, 70, 40)) / 1000
        images = [np.full((16, 16, 3), 20 + 5 * k, np.uint8) for k in range(40)]
        encode_video(tmp_path / "vfr.mkv", times.tolist(), images)
        seen = [(frame.mean() - 20) / 5 for frame in read_frames(tmp_path / "vfr.mkv", fps)]
        clock = times[0] + np.arange(len(seen)) / fps
        distance = np.abs(clock[:, None] - times)
        shown = distance[np.arange(len(seen)), np.rint(seen).astype(int)]
        np.testing.assert_allclose(shown, distance.min(1), atol=0.002)
        length = (times[-1] - times[0]) * 40 / 39  # the last picture is shown for the mean time
        assert len(seen) == pytest.approx(length * fps, abs=0.6)

    def test_a_false_statement_of_the_rate_is_not_believed(self, tmp_path: Path) -> None:
        """Browsers record Matroska that says 1000 pictures a second."""
        encode_video(tmp_path / "web.mkv", [k / 30 for k in range(60)], [GREY] * 60)
        info = probe(tmp_path / "web.mkv")
        assert (info.frames, info.fps) == (60, pytest.approx(30, abs=0.02))
        assert info.duration == pytest.approx(2.0, abs=0.01)

    def test_own_rate_gives_every_picture_once(self, talk: Path) -> None:
        stored, sampled = list(read_frames(talk)), list(read_frames(talk, probe(talk).fps))
        np.testing.assert_array_equal(stored, sampled)

    @pytest.mark.parametrize("rotation", [0, 90, 180, -90])
    def test_pictures_are_upright(self, tmp_path: Path, rotation: int) -> None:
        """A scene with a red corner, stored turned and with the note how to turn it back."""
        scene = GREY.copy()
        scene[:16, :16] = (220, 30, 30)
        stored = np.ascontiguousarray(np.rot90(scene, -rotation // 90))
        path = tmp_path / "phone.mp4"
        encode_video(path, [0.0, 0.04], [stored, stored], rotation=rotation)
        frame = next(read_frames(path))
        info = probe(path)
        assert frame.shape == scene.shape
        assert np.abs(frame[4:12, 4:12].astype(int) - (220, 30, 30)).max() < 12
        assert (info.height, info.width, info.rotation) == (48, 64, rotation % 360)

    def test_large_pictures_are_scaled_down(self, talk: Path) -> None:
        assert next(read_frames(talk, max_size=32)).shape == (24, 32, 3)
        assert next(read_frames(talk, max_size=640)).shape == (48, 64, 3)

    def test_decoding_is_lazy(self, talk: Path) -> None:
        frames = read_frames(talk)
        assert isinstance(frames, Iterator)
        next(frames)
        frames.close()  # type: ignore[attr-defined]

    def test_a_cover_is_no_video(self, tmp_path: Path) -> None:
        path = tmp_path / "song.m4a"
        with av.open(str(path), "w", format="mp4") as container:
            sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
            cover = container.add_stream("mjpeg", rate=25)
            cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
            cover.disposition = Disposition.attached_pic
            picture = av.VideoFrame.from_ndarray(GREY, format="rgb24")
            picture.pts, picture.time_base = 0, Fraction(1, 25)
            container.mux(cover.encode(picture))
            container.mux(cover.encode(None))
            block = av.AudioFrame.from_ndarray(tone(1, SAMPLE_RATE)[None], "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
            container.mux(sound.encode(block))
            container.mux(sound.encode(None))
        with pytest.raises(InputError, match="no pictures, only sound"):
            next(read_frames(path))
        assert pitch(load_audio(path)) == pytest.approx(440, abs=1)


class TestBadFiles:
    @pytest.fixture
    def bad(self, tmp_path: Path, talk: Path) -> dict[str, Path]:
        paths = {
            "missing": tmp_path / "missing.mp4",
            "folder": tmp_path / "folder.mp4",
            "empty": tmp_path / "empty.mp4",
            "text": tmp_path / "text.mp4",
            "note": tmp_path / "note.txt",
            "cut": tmp_path / "cut.mp4",
        }
        paths["folder"].mkdir()
        paths["empty"].touch()
        paths["text"].write_text("these are no pictures\n" * 50)
        paths["note"].write_text("these are no pictures\n" * 50)
        paths["cut"].write_bytes(talk.read_bytes()[:600])
        return paths

    @pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "note", "cut"])
    def test_one_clear_line(self, bad: dict[str, Path], kind: str) -> None:
        for read in (load_audio, probe, lambda path: list(read_frames(path))):
            with pytest.raises(InputError, match=bad[kind].name) as caught:
                read(bad[kind])
            assert "\n" not in str(caught.value)

    def test_a_half_copied_video_gives_what_is_there(self, tmp_path: Path, talk: Path) -> None:
        data = talk.read_bytes()
        half = tmp_path / "half.mp4"
        half.write_bytes(data[: len(data) * 3 // 4])
        assert 1 <= len(list(read_frames(half))) < 50

    def test_sound_without_pictures(self, tmp_path: Path) -> None:
        write_wav(tmp_path / "speech.wav", tone(1, SAMPLE_RATE), SAMPLE_RATE)
        for read in (probe, lambda path: list(read_frames(path))):
            with pytest.raises(InputError, match="no pictures, only sound"):
                read(tmp_path / "speech.wav")

    def test_pictures_without_sound(self, tmp_path: Path) -> None:
        with VideoWriter(tmp_path / "mute.mp4", 25, 64, 48) as video:
            video.write(GREY)
        with pytest.raises(InputError, match="no audio track"):
            load_audio(tmp_path / "mute.mp4")
        assert not probe(tmp_path / "mute.mp4").has_audio

    @pytest.mark.parametrize("seconds", [0.0, 0.4])
    def test_too_short(self, tmp_path: Path, seconds: float) -> None:
        write_wav(tmp_path / "short.wav", tone(seconds, SAMPLE_RATE), SAMPLE_RATE)
        with pytest.raises(InputError, match=rf"{seconds:.2f} s of readable sound"):
            load_audio(tmp_path / "short.wav")


class TestVideoWriter:
    def test_colours_survive(self, tmp_path: Path) -> None:
        colours = [(200, 60, 40), (30, 160, 70), (40, 70, 210), (235, 235, 235), (12, 12, 12)]
        with VideoWriter(tmp_path / "colours.mp4", 25, 64, 48) as video:
            for colour in colours:
                video.write(np.full((48, 64, 3), colour, np.uint8))
        for frame, colour in zip(read_frames(tmp_path / "colours.mp4"), colours, strict=True):
            assert np.abs(frame.astype(int) - colour).max() <= 5

    @pytest.mark.parametrize("fps", [24, 25, 30000 / 1001, 60])
    @pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
    def test_rate_and_length(self, tmp_path: Path, fps: float, suffix: str) -> None:
        path = tmp_path / f"clip{suffix}"
        sound = tone(1.0, SAMPLE_RATE)
        with VideoWriter(path, fps, 64, 48, (sound, SAMPLE_RATE)) as video:
            for _ in range(math.ceil(fps)):
                video.write(GREY)
        assert probe(path).fps == pytest.approx(fps, rel=1e-3)
        assert len(list(read_frames(path, fps))) == math.ceil(fps)
        assert len(load_audio(path)) / SAMPLE_RATE == pytest.approx(1.0, abs=0.05)

    def test_rounded_rates_are_taken_for_what_they_mean(self, tmp_path: Path) -> None:
        with VideoWriter(tmp_path / "a.mp4", 29.97, 64, 48) as video:
            video.write(GREY)
            video.write(GREY)
        with av.open(str(tmp_path / "a.mp4")) as container:
            assert container.streams.video[0].average_rate == Fraction(30_000, 1001)

    def test_all_sound_is_written(self, tmp_path: Path) -> None:
        path = tmp_path / "long.mp4"
        with VideoWriter(path, 25, 64, 48, (click(3.0, SAMPLE_RATE, 2.8), SAMPLE_RATE)) as video:
            for _ in range(25):
                video.write(GREY)
        assert onset(load_audio(path)) == pytest.approx(2.8, abs=0.005)

    def test_whole_or_not_at_all(self, tmp_path: Path) -> None:
        path = tmp_path / "talk.mp4"
        path.write_text("before")

        def fail() -> None:
            with VideoWriter(path, 25, 64, 48) as video:
                video.write(GREY)
                raise RuntimeError("rendering")

        with pytest.raises(RuntimeError, match="rendering"):
            fail()
        with pytest.raises(InputError, match="no picture"), VideoWriter(path, 25, 64, 48):
            pass
        assert [file.name for file in tmp_path.iterdir()] == ["talk.mp4"]
        assert path.read_text() == "before"

    def test_says_what_is_wrong(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="even width and height, got 63 x 48"):
            VideoWriter(tmp_path / "odd.mp4", 25, 63, 48)
        with pytest.raises(InputError, match=r"must end in \.mp4"):
            VideoWriter(tmp_path / "talk.xyz", 25, 64, 48)
        with pytest.raises(InputError, match=r"no place for transparency; write a \.webm"):
            VideoWriter(tmp_path / "clear.mp4", 25, 64, 48, alpha=True)
        with (
            pytest.raises(InputError, match=r"must be uint8 \[48, 64, 3\], got float64"),
            VideoWriter(tmp_path / "talk.mp4", 25, 64, 48) as video,
        ):
            video.write(GREY / 255)


class TestGifWriter:
    @pytest.mark.parametrize("fps", [10, 23.976, 24, 25, 29.97, 30, 48, 50])
    def test_delays_keep_the_time(self, tmp_path: Path, fps: float) -> None:
        exact = {23.976: 24_000 / 1001, 29.97: 30_000 / 1001}.get(fps, fps)
        pictures = [np.full((20, 30, 3), 2 * k, np.uint8) for k in range(120)]
        palette = choose_palette(pictures)
        with GifWriter(tmp_path / "a.gif", fps, 30, 20, palette) as gif:
            for picture in pictures:
                gif.write(picture)
        # Read from the format's own bytes: every picture has a graphic control extension.
        content = (tmp_path / "a.gif").read_bytes()
        blocks = content.split(b"\x21\xf9\x04")[1:]
        delays = [int.from_bytes(block[1:3], "little") for block in blocks]
        assert len(delays) == len(pictures)
        assert min(delays) >= 2  # a shorter one is taken for 10
        shown = np.cumsum([0, *delays]) / 100
        assert np.abs(shown - np.arange(121) / exact).max() <= 0.005 + 1e-9

    def test_colours_are_the_pictures_own(self, tmp_path: Path) -> None:
        pictures = [np.full((48, 64, 3), c, np.uint8) for c in ([13, 201, 77], [240, 17, 99])]
        with GifWriter(tmp_path / "a.gif", 25, 64, 48, choose_palette(pictures)) as gif:
            for picture in pictures:
                gif.write(picture)
        for found, picture in zip(read_frames(tmp_path / "a.gif"), pictures, strict=True):
            assert np.abs(found.astype(int) - picture).max() <= 4

    def test_says_what_is_wrong(self, tmp_path: Path) -> None:
        palette = choose_palette([WHITE])
        with pytest.raises(InputError, match="at most 50 pictures a second, got 60"):
            GifWriter(tmp_path / "a.gif", 60, 64, 48, palette)
        with pytest.raises(InputError, match="at least one picture"):
            choose_palette([])


def test_wav_is_plain_pcm(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.array([0.0, 0.5, -0.5, 2.0, -2.0], np.float32), 8000)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        pcm = np.frombuffer(file.readframes(5), "<i2")
    assert pcm.tolist() == [0, 16384, -16384, 32767, -32768]
    with pytest.raises(InputError, match=r"mono \[N\], got \[2, 3\]"):
        write_wav(tmp_path / "b.wav", np.zeros((2, 3)), 8000)
