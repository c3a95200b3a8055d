"""Exports are read back by readers that share no code with the writers."""

import csv
import itertools
import json
import wave

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.glb_reader import Glb
from support.performances import FACES, JOINTS, embedded_face, expected, performance, small_face

from adamesh.errors import InputError
from adamesh.export import FORMATS, OutputOptions, export, plan_export
from adamesh.formats.livelink import timecode
from adamesh.motion import ARKIT52, MotionClip
from adamesh.motion.rotation import axis_angle_to_matrix


@pytest.mark.parametrize(
    ("encoding", "within"), [("plain", 1e-6), ("sparse", 1e-6), ("quantised", 2e-5)]
)
@pytest.mark.parametrize("make_face", FACES)
def test_a_foreign_reader_sees_what_forward_computes(make_face, encoding, within, tmp_path):
    """Within metres; the clip sums 26 actions in a frame, and the errors of all their integers."""
    face = make_face()
    betas = np.random.default_rng(3).normal(size=face.n_betas)
    clip = performance(betas=betas)
    export(clip, tmp_path / "a.glb", OutputOptions(encoding=encoding), face=face)
    glb = Glb(tmp_path / "a.glb")
    triangles, material = face.triangles.numpy(), face.triangle_material.numpy()
    names = [glb.json["materials"][p["material"]]["name"] for p in glb.primitives]
    for frame in (0, 5, 11):
        want = expected(face, clip, frame, clip.betas)
        got = glb.positions(frame)
        seen = 0
        for name, primitive, at in zip(names, glb.primitives, got, strict=True):
            mine = triangles[material == face.material_names.index(name)]
            corners = glb.read(primitive["indices"])[:, 0].astype(int)
            assert np.abs(at[corners] - want[mine.reshape(-1)]).max() < within
            seen += len(mine)
        assert seen == len(triangles)


@pytest.mark.parametrize("make_face", FACES)
def test_the_surface_carries_uv_colour_and_normals(make_face, tmp_path):
    face = make_face()
    export(performance(), tmp_path / "a.glb", face=face)
    glb = Glb(tmp_path / "a.glb")
    uv = face.uv.numpy()[face.uv_triangles.numpy()]
    colors = face.colors.numpy()[face.triangles.numpy()]
    material = face.triangle_material.numpy()
    for primitive in glb.primitives:
        look = glb.json["materials"][primitive["material"]]
        mine = material == face.material_names.index(look["name"])
        corners = glb.read(primitive["indices"])[:, 0].astype(int)
        attributes = primitive["attributes"]
        flipped = uv[mine].reshape(-1, 2) * [1, -1] + [0, 1]
        assert np.abs(glb.read(attributes["TEXCOORD_0"])[corners] - flipped).max() < 1e-6
        base = np.array(look["pbrMetallicRoughness"]["baseColorFactor"][:3])
        if "COLOR_0" in attributes:
            base = base * glb.read(attributes["COLOR_0"])[corners][:, :3]
        gamma = np.where(base <= 0.0031308, base * 12.92, 1.055 * base ** (1 / 2.4) - 0.055)
        assert np.abs(gamma - colors[mine].reshape(-1, 3)).max() < 0.02
        normals = glb.read(attributes["NORMAL"])
        assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 1e-5
    assert sum("COLOR_0" in p["attributes"] for p in glb.primitives) >= 1


def test_normals_point_outwards(tmp_path):
    export(performance(), tmp_path / "a.glb", face=small_face())
    glb = Glb(tmp_path / "a.glb")
    for primitive in glb.primitives:
        outwards = glb.read(primitive["attributes"]["POSITION"]) - [0, 1.6, 0]
        normals = glb.read(primitive["attributes"]["NORMAL"])
        assert (np.sum(outwards * normals, axis=1) > 0).all()


def test_targets_joints_and_clock(tmp_path):
    clip = performance(frames=25)
    export(clip, tmp_path / "a.glb", OutputOptions(fps=60), face=small_face())
    glb = Glb(tmp_path / "a.glb")
    assert tuple(glb.target_names) == ARKIT52
    assert [glb.json["nodes"][n]["name"] for n in glb.json["skins"][0]["joints"]] == list(JOINTS)
    turned = {glb.json["nodes"][n]["name"] for n, path in glb.channels() if path == "rotation"}
    assert turned == {"neck", "head", "leye", "reye"}  # a jaw at rest needs no channel
    for times, _ in glb.channels().values():
        assert np.allclose(times, np.arange(60) / 60, atol=1e-6)


