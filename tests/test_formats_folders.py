"""Folders with a file a frame: names place the frames, holes stay holes, and faces never mix."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from adamesh.errors import InputError, InputNotice
from adamesh.formats import detect, read_track

T = 24
JAW = 0.2 + 0.15 * np.sin(np.arange(T) / 4)
TURN = 0.3 * np.sin(np.arange(T) / 9)


def codes(i: int) -> dict[str, np.ndarray]:
    """DECA's of one picture."""
    pose = np.zeros((1, 6), np.float32)
    pose[0, 1], pose[0, 3] = TURN[i], JAW[i]
    expression = np.full((1, 50), i / T, np.float32)
    return {"exp": expression, "pose": pose, "shape": np.ones((1, 100)), "cam": np.ones((1, 3))}


def vhap(i: int) -> dict[str, np.ndarray]:
    turn, jaw = np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32)
    turn[0, 1], jaw[0, 0] = TURN[i], JAW[i]
    return {
        "translation": np.zeros((1, 3)), "rotation": turn, "neck_pose": np.zeros((1, 3)),
        "jaw_pose": jaw, "eyes_pose": np.zeros((1, 6)), "shape": np.ones(300),
        "expr": np.full((1, 100), i / T), "static_offset": np.zeros((1, 5143, 3)),
    }  # fmt: skip


def smirk(i: int) -> dict[str, torch.Tensor]:
    jaw, turn = torch.zeros(1, 3), torch.zeros(1, 3)
    jaw[0, 0], turn[0, 1] = JAW[i], TURN[i]
    return {
        "pose_params": turn, "jaw_params": jaw, "expression_params": torch.full((1, 50), i / T),
        "shape_params": torch.ones(1, 300), "cam": torch.ones(1, 3),
    }  # fmt: skip


def write_deca(path: Path, i: int) -> None:
    savemat(path.with_suffix(".mat"), codes(i))


def write_deca_folder(path: Path, i: int) -> None:
    path.mkdir()
    savemat(path / "codes.mat", codes(i))


def write_vhap(path: Path, i: int) -> None:
    np.savez_compressed(path.with_suffix(".npz"), **vhap(i))


def write_smirk(path: Path, i: int) -> None:
    torch.save(smirk(i), path.with_suffix(".pt"))


def write_emoca(path: Path, i: int) -> None:
    path.mkdir()
    for name in ("exp", "pose", "shape"):
        np.save(path / f"{name}.npy", codes(i)[name][0])


TOOLS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "deca": ("deca", write_deca),
    "deca, a folder a picture": ("deca", write_deca_folder),
    "vhap": ("vhap", write_vhap),
    "smirk": ("smirk", write_smirk),
    "emoca": ("emoca", write_emoca),
}


def fill(folder: Path, write: Callable[[Path, int], None], name: str = "{:05d}") -> Path:
    folder.mkdir(parents=True)
    for i in range(T):
        write(folder / name.format(i), i)
    return folder


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tools_frames_are_read(tool: str, tmp_path: Path) -> None:
    name, write = TOOLS[tool]
    folder = fill(tmp_path / "take", write)
    if name != "deca":
        assert detect(folder) == name
    clip = read_track(folder, format=name, fps=25)
    assert (clip.frames, clip.fps, clip.confidence) == (T, 25, None)
    np.testing.assert_allclose(clip.jaw_pose[:, 0], JAW, atol=1e-6)
    np.testing.assert_allclose(clip.neck_pose[:, 1], TURN, atol=1e-6)
    np.testing.assert_allclose(clip.expression[:, 0], np.arange(T) / T, atol=1e-6)
    assert clip.betas is not None
    np.testing.assert_allclose(clip.betas, 1)


@pytest.mark.parametrize("name", ["{}", "frame_{}", "take2_{:03d}", "2024-01-02 {:06d} x3"])
def test_numbers_place_the_frames_however_they_are_written(name: str, tmp_path: Path) -> None:
    clip = read_track(fill(tmp_path / "take", write_vhap, name), fps=25)
    np.testing.assert_allclose(clip.jaw_pose[:, 0], JAW, atol=1e-6)


