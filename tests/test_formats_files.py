"""Which format a file has, what is refused, and that strangers' files run nothing."""

import json
import pickle
import shutil
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from support import track_files
from support.track_files import (
    FLAME_FILES,
    MOTION,
    fetch,
    read,
    store,
    weights,
)

from adamesh.errors import InputError, MissingDependencyError
from adamesh.formats import FORMATS, read_track, write_track
from adamesh.formats.names import LIVELINK
from adamesh.motion.clip import MotionClip

DOCS = Path(__file__).parents[1] / "docs" / "guides" / "import-tracks.md"

flame_file = track_files.flame_file  # a fixture: a file of every FLAME tool


class TestRegistry:
    def test_own_clips(self, tmp_path):
        clip = MotionClip("arkit52", 25, weights(), betas=np.ones(5))
        clip.save(tmp_path / "a.npz")
        back = read_track(tmp_path / "a.npz")
        np.testing.assert_array_equal(back.expression, clip.expression)
        with pytest.raises(InputError, match="has 25 fps, --fps says 30"):
            read_track(tmp_path / "a.npz", fps=30)

    def test_a_written_rate_is_the_tools_own(self, tmp_path):
        clip = MotionClip("flame100", 50, np.zeros((100, 100)))
        assert write_track(clip, tmp_path / "a.pt", "artalk") == 25
        assert fetch(tmp_path / "a.pt")[""].shape == (50, 106)
        assert write_track(clip, tmp_path / "a.npz", "emage", fps=60) == 60
        assert fetch(tmp_path / "a.npz")["mocap_frame_rate"] == 60
        assert read_track(tmp_path / "a.npz").fps == 60

    def test_what_is_wrong_is_said(self, tmp_path):
        clip = MotionClip("flame50", 25, np.zeros((3, 50)))
        for name, path, said in [
            ("fbx", "a.fbx", "unknown format 'fbx'; known: adamesh, "),
            ("deca", "a.csv", r"must end in .mat or .pt or .npz for deca"),
            ("emoca", "a.npz", "must have no suffix for emoca"),
            ("deca", "none/a.mat", "create it first"),
        ]:
            with pytest.raises(InputError, match=said):
                write_track(clip, tmp_path / path, name)
        assert not list(tmp_path.iterdir())
        write_track(clip, tmp_path / "a.mat", "deca")
        with pytest.raises(InputError, match="use --force"):
            write_track(clip, tmp_path / "a.mat", "deca")
        write_track(clip, tmp_path / "a.mat", "deca", force=True)
        (tmp_path / "take").mkdir()
        with pytest.raises(InputError, match="exists already; give a new name"):
            write_track(clip, tmp_path / "take", "emoca", force=True)

    def test_hdf5_asks_for_its_package(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "h5py", None)
        clip = MotionClip("flame50", 25, np.zeros((3, 50)))
        with pytest.raises(MissingDependencyError, match=r'pip install "adamesh\[formats\]"'):
            write_track(clip, tmp_path / "a.hdf5", "inferno")
        assert not list(tmp_path.iterdir())

    def test_rates_of_no_track(self, tmp_path):
        """A clip of a millionth of a frame a second would be resampled into all memory."""
        content = {"facsNames": ["jawOpen"], "weightMat": [[0.5]], "exportFps": 1e-6}
        (tmp_path / "a.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match=r"must lie in 1\.\.1000, got 1e-06"):
            read_track(tmp_path / "a.json")

    def test_a_clock_that_jumps(self, tmp_path):
        """Timecodes hours apart would be filled in with frames that nobody recorded."""
        times = [f"00:00:{i // 60:02d}:{i % 60:02d}.000" for i in range(90)]
        rows = [time + ",61" + ",0" * 61 for time in (*times, "23:00:00:00.000")]
        header = ",".join(["Timecode", "BlendShapeCount", *LIVELINK])
        (tmp_path / "a.csv").write_text("\n".join([header, *rows]))
        with pytest.raises(InputError, match="has 91 rows for the 4968001 frames of its times"):
            read_track(tmp_path / "a.csv")
        assert read_track(tmp_path / "a.csv", fps=60).frames == 91

    def test_files_of_nobody(self, tmp_path):
        np.savez(tmp_path / "a.npz", colour=np.ones(3))
        (tmp_path / "a.txt").write_text("hello")
        (tmp_path / "empty").mkdir()
        for name, said in [
            ("a.npz", "no track of a known tool: it has colour"),
            ("a.txt", r"has none of the 52 ARKit names \(jawOpen \.\.\.\), it has hello"),
            ("none.npz", "does not exist"),
            ("empty", "and no folders with .npy files; give the folder that holds"),
        ]:
            with pytest.raises(InputError, match=said):
                read_track(tmp_path / name)
        with pytest.raises(InputError, match=r"must end in .hdf5 or .h5"):
            read_track(tmp_path / "a.npz", format="inferno")

    def test_the_page_lists_every_format(self):
        page = DOCS.read_text(encoding="utf-8")
        for name, kind in FORMATS.items():
            assert f"| `{name}` | {kind.tool} |" in page


class Bomb:
    """What a stranger's pickle may hold."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def hostile(folder: Path, mark: Path) -> dict[str, Path]:
    """Files that would run code, eat memory or reach for other files, by the format that reads them."""
    made: dict[str, Path] = {}

    def new(kind: str, name: str) -> Path:
        made[f"{kind} {name}"] = folder / name
        return folder / name

    torch.save({"exp": Bomb(mark), "pose": torch.zeros(2, 6)}, new("deca", "code.pt"))
    new("deca", "legacy.pt").write_bytes(pickle.dumps(Bomb(mark)))
    torch.save({"exp": torch.zeros(1, 1).expand(2 * 10**9, 50)}, new("deca", "expanded.pt"))
    torch.save({"exp": np.zeros((2, 50))}, new("deca", "numpy.pt"))
    with zipfile.ZipFile(new("deca", "bytes.pt"), "w") as archive:
        archive.writestr("a/version", "3\n")
        archive.writestr("a/data.pkl", b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\0\0\0\0\x10\x85R.")
    with zipfile.ZipFile(new("deca", "deep.pt"), "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + b"(" * 100000)
    (new("emoca", "objects") / "1").mkdir(parents=True)
    np.save(folder / "objects/1/exp.npy", np.array({"exp": Bomb(mark)}), allow_pickle=True)
    (new("emoca", "pickles") / "1").mkdir(parents=True)
    (folder / "pickles/1/exp.npy").write_bytes(pickle.dumps(Bomb(mark)))
    np.savez(new("vhap", "code.npz"), expr=np.array([Bomb(mark)], dtype=object))
    huge = b"\x93NUMPY\x01\x00\x76\x00" + (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000, 100), }".ljust(117)
        + b"\n"
    )
    with zipfile.ZipFile(new("vhap", "huge.npz"), "w") as archive:
        archive.writestr("expr.npy", huge)
    scipy.io.savemat(new("deca", "cell.mat"), {"exp": np.array([1, "a"], dtype=object)})
    scipy.io.savemat(new("deca", "struct.mat"), {"exp": {"a": 1}})
    with h5py.File(new("inferno", "huge.hdf5"), "w") as file:
        file.create_dataset("exp", (1, 10**10, 100), "f4", chunks=(1, 100, 100))
    with h5py.File(folder / "secret.hdf5", "w") as file:
        file["exp"] = np.zeros((1, 2, 100))
    with h5py.File(new("inferno", "link.hdf5"), "w") as file:
        file["exp"] = h5py.ExternalLink(str(folder / "secret.hdf5"), "exp")
    with h5py.File(new("inferno", "virtual.hdf5"), "w") as file:
        layout = h5py.VirtualLayout((1, 2, 100), "f8")
        layout[:] = h5py.VirtualSource(str(folder / "secret.hdf5"), "exp", (1, 2, 100))
        file.create_virtual_dataset("exp", layout)
    with h5py.File(new("inferno", "outside.hdf5"), "w") as file:
        place = [(str(folder / "secret.hdf5"), 0, 2 * 100 * 4)]
        file.create_dataset("exp", (1, 2, 100), "f4", external=place)
    with h5py.File(new("inferno", "text.hdf5"), "w") as file:
        file["exp"] = "words"
    new("a2f-json", "deep.json").write_text("[" * 200_000)
    new("a2f-json", "number.json").write_text('{"facsNames": ' + "9" * 5000 + "}")
    new("a2f-json", "list.json").write_text("[1, 2]")
    new("mediapipe", "word.json").write_text('"frames"')
    new("mediapipe", "frame.json").write_text("[3]")
    new("lam-json", "null.json").write_text('{"names": ["jawOpen"], "frames": [null]}')
    new("livelink-csv", "nul.csv").write_text("Timecode,\0\n1,2\n")
    new("livelink-csv", "none.csv").write_text("\n\n")
    row = ",".join(["0"] * 61)
    names = ",".join(["Timecode", "BlendShapeCount", *LIVELINK])
    new("livelink-csv", "short.csv").write_text(f"{names}\n1\n")
    new("livelink-csv", "inf.csv").write_text(f"{names}\n00:00:00:00.0,61,{row[:-1]}inf\n")
    new("said-csv", "word.csv").write_text("jawOpen\nwide\n")
    new("said-csv", "header.csv").write_text("jawOpen\n")
    new("said-csv", "field.csv").write_text("jawOpen\n" + "1" * 200_000 + "\n")
    codes = "two\nlines\x1b[2J"
    new("a2f-json", "keys.json").write_text(json.dumps({codes: 1}))
    new("said-csv", "names.csv").write_text(f'"{codes}"\n1\n')
    np.savez(new("vhap", "names.npz"), **{codes: np.ones(2)})
    return made


class TestHostileFiles:
    def test_nothing_runs_and_one_line_is_said(self, tmp_path):
        mark = tmp_path / "mark"
        pickle.loads(pickle.dumps(Bomb(mark)))
        assert mark.exists()  # the bomb would go off
        mark.unlink()
        files = hostile(tmp_path, mark)
        assert len(files) > 25
        for case, path in files.items():
            with pytest.raises(InputError) as caught:
                read_track(path, format=case.split()[0], fps=25)
            assert str(caught.value).isprintable(), case
            assert path.name in str(caught.value), case
            assert not mark.exists(), case
            # Telling the format must not run anything either.
            with pytest.raises(InputError) as caught:
                read_track(path, fps=25)
            assert str(caught.value).isprintable(), case
            assert not mark.exists(), case

    def test_pickled_dictionaries_get_a_remedy(self, tmp_path):
        (tmp_path / "take" / "1").mkdir(parents=True)
        np.save(tmp_path / "take/1/exp.npy", np.array({"exp": 1}), allow_pickle=True)
        with pytest.raises(InputError, match=r"not opened; save the arrays in it again: np\.savez"):
            read_track(tmp_path / "take", format="emoca", fps=25)

    def test_cut_and_foreign_files(self, flame_file):
        name, path = flame_file
        if path.is_dir():
            shutil.rmtree(path / "000003_000")  # a frame that is missing is no error ...
            (path / "000004_000" / "exp.npy").unlink()  # ... half a frame is
            with pytest.raises(InputError, match="has no 'exp', which frames before it have"):
                read(name, path)
            return
        whole = path.read_bytes()
        noise = np.random.default_rng(0).bytes(3000)
        for bad in (
            whole[: len(whole) // 2],
            whole[:40],
            b"text, no more",
            noise,
            b"",
            # The last array of the .mat is the light, which nobody wants.
            whole[: -20 if path.suffix != ".mat" else -3000],
        ):
            path.write_bytes(bad)
            with pytest.raises(InputError) as caught:
                read(name, path)
            assert "\n" not in str(caught.value)

    def test_flipped_bytes_run_nothing_and_crash_nothing(self, flame_file):
        name, path = flame_file
        if path.is_dir():
            return
        whole = bytearray(path.read_bytes())
        rng = np.random.default_rng(0)
        said = []
        for _ in range(30):
            bad = bytearray(whole)
            for place in rng.integers(0, len(bad), 20):
                bad[place] = rng.integers(0, 256)
            path.write_bytes(bad)
            try:
                read(name, path)
            except InputError as error:
                said.append(str(error))
        assert not any("\n" in line for line in said)

    def test_what_is_too_large_is_not_opened(self, tmp_path, monkeypatch):
        from adamesh.formats import containers

        monkeypatch.setattr(containers, "LARGEST", 1000)
        for name, (file, make) in FLAME_FILES.items():
            path = store(tmp_path / file, make(MOTION))
            with pytest.raises(InputError, match="holds more than"):
                read(name, path)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
