"""Speech keeps its time through every container and codec: to a millisecond, a motion frame has 40.

The sound is compared with the WAV by cross-correlation, its place beside pictures by a white flash.
"""

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soxr

from adamesh.animation.sample import SAMPLE_SPEECH
from adamesh.media.audio import load_audio, write_wav
from adamesh.media.video import read_frames
from adamesh.rates import SAMPLE_RATE

MILLISECOND = 1.25  # Matroska, and FFmpeg's edit lists, count whole ones
FPS = 25
FLASH = 25  # the number of the white picture
SECONDS = 2
QUICK = {"libvpx": {"deadline": "realtime", "cpu-used": "8"}}  # options of the encoder


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Two seconds of the packaged voice, as its WAV is read."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    write_wav(path, load_audio(SAMPLE_SPEECH)[: SECONDS * SAMPLE_RATE], SAMPLE_RATE)
    return load_audio(path)


def mux(
    path: Path,
    speech: np.ndarray,
    codec: str,
    rate: int = SAMPLE_RATE,
    *,
    video: str | None = None,
    late: float = 0.0,  # s by which the sound is recorded after the pictures
    format: str | None = None,
    options: dict[str, str] | None = None,  # of the container
    video_options: dict[str, str] | None = None,
) -> Path:
    """The speech in a file, its packets in order of time as a recorder writes them."""
    sound = speech if rate == SAMPLE_RATE else soxr.resample(speech, SAMPLE_RATE, rate)
    first_sample, first_picture = round(max(late, 0) * rate), round(max(-late, 0) * FPS)
    packets = []
    with av.open(str(path), "w", format=format, container_options=options or {}) as container:
        if video is not None:
            pictures = container.add_stream(
                video, rate=FPS, options=video_options or QUICK.get(video, {})
            )
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        stream = container.add_stream(codec, rate=rate, layout="mono")
        for k in range(SECONDS * FPS if video else 0):
            image = np.full((48, 64, 3), 250 if k == FLASH else 40, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = first_picture + k, Fraction(1, FPS)
            packets += pictures.encode(frame)
        if video is not None:
            packets += pictures.encode(None)
        for start in range(0, len(sound), rate // FPS):
            block = sound[None, start : start + rate // FPS].astype(np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = first_sample + start
            packets += stream.encode(frame)
        packets += stream.encode(None)
        container.mux(sorted(packets, key=lambda packet: packet.dts * packet.time_base))
    return path


def latenesses(samples: np.ndarray, speech: np.ndarray, parts: int = 3) -> np.ndarray:
    """Milliseconds [parts] by which samples have the parts of the speech later, to 1/4 of a sample.

    In parts, as a gap or a cut shows only after it.
    """
    n, finer = 1 << 16, 4
    edges = np.linspace(0, len(speech), parts + 1).astype(int)
    alone = np.zeros((parts, len(speech)), np.float32)
    for part, start, stop in zip(alone, edges, edges[1:], strict=False):
        part[start:stop] = speech[start:stop]
    cross = np.fft.rfft(samples, n) * np.conj(np.fft.rfft(alone, n))
    peaks = np.fft.irfft(cross, finer * n).argmax(1)
    peaks[peaks > finer * n // 2] -= finer * n
    return peaks / finer / SAMPLE_RATE * 1000


def flash_time(path: Path) -> float:
    """Milliseconds after the first picture at which the flash is, on the clock of `read_frames`."""
    white = np.flatnonzero([frame[0, 0, 0] > 130 for frame in read_frames(path, fps=1000)])
    return float(white[0] + white[-1] + 1) / 2


def beside_pictures(path: Path, speech: np.ndarray) -> tuple[float, np.ndarray]:
    """Milliseconds by which the flash is late, and the parts [3] of the speech are later than it."""
    flash = flash_time(path) - FLASH / FPS * 1000
    return flash, latenesses(load_audio(path), speech) - flash


def remux(path: Path, target: Path, change: Callable[[int, av.Packet], bool]) -> Path:
    """Copies the packets for which `change`, given their number, returns True; it may set `pts`."""
    with av.open(str(path)) as source, av.open(str(target), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.audio[0])
        packets = [packet for packet in source.demux(audio=0) if packet.dts is not None]
        for number, packet in enumerate(packets):
            if change(number, packet):
                packet.stream = stream
                packet.dts = number - 1000  # FFmpeg writes no packets whose times step back
                copy.mux(packet)
    return target


def box(data: bytes, kind: bytes, start: int = 0) -> int:
    """Where the content of a box of an MP4 begins, after its version and flags."""
    return data.index(kind, start) + 8


def set_media_time(path: Path, samples: int) -> None:
    """Where the edit list of an MP4 from FFmpeg lets the sound begin: at 1024, after the priming."""
    data = bytearray(path.read_bytes())
    track = data.rindex(b"trak", 0, data.index(b"soun"))
    media_time = box(data, b"elst", track) + 8
    assert number(data, media_time) == 1024
    struct.pack_into(">i", data, media_time, samples)
    path.write_bytes(data)


def number(data: bytearray, at: int) -> int:
    return int(struct.unpack_from(">i", data, at)[0])


class TestSoundAlone:
    @pytest.mark.parametrize(
        ("name", "codec", "rate"),
        [
            # containers that tell of the priming
            ("a.m4a", "aac", 16_000),
            ("a.mp4", "aac", 48_000),
            ("a.mov", "aac", 44_100),
            ("a.mov", "pcm_s16le", 16_000),
            ("a.mp4", "libopus", 48_000),
            ("a.mp4", "libopus", 16_000),  # FFmpeg takes ticks of 16 kHz for samples at 48 kHz
            ("a.mp4", "libmp3lame", 16_000),
            ("a.mp4", "flac", 16_000),
            ("a.webm", "libopus", 48_000),
            ("a.mkv", "libopus", 48_000),
            ("a.mkv", "aac", 16_000),
            ("a.mkv", "libmp3lame", 16_000),
            ("a.mkv", "pcm_s16le", 16_000),
            ("a.ogg", "libopus", 48_000),
            ("a.mp3", "libmp3lame", 16_000),
            ("a.mp3", "libmp3lame", 44_100),
            ("a.flac", "flac", 44_100),
            ("a.avi", "pcm_s16le", 16_000),
            # containers that do not
            ("a.aac", "aac", 16_000),
            ("a.latm", "aac", 48_000),
            ("a.ts", "aac", 16_000),
            ("a.ts", "aac", 48_000),
            ("a.ts", "libmp3lame", 16_000),
            ("a.ts", "mp2", 48_000),
            ("a.ts", "libopus", 48_000),
            ("a.mp2", "mp2", 48_000),
            ("a.ac3", "ac3", 48_000),
            ("a.avi", "aac", 16_000),
            ("a.avi", "libmp3lame", 48_000),
            ("a.flv", "aac", 44_100),
            ("a.wmv", "aac", 44_100),
        ],
    )
    def test_starts_with_its_first_sound(
        self, tmp_path: Path, speech: np.ndarray, name: str, codec: str, rate: int
    ) -> None:
        samples = load_audio(mux(tmp_path / name, speech, codec, rate))
        np.testing.assert_allclose(latenesses(samples, speech), 0, atol=MILLISECOND)
        lost = len(speech) - len(samples)
        assert lost <= (SAMPLE_RATE // 50 if name == "a.mp2" else 1)  # its encoder keeps a rest
        assert np.corrcoef(samples[: len(speech)], speech[: len(samples)])[0, 1] > 0.9

    @pytest.mark.parametrize(
        ("name", "codec", "options"),
        [
            ("a.mp4", "aac", {"use_editlist": "0"}),
            ("a.mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
            ("a.mp4", "libopus", {"movflags": "frag_keyframe+empty_moov"}),
            ("a.mp4", "aac", {"movflags": "frag_keyframe+empty_moov+delay_moov"}),
            ("a.mp4", "libopus", {"movflags": "frag_keyframe+empty_moov+delay_moov"}),
            ("a.mp3", "libmp3lame", {"write_xing": "0"}),
        ],
    )
    def test_without_the_edit_list_or_header(
        self, tmp_path: Path, speech: np.ndarray, name: str, codec: str, options: dict[str, str]
    ) -> None:
        rate = 48_000 if codec == "libopus" else SAMPLE_RATE
        samples = load_audio(mux(tmp_path / name, speech, codec, rate, options=options))
        np.testing.assert_allclose(latenesses(samples, speech), 0, atol=MILLISECOND)

    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
    def test_a_clock_that_starts_late_adds_no_silence(
        self, tmp_path: Path, speech: np.ndarray, name: str
    ) -> None:
        samples = load_audio(mux(tmp_path / name, speech, "aac", late=0.7))
        np.testing.assert_allclose(latenesses(samples, speech), 0, atol=MILLISECOND)

    @pytest.mark.parametrize("ticks", [8_000, 32_000, 48_000])
    def test_mp4_may_count_other_ticks_than_samples(
        self, tmp_path: Path, speech: np.ndarray, ticks: int
    ) -> None:
        """FFmpeg skips as many samples as the edit list has ticks; our own time must not depend on it."""
        data = bytearray(mux(tmp_path / "a.m4a", speech, "aac").read_bytes())
        fields = [box(data, b"mdhd") + 8, box(data, b"mdhd") + 12, box(data, b"elst") + 8]
        stts = box(data, b"stts")
        fields += [stts + 8 + 8 * k for k in range(number(data, stts))]
        for at in fields:
            struct.pack_into(">i", data, at, number(data, at) * ticks // SAMPLE_RATE)
        (tmp_path / "ticks.m4a").write_bytes(data)
        with av.open(str(tmp_path / "ticks.m4a")) as container:
            assert container.streams.audio[0].time_base == Fraction(1, ticks)
        found = latenesses(load_audio(tmp_path / "ticks.m4a"), speech)
        np.testing.assert_allclose(found, 0, atol=MILLISECOND)


class TestBesidePictures:
    @pytest.mark.parametrize("late", [0.0, 0.3, -0.2])
    @pytest.mark.parametrize(
        ("name", "codec", "rate", "video"),
        [
            ("a.mp4", "aac", 16_000, "libx264"),
            ("a.mp4", "aac", 48_000, "mpeg4"),
            ("a.mp4", "libopus", 16_000, "mpeg4"),
            ("a.mov", "pcm_s16le", 16_000, "mpeg4"),
            ("a.webm", "libopus", 48_000, "libvpx"),
            ("a.mkv", "aac", 16_000, "libx264"),
            ("a.mkv", "libmp3lame", 16_000, "mpeg4"),
            ("a.mkv", "pcm_s16le", 16_000, "mpeg4"),
            ("a.ts", "aac", 16_000, "libx264"),
            ("a.ts", "aac", 48_000, "mpeg2video"),
            ("a.ts", "libopus", 48_000, "mpeg2video"),
            ("a.flv", "aac", 44_100, "flv1"),
        ],
    )
    def test_as_recorded(
        self,
        tmp_path: Path,
        speech: np.ndarray,
        name: str,
        codec: str,
        rate: int,
        video: str,
        late: float,
    ) -> None:
        path = mux(tmp_path / name, speech, codec, rate, video=video, late=late)
        flash, sound = beside_pictures(path, speech)
        assert flash == pytest.approx(0, abs=MILLISECOND)
        np.testing.assert_allclose(sound, 1000 * late, atol=MILLISECOND)

    @pytest.mark.parametrize("late", [0.0, 0.3, -0.2])
    @pytest.mark.parametrize("video", ["libx264", "mpeg4"])  # with and without B-frames
    @pytest.mark.parametrize(
        "options", [{"use_editlist": "0"}, {"movflags": "frag_keyframe+empty_moov"}]
    )
    def test_mp4_without_an_edit_list(
        self,
        tmp_path: Path,
        speech: np.ndarray,
        video: str,
        late: float,
        options: dict[str, str],
    ) -> None:
        """FFmpeg lengthens the first picture by the priming: cutting that would be once too often."""
        path = mux(tmp_path / "a.mp4", speech, "aac", video=video, late=late, options=options)
        assert b"elst" not in path.read_bytes()
        _, sound = beside_pictures(path, speech)
        np.testing.assert_allclose(
            sound, 1000 * late, atol=1 + MILLISECOND
        )  # and a tick of the flash

    @pytest.mark.parametrize("video", [None, "libx264"])
    def test_an_edit_list_can_cut_sound_as_well(
        self, tmp_path: Path, speech: np.ndarray, video: str | None
    ) -> None:
        path = mux(tmp_path / "a.mp4", speech, "aac", video=video)
        set_media_time(path, 1024 + SAMPLE_RATE // 4)
        np.testing.assert_allclose(latenesses(load_audio(path), speech), -250, atol=MILLISECOND)

    @pytest.mark.parametrize("video", [None, "libx264", "mpeg4"])
    def test_a_forgotten_priming_is_recognised(
        self, tmp_path: Path, speech: np.ndarray, video: str | None
    ) -> None:
        """Training data was once like this: its sound was 64 ms late."""
        path = mux(tmp_path / "a.mp4", speech, "aac", video=video)
        set_media_time(path, 0)
        np.testing.assert_allclose(latenesses(load_audio(path), speech), 0, atol=MILLISECOND)

    def test_the_priming_of_an_unknown_encoder_is_not_guessed_beside_pictures(
        self, tmp_path: Path, speech: np.ndarray
    ) -> None:
        path = mux(tmp_path / "a.mp4", speech, "aac", video="libx264")
        set_media_time(path, 0)
        path.write_bytes(path.read_bytes().replace(b"Lavc", b"----"))
        np.testing.assert_allclose(latenesses(load_audio(path), speech), 64, atol=MILLISECOND)

    @pytest.mark.parametrize(("codec", "rate"), [("aac", 16_000), ("aac", 48_000)])
    def test_avi_is_right_to_half_a_picture(
        self, tmp_path: Path, speech: np.ndarray, codec: str, rate: int
    ) -> None:
        path = mux(tmp_path / "a.avi", speech, codec, rate, video="mpeg4")
        _, sound = beside_pictures(path, speech)
        np.testing.assert_allclose(sound, 0, atol=500 / FPS)

    def test_avi_with_pcm_is_exact(self, tmp_path: Path, speech: np.ndarray) -> None:
        path = mux(tmp_path / "a.avi", speech, "pcm_s16le", video="mpeg4")
        assert beside_pictures(path, speech)[0] == pytest.approx(0, abs=MILLISECOND)
        np.testing.assert_array_equal(load_audio(path), speech)

    @pytest.mark.parametrize("cut", [30, 60])  # packets of 188 bytes
    def test_pictures_that_need_lost_ones_do_not_count(
        self, tmp_path: Path, speech: np.ndarray, cut: int
    ) -> None:
        """A recording that was cut between key pictures is seen from the next one on."""
        options = {"g": "10", "bf": "0", "sc_threshold": "0"}
        path = mux(tmp_path / "a.ts", speech, "aac", video="libx264", video_options=options)
        data = path.read_bytes()
        path.write_bytes(data[188 * cut :])
        lost = FLASH / FPS - flash_time(path) / 1000
        assert lost > 0.3
        found = latenesses(load_audio(path), speech)[1:]  # the first third is gone
        np.testing.assert_allclose(found, -1000 * lost, atol=MILLISECOND)

    def test_pictures_of_an_unknown_codec_still_tell_the_time(
        self, tmp_path: Path, speech: np.ndarray
    ) -> None:
        path = mux(tmp_path / "a.mp4", speech, "aac", video="libx264", late=-0.2)
        path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1"))
        np.testing.assert_allclose(latenesses(load_audio(path), speech), -200, atol=MILLISECOND)


class TestInterruptedSound:
    @pytest.mark.parametrize(
        ("name", "codec", "rate"),
        [
            ("a.mkv", "aac", 48_000),
            ("a.mkv", "aac", 16_000),
            ("a.webm", "libopus", 48_000),
            ("a.ts", "aac", 16_000),
        ],
    )
    @pytest.mark.parametrize("lost", [{9}, {9, 12, 15}, {9, 10, 11, 12}])
    def test_lost_packets_do_not_shift_the_rest(
        self,
        tmp_path: Path,
        speech: np.ndarray,
        name: str,
        codec: str,
        rate: int,
        lost: set[int],
    ) -> None:
        """Even one packet of 20 ms: such losses would add up."""
        path = mux(tmp_path / name, speech, codec, rate)
        copy = remux(path, tmp_path / f"lost-{name}", lambda number, _: number not in lost)
        found = latenesses(load_audio(copy), speech)
        assert found[-1] == pytest.approx(0, abs=MILLISECOND)

    def test_what_is_lost_is_silent_and_nothing_else(
        self, tmp_path: Path, speech: np.ndarray
    ) -> None:
        """The silence lies where the packet was, not some blocks before or after."""
        path = mux(tmp_path / "a.mkv", speech, "pcm_s16le")
        copy = remux(path, tmp_path / "lost.mkv", lambda number, _: number != 20)
        expected = speech.copy()
        expected[20 * 640 : 21 * 640] = 0
        np.testing.assert_array_equal(load_audio(copy), expected)

    def test_uneven_timestamps_leave_the_sound_whole(
        self, tmp_path: Path, speech: np.ndarray, rng: np.random.Generator
    ) -> None:
        """Times of a live recording, off by up to 10 ms, a few far more: no gap, no cut."""
        errors = rng.integers(-10, 11, 2 * SECONDS * FPS)
        errors[[15, 30]] = 35, -35

        def shift(number: int, packet: av.Packet) -> bool:
            packet.pts += int(errors[number])
            return True

        path = mux(tmp_path / "a.mkv", speech, "pcm_s16le")
        np.testing.assert_array_equal(
            load_audio(remux(path, tmp_path / "uneven.mkv", shift)), speech
        )

    def test_sound_that_comes_late_for_a_while_is_late_just_then(
        self, tmp_path: Path, speech: np.ndarray
    ) -> None:
        """For 0.6 s the sound lies 0.1 s later."""

        def delay(number: int, packet: av.Packet) -> bool:
            packet.pts += 100 if 15 <= number < 30 else 0
            return True

        path = mux(tmp_path / "a.mkv", speech, "pcm_s16le")
        start, stop, late = 15 * SAMPLE_RATE // FPS, 30 * SAMPLE_RATE // FPS, SAMPLE_RATE // 10
        silence = np.zeros(late, np.float32)
        expected = [speech[:start], silence, speech[start:stop], speech[stop + late :]]
        np.testing.assert_array_equal(
            load_audio(remux(path, tmp_path / "late.mkv", delay)), np.concatenate(expected)
        )

    def test_a_first_timestamp_that_is_off_does_not_shift_the_sound(
        self, tmp_path: Path, speech: np.ndarray
    ) -> None:
        path = mux(tmp_path / "a.mkv", speech, "pcm_s16le", video="mpeg4")
        with av.open(str(path)) as source, av.open(str(tmp_path / "off.mkv"), "w") as copy:
            streams = [copy.add_stream_from_template(stream) for stream in source.streams]
            for packet in source.demux():
                if packet.dts is not None:
                    if packet.stream.type == "audio" and packet.pts == 0:
                        packet.pts = packet.dts = 12
                    packet.stream = streams[packet.stream.index]
                    copy.mux(packet)
        np.testing.assert_array_equal(load_audio(tmp_path / "off.mkv"), speech)

    @pytest.mark.parametrize("drift", [-0.02, 0.02])
    def test_a_sound_card_of_another_speed_keeps_up(
        self, tmp_path: Path, speech: np.ndarray, drift: float
    ) -> None:
        """Samples that were taken too slowly or too fast by `drift` lie where their times say."""

        def stretch(_: int, packet: av.Packet) -> bool:
            packet.pts = round(packet.pts * (1 + drift))
            return True

        path = mux(tmp_path / "a.mkv", speech, "pcm_s16le")
        samples = load_audio(remux(path, tmp_path / "drift.mkv", stretch))
        assert len(samples) == pytest.approx(len(speech) * (1 + drift), abs=0.02 * SAMPLE_RATE)
        middles = np.array([1, 3, 5, 7, 9]) / 10 * SECONDS * 1000  # ms
        found = latenesses(samples, speech, parts=5)
        np.testing.assert_allclose(found, drift * middles, atol=20)

    def test_overlapping_sound_is_cut(self, tmp_path: Path, speech: np.ndarray) -> None:
        """The second half was put 0.2 s into the first."""

        def advance(number: int, packet: av.Packet) -> bool:
            if number >= SECONDS * FPS // 2:
                packet.pts -= 200
            return True

        path = mux(tmp_path / "a.mkv", speech, "pcm_s16le")
        samples = load_audio(remux(path, tmp_path / "overlap.mkv", advance))
        half, cut = len(speech) // 2, SAMPLE_RATE // 5
        expected = np.concatenate([speech[:half], speech[half + cut :]])
        np.testing.assert_array_equal(samples, expected)

    def test_recordings_one_after_the_other_are_all_heard(
        self, tmp_path: Path, speech: np.ndarray
    ) -> None:
        """Each has its own clock."""
        data = mux(tmp_path / "a.ts", speech, "mp2", 48_000).read_bytes()
        (tmp_path / "twice.ts").write_bytes(data * 2)
        once, twice = load_audio(tmp_path / "a.ts"), load_audio(tmp_path / "twice.ts")
        assert len(twice) == pytest.approx(2 * len(once), abs=0.03 * SAMPLE_RATE)
        found = latenesses(twice[len(once) :], speech)
        np.testing.assert_allclose(found, 0, atol=30)
