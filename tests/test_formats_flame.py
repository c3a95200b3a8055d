"""Tracks of FLAME tools: every number where it belongs, in reading and in writing."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from support import track_files
from support.track_files import (
    ASKED,
    FLAME_FILES,
    MOTION,
    T,
    deca_codes,
    fetch,
    read,
    spectre_offsets,
    store,
    turned,
)

from adamesh.errors import InputError
from adamesh.faces.embedded import load_embedded_face
from adamesh.formats import FORMATS, detect, read_track, write_track
from adamesh.motion.clip import MotionClip
from adamesh.render.camera import Camera

FLAME_TOOLS = {name for name, kind in FORMATS.items() if kind.space.startswith("flame")}


HEAD = {
    "adamesh-authors-predict": turned(),
    "vhap": turned(MOTION.head, MOTION.neck),
    "emage": turned(MOTION.neck, MOTION.head),
}
NO_SHAPE = {"adamesh-authors-predict", "artalk", "emage"}


flame_file = track_files.flame_file  # a fixture: a file of every FLAME tool


class TestFlameTools:
    def test_every_number_goes_where_it_belongs(self, flame_file):
        name, path = flame_file
        clip = read(name, path)
        size = 50 if clip.space == "flame50" else 100
        assert FORMATS[name].space == f"flame{size}"
        np.testing.assert_allclose(clip.expression, MOTION.expression[:, :size], atol=1e-6)
        np.testing.assert_allclose(clip.jaw_pose, MOTION.jaw, atol=1e-6)
        head = HEAD.get(name, turned(MOTION.head))
        np.testing.assert_allclose(turned(clip.neck_pose), head, atol=1e-5)
        assert not clip.head_pose.any()
        if name in NO_SHAPE:
            assert clip.betas is None
        else:
            known = MOTION.shape[: len(clip.betas)]
            np.testing.assert_allclose(clip.betas, known, atol=1e-5)
            assert len(known) >= 100
        eyes = MOTION.eyes if name in ("vhap", "emage") else np.zeros((T, 6))
        np.testing.assert_allclose(np.hstack([clip.leye_pose, clip.reye_pose]), eyes, atol=1e-6)
        if name == "vhap":
            np.testing.assert_allclose(clip.transl, MOTION.place)
        else:
            assert clip.transl is None
        assert clip.fps == (30 if name == "emage" else 25)

    def test_what_is_written_has_the_tools_own_layout(self, flame_file, tmp_path):
        name, path = flame_file
        clip, theirs = read(name, path), fetch(path)
        out = tmp_path / "out" / path.name
        out.parent.mkdir()
        write_track(clip, out, name)
        ours = fetch(out)
        assert {k: a.shape for k, a in ours.items()} == {k: a.shape for k, a in theirs.items()}
        made_up = {
            "cam",
            "tex",
            "light",
            "detail",
            "eyelid_params",
            "static_offset",
            "betas",
            "trans",
        }
        for key in set(theirs) - made_up - {"rotation", "neck_pose", "poses"}:
            if theirs[key].dtype.kind in "fiu":
                np.testing.assert_allclose(ours[key], theirs[key], atol=1e-5, err_msg=key)
            else:
                assert (ours[key] == theirs[key]).all()
        if name == "vhap":
            assert not ours["rotation"].any()
            np.testing.assert_allclose(turned(ours["neck_pose"]), HEAD["vhap"], atol=1e-5)
        if name == "emage":
            neck, head = ours["poses"][:, 36:39], ours["poses"][:, 45:48]
            np.testing.assert_allclose(turned(neck, head), HEAD["emage"], atol=1e-5)
            assert neck.any()
            assert head.any()
            np.testing.assert_allclose(
                ours["poses"][:, 66:75], theirs["poses"][:, 66:75], atol=1e-6
            )
            assert not ours["poses"][:, :36].any()
            assert not ours["poses"][:, 75:].any()
        if "cam" in ours:
            assert (ours["cam"][..., 0] > 0).all()  # their loader divides by it

    def test_the_format_is_told_from_the_file(self, flame_file):
        name, path = flame_file
        if name not in ("deca", "spectre"):
            assert detect(path) == name
            return
        with pytest.raises(InputError, match="could be of deca or spectre; say which with --as"):
            detect(path)

    def test_the_frame_rate_is_asked_for(self, flame_file):
        name, path = flame_file
        if name in ASKED:
            with pytest.raises(InputError, match="has no frame rate; give it with --fps"):
                read_track(path, format=name)
        elif name == "emage":
            with pytest.raises(InputError, match="has 30 fps, --fps says 25"):
                read_track(path, format=name, fps=25)
        else:
            assert read_track(path, format=name, fps=50).fps == 50

    def test_missing_and_misshapen_arrays_are_named(self, flame_file, tmp_path):
        name, _ = flame_file
        file, make = FLAME_FILES[name]
        needed = FORMATS[name].keys - {"shape", "cam", ""}
        for number, key in enumerate(sorted(needed)):
            folder = tmp_path / f"{number}"
            folder.mkdir()
            arrays = make(MOTION)
            array = arrays.pop(key)
            with pytest.raises(InputError, match=rf"has no '{key}', which .* writes; it has "):
                read(name, store(folder / f"missing-{file}", arrays))
            wrong = store(folder / f"wide-{file}", {**arrays, key: array[..., :-1]})
            with pytest.raises(InputError, match=rf"'{key}' of .* has shape .* writes \["):
                read(name, wrong)
        if name not in ("emoca", "artalk"):
            arrays = make(MOTION)
            key = min(needed)
            axis = 1 if name == "inferno" else 0
            arrays[key] = np.delete(arrays[key], 0, axis)
            with pytest.raises(InputError, match=r"frames.*they must agree"):
                read(name, store(tmp_path / f"short-{file}", arrays))

    def test_spectres_offsets_are_added_up(self, tmp_path):
        path = store(tmp_path / "a.npz", spectre_offsets(MOTION))
        clip = read_track(path, format="spectre")
        np.testing.assert_allclose(clip.expression, MOTION.expression[:, :50], atol=1e-6)
        np.testing.assert_allclose(clip.jaw_pose, MOTION.jaw, atol=1e-6)
        np.testing.assert_allclose(clip.neck_pose, MOTION.head, atol=1e-6)
        half = spectre_offsets(MOTION)
        del half["deca_jaw"]
        with pytest.raises(InputError, match="has no 'deca_jaw'"):
            read_track(store(tmp_path / "b.npz", half), format="spectre")

    def test_diffposetalks_shape_may_lie_beside(self, tmp_path):
        arrays = FLAME_FILES["diffposetalk"][1](MOTION)
        del arrays["shape"]
        path = store(tmp_path / "a.npz", arrays)
        assert read_track(path).betas is None
        np.save(tmp_path / "a.npy", MOTION.shape[:100])
        np.testing.assert_allclose(read_track(path).betas, MOTION.shape[:100])

    def test_emocas_frames_come_in_their_own_order(self, tmp_path):
        for frame in range(11):
            (tmp_path / "take" / f"{frame}").mkdir(parents=True)
            np.save(tmp_path / "take" / f"{frame}" / "exp.npy", np.full(50, frame, np.float32))
            np.save(tmp_path / "take" / f"{frame}" / "pose.npy", np.zeros(6, np.float32))
        assert read("emoca", tmp_path / "take").expression[:, 0].tolist() == list(range(11))

    @pytest.mark.parametrize(("source", "target"), [("deca", "vhap"), ("vhap", "smirk")])
    def test_sizes_that_differ(self, tmp_path, source, target):
        """Fewer coefficients get zeros behind them, of more the first are taken."""
        name, make = FLAME_FILES[source]
        clip = read(source, store(tmp_path / name, make(MOTION)))
        out = tmp_path / FLAME_FILES[target][0].replace("a.", "b.")
        write_track(clip, out, target)
        expression = fetch(out)["expr" if target == "vhap" else "expression_params"]
        n = min(clip.expression.shape[1], expression.shape[1])
        np.testing.assert_allclose(expression[:, :n], clip.expression[:, :n], atol=1e-6)
        assert not expression[:, n:].any()
        shape = fetch(out)["shape" if target == "vhap" else "shape_params"]
        k = min(len(clip.betas), shape.shape[-1])
        np.testing.assert_allclose(np.atleast_2d(shape)[0, :k], clip.betas[:k], atol=1e-6)

    def test_smirks_jaw_never_closes_beyond_rest(self, tmp_path):
        clip = MotionClip("flame50", 25, np.zeros((2, 50)), jaw_pose=np.full((2, 3), -0.1))
        write_track(clip, tmp_path / "a.pt", "smirk")
        np.testing.assert_allclose(fetch(tmp_path / "a.pt")["jaw_params"], [[0, -0.1, -0.1]] * 2)

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_a_head_turns_as_decas_camera_sees_it(self, tmp_path, axis):
        """No rotation is an upright face in DECA's picture, and every turn looks the same in ours."""
        poses = np.zeros((2, 6), np.float32)
        poses[1, axis] = 0.3
        codes = deca_codes(MOTION) | {"pose": poses}
        codes = {name: array[:2] for name, array in codes.items()}
        clip = read("deca", store(tmp_path / "a.mat", codes))
        assert not clip.neck_pose[0].any()
        face = load_embedded_face()
        template = face().vertices[0].numpy()
        nose, crown = template[:, 2].argmax(), template[:, 1].argmax()
        camera = Camera.looking_at(template.mean(0), size=(100, 100), height=0.4)
        ours = [
            camera.project(face(neck_pose=torch.from_numpy(pose[None])).vertices[0].numpy())[:, :2]
            for pose in clip.neck_pose
        ]
        # yfeng95/DECA: the rotated head, orthographic, with Y turned about for the picture.
        theirs = [
            (template @ Rotation.from_rotvec(pose[:3]).as_matrix().T)[:, :2] * [1, -1]
            for pose in poses
        ]
        for seen in (ours, theirs):
            assert seen[0][crown, 1] < seen[0][nose, 1]  # the crown is above: upright
        # Nodding moves the nose down or up, turning and tilting move nose and crown to a side.
        point, side = {0: (nose, 1), 1: (nose, 0), 2: (crown, 0)}[axis]
        moved = [np.sign(seen[1][point, side] - seen[0][point, side]) for seen in (ours, theirs)]
        assert moved[0] == moved[1] != 0

    def test_arkit_clips_are_sent_to_the_retargeter(self, tmp_path):
        clip = MotionClip("arkit52", 25, np.zeros((3, 52)))
        for name in FLAME_TOOLS:
            out = tmp_path / FLAME_FILES[name][0]
            with pytest.raises(
                InputError, match=r"this clip is in 'arkit52'; retarget it to a FLAME"
            ):
                write_track(clip, out, name)
        assert not list(tmp_path.iterdir())