def test_the_folder_above_and_what_lies_beside_them(tmp_path: Path) -> None:
    fill(tmp_path / "export" / "flame_param", write_vhap)
    np.savez(tmp_path / "export" / "canonical_flame_param.npz", shape=np.ones(300))
    (tmp_path / "export" / "images").mkdir()
    (tmp_path / "export" / "images" / "00000.png").touch()
    above, itself = (read_track(tmp_path / "export" / x, fps=25) for x in ("", "flame_param"))
    np.testing.assert_array_equal(above.jaw_pose, itself.jaw_pose)
    np.savez(tmp_path / "whole.npz", **{
        name: np.concatenate([vhap(i)[name] for i in range(T)])
        for name in vhap(0) if name not in ("shape", "static_offset")
    }, shape=np.ones(300))  # fmt: skip
    whole = read_track(tmp_path / "whole.npz", fps=25)
    for name in ("expression", "neck_pose", "jaw_pose", "transl", "betas"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(itself, name))


def test_holes_are_filled_in_and_told(tmp_path: Path) -> None:
    folder = fill(tmp_path / "take", write_deca, "{:04d}")
    for i in (5, 6, 11):
        (folder / f"{i:04d}.mat").unlink()
    with pytest.warns(InputNotice, match=f"lacks 3 of {T} frames"):
        clip = read_track(folder, format="deca", fps=25)
    assert clip.frames == T
    assert clip.confidence is not None
    assert np.flatnonzero(clip.confidence == 0).tolist() == [5, 6, 11]
    there = [i for i in range(T) if i not in (5, 6, 11)]
    np.testing.assert_allclose(clip.jaw_pose[there, 0], JAW[there], atol=1e-6)
    assert JAW[4] < clip.jaw_pose[5, 0] < clip.jaw_pose[6, 0] < JAW[7] or JAW[4] > JAW[7]


def test_every_second_frame_is_half_the_rate(tmp_path: Path) -> None:
    (tmp_path / "take").mkdir()
    for i in range(T):
        write_deca(tmp_path / "take" / f"{2 * i + 1:05d}", i)
    with pytest.warns(InputNotice, match="one of 2 frames of 50 fps: a clip of 25 fps"):
        clip = read_track(tmp_path / "take", format="deca", fps=50)
    assert (clip.frames, clip.fps) == (T, 25)


@pytest.mark.parametrize("name", ["{:05d}_{}", "frame{:03d}_face{}"])
def test_faces_are_told_apart(name: str, tmp_path: Path) -> None:
    """The second one comes later and moves the other way."""
    folder = tmp_path / "take"
    folder.mkdir()
    for i in range(T):
        write_deca(folder / name.format(i, 0), i)
        if i >= 4:
            write_deca(folder / name.format(i, 1), T - 1 - i)
    with pytest.warns(InputNotice, match=r"has 2 people \(24, 20 frames\); person 1 is read"):
        first = read_track(folder, format="deca", fps=25)
    with pytest.warns(InputNotice, match="person 2 is read"):
        second = read_track(folder, format="deca", fps=25, person=2)
    np.testing.assert_allclose(first.jaw_pose[:, 0], JAW, atol=1e-6)
    np.testing.assert_allclose(second.jaw_pose[:, 0], JAW[::-1][4:], atol=1e-6)
    with pytest.raises(InputError, match=r"there is no person 3; give --person 1\.\.2"):
        read_track(folder, format="deca", fps=25, person=3)


def test_one_of_many_says_so(tmp_path: Path) -> None:
    folder = fill(tmp_path / "take", write_vhap)
    with pytest.warns(InputNotice, match=rf"is one frame of {T}; give the folder '.*take'"):
        assert read_track(folder / "00003.npz", fps=25).frames == 1
    with pytest.raises(InputError, match="holds one person"):
        read_track(folder / "00003.npz", fps=25, person=2)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    folder = fill(tmp_path / "take", write_vhap)
    np.savez(folder / "7.npz", **vhap(7))
    with pytest.raises(InputError, match=r"are both frame 7; remove one"):
        read_track(folder, fps=25)
    (folder / "7.npz").unlink()
    (folder / "00009.npz").write_bytes(b"half a fi")
    with pytest.raises(InputError, match=r"00009\.npz' cannot be read"):
        read_track(folder, fps=25)
    np.savez(folder / "00009.npz", **{**vhap(9), "expr": np.zeros((1, 50))})
    with pytest.raises(InputError, match=r"'expr' of '.*00009\.npz' has shape \[50\], frames"):
        read_track(folder, fps=25)
    np.savez(folder / "00009.npz", **{**vhap(9), "expr": np.zeros((7, 100))})
    with pytest.raises(InputError, match=r"00009\.npz' has shape \[7, 100\], more than a frame"):
        read_track(folder, fps=25)
    fill(tmp_path / "other", write_vhap)
    with pytest.raises(InputError, match="has several folders of frames, other, take; give one"):
        read_track(tmp_path, fps=25)
