"""Lists of speech: good rows are done whatever the bad ones do, once, and a stopped run goes on."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adamesh import parallel
from adamesh.animation import adapt as adapting
from adamesh.animation.animator import animate
from adamesh.animation.options import MotionOptions
from adamesh.animation.style import Style, default_style
from adamesh.cli import main
from adamesh.errors import InputError
from adamesh.export import OutputOptions, Pictures
from adamesh.jobs.animate_file import AnimateOptions
from adamesh.jobs.batch import animate_batch, read_batch
from adamesh.media.audio import write_wav
from adamesh.motion.clip import MotionClip
from adamesh.rates import SAMPLE_RATE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A list's folder, with a second of speech, a style and a file that is none."""
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    write_wav(tmp_path / "speech.wav", samples, SAMPLE_RATE)
    default_style().save(tmp_path / "me.style")
    (tmp_path / "text.wav").write_text("no sound\n")
    (tmp_path / "me.mp4").write_text("a video, as far as can be seen without opening it\n")
    return tmp_path


def write_list(folder: Path, *rows: str, header: str = "speech,style,output") -> Path:
    path = folder / "list.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No processes, which take seconds to start and do not see what a test replaces."""

    def one_by_one(work, items, *, jobs=None):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return enumerate(work(item) for item in items)

    monkeypatch.setattr(parallel, "map", one_by_one)


class TestList:
    @pytest.mark.parametrize(
        ("header", "row", "expected"),
        [
            ("speech,style,out", "a.wav,,a.glb", "unknown column.* 'out'; the columns are speech"),
            ("speech,style", "a.wav,", "lacks the column.* 'output'"),
            ("speech;output", "a.wav;a.glb", "unknown column"),
            ("speech,output", "", "has no rows"),
        ],
    )
    def test_other_tables_are_refused(
        self, folder: Path, header: str, row: str, expected: str
    ) -> None:
        with pytest.raises(InputError, match=expected):
            read_batch(write_list(folder, row, header=header))

    def test_no_text(self, folder: Path) -> None:
        (folder / "list.csv").write_bytes(b"speech,output\n\xff.wav,a.glb\n")
        with pytest.raises(InputError, match="not a CSV in UTF-8"):
            read_batch(folder / "list.csv")

    @pytest.mark.parametrize("second", ["a.glb", "./a.glb", "../{here}/a.glb", "a.csv"])
    def test_one_file_is_not_written_twice(self, folder: Path, second: str) -> None:
        """a.glb and a.csv would both write a.wav."""
        second = second.format(here=folder.name)
        path = write_list(folder, "speech.wav,,a.glb", f"speech.wav,me.style,{second}")
        with pytest.raises(InputError, match=r"rows 2 and 3 both write 'a\.(glb|wav)'"):
            read_batch(path)

    def test_inputs_are_not_written_over(self, folder: Path) -> None:
        """The sound beside speech.glb would be speech.wav."""
        path = write_list(folder, "speech.wav,,a.npz", "speech.wav,,speech.glb")
        with pytest.raises(InputError, match=r"row 3 would write over 'speech\.wav', which row 3"):
            read_batch(path)

    def test_spreadsheets_mark(self, folder: Path) -> None:
        (folder / "list.csv").write_text("speech,output\nspeech.wav,a.npz\n", encoding="utf-8-sig")
        (row,) = read_batch(folder / "list.csv")
        assert (row.number, row.speech, row.style) == (2, folder / "speech.wav", None)


BAD = {
    "missing.wav,,b1.npz": "does not exist",
    "text.wav,,b2.npz": "cannot be read",
    "speech.wav,text.style,b3.npz": "'.*text.style' does not exist",
    "speech.wav,,none/b4.npz": "create it first",
    "speech.wav,,b5.blend": "the formats are",
    "one, two.wav,,b6.npz": "more cells than columns",
    "speech.wav,,": "needs a speech and an output",
    ",,b7.npz": "needs a speech and an output",
    f"speech.wav,,{'x' * 300}.npz": "File name too long",
}


