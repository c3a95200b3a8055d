"""Tracks of ARKit weights: Live Link Face, MediaPipe, SAiD, LAM Audio2Expression, Audio2Face, and names."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.track_files import (
    HEAD_TURN,
    T,
    a2f_content,
    by_name,
    dump,
    lam_file,
    livelink_file,
    mediapipe_frames,
    turned,
    weights,
    write_csv,
)

from adamesh.errors import InputError, InputNotice
from adamesh.formats import FORMATS, detect, read_track, write_track
from adamesh.formats.names import (
    AUDIO2FACE,
    CAPITALISED,
    LAM,
    LIVELINK,
    MEDIAPIPE,
    SAID,
    arkit_columns,
)
from adamesh.motion.clip import MotionClip
from adamesh.motion.gaze import MAX_SIDE
from adamesh.motion.spaces import ARKIT52


class TestLiveLink:
    def test_any_order_and_case(self, tmp_path):
        order = np.random.default_rng(0).permutation(61)
        clip = read_track(livelink_file(tmp_path / "a.csv", order))
        assert (clip.fps, clip.frames) == (60, 150)
        np.testing.assert_allclose(clip.expression, weights(), atol=0.01)

    def test_left_out_rows_are_filled_in(self, tmp_path):
        clip = read_track(livelink_file(tmp_path / "a.csv", drop=(20, 21, 100)))
        assert (clip.fps, clip.frames) == (60, 150)
        np.testing.assert_allclose(clip.expression, weights(), atol=0.01)

    def test_angles_are_read_as_they_are_written(self, tmp_path):
        clip = read_track(livelink_file(tmp_path / "a.csv"))
        angles = np.linspace(-0.3, 0.3, 9)

        # Yaw about +Y, pitch about +X, roll about +Z, in that order.
        def turn(yaw, pitch, roll):
            y, x, z = (
                Rotation.from_rotvec(a * np.eye(3)[i]) for i, a in ((1, yaw), (0, pitch), (2, roll))
            )
            return (y * x * z).as_matrix()

        total = turned(clip.neck_pose[:T], clip.head_pose[:T])
        np.testing.assert_allclose(total[0], turn(*angles[:3]), atol=1e-6)
        np.testing.assert_allclose(turned(clip.leye_pose[:T])[0], turn(*angles[3:6]), atol=1e-6)
        np.testing.assert_allclose(turned(clip.reye_pose[:T])[0], turn(*angles[6:]), atol=1e-6)
        np.testing.assert_allclose(clip.neck_pose, clip.head_pose)

    @pytest.mark.parametrize("fps", [24, 30, 60])
    def test_round_trip(self, tmp_path, fps):
        rng = np.random.default_rng(1)
        poses = {
            f"{joint}_pose": np.cumsum(rng.normal(0, 0.01, (150, 3)), axis=0)
            for joint in ("neck", "leye", "reye")
        }
        poses["head_pose"] = poses["neck_pose"]
        clip = MotionClip("arkit52", fps, weights(), **poses)
        assert write_track(clip, tmp_path / "a.csv", "livelink-csv", fps=fps) == fps
        back = read_track(tmp_path / "a.csv")
        assert back.fps == fps
        for name in ("expression", *poses):
            np.testing.assert_allclose(getattr(back, name), getattr(clip, name), atol=1e-6)

    def test_the_rate_is_told_or_asked_for(self, tmp_path):
        short = MotionClip("arkit52", 30, weights(20))
        write_track(short, tmp_path / "a.csv", "livelink-csv", fps=30)
        with pytest.raises(
            InputError, match="too short to tell its frame rate; give it with --fps"
        ):
            read_track(tmp_path / "a.csv")
        assert read_track(tmp_path / "a.csv", fps=30).frames == 20
        text = (tmp_path / "a.csv").read_text().replace("00:00:00:05.000", "yesterday")
        (tmp_path / "b.csv").write_text(text)
        with pytest.raises(InputError, match=r"row 7 of .* has the timecode 'yesterday'"):
            read_track(tmp_path / "b.csv")

    def test_missing_columns_and_ragged_rows_are_named(self, tmp_path):
        path = livelink_file(tmp_path / "a.csv")
        lines = path.read_text().splitlines()
        (tmp_path / "b.csv").write_text("\n".join([lines[0].replace("headyaw", "yaw"), *lines[1:]]))
        with pytest.warns(InputNotice, match=r"columns of .*b\.csv' that are left out: yaw$"):
            assert not read_track(tmp_path / "b.csv").neck_pose.any()
        (tmp_path / "d.csv").write_text("\n".join(x.split(",", 1)[1] for x in lines))
        with pytest.raises(InputError, match="of Live Link Face has no frame rate; give it with"):
            read_track(tmp_path / "d.csv", format="livelink-csv")
        (tmp_path / "c.csv").write_text("\n".join([*lines[:3], lines[3] + ",1"]))
        with pytest.raises(InputError, match=r"row 4 of .* has 64 cells, its header 63"):
            read_track(tmp_path / "c.csv")


class TestMediaPipe:
    @pytest.mark.parametrize("python", [False, True])
    def test_javascript_and_python(self, tmp_path, python):
        clip = read_track(dump(tmp_path / "a.json", mediapipe_frames(python)), fps=30)
        known = [ARKIT52.index(name) for name in MEDIAPIPE[1:]]
        np.testing.assert_allclose(clip.expression[:, known], weights()[:, known], atol=1e-6)
        assert not clip.expression_by_name("tongueOut").any()
        np.testing.assert_allclose(
            clip.neck_pose + clip.head_pose, np.tile(HEAD_TURN, (150, 1)), atol=1e-5
        )
        np.testing.assert_allclose(clip.transl, np.tile([0.02, -0.01, -0.5], (150, 1)), atol=1e-6)

    def test_eyeballs_turn_as_the_weights_say(self, tmp_path):
        frames = mediapipe_frames()[:1]
        for category in frames[0]["faceBlendshapes"][0]["categories"]:
            category["score"] = 0.5 if category["categoryName"] == "eyeLookOutLeft" else 0.0
        clip = read_track(dump(tmp_path / "a.json", frames), fps=30)
        np.testing.assert_allclose(clip.leye_pose, [[0, MAX_SIDE / 2, 0]], atol=1e-6)
        assert not clip.reye_pose.any()

    def test_frames_without_a_face_are_filled(self, tmp_path):
        frames = mediapipe_frames()
        frames[0] = {"faceBlendshapes": [], "facialTransformationMatrixes": []}
        frames[7] = {}
        clip = read_track(dump(tmp_path / "a.json", frames), fps=30)
        assert np.flatnonzero(clip.confidence == 0).tolist() == [0, 7]
        np.testing.assert_array_equal(clip.expression[0], clip.expression[1])
        assert clip.frames == 150

    def test_what_is_written(self, tmp_path):
        clip = read_track(dump(tmp_path / "a.json", mediapipe_frames()), fps=30)
        write_track(clip, tmp_path / "b.json", "mediapipe")
        ours, theirs = json.loads((tmp_path / "b.json").read_text()), mediapipe_frames()
        for a, b in zip(ours, theirs, strict=True):
            (a_face,), (b_face,) = a["faceBlendshapes"], b["faceBlendshapes"]
            assert [c["categoryName"] for c in a_face["categories"]] == list(MEDIAPIPE)
            np.testing.assert_allclose(
                [c["score"] for c in a_face["categories"]],
                [c["score"] for c in b_face["categories"]],
                atol=1e-6,
            )
            (a_pose,), (b_pose,) = (x["facialTransformationMatrixes"] for x in (a, b))
            np.testing.assert_allclose(a_pose["data"], b_pose["data"], atol=1e-4)
        # A clip without a place stands where a camera would see it.
        write_track(replace(clip, transl=None), tmp_path / "c.json", "mediapipe")
        (pose,) = json.loads((tmp_path / "c.json").read_text())[0]["facialTransformationMatrixes"]
        assert pose["data"][14] < -10

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"faceBlendshapes": []}, "no frame with blendshapes"),
            ({"faceBlendshapes": 3}, "must be a list with an entry a face"),
            (
                {"faceBlendshapes": [{"categories": [{"score": 1}]}]},
                "without categoryName and score",
            ),
            ({"faceBlendshapes": [{}]}, "without a list of blendshapes"),
            ({"facialTransformationMatrixes": [[1, 2]]}, "not 4x4 numbers"),
            ({"facialTransformationMatrixes": [[2.0] * 16]}, "no rotation and translation"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path, change, said):
        frames = [frame | change for frame in mediapipe_frames()[:3]]
        with pytest.raises(InputError, match=said):
            read_track(dump(tmp_path / "a.json", frames), fps=30)

    def test_the_rate_is_asked_for(self, tmp_path):
        with pytest.raises(InputError, match="has no frame rate"):
            read_track(dump(tmp_path / "a.json", mediapipe_frames()))


class TestWeightsByName:
    def test_lam(self, tmp_path):
        path = lam_file(tmp_path / "a.json")
        assert detect(path) == "lam-json"
        clip = read_track(path)
        assert clip.fps == 30
        np.testing.assert_allclose(clip.expression, weights(), atol=1e-6)
        write_track(clip, tmp_path / "b.json", "lam-json")
        ours, theirs = (json.loads((tmp_path / f"{n}.json").read_text()) for n in "ab")
        assert ours["names"] == theirs["names"]
        assert ours["metadata"] == theirs["metadata"]
        for a, b in zip(ours["frames"], theirs["frames"], strict=True):
            assert a.keys() == b.keys()
            assert a["time"] == pytest.approx(b["time"])
            np.testing.assert_allclose(a["weights"], b["weights"], atol=1e-6)

    def test_audio2face(self, tmp_path):
        path = dump(tmp_path / "a.json", a2f_content())
        assert detect(path) == "a2f-json"
        clip = read_track(path)
        assert clip.fps == 30
        np.testing.assert_allclose(clip.expression, weights(), atol=1e-6)
        write_track(clip, tmp_path / "b.json", "a2f-json")
        ours = json.loads((tmp_path / "b.json").read_text())
        for key in ("exportFps", "numPoses", "numFrames"):
            assert ours[key] == a2f_content()[key]
        assert tuple(ours["facsNames"]) == AUDIO2FACE
        np.testing.assert_allclose(ours["weightMat"], weights(), atol=1e-6)

    def test_an_audio2face_export_without_its_rate(self, tmp_path):
        content = a2f_content()
        del content["exportFps"]
        path = dump(tmp_path / "a.json", content)
        with pytest.raises(InputError, match="has no frame rate"):
            read_track(path)
        assert read_track(path, fps=60).fps == 60

    def test_said(self, tmp_path):
        path = write_csv(tmp_path / "a.csv", list(SAID), by_name(SAID).tolist())
        assert detect(path) == "said-csv"
        with pytest.raises(InputError, match="has no frame rate"):
            read_track(path)
        clip = read_track(path, fps=60)
        assert clip.fps == 60
        known = [ARKIT52.index(name) for name in SAID]
        np.testing.assert_allclose(clip.expression[:, known], by_name(SAID), atol=1e-6)
        rest = [i for i in range(52) if i not in known]
        assert not clip.expression[:, rest].any()
        write_track(clip, tmp_path / "b.csv", "said-csv")
        with (tmp_path / "b.csv").open(newline="") as file:
            header, *table = csv.reader(file)
        assert header == list(SAID)
        np.testing.assert_allclose(np.array(table, float), by_name(SAID), atol=1e-6)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"facsNames": None}, "needs a list under 'facsNames'"),
            ({"weightMat": [[0.1] * 51] * 3}, "52 names and 51 weights a frame"),
            ({"weightMat": [[0.1] * 52, [0.1]]}, "rows of different length"),
            ({"weightMat": [[50] * 52]}, "must lie in 0..1, got 50..50; if they are in percent"),
            ({"weightMat": [[float("nan")] * 52]}, "not finite"),
            ({"facsNames": ["x"] * 52}, "none of the 52 ARKit names"),
            ({"facsNames": ["jawOpen", "JawOpen", *["x"] * 50]}, "'jawOpen' is there twice"),
            ({"exportFps": "fast"}, "frame rate in .* must be a number"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path, change, said):
        path = dump(tmp_path / "a.json", a2f_content() | change)
        with pytest.raises(InputError, match=said):
            read_track(path, format="a2f-json")

    def test_solvers_overshoot(self, tmp_path):
        content = a2f_content() | {"weightMat": [[1.2] * 26 + [-0.1] * 26]}
        clip = read_track(dump(tmp_path / "a.json", content))
        assert clip.expression[0].tolist() == [1.0] * 26 + [0.0] * 26

    def test_flame_clips_are_refused(self, tmp_path):
        clip = MotionClip("flame50", 25, np.zeros((3, 50)))
        for name, kind in FORMATS.items():
            if kind.space == "arkit52":
                with pytest.raises(InputError, match="'flame50'; retarget it: --face embedded"):
                    write_track(clip, tmp_path / f"a{kind.suffixes[0]}", name)
        assert not list(tmp_path.iterdir())


class TestNames:
    def test_capitals_and_back(self):
        for name, capitalised in CAPITALISED.items():
            assert capitalised[0].lower() + capitalised[1:] == name
        assert arkit_columns(list(CAPITALISED.values())) == {i: i for i in range(52)}

    @pytest.mark.parametrize("names", [LIVELINK, MEDIAPIPE, LAM, SAID, AUDIO2FACE])
    def test_every_table_leads_back(self, names):
        columns = arkit_columns(names)
        for place, column in columns.items():
            assert names[place].lower() == ARKIT52[column].lower()
        assert {*names} - {names[place] for place in columns} <= {"_neutral", *LIVELINK[52:]}

    def test_sizes(self):
        sizes = [len(set(names)) for names in (LIVELINK, MEDIAPIPE, LAM, SAID, AUDIO2FACE)]
        assert sizes == [61, 52, 52, 32, 52]
        # google-ai-edge/mediapipe: the first and the last of its list, and one between.
        assert (MEDIAPIPE[1], MEDIAPIPE[25], MEDIAPIPE[51]) == (
            "browDownLeft",
            "jawOpen",
            "noseSneerRight",
        )
