"""Files appear whole or not at all: killed writers, full disks, read-only folders, too long names."""

import contextlib
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pygltflib
import pytest
from support.styles import style_of

from adamesh.animation.style import Style
from adamesh.errors import InputError
from adamesh.export import OutputOptions, export, plan_export
from adamesh.export.sequence import write_files
from adamesh.faces import load_embedded_face
from adamesh.faces.storage import save_face
from adamesh.files import (
    atomic_folder,
    atomic_output,
    check_input,
    check_output,
    temporary_folder,
)
from adamesh.formats import read_track, write_track
from adamesh.media.audio import load_audio, write_wav
from adamesh.media.gif import GifWriter, choose_palette
from adamesh.media.picture import png_bytes
from adamesh.media.video import VideoWriter, read_frames
from adamesh.motion import MotionClip
from adamesh.rates import SAMPLE_RATE

SIZE = 64  # pixels
PICTURES = 20
NOISE = np.random.default_rng(0)
SOUND = NOISE.normal(0, 0.1, 4 * SAMPLE_RATE).astype(np.float32)


def clip() -> MotionClip:
    return MotionClip("arkit52", 25.0, NOISE.uniform(size=(100, 52)))


def flame_clip() -> MotionClip:
    return MotionClip("flame50", 25.0, NOISE.normal(size=(100, 50)))


def write_video(path: Path) -> None:
    with VideoWriter(path, 25, SIZE, SIZE, (SOUND, SAMPLE_RATE)) as video:
        for picture in NOISE.integers(0, 256, (PICTURES, SIZE, SIZE, 3), np.uint8):
            video.write(picture)


def write_gif(path: Path) -> None:
    pictures = NOISE.integers(0, 256, (PICTURES, SIZE, SIZE, 3), np.uint8)
    with GifWriter(path, 25, SIZE, SIZE, choose_palette(pictures)) as gif:
        for picture in pictures:
            gif.write(picture)


def write_stills(path: Path) -> None:
    picture = NOISE.integers(0, 256, (SIZE, SIZE, 4), np.uint8)
    write_files(path, [png_bytes(picture)] * PICTURES, PICTURES)


WRITERS: dict[str, Callable[[Path], object]] = {
    "x.npz": lambda path: clip().save(path),
    "x.glb": lambda path: export(
        clip(), path, OutputOptions(force=True), audio=(SOUND, SAMPLE_RATE)
    ),
    "x.csv": lambda path: export(
        clip(), path, OutputOptions(force=True), audio=(SOUND, SAMPLE_RATE)
    ),
    **{
        f"x.{suffix}": lambda path: export(
            clip(), path, OutputOptions(force=True), audio=(SOUND, SAMPLE_RATE)
        )
        for suffix in ("usda", "usdc", "usdz")
    },
    "x.mp4": write_video,
    "x.gif": write_gif,
    "stills.png": write_stills,
    "x.style": lambda path: style_of("0" * 16).save(path, force=True),
    "x.safetensors": lambda path: save_face(load_embedded_face(), path),
    "sound.wav": lambda path: write_wav(path, SOUND, SAMPLE_RATE),
    "x.json": lambda path: write_track(clip(), path, "a2f-json", force=True),
    "x.mat": lambda path: write_track(flame_clip(), path, "deca", force=True),
    "x.pt": lambda path: write_track(flame_clip(), path, "artalk", force=True),
    "x.hdf5": lambda path: write_track(flame_clip(), path, "inferno", force=True),
    "frames": lambda path: write_track(flame_clip(), path, "emoca"),
}


@contextlib.contextmanager
def tiny_disk() -> Iterator[None]:
    """No file grows beyond 100 bytes, which the system reports as it does a full disk.

    Around the write alone: what the tests print may go to a file as well.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk(name: str, tmp_path: Path) -> None:
    write, expected = WRITERS[name], rf"cannot write .*{name.split('.')[0]}"
    with pytest.raises(InputError, match=expected) as error, tiny_disk():
        write(tmp_path / name)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "x.glb").write_bytes(b"before")
    message = "make room or choose another folder"
    with pytest.raises(InputError, match=message), tiny_disk():
        export(clip(), tmp_path / "x.glb", OutputOptions(force=True))
    assert (tmp_path / "x.glb").read_bytes() == b"before"


def test_sound_and_head_appear_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head without its sound would look finished."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pygltflib.GLTF2, "save_binary", fail)
    with pytest.raises(InputError, match="No space left on device"):
        export(clip(), tmp_path / "x.glb", audio=(SOUND, SAMPLE_RATE))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", WRITERS)
def test_folder_that_takes_no_files(name: str) -> None:
    """Rights don't bind the superuser; /proc binds everybody."""
    with pytest.raises(InputError, match=r"'/proc/.*(choose another|cannot be written)") as error:
        WRITERS[name](Path("/proc") / name)
    assert "\n" not in str(error.value)