def test_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In processes of its own: good and bad rows, then again, when there is nothing to do but the bad."""
    good = ["speech.wav,,a.npz", "speech.wav,me.style,b.npz"]
    path = write_list(folder, good[0], *BAD, good[1])

    def run(*options: str) -> tuple[object, str, list[str]]:
        monkeypatch.setattr(sys, "argv", ["adamesh", "animate", "--batch", str(path), *options])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return stop.value.code, out, err.splitlines()

    code, out, problems = run("--jobs", "1", "--seed", "3")
    assert code == 1
    assert f"2 written, 0 there already, {len(BAD)} failed" in out
    assert len(problems) == len(BAD)
    for number, (problem, reason) in enumerate(zip(problems, BAD.values(), strict=True), start=3):
        assert problem.startswith(f"row {number}")
        assert re.search(reason, problem), problem
    made = MotionClip.load(folder / "b.npz")
    expected = animate(
        folder / "speech.wav", Style.load(folder / "me.style"), MotionOptions(seed=3)
    )
    np.testing.assert_allclose(made.expression, expected.expression, atol=1e-4)
    before = (folder / "a.npz").stat().st_mtime_ns

    write_list(folder, *good)
    code, out, problems = run()
    assert (code, problems) == (0, [])
    assert "0 written, 2 there already, 0 failed" in out
    assert (folder / "a.npz").stat().st_mtime_ns == before


@pytest.mark.usefixtures("in_this_process")
class TestRows:
    def test_a_video_is_learned_once(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        learned: list[Path] = []

        def adapt(video: Path, **_: object) -> Style:
            learned.append(video)
            if video.name == "other.mp4":
                raise InputError("no face was found")
            return default_style()

        monkeypatch.setattr(adapting, "adapt", adapt)
        (folder / "other.mp4").write_text("no face\n")
        same = f"../{folder.name}/me.mp4"
        styles = ["me.mp4", "me.mp4", same, "other.mp4", "me.style", "other.mp4"]
        rows = [f"speech.wav,{style},{i}.npz" for i, style in enumerate(styles)]
        seen: list[tuple[int, int]] = []

        def watch(stage: str, done: int, total: int, note: str = "") -> None:
            assert (stage, note) == ("animating", "")
            seen.append((done, total))

        result = animate_batch(read_batch(write_list(folder, *rows)), progress=watch)
        assert sorted(video.name for video in learned) == ["me.mp4", "other.mp4"]
        assert result.problems == [
            "row 5 (3.npz): no face was found",
            "row 7 (5.npz): no face was found",
        ]
        assert (result.written, result.skipped) == (4, 0)
        assert seen[0] == (0, 6)
        assert seen[-1] == (6, 6)
        assert sorted(seen) == seen

    def test_force_writes_again(self, folder: Path) -> None:
        (folder / "a.npz").write_bytes(b"before")
        rows = read_batch(write_list(folder, "speech.wav,,a.npz"))
        assert animate_batch(rows).skipped == 1
        assert (folder / "a.npz").read_bytes() == b"before"
        assert animate_batch(rows, AnimateOptions(output=OutputOptions(force=True))).written == 1
        assert MotionClip.load(folder / "a.npz").frames == 25

    @pytest.mark.usefixtures("in_this_process")
    def test_rows_share_what_pictures_look_like(self, folder: Path) -> None:
        pytest.importorskip("vtkmodules", reason="rendering is an extra")
        rows = read_batch(write_list(folder, "speech.wav,,a.png", "speech.wav,,b.glb"))
        options = AnimateOptions(output=OutputOptions(pictures=Pictures((32, 24), camera="close")))
        result = animate_batch(rows, options)
        assert result.written == 1
        assert len(list((folder / "a").iterdir())) == 25
        (problem,) = result.problems
        assert problem.startswith("row 3 (b.glb): .glb holds no pictures")

    def test_what_is_wrong_with_all_is_said_once(self, folder: Path) -> None:
        rows = read_batch(write_list(folder, "speech.wav,,a.npz"))
        with pytest.raises(InputError, match="there is no face 'nobody'"):
            animate_batch(rows, AnimateOptions(output=OutputOptions(face="nobody")))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--batch L.csv speech.wav", "leave out SPEECH"),
        ("--batch L.csv -o a.glb", "leave out SPEECH"),
        ("--batch L.csv --style me.style", "leave out SPEECH"),
        ("--batch L.csv", "list 'L.csv' does not exist"),
        ("speech.wav", "give SPEECH and --output FILE, or --batch"),
        ("-o a.glb", "give SPEECH and --output FILE, or --batch"),
        ("speech.wav -o a.glb --jobs 2", "--jobs is for --batch"),
    ],
)
def test_wrong_combinations(
    arguments: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["adamesh", "animate", *arguments.split()])
    with pytest.raises(SystemExit) as stop:
        main()
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert expected in error
    assert error.count("\n") == 1


BE_KILLED = """
import os, signal, sys
from adamesh.jobs.batch import animate_batch, read_batch

def kill(stage, done, total, note=""):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

animate_batch(read_batch(sys.argv[1]), jobs=1, progress=kill)
"""


def test_a_killed_run_goes_on(folder: Path) -> None:
    names = [f"{i}.glb" for i in range(5)]
    path = write_list(folder, *(f"speech.wav,,{name}" for name in names))
    inputs = set(folder.iterdir())
    command = [sys.executable, "-c", BE_KILLED, str(path)]
    # Its output ends when the last process that has it does: the workers are gone too.
    killed = subprocess.run(command, stdout=subprocess.PIPE)
    assert killed.returncode == -signal.SIGKILL
    done = {file.name for file in folder.glob("[0-9].glb")}
    assert {*names[:2]} <= done < {*names}
    command = [sys.executable, "-c", "from adamesh.cli import main; main()"]
    command += ["animate", "--batch", str(path), "--jobs", "1"]
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert f"{5 - len(done)} written, {len(done)} there already" in again.stdout
    made = {file.name for file in set(folder.iterdir()) - inputs}
    assert made == {*names, *(name.replace("glb", "wav") for name in names)}
    sizes = {(folder / name).stat().st_size for name in names}
    assert len(sizes) == 1