def test_neighbouring_quaternions_lie_on_one_side(tmp_path):
    """A head that turns past pi: readers would take the long way round."""
    turn = np.zeros((40, 3))
    turn[:, 1] = np.linspace(0, 2 * np.pi, 40)
    clip = MotionClip("arkit52", 25, np.zeros((40, 52)), head_pose=turn)
    export(clip, tmp_path / "a.glb", face=small_face())
    channels = Glb(tmp_path / "a.glb").channels()
    quats = next(values for (_, path), (_, values) in channels.items() if path == "rotation")
    assert (np.sum(quats[1:] * quats[:-1], axis=1) > 0.99).all()


def test_faces_with_more_influences_keep_the_strongest(tmp_path):
    face = small_face()
    face.skin_weights.fill_(0.02)
    face.skin_weights[:, 2] = 0.9
    export(performance(frames=1), tmp_path / "a.glb", face=face)
    for primitive in Glb(tmp_path / "a.glb").primitives:
        weights = Glb(tmp_path / "a.glb").read(primitive["attributes"]["WEIGHTS_0"])
        assert np.allclose(weights.sum(axis=1), 1)
        assert (weights[:, 0] > 0.9).all()


def test_encodings_are_smaller_and_for_glb_alone(tmp_path):
    sizes = []
    for encoding in ("plain", "sparse", "quantised"):
        (path,) = export(
            performance(), tmp_path / f"{encoding}.glb", OutputOptions(encoding=encoding)
        )
        sizes.append(path.stat().st_size)
    assert sizes[0] > 2 * sizes[1] > 3 * sizes[2]
    with pytest.raises(InputError, match=r"'sparse' is for \.glb"):
        plan_export(tmp_path / "a.csv", OutputOptions(encoding="sparse"))


def test_weights_beyond_one_are_not_cut(tmp_path):
    face = small_face("flame50")
    face = face.replace(expression_names=None, expressiondirs=face.expressiondirs[..., :50])
    clip = MotionClip("flame50", 25, np.linspace(-3, 3, 150).reshape(3, 50))
    export(clip, tmp_path / "a.glb", OutputOptions(encoding="quantised"), face=face)
    weights = Glb(tmp_path / "a.glb").channels()[0, "weights"][1]
    assert np.array_equal(weights.reshape(3, 50), clip.expression)


def test_unknown_suffix_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match=r"\.npz, \.glb, \.usda"):
        export(performance(), tmp_path / "a.maya")
    assert list(tmp_path.iterdir()) == []
    assert set(FORMATS) == {
        ".npz",
        ".glb",
        ".usda",
        ".usdc",
        ".usdz",
        ".abc",
        ".fbx",
        ".mp4",
        ".webm",
        ".gif",
        ".png",
        ".csv",
        ".json",
        ".obj",
        ".ply",
    }


def test_a_clip_never_meets_a_face_of_another_space(tmp_path):
    with pytest.raises(InputError, match=r"flame50.*arkit52"):
        export(performance(space="flame50"), tmp_path / "a.glb", face=small_face())
    assert list(tmp_path.iterdir()) == []


def test_too_many_betas(tmp_path):
    with pytest.raises(InputError, match="at most 4 components"):
        export(performance(), tmp_path / "a.glb", face=small_face(), betas=np.zeros(5))


def test_fewer_betas_are_the_first_ones(tmp_path):
    face, clip = small_face(), performance(frames=2)
    export(clip, tmp_path / "short.glb", face=face, betas=[1.0, -2.0])
    export(clip, tmp_path / "long.glb", face=face, betas=[1.0, -2.0, 0.0, 0.0])
    assert (tmp_path / "short.glb").read_bytes() == (tmp_path / "long.glb").read_bytes()