def test_file_as_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="does not exist; create it first"):
        check_output(tmp_path / "file" / "x.glb", force=False)


def test_too_long_name(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 300 + ".glb")
    for check in (
        lambda: plan_export(long),
        lambda: check_input(long, "speech"),
        lambda: style_of("0" * 16).save(long.with_suffix(".style")),
        lambda: clip().save(long.with_suffix(".npz")),
        lambda: write_track(flame_clip(), long.with_suffix(""), "emoca"),
        lambda: read_track(long),
    ):
        with pytest.raises(InputError, match="File name too long") as error:
            check()
        assert "\n" not in str(error.value)


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    dead = tmp_path / ".adamesh-dead.glb"
    dead.touch()
    with atomic_output(tmp_path / "a.txt") as living:
        living.write_text("a")
        with atomic_output(tmp_path / "b.txt") as other:
            other.write_text("b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt"]
    assert (tmp_path / "a.txt").read_text() == "a"


# Readers that fail on a file that is not whole.
READERS: dict[str, Callable[[Path], object]] = {
    "x.npz": MotionClip.load,
    "x.glb": lambda path: pygltflib.GLTF2().load_binary(path).binary_blob()[-1],
    "x.csv": read_track,
    "x.mp4": lambda path: sum(1 for _ in read_frames(path)) == PICTURES or _fail(path),
    "x.gif": lambda path: sum(1 for _ in read_frames(path)) == PICTURES or _fail(path),
    "x.style": Style.load,
    "x.wav": lambda path: len(load_audio(path)) == len(SOUND) or _fail(path),
}


# What takes long to import, once for all processes.
HEAVY = ["adamesh.export.glb", "adamesh.media.video", "adamesh.animation.style"]


def _fail(path: Path) -> None:
    raise AssertionError(f"{path} is not whole")


def write_and_be_killed(path: Path, size: int | None) -> None:
    """Killed by the system when a file grows beyond `size` bytes, or before it takes its name."""
    if size is None:
        Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment,method-assign]
    else:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    WRITERS[path.name](path)


@pytest.mark.parametrize("name", sorted(READERS.keys() & WRITERS.keys()))
def test_a_killed_writer_changes_nothing(name: str, tmp_path: Path) -> None:
    """Half-way, and when it is all but done; what it leaves behind, the next one removes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    WRITERS[name](tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    half = len(before[tmp_path / name]) // 2
    for size, death in ((half, signal.SIGXFSZ), (None, signal.SIGKILL)):
        writer = context.Process(target=write_and_be_killed, args=(tmp_path / name, size))
        writer.start()
        writer.join()
        assert writer.exitcode == -death
        assert len(list(tmp_path.iterdir())) > len(before)
        for path, content in before.items():
            assert path.read_bytes() == content
            READERS[path.name](path)
    WRITERS[name](tmp_path / name)
    assert before.keys() == set(tmp_path.iterdir())


def test_a_kill_that_can_be_heard_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import signal, sys; from adamesh.cli import app, main; from adamesh.files import atomic_output\n"
        "def app_that_writes(**_):\n"
        "    with atomic_output(sys.argv[1]) as temporary:\n"
        "        print('writing', flush=True)\n"
        "        signal.pause()\n"
        "app.app = app_that_writes\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x.glb")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert list(tmp_path.iterdir())
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


LEAVE_A_FOLDER = """
import os, signal, sys
from pathlib import Path
from adamesh.files import atomic_folder, temporary_folder
if sys.argv[1] == "beside":
    with atomic_folder(sys.argv[2]) as whole:
        (whole / "half.npy").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
with temporary_folder() as folder:
    (folder / "half.glb").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("where", ["beside", "in the system's place"])
def test_folders_of_the_killed_go_and_those_of_the_living_stay(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    command = [sys.executable, "-c", LEAVE_A_FOLDER, where, str(tmp_path / "frames")]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert list(left.rglob("half.*"))

    def work(done: contextlib.ExitStack) -> Path:
        if where == "beside":
            return done.enter_context(atomic_folder(tmp_path / "other"))
        return done.enter_context(temporary_folder())

    with contextlib.ExitStack() as one, contextlib.ExitStack() as two:
        mine = work(one)
        assert not left.exists()
        write_track(flame_clip(), tmp_path / "again", "emoca") if where == "beside" else work(two)
        assert mine.exists(), "somebody works there"
    assert not [path for path in tmp_path.iterdir() if "adamesh-" in path.name]
