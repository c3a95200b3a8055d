"""The command line: bad input gives one line, exit code 2 and no debris; help is quick and true."""

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.io import savemat
from support.commands import COMMANDS, parse
from support.styles import style_of

from adamesh.animation.animator import animate
from adamesh.animation.sample import SAMPLE_SPEECH
from adamesh.animation.style import Style
from adamesh.checkpoints.networks import KINDS, load_network, shipped
from adamesh.cli import main
from adamesh.faces.embedded import load_embedded_face
from adamesh.formats import FORMATS
from adamesh.media.audio import load_audio, write_wav
from adamesh.media.video import VideoWriter, probe
from adamesh.motion.clip import MotionClip
from adamesh.rates import FPS, SAMPLE_RATE

HEAVY = ("torch", "av", "onnxruntime", "scipy", "vtkmodules", "pyvista")


@dataclass(frozen=True)
class Said:
    """What a run of the command line said."""

    code: int
    out: str
    err: str


@pytest.fixture
def adamesh(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command line in this process, as the installed program would."""

    def run(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["adamesh", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


def program(*arguments: str | Path) -> Said:
    """Runs it in a process of its own, where nothing that a library prints is lost."""
    done = subprocess.run(
        [sys.executable, "-c", "from adamesh.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def noise(seconds: float) -> np.ndarray:
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * SAMPLE_RATE))
    return samples.astype(np.float32)


def write_video(path: Path, frames: list[np.ndarray], sound: bool = True) -> None:
    height, width = frames[0].shape[:2]
    audio = (noise(len(frames) / FPS), SAMPLE_RATE) if sound else None
    with VideoWriter(path, FPS, width, height, audio) as video:
        for frame in frames:
            video.write(frame)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of good and bad inputs."""
    folder = tmp_path_factory.mktemp("inputs")
    write_wav(folder / "speech.wav", noise(1.0), SAMPLE_RATE)
    write_wav(folder / "short.wav", noise(0.3), SAMPLE_RATE)
    (folder / "cut.wav").write_bytes((folder / "speech.wav").read_bytes()[:30])
    plain = [np.full((64, 64, 3), 120, np.uint8)] * 30
    write_video(folder / "plain.mp4", plain)
    write_video(folder / "mute.mp4", plain, sound=False)
    rng = np.random.default_rng(0)
    write_video(folder / "noise.mp4", list(rng.integers(0, 256, (30, 64, 64, 3), np.uint8)))
    (folder / "cut.mp4").write_bytes((folder / "noise.mp4").read_bytes()[:1000])
    for suffix in ("wav", "mp4", "style", "npz", "yaml"):
        (folder / f"empty.{suffix}").touch()
        (folder / f"text.{suffix}").write_text("[this is no such thing\n")
    (folder / "folder").mkdir()
    MotionClip("arkit52", 25, np.zeros((5, 52), np.float32)).save(folder / "clip.npz")
    MotionClip("flame50", 25, np.zeros((25, 50), np.float32)).save(folder / "flame.npz")
    widths = {"shape": 100, "exp": 50, "pose": 6, "cam": 3}
    savemat(folder / "codes.mat", {name: np.zeros((5, width)) for name, width in widths.items()})
    (folder / "cut.npz").write_bytes((folder / "clip.npz").read_bytes()[:200])
    style_of("0123456789abcdef").save(folder / "foreign.style")
    save_file({"weight": torch.zeros(2)}, folder / "weights.style")
    (folder / "typo.yaml").write_text("steps: 10\nlearning_rat: 0.1\n")
    (folder / "word.yaml").write_text("steps: many\n")
    for name, table in (
        ("no-column", "path,speaker\na.mp4,ann\n"),
        ("odd-split", "path,speaker,split\na.mp4,ann,test\n"),
    ):
        (folder / name).mkdir()
        (folder / name / "video.csv").write_text(table)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder to write to, in which some names are taken."""
    folder = tmp_path / "out"
    (folder / "taken").mkdir(parents=True)
    for suffix in ("glb", "style", "npz", "mp4"):
        (folder / f"taken.{suffix}").mkdir()
        (folder / f"there.{suffix}").write_text("precious")
    (folder / "side.wav").write_text("precious")
    return folder


def content(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


# I and O stand for the folders `inputs` and `out`; the line must hold the words behind the colon.
ANIMATE = "animate I/speech.wav -o O/new.glb"
BAD = f"""
animate I/missing.wav -o O/new.glb: missing.wav' does not exist
animate I/folder -o O/new.glb: folder' is a folder; give the path of a file
animate I/empty.wav -o O/new.glb: empty.wav' is empty
animate I/cut.wav -o O/new.glb: cut.wav'
animate I/text.wav -o O/new.glb: text.wav'
animate I/mute.mp4 -o O/new.glb: mute.mp4' has no audio track
animate I/short.wav -o O/new.glb: give at least 0.5 s
animate I/speech.wav -o O/new.blend: cannot write 'new.blend': the formats are .npz, .glb, .usda
animate I/speech.wav -o O/new: cannot write 'new': the formats are .npz, .glb, .usda
animate I/speech.wav -o O/taken.glb: taken.glb' is a folder
animate I/speech.wav -o O/none/new.glb: new.glb' does not exist; create it first
animate I/speech.wav -o O/there.glb: there.glb' exists already; use --force
animate I/speech.wav -o O/side.glb: side.wav' exists already; use --force
{ANIMATE} --reference I/plain.mp4 --style I/foreign.style: both --reference and --style
{ANIMATE} --reference I/plain.mp4: no face was found in any of the 30 frames
{ANIMATE} --reference I/noise.mp4: face was found in
{ANIMATE} --reference I/mute.mp4: mute.mp4' has no audio track
{ANIMATE} --reference I/speech.wav: speech.wav' has no pictures, only sound; give a video
{ANIMATE} --reference I/missing.mp4: missing.mp4' does not exist
{ANIMATE} --reference I/folder: folder' is a folder
{ANIMATE} --reference I/empty.mp4: empty.mp4' is empty
{ANIMATE} --reference I/cut.mp4: cut.mp4'
{ANIMATE} --reference I/text.mp4: text.mp4'
{ANIMATE} --light flat: .glb holds no pictures
{ANIMATE} --style I/missing.style: missing.style' does not exist
{ANIMATE} --style I/folder: folder' is a folder
{ANIMATE} --style I/empty.style: empty.style' is empty
{ANIMATE} --style I/text.style: text.style' is not a style file
{ANIMATE} --style I/speech.wav: speech.wav' is not a style file
{ANIMATE} --style I/weights.style: weights.style' holds 'something unnamed'
{ANIMATE} --style I/foreign.style: made for base model 0123456789abcdef
adapt I/plain.mp4 -o O/new.style: no face was found
adapt I/mute.mp4 -o O/new.style: has no audio track
adapt I/speech.wav -o O/new.style: has no pictures
adapt I/cut.mp4 -o O/new.style: cut.mp4'
adapt I/folder -o O/new.style: folder' is a folder
adapt I/plain.mp4 -o O/taken.style: taken.style' is a folder
adapt I/plain.mp4 -o O/there.style: use --force
adapt I/plain.mp4 -o I/plain.mp4 --force: plain.mp4' must end in .style
adapt I/clip.npz -o O/new.style: clip.npz' is a track and has no sound; give that with --audio
adapt I/plain.mp4 --fps 25 -o O/new.style: plain.mp4' is a track and has no sound
adapt I/clip.npz --audio I/missing.wav -o O/new.style: missing.wav' does not exist
adapt I/clip.npz --audio I/mute.mp4 -o O/new.style: mute.mp4' has no audio track
adapt I/clip.npz --audio I/speech.wav -o O/new.style: lasts 0.20 s at 25 fps, its sound
adapt I/flame.npz --audio I/speech.wav -o O/new.style: (--made-for; `adamesh face import` adds one)
adapt I/codes.mat --audio I/speech.wav -o O/new.style: could be of deca or spectre
adapt I/text.npz --audio I/speech.wav -o O/new.style: text.npz' cannot be read as a .npz file
track --import I/codes.mat -o O/new.npz: could be of deca or spectre; say which with --as deca
track --import I/codes.mat --as deca -o O/new.npz: has no frame rate; give it with --fps, e.g. 25
track --import I/codes.mat --as vhap -o O/new.npz: is no file of VHAP: it must end in .npz
track --import I/codes.mat --as maya -o O/new.npz: unknown format 'maya'; known: adamesh,
track --import I/missing.mat -o O/new.npz: missing.mat' does not exist
track --import I/plain.mp4 -o O/new.npz: no tool's track ends in '.mp4'
track --import I/empty.npz -o O/new.npz: empty.npz' is empty
track --import I/codes.mat -o O/there.npz: use --force
track I/plain.mp4 --import I/codes.mat -o O/new.npz: leave out VIDEO and --overlay
track I/plain.mp4 --as deca -o O/new.npz: give a VIDEO alone, or --import FILE
track -o O/new.npz: give a VIDEO alone, or --import FILE
track I/noise.mp4 -o O/new.npz: face was found in
track I/speech.wav -o O/new.npz: has no pictures
track I/empty.mp4 -o O/new.npz: empty.mp4' is empty
track I/plain.mp4 -o O/new.mp4: new.mp4' must end in .npz
track I/plain.mp4 -o O/there.npz: use --force
track I/plain.mp4 -o O/new.npz --overlay O/new.png: new.png' must end in .mp4
track I/plain.mp4 -o O/new.npz --overlay O/there.mp4: there.mp4' exists already
track I/plain.mp4 -o O/new.npz --overlay O/none/new.mp4: create it first
export I/missing.npz -o O/new.glb: missing.npz' does not exist
export I/folder -o O/new.glb: folder' is a folder
export I/empty.npz -o O/new.glb: empty.npz' is empty
export I/text.npz -o O/new.glb: text.npz' is not a motion clip
export I/cut.npz -o O/new.glb: cut.npz' is not a motion clip
export I/clip.npz -o O/new.blend: cannot write 'new.blend'
export I/clip.npz -o O/taken.npz: taken.npz' is a folder
export I/clip.npz -o O/there.glb: use --force
export I/clip.npz -o O/new.glb --camera close: .glb holds no pictures
export I/clip.npz -o O/new.mp4 --size 12: size '12' must be WIDTHxHEIGHT in pixels, as 1280x720
export I/clip.npz -o O/new.mp4 --background transparent: .mp4 has no transparency
export I/clip.npz -o O/new.gif --fps 60: .gif shows at most 50 pictures a second
export I/clip.npz -o O/new.mp4 --beside I/speech.wav: has no pictures, only sound
export I/clip.npz --format a2f-json -o O/new.json --wireframe: a2f-json have no pictures
export I/clip.npz -o O/new.glb --audio I/missing.wav: missing.wav' does not exist
export I/clip.npz -o O/new.glb --audio I/mute.mp4: has no audio track
export I/clip.npz -o O/side.glb --audio I/speech.wav: side.wav' exists already
export I/clip.npz --format deca -o O/new.mat: retarget it to a FLAME head first
export I/flame.npz --format a2f-json -o O/new.json: retarget it: --face embedded
export I/clip.npz --format fbx -o O/new.fbx: unknown format 'fbx'; known: adamesh,
export I/clip.npz --format said-csv -o O/new.npz: must end in .csv for said-csv
export I/clip.npz --format adamesh -o O/there.npz: use --force
export I/clip.npz --format a2f-json -o O/new.json --audio I/speech.wav: leave out --audio
demo -o I/speech.wav: speech.wav' is a file; give the path of a folder
prepare I/folder --tracks O/tracks: folder' has no video.csv
prepare I/missing --tracks O/tracks: missing' has no video.csv
prepare I/no-column --tracks O/tracks: lacks the column(s) split
prepare I/odd-split --tracks O/tracks: has split 'test' for a.mp4; use train or valid
train expression --config I/typo.yaml --data I --tracks O -o O/run: key 'learning_rat'
train expression --config I/word.yaml --data I --tracks O -o O/run: key 'steps'
train expression --config I/text.yaml --data I --tracks O -o O/run: text.yaml' is not YAML
train expression --config I/missing.yaml --data I --tracks O -o O/run: does not exist
train expression --config I/speech.wav --data I --tracks O -o O/run: speech.wav'
train opening --config I/typo.yaml --data I --tracks O -o O/run: key 'learning_rat'
animate I/speech.wav -o O/new.glb --sound-offset late: --sound-offset 'late' is no offset
animate I/speech.wav -o O/new.glb --sound-offset 80: is of a reference's sound; give --reference
adapt I/speech.wav -o O/new.style --sound-offset 9000: is no offset; give auto, or milliseconds
train pose-vqvae --config I/typo.yaml --data I --tracks O -o O/run: key 'learning_rat'
train pose-gpt --config I/typo.yaml --vqvae I/a --data I --tracks O -o O/run: key 'learning_rat'
evaluate --data I/folder --tracks O/tracks: folder' has no video.csv
evaluate --data I/folder --tracks O/tracks --pose --adaptation: give one of
evaluate --data I/folder --tracks O/tracks --pose --upper-face: give one of
evaluate --data I/folder --tracks O/tracks --checkpoint I/text.wav: text.wav' is not a safetensors
evaluate --data I/folder --tracks O/tracks --checkpoint I/weights.style: holds 'something unnamed'
bench tracking I/missing.mp4: missing.mp4' does not exist
bench speed --speech I/missing.wav: missing.wav' does not exist
"""


class TestBadInput:
    @pytest.mark.parametrize("case", BAD.strip().splitlines())
    def test_one_line_and_no_debris(self, adamesh, inputs: Path, out: Path, case: str) -> None:
        command, _, expected = case.partition(": ")
        folders = {"I": str(inputs), "O": str(out)}
        command = re.sub(r"(?<!\S)[IO](?=/|\s)", lambda m: folders[m.group()], command)
        before = content(out), content(inputs)
        said = adamesh(*command.split())
        assert (content(out), content(inputs)) == before
        assert said.code == 2
        assert said.err.startswith("adamesh: ")
        assert said.err.count("\n") == 1, said.err
        assert expected in said.err
        assert said.out == ""

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ("--pose bogus", "pose"),
            ("--pose-scale 5", "pose-scale"),
            ("--seed -1", "seed"),
            ("--fps 0", "fps"),
            ("--fps fast", "fps"),
            ("--colour red", "colour"),
        ],
    )
    def test_options(self, adamesh, inputs: Path, out: Path, options: str, named: str) -> None:
        before = content(out)
        speech, new = inputs / "speech.wav", out / "new.npz"
        said = adamesh("animate", speech, "-o", new, *options.split())
        assert content(out) == before
        assert (said.code, said.out) == (2, "")
        assert named in said.err
        assert said.err.count("\n") == 1

    def test_unknown_command(self, adamesh) -> None:
        said = adamesh("sing")
        assert (said.code, said.err) == (2, "adamesh: No such command 'sing'.\n")

    def test_no_output(self, adamesh, inputs: Path) -> None:
        said = adamesh("animate", inputs / "speech.wav")
        assert said.code == 2
        assert "--output" in said.err

    @pytest.mark.parametrize(
        ("command", "file", "expected"),
        [
            ("track", "cut.mp4", "cut.mp4'"),
            ("track", "plain.mp4", "no face was found"),
            ("adapt", "missing.mp4", "does not exist"),
        ],
    )
    def test_libraries_are_silent(
        self, inputs: Path, out: Path, command: str, file: str, expected: str
    ) -> None:
        suffix = {"track": "npz", "adapt": "style"}[command]
        said = program(command, inputs / file, "-o", out / f"new.{suffix}")
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1), said.err
        assert expected in said.err


class TestExport:
    @pytest.mark.parametrize("suffix", ["glb", "npz", "csv"])
    def test_writes_what_it_names(self, adamesh, inputs: Path, out: Path, suffix: str) -> None:
        said = adamesh("export", inputs / "clip.npz", "-o", out / f"new.{suffix}")
        assert (said.code, said.err) == (0, "")
        assert said.out == f"{out / 'new'}.{suffix}\n"
        assert (out / f"new.{suffix}").stat().st_size > 1000

    def test_encoding_is_for_glb(self, adamesh, inputs: Path, out: Path) -> None:
        for encoding in ("plain", "quantised"):
            path = out / f"{encoding}.glb"
            adamesh("export", inputs / "clip.npz", "-o", path, "--encoding", encoding)
        assert (out / "plain.glb").stat().st_size > 4 * path.stat().st_size
        for reason, *other in (
            ("for .glb", "new.csv"),
            ("have no encoding", "new.json", "--format", "a2f-json"),
        ):
            path = out / other[0]
            options = ("-o", path, *other[1:], "--encoding", "sparse")
            said = adamesh("export", inputs / "clip.npz", *options)
            assert said.code == 2
            assert reason in said.err
            assert not path.exists()

    def test_force_replaces(self, adamesh, inputs: Path, out: Path) -> None:
        path = out / "there.npz"
        assert (
            adamesh("export", inputs / "clip.npz", "-o", path, "--fps", "50", "--force").code == 0
        )
        clip = MotionClip.load(path)
        assert (clip.fps, clip.frames) == (50, 10)

    def test_failing_force_keeps_the_old(self, adamesh, inputs: Path, out: Path) -> None:
        said = adamesh("export", inputs / "text.npz", "-o", out / "there.npz", "--force")
        assert said.code == 2
        assert (out / "there.npz").read_text() == "precious"

    def test_sound_lies_beside_a_glb(self, adamesh, inputs: Path, out: Path) -> None:
        sound = inputs / "speech.wav"
        adamesh("export", inputs / "clip.npz", "-o", out / "new.glb", "--audio", sound)
        assert (out / "new.wav").read_bytes() == sound.read_bytes()

    def test_whose_shape(self, adamesh, inputs: Path, out: Path) -> None:
        somebody = replace(MotionClip.load(inputs / "clip.npz"), betas=np.ones(50, np.float32))
        somebody.save(out / "somebody.npz")
        for identity in ("person", "average"):
            target = out / f"{identity}.npz"
            adamesh("export", out / "somebody.npz", "-o", target, "--identity", identity)
        kept, average = (MotionClip.load(out / f"{x}.npz") for x in ("person", "average"))
        np.testing.assert_array_equal(kept.betas, somebody.betas)
        assert average.betas is None
        np.testing.assert_array_equal(average.expression, somebody.expression)


class TestOtherTools:
    def test_in_and_out(self, adamesh, inputs: Path, out: Path) -> None:
        clip, smirk, back = out / "clip.npz", out / "smirk.pt", out / "back.npz"
        options = ("--as", "deca", "--fps", "25", "-o")
        said = adamesh("track", "--import", inputs / "codes.mat", *options, clip)
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith(f"{clip}: 5 frames at 25 fps in flame50, from DECA (camera, ")
        said = adamesh("export", clip, "--format", "smirk", "-o", smirk, "--fps", "50")
        assert (said.code, said.out, said.err) == (0, f"{smirk}: smirk at 50 fps\n", "")
        assert adamesh("track", "--import", smirk, "--fps", "50", "-o", back).code == 0
        assert MotionClip.load(back).frames == 10

    def test_the_list(self, adamesh) -> None:
        said = adamesh("formats")
        assert (said.code, said.err) == (0, "")
        assert all(name in said.out for name in FORMATS)


class TestInfo:
    def test_it_names_every_weight_with_its_hash(self, adamesh) -> None:
        facts = json.loads(adamesh("info", "--json").out)
        for cls in KINDS:
            path = shipped(cls)
            stored = facts["weights"][path.name]
            assert stored["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
            network = load_network(cls)
            assert stored["parameters"] == sum(x.numel() for x in network.state_dict().values())
        assert facts["weights"]["expression.safetensors"]["features"]
        assert facts["face"]["vertices"] == load_embedded_face().n_vertices
        assert facts["packages"]["torch"]
        assert facts["devices"]

    def test_people_can_read_it(self, adamesh) -> None:
        said = adamesh("info")
        assert (said.code, said.err) == (0, "")
        for part in ("weights", "speech features", "packages", "pose-gpt.safetensors", "sha256"):
            assert part in said.out


def crooked(clip: MotionClip) -> float:
    left, right = (clip.expression_by_name(f"mouthSmile{side}") for side in ("Left", "Right"))
    return float((left - right).mean())


@pytest.mark.slow
def test_demo(adamesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech = tmp_path / "speech.wav"  # the first words of the sample, for the time it takes
    write_wav(speech, load_audio(SAMPLE_SPEECH)[: 2 * SAMPLE_RATE], SAMPLE_RATE)
    monkeypatch.setattr("adamesh.animation.sample.SAMPLE_SPEECH", speech)
    folder = tmp_path / "new" / "demo"
    said = adamesh("demo", "-o", folder)
    assert (said.code, said.err) == (0, "")
    assert set(content(folder)) == {
        "sample.style",
        "talking.glb",
        "talking.wav",
        "talking.mp4",
    }
    info = probe(folder / "talking.mp4")
    assert info.has_audio
    assert info.duration == pytest.approx(2, abs=0.1)
    # The person in the reference smiles with the left corner of the mouth.
    own = animate(speech, Style.load(folder / "sample.style"))
    assert crooked(own) > crooked(animate(speech)) + 0.01
    said = adamesh("demo", "-o", folder)
    assert said.code == 2
    assert "use --force" in said.err


class TestHelp:
    def test_nothing_heavy_is_imported(self) -> None:
        code = (
            "import sys; from adamesh.cli import main\n"
            "sys.argv = ['adamesh', 'animate', '--help']\n"
            "try: main()\n"
            "except SystemExit as stop: assert stop.code == 0\n"
            f"print(sorted(set({HEAVY}) & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "Usage: adamesh animate" in done.stdout
        assert done.stdout.splitlines()[-1] == "[]"

    @pytest.mark.parametrize("name", COMMANDS, ids=" ".join)
    def test_every_command_has_examples_that_parse(self, name: tuple[str, ...]) -> None:
        paragraphs = (COMMANDS[name].help or "").split("\n\n")
        examples = [" ".join(p.split()) for p in paragraphs if p.strip().startswith("adamesh ")]
        assert examples
        assert [parse(example) for example in examples] == [name] * len(examples)

    @pytest.mark.parametrize("name", [(), *COMMANDS], ids=" ".join)
    def test_help_is_given(self, adamesh, name: tuple[str, ...]) -> None:
        said = adamesh(*name, "--help")
        assert (said.code, said.err) == (0, "")
        assert "Usage: " in said.out

    def test_the_installed_program_is_this_one(self) -> None:
        (script,) = entry_points(group="console_scripts", name="adamesh")
        assert script.load() is main