def test_sound_lies_beside_the_glb_and_nothing_is_replaced_unasked(tmp_path):
    sound = np.sin(np.arange(16_000) / 10).astype(np.float32) * 1.5
    path = tmp_path / "talking.glb"
    written = export(performance(), path, face=small_face(), audio=(sound, 16_000))
    assert written == [path, tmp_path / "talking.wav"]
    with wave.open(str(written[1])) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        pcm = np.frombuffer(file.readframes(16_000), "<i2") / 32768
    assert np.abs(pcm - np.clip(sound, -1, 1)).max() < 1e-4

    path.unlink()
    with pytest.raises(InputError, match=r"talking\.wav' exists already"):
        export(performance(), path, face=small_face(), audio=(sound, 16_000))
    assert not path.exists()
    export(performance(), path, OutputOptions(force=True), face=small_face(), audio=(sound, 16_000))
    assert path.exists()


def test_checking_first_names_all_files(tmp_path):
    path = tmp_path / "a.glb"
    assert plan_export(path).files == (path,)
    assert plan_export(path, sound=True).files == (path, tmp_path / "a.wav")
    assert plan_export(tmp_path / "a.mp4", sound=True).files == (tmp_path / "a.mp4",)
    with pytest.raises(InputError, match="folder"):
        plan_export(tmp_path / "none" / "a.glb")


@pytest.mark.parametrize(
    ("suffix", "codecs"), [("mp4", ("h264", "aac")), ("webm", ("vp9", "opus"))]
)
def test_video_shows_the_motion_with_its_sound(suffix, codecs, tmp_path):
    pytest.importorskip("vtkmodules", reason="rendering is an extra")
    av = pytest.importorskip("av")
    face = embedded_face()
    weights = np.zeros((10, 52))
    weights[5:, ARKIT52.index("jawOpen")] = 1
    away = np.tile([0.0, 0.0, -0.8], (10, 1))  # where a tracked person sits before the camera
    clip = MotionClip("arkit52", 25, weights, transl=away)
    tone = np.sin(np.arange(6400) * 0.2).astype(np.float32) * 0.5
    done = []
    path = tmp_path / f"a.{suffix}"
    export(
        *(clip, path),
        options=OutputOptions(fps=50),
        audio=(tone, 16_000),
        face=face,
        progress=lambda *counts: done.append(counts),
    )
    assert done == [("writing", i, 20) for i in range(1, 21)]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with av.open(str(path)) as video:
        assert tuple(s.codec.canonical_name for s in video.streams) == codecs
        frames = [f.to_ndarray(format="rgb24").astype(int) for f in video.decode(video=0)]
        assert float(video.streams.video[0].average_rate) == 50
    with av.open(str(path)) as video:
        sound = np.concatenate([f.to_ndarray()[0] for f in video.decode(audio=0)])
        rate = video.streams.audio[0].rate
    assert len(frames) == 20
    assert len(sound) / rate == pytest.approx(0.4, abs=0.05)
    assert sound.std() == pytest.approx(tone.std(), rel=0.1)
    change = [np.abs(b - a).mean() for a, b in itertools.pairwise(frames)]
    assert np.argmax(change) in (8, 9)  # the mouth opens with frame 10
    assert frames[0].std() > 20  # a face, not an empty wall


def test_npz_is_the_clip(tmp_path):
    clip = performance()
    assert export(clip, tmp_path / "a.NPZ") == [tmp_path / "a.NPZ"]
    assert np.array_equal(MotionClip.load(tmp_path / "a.NPZ").expression, clip.expression)


