"""Tables of any tool: rows lie at their times, names count by their endings, what is left out is named."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adamesh.errors import InputError, InputNotice
from adamesh.formats import detect, read_track, write_track
from adamesh.formats.clock import place_rows, read_seconds
from adamesh.formats.names import LIVELINK, arkit_name
from adamesh.motion.clip import MotionClip
from adamesh.motion.gaze import look_to_eye_rotation
from adamesh.motion.spaces import ARKIT52, EYE_LOOK

JAW = ARKIT52.index("jawOpen")
CAPITALS = [name[0].upper() + name[1:] for name in ARKIT52]
NTSC = 1000 / 1001


def curve(seconds: np.ndarray) -> np.ndarray:
    return 0.5 + 0.4 * np.sin(2 * np.pi * 0.7 * seconds)


def table(
    path: Path,
    times: list[object] | None,
    jaw: np.ndarray,
    *,
    time_name: str = "Timecode",
    names: list[str] = CAPITALS,
    separator: str = ",",
    encoding: str = "utf-8",
    number: object = "{:.6f}",
) -> Path:
    """A table of a jaw that moves, and of the other blendshapes at rest."""
    content = io.StringIO()
    rows = csv.writer(content, delimiter=separator)
    rows.writerow(([] if times is None else [time_name]) + names)
    for i, value in enumerate(jaw):
        cells = [str(number).format(value if k == JAW else 0.0) for k in range(len(names))]
        rows.writerow(([] if times is None else [times[i]]) + cells)
    path.write_bytes(content.getvalue().encode(encoding))
    return path


def drop_frame(frame: int, nominal: int, dropped: int) -> tuple[int, int, int, int]:
    """Hours, minutes, seconds, number of a frame (SMPTE ST 12-1), by counting through the minutes."""
    minute = 0
    while True:
        length = 60 * nominal - (dropped if minute % 10 else 0)
        if frame < length:
            number = frame + (dropped if minute % 10 else 0)
            return minute // 60, minute % 60, number // nominal, number % nominal
        frame -= length
        minute += 1


class TestTime:
    @pytest.mark.parametrize(("nominal", "dropped"), [(30, 2), (60, 4)])
    @pytest.mark.parametrize("start", [55 * 30, 9 * 60 * 30 + 50 * 30, 23 * 30])
    def test_drop_frame(self, nominal: int, dropped: int, start: int, tmp_path: Path) -> None:
        fps = nominal * NTSC
        count = 70 * nominal
        codes = [
            "{:02d}:{:02d}:{:02d};{:02d}.000".format(
                *drop_frame(i + start * nominal // 30, nominal, dropped)
            )
            for i in range(count)
        ]
        path = table(tmp_path / "a.csv", codes, curve(np.arange(count) / fps))
        clip = read_track(path)
        assert (clip.frames, clip.confidence) == (count, None)
        assert clip.fps == pytest.approx(fps, rel=1e-9)
        np.testing.assert_allclose(
            clip.expression[:, JAW], curve(np.arange(count) / fps), atol=1e-5
        )

    def test_a_semicolon_alone_drops_nothing(self, tmp_path: Path) -> None:
        """Numbers that drop-frame lacks are there."""
        codes = [f"00:{i // 1800:02d}:{i // 30 % 60:02d};{i % 30:02d}" for i in range(1700, 2100)]
        clip = read_track(table(tmp_path / "a.csv", codes, np.zeros(400)))
        assert (clip.frames, clip.fps) == (400, 30)

    @pytest.mark.parametrize("fps", [24, 25, 30, 60, 30 * NTSC])
    @pytest.mark.parametrize(
        "spell",
        [
            lambda s: f"00:00:{int(s):02d}:{round(s % 1 * 1000):03d}",
            lambda s: f"00:00:{int(s):02d}.{round(s % 1 * 1000):03d}",
            lambda s: f"0:{s:09.6f}",
            lambda s: f"{s + 1_700_000_000:.3f}",
            lambda s: f"{round(1000 * s)}",
            lambda s: f"{1e6 * s:.0f}",
            lambda s: f"{s / 86_400:.12f}",
            lambda s: (
                datetime(2025, 1, 31, 23, 59, 58, tzinfo=UTC) + timedelta(seconds=s)
            ).isoformat(),
        ],
        ids=["colon ms", "point ms", "minutes", "stamps", "ms", "us", "days", "dates"],
    )
    def test_ways_to_say_it(self, fps: float, spell: object, tmp_path: Path) -> None:
        seconds = np.arange(200) / fps
        spelled = [spell(np.round(s, 3)) for s in seconds]  # type: ignore[operator]
        path = table(tmp_path / "a.csv", spelled, curve(seconds), time_name="time")
        clip = read_track(path)
        assert clip.frames == 200
        assert clip.fps == pytest.approx(fps, rel=2e-3 if fps == 30 * NTSC else 1e-9)
        np.testing.assert_allclose(clip.expression[:, JAW], curve(seconds), atol=1e-5)

    @pytest.mark.parametrize("fps", [24, 25, 30, 60, 24 * NTSC, 30 * NTSC, 60 * NTSC])
    def test_seconds_tell_the_rate_exactly(self, fps: float) -> None:
        _, frames = place_rows(Path("a"), np.arange(2000) / fps)
        assert frames.fps == pytest.approx(fps, rel=1e-9)

    @pytest.mark.parametrize("unit", ["time_ms", "timestampMs", "Time (milliseconds)"])
    def test_names_tell_units(self, unit: str) -> None:
        np.testing.assert_allclose(read_seconds(Path("a"), unit, ["0", "1500"]), [0, 1.5])

    def test_past_midnight(self, tmp_path: Path) -> None:
        codes = [
            f"{(86_398 * 30 + i) // 108_000 % 24:02d}:{(86_398 * 30 + i) // 1800 % 60:02d}:"
            f"{(86_398 * 30 + i) // 30 % 60:02d}:{i % 30:02d}"
            for i in range(150)
        ]
        clip = read_track(table(tmp_path / "a.csv", codes, curve(np.arange(150) / 30)))
        assert (clip.frames, clip.fps) == (150, 30)

    @pytest.mark.parametrize("jitter", [0.1, 0.25, 0.4])
    def test_jitter_is_no_motion(self, jitter: float, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        seconds = (np.arange(300) + rng.uniform(-jitter, jitter, 300)) / 30
        path = table(tmp_path / "a.csv", list(seconds), curve(np.arange(300) / 30), time_name="t")
        clip = read_track(path)
        assert (clip.frames, clip.confidence) == (300, None)
        assert clip.fps == pytest.approx(30, rel=2e-3)
        np.testing.assert_allclose(clip.expression[:, JAW], curve(np.arange(300) / 30), atol=1e-5)

    @pytest.mark.parametrize("spelled", ["seconds", "codes"])
    def test_gaps_stay_gaps(self, spelled: str, tmp_path: Path) -> None:
        there = np.array([i for i in range(300) if i not in (40, 41, 100) and not 200 <= i < 245])
        times = [
            i / 30 if spelled == "seconds" else f"00:00:{i // 30:02d}:{i % 30:02d}" for i in there
        ]
        path = table(tmp_path / "a.csv", times, curve(there / 30), time_name="timecode")
        clip = read_track(path)
        assert (clip.frames, clip.fps) == (300, 30)
        assert clip.confidence is not None
        assert np.flatnonzero(clip.confidence).tolist() == there.tolist()
        np.testing.assert_allclose(clip.expression[there, JAW], curve(there / 30), atol=1e-5)
        between = np.interp(np.arange(200, 245), [199, 245], curve(np.array([199, 245]) / 30))
        np.testing.assert_allclose(clip.expression[200:245, JAW], between, atol=1e-5)

    def test_a_camera_without_a_steady_rate(self, tmp_path: Path) -> None:
        """Motion stays where it was in time, whichever rate comes out."""
        rng = np.random.default_rng(0)
        seconds = np.cumsum(rng.uniform(0.02, 0.06, 400))
        path = table(tmp_path / "a.csv", list(seconds), curve(seconds), time_name="timestamp")
        clip = read_track(path)
        assert clip.duration == pytest.approx(np.ptp(seconds), abs=0.1)
        there = seconds[0] + np.arange(clip.frames) / clip.fps
        assert np.abs(clip.expression[:, JAW] - curve(there)).max() < 0.02

    def test_seconds_that_were_cut_off(self, tmp_path: Path) -> None:
        """Excel shows, and saves, whole seconds."""
        codes = [f"14:03:{(7 + i) // 30:02d}" for i in range(300)]
        path = table(tmp_path / "a.csv", codes, curve(np.arange(300) / 30))
        with pytest.warns(InputNotice, match="in steps of 1 s; its rows are taken as even, 30 fps"):
            clip = read_track(path)
        np.testing.assert_allclose(clip.expression[:, JAW], curve(np.arange(300) / 30), atol=1e-5)

    def test_rows_in_another_order_or_twice(self, tmp_path: Path) -> None:
        order = np.r_[0:50, 80:120, 50:80, 119, 120:200]
        path = table(tmp_path / "a.csv", list(order / 25), curve(order / 25), time_name="time")
        with pytest.warns(InputNotice) as said:
            clip = read_track(path)
        assert [str(x.message).split("' ")[-1] for x in said] == [
            "are not in the order of time; they are sorted",
            "tell of a time that another has; the first is taken",
        ]
        np.testing.assert_allclose(clip.expression[:, JAW], curve(np.arange(200) / 25), atol=1e-5)

    def test_frame_numbers_place_the_rows(self, tmp_path: Path) -> None:
        there = np.array([i for i in range(100, 200) if i not in (130, 131)])
        path = table(tmp_path / "a.csv", list(there), curve(there / 25), time_name="frame")
        with pytest.raises(InputError, match="has no frame rate; give it with --fps"):
            read_track(path)
        clip = read_track(path, fps=25)
        assert (clip.frames, clip.fps) == (100, 25)
        assert clip.confidence is not None
        assert np.flatnonzero(clip.confidence == 0).tolist() == [30, 31]
        table(path, list(there * 2), curve(there / 25), time_name="frame")
        with pytest.warns(InputNotice, match="one of 2 frames of 50 fps: a clip of 25 fps"):
            again = read_track(path, fps=50)
        np.testing.assert_array_equal(again.expression, clip.expression)

    @pytest.mark.parametrize(
        ("times", "said"),
        [
            (["0"] * 9, "stand still; give the frame rate with --fps"),
            ([f"{i}" for i in range(8)] + ["soon"], "has a cell that is no time"),
            ([f"00:00:{i:02d}:00" for i in range(8)] + ["0"], "has the timecode '0', expected"),
            ([f"{20 * i}e9" for i in range(9)], r"no times in a known unit \(steps of 2e\+10\)"),
        ],
    )
    def test_what_is_wrong_is_said(self, times: list[object], said: str, tmp_path: Path) -> None:
        path = table(tmp_path / "a.csv", times, np.zeros(9))
        with pytest.raises(InputError, match=said):
            read_track(path)

    @given(
        st.integers(0, 86_000),
        st.sampled_from([24, 25, 30, 50, 60]),
        st.sets(st.integers(1, 198), max_size=20),
    )
    def test_any_start_rate_and_gaps(self, start: int, fps: int, gone: set[int]) -> None:
        there = np.array([i for i in range(200) if i not in gone])
        codes = []
        for i in start * fps + there:
            s = int(i // fps)
            codes.append(f"{s // 3600 % 24:02d}:{s // 60 % 60:02d}:{s % 60:02d}:{i % fps:02d}.000")
        order, frames = place_rows(Path("a"), read_seconds(Path("a"), "Timecode", codes))
        assert len(order) == len(there)
        assert frames.fps == fps
        assert frames.place.tolist() == there.tolist()


class TestNames:
    @pytest.mark.parametrize(
        ("name", "found"),
        [
            ("blendShapes.JawOpen", "jawOpen"),
            ("face_eye_blink_L", "eyeBlinkLeft"),
            ("ARKit:EyeBlinkLeft", "eyeBlinkLeft"),
            ("eyeBlinkR", "eyeBlinkRight"),
            ("Mouth Smile Right", "mouthSmileRight"),
            ("MOUTHLOWERDOWNLEFT", "mouthLowerDownLeft"),
            ("mouth_l", "mouthLeft"),
            ("cheekPuff_left", "cheekPuff"),
            ("headYaw", "HeadYaw"),
            ("notjawopen", None),
            ("jawOpen_std", None),
            ("jawOpenLeft", None),
            ("tongue", None),
            ("left", None),
            ("", None),
        ],
    )
    def test_the_ending_counts(self, name: str, found: str | None) -> None:
        assert (arkit_name(name) or (None,))[0] == found

    def test_all_in_every_spelling(self) -> None:
        for name in ARKIT52:
            short = name.replace("Left", "_L").replace("Right", "_R") if name[-1] != "p" else name
            snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
            for spelled in (name, short, snake, name.upper(), f"bs.{name}", f"A12_{name}"):
                found = arkit_name(spelled)
                assert found is not None, spelled
                assert found[0] == name, spelled


class TestTables:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    def test_separators_and_encodings(self, separator: str, encoding: str, tmp_path: Path) -> None:
        seconds = np.arange(60) / 30
        path = table(
            tmp_path / "a.csv",
            [f"{s:.5f}".replace(".", "," if separator == ";" else ".") for s in seconds],
            curve(seconds),
            time_name="timeCode",
            names=[f"blendShapes.{name}" for name in CAPITALS],
            separator=separator,
            encoding=encoding,
        )
        if separator == ";":  # as where Excel writes decimal commas
            text = (
                path.read_bytes().decode(encoding).replace(".", ",").replace("shapes,", "shapes.")
            )
            path.write_bytes(text.replace("Shapes,", "Shapes.").encode(encoding))
        assert detect(path) == "arkit-table"
        clip = read_track(path)
        assert (clip.frames, clip.fps) == (60, 30)
        np.testing.assert_allclose(clip.expression[:, JAW], curve(seconds), atol=1e-5)
        assert clip.expression.sum() == pytest.approx(curve(seconds).sum(), rel=1e-4)

    @pytest.mark.parametrize("index", [False, True])
    def test_audio2face_3d(self, index: bool, tmp_path: Path) -> None:
        """With pandas' numbers of the rows in front, or without; not taken for SAiD's."""
        names = [f"blendShapes.{name}" for name in CAPITALS] if index else CAPITALS
        lines = [",".join(([""] if index else []) + ["timeCode", *names])]
        for i in range(60):
            cells = [f"{0.3 if k == JAW else 0:g}" for k in range(52)]
            lines.append(",".join(([str(i)] if index else []) + [f"{i / 30}", *cells]))
        (tmp_path / "a.csv").write_text("\n".join(lines))
        clip = read_track(tmp_path / "a.csv")
        assert (detect(tmp_path / "a.csv"), clip.frames, clip.fps) == ("arkit-table", 60, 30)
        np.testing.assert_allclose(clip.expression[:, JAW], 0.3)

    @pytest.mark.parametrize("count", [51, 52, 61, 68])
    def test_live_links_tables_with_fewer_and_more(self, count: int, tmp_path: Path) -> None:
        """Without the tongue, without angles, and with NeuroSync's emotions behind them."""
        emotions = ["Angry", "Disgusted", "Fearful", "Happy", "Neutral", "Sad", "Surprised"]
        names = [*LIVELINK, *emotions][:count]
        lines = [",".join(["Timecode", "BlendshapeCount", *names])]
        for i in range(90):
            lines.append(f"00:00:{i // 60:02d}:{i % 60:02d}.000,{count}" + ",0.25" * count)
        (tmp_path / "a.csv").write_text("\n".join(lines))
        if count == 68:
            with pytest.warns(InputNotice, match="left out: Angry, Disgusted, .*, Surprised$"):
                clip = read_track(tmp_path / "a.csv")
        else:
            clip = read_track(tmp_path / "a.csv")
        assert (clip.frames, clip.fps) == (90, 60)
        assert clip.expression[:, :51].min() == 0.25
        assert clip.neck_pose.any() == (count > 60)
        if count <= 52:
            looked = look_to_eye_rotation(clip.expression[:, EYE_LOOK])
            np.testing.assert_allclose(clip.leye_pose, looked[0], atol=1e-6)

    def test_face_cap(self, tmp_path: Path) -> None:
        lines = ["info,face cap recording", "bs," + ",".join(ARKIT52)]
        lines += [
            f"k,{1000 * i / 60:.0f},0,0,0,1,2,3,0,0,0,0," + ",".join(["0.5"] * 52)
            for i in range(120)
        ]
        (tmp_path / "a.txt").write_text("\n".join(lines))
        clip = read_track(tmp_path / "a.txt")
        assert (clip.frames, clip.fps) == (120, 60)
        assert (clip.expression == 0.5).all()

    def test_what_is_left_out_is_named(self, tmp_path: Path) -> None:
        path = table(tmp_path / "a.csv", list(np.arange(50) / 25), curve(np.arange(50) / 25))
        lines = path.read_text().splitlines()
        lines = [f"{line},{x}" for line, x in zip(lines, ["größe", *range(50)], strict=True)]
        path.write_text("\n".join(lines), encoding="utf-8")
        with pytest.warns(InputNotice, match="columns of .* that are left out: "):
            read_track(path)

    def test_percent_is_told(self, tmp_path: Path) -> None:
        seconds = np.arange(50) / 25
        path = table(tmp_path / "a.csv", list(seconds), 100 * curve(seconds))
        with pytest.warns(InputNotice, match=r"go up to 90, and are|taken as percent"):
            clip = read_track(path)
        np.testing.assert_allclose(clip.expression[:, JAW], curve(seconds), atol=1e-5)
        table(path, list(seconds), 5 * curve(seconds))
        with pytest.raises(InputError, match=r"must lie in 0\.\.1, got 0\.\.4\.5"):
            read_track(path)

    def test_rows_without_a_face_are_gaps(self, tmp_path: Path) -> None:
        seconds = np.arange(50) / 25
        path = table(tmp_path / "a.csv", list(seconds), curve(seconds))
        lines = path.read_text().splitlines()
        for i in (10, 11):
            lines[1 + i] = f"{seconds[i]}" + ",nan" * 26 + "," * 26
        path.write_text("\n".join(lines))
        clip = read_track(path)
        assert clip.frames == 50
        assert clip.confidence is not None
        assert np.flatnonzero(clip.confidence == 0).tolist() == [10, 11]

    def test_sides_of_one_action_share_it(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("browInnerUp_L,browInnerUp_R\n" + "0.2,0.6\n" * 9)
        clip = read_track(tmp_path / "a.csv", fps=25)
        np.testing.assert_allclose(clip.expression_by_name("browInnerUp"), 0.4)


MEDIAPIPE = ["_neutral", "browDownLeft", "jawOpen", "mouthSmileLeft"]


def frames_of(seconds: np.ndarray) -> dict[str, object]:
    """The same motion as people dump it."""
    rows = [[0.0, 0.1, float(jaw), 0.3] for jaw in curve(seconds)]
    milliseconds = [round(1000 * s) for s in seconds.tolist()]
    named = [dict(zip(MEDIAPIPE, row, strict=True)) for row in rows]
    listed = [[{"categoryName": n, "score": x} for n, x in row.items()] for row in named]
    snake = [[{"category_name": n, "score": x} for n, x in row.items()] for row in named]
    return {
        "flat": [{"timestamp_ms": t, **row} for t, row in zip(milliseconds, named, strict=True)],
        "nested": [
            {"time": t / 1000, "blendshapes": row}
            for t, row in zip(milliseconds, named, strict=True)
        ],
        "entries": {
            "data": [
                {"timestamp_ms": t, "blendshapes": row}
                for t, row in zip(milliseconds, listed, strict=True)
            ]
        },
        "faces": [
            {"timestamp_ms": t, "faces": [row, row]}
            for t, row in zip(milliseconds, snake, strict=True)
        ],
        "columns": {
            "timestamp_ms": milliseconds,
            **{name: [row[i] for row in rows] for i, name in enumerate(MEDIAPIPE)},
        },
        "names beside rows": {"frameRate": 30, "names": MEDIAPIPE, "weights": rows},
        "a rate and frames": {"fps": 30, "frames": [{"weights": row} for row in named]},
        "only frames": {"meta": {"fps": 30.0}, "frames": named},
    }


@pytest.mark.parametrize("shape", frames_of(np.zeros(1)))
def test_json_as_people_write_it(shape: str, tmp_path: Path) -> None:
    seconds = np.arange(90) / 30
    (tmp_path / "a.json").write_text(json.dumps(frames_of(seconds)[shape]))
    clip = read_track(tmp_path / "a.json")
    assert (clip.frames, clip.fps) == (90, 30)
    np.testing.assert_allclose(clip.expression[:, JAW], curve(seconds), atol=1e-5)
    np.testing.assert_allclose(clip.expression_by_name("mouthSmileLeft"), 0.3)


def test_json_lines_and_rows_of_one_blendshape(tmp_path: Path) -> None:
    seconds = np.arange(90) / 30
    flat = frames_of(seconds)["flat"]
    assert isinstance(flat, list)
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in flat))
    lines = ["timestamp_ms,name,score"]
    for row in flat:
        time = row["timestamp_ms"]
        lines += [f"{time},{name},{x}" for name, x in row.items() if name != "timestamp_ms"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    for name in ("a.jsonl", "a.csv"):
        clip = read_track(tmp_path / name)
        assert (clip.frames, clip.fps) == (90, 30)
        np.testing.assert_allclose(clip.expression[:, JAW], curve(seconds), atol=1e-5)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".json", ".jsonl"])
def test_what_is_written_is_read_again(suffix: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    turns = np.cumsum(rng.normal(0, 0.01, (100, 3)), axis=0)
    clip = MotionClip(
        "arkit52",
        30,
        rng.uniform(size=(100, 52)),
        neck_pose=turns,
        head_pose=turns,
        leye_pose=turns,
    )
    write_track(clip, tmp_path / f"a{suffix}", "arkit-table")
    back = read_track(tmp_path / f"a{suffix}")
    assert back.fps == 30
    for name in ("expression", "neck_pose", "head_pose", "leye_pose", "reye_pose"):
        np.testing.assert_allclose(getattr(back, name), getattr(clip, name), atol=1e-6)