def livelink_rows(path):
    """As the importers of other programs do: by column name, whatever the order and the case."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name.lower(): value for name, value in row.items()} for row in csv.DictReader(file)
        ]


def test_live_link_has_every_weight_under_its_name(tmp_path):
    rng = np.random.default_rng(0)
    weights = rng.uniform(0, 1, (30, 52))
    clip = MotionClip("arkit52", 60, weights)
    export(clip, tmp_path / "a.csv")
    rows = livelink_rows(tmp_path / "a.csv")
    assert len(rows) == 30
    for channel, name in enumerate(ARKIT52):
        found = [float(row[name.lower()]) for row in rows]
        np.testing.assert_allclose(found, weights[:, channel], atol=1e-6)
    assert {row["blendshapecount"] for row in rows} == {"61"}
    assert len(rows[0]) == 63


def test_live_link_takes_its_own_frame_rate(tmp_path):
    ramp = np.zeros((51, 52))
    ramp[:, ARKIT52.index("jawOpen")] = np.linspace(0, 1, 51)
    export(MotionClip("arkit52", 25, ramp), tmp_path / "a.csv")
    rows = livelink_rows(tmp_path / "a.csv")
    assert rows[60]["timecode"] == "00:00:01:00.000"
    assert float(rows[60]["jawopen"]) == pytest.approx(0.5, abs=0.02)  # at one second of two
    export(MotionClip("arkit52", 25, ramp), tmp_path / "b.csv", OutputOptions(fps=30))
    assert livelink_rows(tmp_path / "b.csv")[30]["timecode"] == "00:00:01:00.000"


@pytest.mark.parametrize(
    ("frame", "fps", "expected"),
    [
        (0, 60, "00:00:00:00.000"),
        (59, 60, "00:00:00:59.000"),
        (3600 * 60 + 61, 60, "01:00:01:01.000"),
        (24, 23.976, "00:00:01:00.000"),
    ],
)
def test_timecodes(frame, fps, expected):
    assert timecode(frame, fps) == expected


def test_live_link_turns_head_and_eyes_as_it_says(tmp_path):
    """Signs: left, down and a tilt to the right are positive; neck and head are one rotation."""
    turn = np.zeros((3, 3))
    turn[0, 1], turn[1, 0], turn[2, 2] = 0.2, 0.15, 0.1  # to the left, down, to the right
    left_eye = np.zeros((3, 3))
    left_eye[:, 1] = 0.3
    clip = MotionClip(
        "arkit52", 60, np.zeros((3, 52)), neck_pose=turn, head_pose=turn, leye_pose=left_eye
    )
    export(clip, tmp_path / "a.csv")
    rows = livelink_rows(tmp_path / "a.csv")
    assert [float(rows[0][f"head{x}"]) for x in ("yaw", "pitch", "roll")] == pytest.approx(
        [0.4, 0, 0]
    )
    assert [float(rows[1][f"head{x}"]) for x in ("yaw", "pitch", "roll")] == pytest.approx(
        [0, 0.3, 0]
    )
    assert [float(rows[2][f"head{x}"]) for x in ("yaw", "pitch", "roll")] == pytest.approx(
        [0, 0, 0.2]
    )
    assert float(rows[0]["lefteyeyaw"]) == pytest.approx(0.3)
    assert float(rows[0]["righteyeyaw"]) == 0
    # A mixed turn by the order that the docstring states.
    mixed = np.array([[0.1, 0.5, -0.2]])
    export(MotionClip("arkit52", 60, np.zeros((1, 52)), head_pose=mixed), tmp_path / "b.csv")
    (row,) = livelink_rows(tmp_path / "b.csv")
    yaw, pitch, roll = (float(row[f"head{x}"]) for x in ("yaw", "pitch", "roll"))

    def about(axis, angle):
        return axis_angle_to_matrix(angle * np.eye(3)[axis])

    composed = about(1, yaw) @ about(0, pitch) @ about(2, roll)
    np.testing.assert_allclose(composed, axis_angle_to_matrix(mixed[0]), atol=1e-6)


def test_live_link_refuses_other_spaces(tmp_path):
    with pytest.raises(InputError, match="retarget it"):
        export(MotionClip("flame50", 25, np.zeros((5, 50))), tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())


RATES = [23.976, 24, 25, 29.97, 30, 50, 60, 120]


@pytest.mark.parametrize("fps", RATES)
def test_no_frame_rate_drifts_against_the_sound_in_an_hour(fps, tmp_path):
    """A weight that grows by the clock tells at which second of the speech each frame belongs."""
    clock = np.zeros((3600 * 25, 52), np.float32)
    clock[:, 0] = np.arange(len(clock)) / len(clock)  # 0..1 in an hour
    export(MotionClip("arkit52", 25, clock), tmp_path / "a.npz", OutputOptions(fps=fps))
    clip = MotionClip.load(tmp_path / "a.npz")
    exact = {23.976: 24_000 / 1001, 29.97: 30_000 / 1001}.get(fps, fps)
    assert clip.fps == exact
    assert abs(clip.duration - 3600) < 0.5 / exact + 1e-6
    seconds = clip.expression[:, 0].astype(np.float64) * 3600
    shown = np.arange(clip.frames) / exact
    moving = shown < 3600 - 1 / 25  # behind the last frame there is nothing to move to
    assert np.abs(seconds - shown)[moving].max() < 0.001


def test_json_has_every_curve_with_its_name(tmp_path):
    clip = performance()
    sound = (np.zeros(16_000, np.float32), 16_000)
    written = export(clip, tmp_path / "a.json", audio=sound)
    assert written == [tmp_path / "a.json", tmp_path / "a.wav"]
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert (found["format"], found["version"]) == ("adamesh-curves", 1)
    assert (found["space"], found["fps"], found["frames"]) == ("arkit52", 25, 12)
    assert tuple(found["names"]) == ARKIT52
    np.testing.assert_allclose(found["weights"], clip.expression, atol=1e-6)
    np.testing.assert_allclose(found["translation"], clip.transl, atol=1e-6)
    assert set(found["rotations"]) == {"neck", "head", "jaw", "leye", "reye"}
    for joint, quats in found["rotations"].items():
        turns = Rotation.from_quat(quats, scalar_first=True).as_rotvec()
        np.testing.assert_allclose(turns, getattr(clip, f"{joint}_pose"), atol=1e-5)


def test_json_takes_any_space_and_no_place(tmp_path):
    export(MotionClip("flame50", 30, np.ones((3, 50))), tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert found["names"][0] == "expression000"
    assert found["translation"] is None


def read_obj(path):
    """Positions, colours, UV map and corners, from the lines alone."""
    lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    points = np.array([line[1:] for line in lines if line[0] == "v"], float)
    uv = np.array([line[1:] for line in lines if line[0] == "vt"], float)
    corners = [[c.split("/") for c in line[1:]] for line in lines if line[0] == "f"]
    return points[:, :3], points[:, 3:], uv, np.array(corners, int) - 1


@pytest.mark.parametrize("make_face", FACES)
def test_a_mesh_sequence_is_the_posed_face(make_face, tmp_path):
    face, clip = make_face(), performance(frames=3, betas=np.array([1.0, -1.0]))
    sound = (np.zeros(16_000, np.float32), 16_000)
    written = export(clip, tmp_path / "talk.obj", face=face, audio=sound)
    assert written == [tmp_path / "talk", tmp_path / "talk.wav"]
    files = sorted(written[0].iterdir())
    assert [file.name for file in files] == [f"talk_000{i}.obj" for i in (1, 2, 3)]
    betas = np.pad(clip.betas, (0, face.n_betas - 2))
    for frame, file in enumerate(files):
        places, colors, uv, corners = read_obj(file)
        assert np.abs(places - expected(face, clip, frame, betas)).max() < 1e-5
    np.testing.assert_allclose(colors, face.colors, atol=1e-4)
    # Triangles are grouped by material, so they stand in another order than the face's.
    order = np.argsort(face.triangle_material.numpy(), kind="stable")
    assert np.array_equal(corners[..., 0], face.triangles[order])
    np.testing.assert_allclose(uv[corners[..., 1]], face.uv[face.uv_triangles[order]], atol=1e-6)


def test_ply_is_read_by_a_foreign_reader(tmp_path):
    pyvista = pytest.importorskip("pyvista", reason="VTK reads PLY; it is an extra")
    face, clip = small_face(), performance(frames=2)
    export(clip, tmp_path / "talk.ply", face=face)
    for frame in range(2):
        mesh = pyvista.read(tmp_path / "talk" / f"talk_000{frame + 1}.ply")
        want = expected(face, clip, frame, np.zeros(face.n_betas))
        assert np.abs(mesh.points - want).max() < 1e-5
        assert np.array_equal(mesh.faces.reshape(-1, 4)[:, 1:], face.triangles)
        np.testing.assert_allclose(mesh.point_data["RGB"] / 255, face.colors, atol=1 / 255)


def test_a_folder_is_never_replaced_and_appears_whole(tmp_path):
    (tmp_path / "talk").mkdir()
    (tmp_path / "talk" / "thesis.txt").write_text("all of it")
    with pytest.raises(InputError, match=r"talk' exists already; give a new name"):
        export(performance(), tmp_path / "talk.ply", OutputOptions(force=True), face=small_face())
    assert [path.name for path in (tmp_path / "talk").iterdir()] == ["thesis.txt"]

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(performance(), tmp_path / "half.ply", face=small_face(), progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["talk"]
