"""Avatars of every kind move as the clip says, and nothing else of their files changes."""

import copy
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.avatar_motion import FRAMES, performance, turns
from support.other_avatars import MIXAMO, Made, Played, make_avatar, pack

from adamesh.avatars import apply_clip, match_avatar
from adamesh.avatars.names import BLENDSHAPES, find_bone, find_shape
from adamesh.avatars.visemes import to_visemes
from adamesh.errors import InputError
from adamesh.export import export
from adamesh.motion import ARKIT52, MotionClip

FACE, TEETH = 6, 7  # nodes behind the armature and five bones


def check_motion(
    made: Made, path: Path, clip: MotionClip, weights: list[list[np.ndarray | float]]
) -> None:
    """Weights: of every mesh and target, a curve [T] or one number."""
    played = Played(path)
    for frame in (0, 4, FRAMES - 1):
        for mesh, curves in enumerate(weights):
            now = np.array(
                [curve if isinstance(curve, float) else curve[frame] for curve in curves]
            )
            want = made.expected(mesh, now, turns(clip, frame))
            assert np.abs(played.vertices(FACE + mesh, frame) - want).max() < 2e-6


def test_two_meshes_of_mixed_spellings_and_turned_bones_move_as_the_clip_says(tmp_path):
    face = ["jawOpen", "mouthSmile_L", "EyeBlinkRight", "brow_inner_up_L", "Fat", "noseSneer.R"]
    teeth = ["blendShape1.jawOpen", "Face.M_F00_000_mouthFunnel"]
    made = make_avatar(tmp_path / "a.glb", face, teeth, rest=0.25)
    clip = performance()
    apply_clip(clip, tmp_path / "a.glb", tmp_path / "b.glb")
    weight = clip.expression_by_name
    curves = [weight("jawOpen"), weight("mouthSmileLeft"), weight("eyeBlinkRight"),
              weight("browInnerUp"), 0.25, weight("noseSneerRight")]  # fmt: skip
    check_motion(
        made, tmp_path / "b.glb", clip, [curves, [weight("jawOpen"), weight("mouthFunnel")]]
    )


@pytest.mark.parametrize(
    "bones",
    [
        ("J_Bip_C_Hips", "J_Bip_C_Neck", "J_Bip_C_Head", "J_Adj_L_FaceEye", "J_Adj_R_FaceEye"),
        ("CC_Base_Hip", "CC_Base_NeckTwist01", "CC_Base_Head", "CC_Base_L_Eye", "CC_Base_R_Eye"),
        ("pelvis", "neck_01", "head", "eye.L", "eye.R"),
    ],
)
def test_bones_have_many_names(tmp_path, bones):
    make_avatar(tmp_path / "a.glb", ["jawOpen"], bones=bones)
    found = match_avatar(tmp_path / "a.glb").bones
    assert found == {"neck": 2, "head": 3, "left_eye": 4, "right_eye": 5}


def test_what_one_target_shows_no_other_shows_again(tmp_path):
    names = ["old_jawOpen", "jawOpen", "mouthSmile", "mouthSmileLeft", "blink", "viseme_aa"]
    made = make_avatar(tmp_path / "a.glb", names)
    clip = performance()
    apply_clip(clip, tmp_path / "a.glb", tmp_path / "b.glb")
    weight = clip.expression_by_name
    lids = (weight("eyeBlinkLeft") + weight("eyeBlinkRight")) / 2
    curves = [0.0, weight("jawOpen"), 0.0, weight("mouthSmileLeft"), lids, 0.0]
    check_motion(made, tmp_path / "b.glb", clip, [curves])


def test_a_head_without_a_neck_turns_as_far_as_both(tmp_path):
    bones = (MIXAMO[0], "Spine", *MIXAMO[2:])
    made = make_avatar(tmp_path / "a.glb", ["jawOpen"], bones=bones)
    clip = performance()
    apply_clip(clip, tmp_path / "a.glb", tmp_path / "b.glb")
    both = Rotation.from_rotvec(clip.neck_pose[3]) * Rotation.from_rotvec(clip.head_pose[3])
    moved = turns(clip, 3) | {"neck": np.zeros(3), "head": both.as_rotvec()}
    want = made.expected(0, clip.expression_by_name("jawOpen")[3:4], moved)
    assert np.abs(Played(tmp_path / "b.glb").vertices(FACE, 3) - want).max() < 2e-6


def test_a_bone_given_as_a_matrix_moves_too(tmp_path):
    made = make_avatar(tmp_path / "a.glb", ["jawOpen"], as_matrix=True)
    clip = performance()
    apply_clip(clip, tmp_path / "a.glb", tmp_path / "b.glb")
    check_motion(made, tmp_path / "b.glb", clip, [[clip.expression_by_name("jawOpen")]])


def vrm0(groups: list[dict], bones: dict[str, int]) -> dict:
    humans = [{"bone": name, "node": node} for name, node in bones.items()]
    return {
        "VRM": {
            "specVersion": "0.0",
            "blendShapeMaster": {"blendShapeGroups": groups},
            "humanoid": {"humanBones": humans},
            "meta": {"title": "x"},
        }
    }


HUMANOID = {"neck": 2, "head": 3, "leftEye": 4, "rightEye": 5}
NAMELESS = ("b0", "b1", "b2", "b3", "b4")


def test_vrm0_moves_by_its_groups_and_faces_back(tmp_path):
    groups = [
        {"name": "JawOpen", "presetName": "unknown", "binds": [{"mesh": 0, "index": 2, "weight": 80}]},
        {"name": "Blink L", "presetName": "blink_l", "binds": [{"mesh": 0, "index": 1, "weight": 100}]},
        {"name": "A", "presetName": "a", "binds": [{"mesh": 0, "index": 0, "weight": 100}]},
        {"name": "Lost", "presetName": "o", "binds": [{"mesh": -1, "index": 0, "weight": 100}]},
    ]  # fmt: skip
    made = make_avatar(
        tmp_path / "a.vrm",
        ["s0", "s1", "s2"],
        bones=NAMELESS,
        extensions=vrm0(groups, HUMANOID),
        turned=True,
    )
    clip = performance()
    apply_clip(clip, tmp_path / "a.vrm", tmp_path / "b.vrm")
    weight = clip.expression_by_name
    curves = [0.0, weight("eyeBlinkLeft"), 0.8 * weight("jawOpen")]  # ARKit leaves `a` at rest
    check_motion(made, tmp_path / "b.vrm", clip, [curves])


def test_vrm1_without_arkit_moves_by_vowels_and_lids(tmp_path):
    def one(index: int, weight: float = 1.0) -> dict:
        return {"morphTargetBinds": [{"node": FACE, "index": index, "weight": weight}]}

    vowels = ("aa", "ih", "ou", "ee", "oh")
    preset = {name: one(i) for i, name in enumerate(vowels)} | {"blink": one(5, 0.9)}
    extension = {
        "VRMC_vrm": {
            "specVersion": "1.0",
            "expressions": {"preset": preset, "custom": {"sulk": one(6)}},
            "humanoid": {"humanBones": {name: {"node": node} for name, node in HUMANOID.items()}},
        }
    }
    names = [f"s{i}" for i in range(7)]
    made = make_avatar(tmp_path / "a.vrm", names, bones=NAMELESS, extensions=extension)
    clip = performance()
    apply_clip(clip, tmp_path / "a.vrm", tmp_path / "b.vrm")
    visemes = ["viseme_" + sound for sound in ("aa", "I", "U", "E", "O")]
    lids = 0.45 * (
        clip.expression_by_name("eyeBlinkLeft") + clip.expression_by_name("eyeBlinkRight")
    )
    curves = [*to_visemes(clip.expression, visemes).T, lids, 0.0]
    check_motion(made, tmp_path / "b.vrm", clip, [curves])


def test_the_head_that_export_writes_is_an_avatar_too(tmp_path):
    first, second = performance(), performance(fps=50)
    export(replace(second, expression=second.expression[::-1]), tmp_path / "a.glb")
    export(first, tmp_path / "want.glb")
    found = apply_clip(first, tmp_path / "a.glb", tmp_path / "b.glb")
    assert found.controls == set(ARKIT52)
    got, want = Played(tmp_path / "b.glb"), Played(tmp_path / "want.glb", "performance")
    assert set(got.channels) == set(want.channels)
    for key, values in got.channels.items():
        assert np.abs(values - want.channels[key]).max() < 1e-6


def test_visemes_alone_are_enough(tmp_path):
    names = ["viseme_sil", "viseme_PP", "viseme_aa", "viseme_O", "viseme_U"]
    make_avatar(tmp_path / "a.glb", names)
    weights = np.zeros((FRAMES, 52), np.float32)
    weights[3, ARKIT52.index("jawOpen")] = 0.6
    weights[5, [ARKIT52.index("mouthPucker"), ARKIT52.index("mouthFunnel")]] = [0.8, 0.3]
    # Lips that are shut over an open jaw say nothing.
    weights[7, [ARKIT52.index("jawOpen"), ARKIT52.index("mouthClose")]] = 0.3
    apply_clip(MotionClip("arkit52", 25, weights), tmp_path / "a.glb", tmp_path / "b.glb")
    played = Played(tmp_path / "b.glb")
    assert set(played.channels) == {(FACE, "weights")}  # bones that don't turn are left alone
    moved = played.channels[FACE, "weights"]
    assert moved[0].max() == moved[7].max() == 0
    assert moved[3].argmax() == names.index("viseme_aa")
    assert moved[3].max() > 0.5
    assert moved[5].argmax() == names.index("viseme_U")
    assert moved[5].max() > 0.6


def test_visemes_never_add_up_beyond_one(rng):
    names = [f"viseme_{sound}" for sound in ("aa", "E", "I", "O", "U", "PP")]
    weights = to_visemes(rng.uniform(size=(50, 52)).astype(np.float32), names)
    assert weights.min() >= 0
    assert weights.sum(axis=1).max() <= 1 + 1e-9


def test_all_arkit_names_are_found_in_every_spelling():
    def snake(name: str) -> str:
        return "".join("_" + c.lower() if c.isupper() else c for c in name)

    def short(name: str, side: str = "_") -> str:
        for long in ("Left", "Right"):
            if name.endswith(long):
                return name.removesuffix(long) + side + long[0]
        return name

    for name in ARKIT52:
        spellings = [
            name,
            name[0].upper() + name[1:],
            name.lower(),
            snake(name),
            snake(name).upper(),
            short(name),
            short(name, "."),
            short(name, ""),
            f"blendShape1.{name}",
            f"Face.M_F00_000_00_{name}",
            f"head_BS_{short(name)}",
        ]
        for spelling in spellings:
            hit = find_shape(spelling, BLENDSHAPES)
            assert hit is not None, spelling
            assert BLENDSHAPES[hit[1]] == {name: 1.0}, spelling


@pytest.mark.parametrize(
    "name", ["jawOpen_mouthClose", "smile", "jaw", "forehead", "mouthLeftCorner"]
)
def test_names_of_other_things_are_no_actions(name):
    assert find_shape(name, BLENDSHAPES) is None


@pytest.mark.parametrize(
    "name", ["HeadTop_End", "forehead", "Hand_L", "LeftEyelid", "eye_target_L"]
)
def test_names_of_other_things_are_no_bones(name):
    assert find_bone(name) is None


def test_a_map_goes_before_names(tmp_path):
    made = make_avatar(
        tmp_path / "a.glb", ["Mouth1", "Grin", "jawOpen", "viseme_aa"], bones=NAMELESS
    )
    (tmp_path / "map.yaml").write_text(
        "morphs:\n  Mouth1: jawOpen\n  Grin: {mouthSmileLeft: 0.5, mouthSmileRight: 0.5}\n"
        "  jawOpen: null\nbones: {neck: b1, head: b2, left_eye: b3, right_eye: b4}\n"
    )
    clip = performance()
    apply_clip(clip, tmp_path / "a.glb", tmp_path / "b.glb", map_file=tmp_path / "map.yaml")
    weight = clip.expression_by_name
    grin = (weight("mouthSmileLeft") + weight("mouthSmileRight")) / 2
    check_motion(made, tmp_path / "b.glb", clip, [[weight("jawOpen"), grin, 0.0, 0.0]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("morphs: {jawOpen: jawOpn}", "no ARKit blendshape"),
        ("morphs: {Mouth9: jawOpen}", "no morph target Mouth9"),
        ("bones: {head: Kopf}", "no bone 'Kopf'"),
        ("bones: {skull: b2}", "skull"),
        ("- a\n- b", "map.yaml"),
        ("a: [", "not YAML"),
        ("\0", "not YAML"),
        ("morphs: {jawOpen: {jawOpen: .nan}}", "finite"),
    ],
)
def test_a_wrong_map_is_told_in_one_line(tmp_path, text, said):
    make_avatar(tmp_path / "a.glb", ["jawOpen"])
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(InputError, match=said) as raised:
        match_avatar(tmp_path / "a.glb", map_file=tmp_path / "map.yaml")
    assert "\n" not in str(raised.value)


def test_everything_else_stays_as_it_was(tmp_path):
    made = make_avatar(tmp_path / "a.glb", ["jawOpen", "hat"])
    apply_clip(performance(), tmp_path / "a.glb", tmp_path / "b.glb")
    after = Played(tmp_path / "b.glb")
    assert after.bin.startswith(made.binary)
    assert after.chunks[b"ACME"] == b"hat!"
    for key, before in made.content.items():
        now = after.json[key]
        if key in ("animations", "accessors", "bufferViews"):
            assert now[: len(before)] == before
        elif key == "buffers":
            assert now == [{"byteLength": len(after.bin), "name": "main"}]
        else:
            assert now == before, key
    assert set(after.json) == set(made.content)
    assert [animation["name"] for animation in after.json["animations"]] == ["wave", "adamesh"]


def test_data_behind_an_unpadded_buffer_are_aligned(tmp_path):
    made = make_avatar(tmp_path / "a.glb", ["jawOpen"])
    (tmp_path / "a.glb").write_bytes(pack(made.content, made.binary + b"x"))
    clip = performance()
    apply_clip(clip, tmp_path / "a.glb", tmp_path / "b.glb")
    check_motion(made, tmp_path / "b.glb", clip, [[clip.expression_by_name("jawOpen")]])


def test_a_second_clip_takes_the_place_of_the_first(tmp_path):
    make_avatar(tmp_path / "a.glb", ["jawOpen"])
    apply_clip(performance(), tmp_path / "a.glb", tmp_path / "b.glb")
    apply_clip(performance(fps=50), tmp_path / "b.glb", tmp_path / "c.glb")
    again = Played(tmp_path / "c.glb")
    assert [animation["name"] for animation in again.json["animations"]] == ["wave", "adamesh"]
    assert np.allclose(again.times, np.arange(FRAMES) / 50)


def test_the_frame_rate_can_be_chosen(tmp_path):
    make_avatar(tmp_path / "a.glb", ["jawOpen"])
    apply_clip(performance(), tmp_path / "a.glb", tmp_path / "b.glb", fps=60)
    times = Played(tmp_path / "b.glb").times
    assert np.allclose(times, np.arange(round(FRAMES * 60 / 25)) / 60)


def test_an_avatar_without_a_known_target_is_refused_with_those_it_has(tmp_path):
    make_avatar(tmp_path / "a.glb", ["Fat", "Thin"])
    with pytest.raises(InputError, match="it has Fat, Thin"):
        apply_clip(performance(), tmp_path / "a.glb", tmp_path / "b.glb")
    assert match_avatar(tmp_path / "a.glb").unmatched == ["Fat", "Thin"]
    assert not (tmp_path / "b.glb").exists()


def test_nothing_is_overwritten_and_clips_of_other_spaces_are_refused(tmp_path):
    make_avatar(tmp_path / "a.glb", ["jawOpen"])
    before = (tmp_path / "a.glb").read_bytes()
    with pytest.raises(InputError, match="--force"):
        apply_clip(performance(), tmp_path / "a.glb", tmp_path / "a.glb")
    with pytest.raises(InputError, match="flame50"):
        apply_clip(
            MotionClip("flame50", 25, np.zeros((2, 50))), tmp_path / "a.glb", tmp_path / "b.glb"
        )
    assert (tmp_path / "a.glb").read_bytes() == before


def changed(made: Made, *path: object, to: object) -> bytes:
    content = copy.deepcopy(made.content)
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return pack(content, made.binary)


def test_damaged_and_hostile_files_are_told_in_one_line(tmp_path):
    made = make_avatar(tmp_path / "a.glb", ["jawOpen"])
    whole = (tmp_path / "a.glb").read_bytes()
    files = {
        "text": b"not a glb at all",
        "header": whole[:7],
        "no chunk": struct.pack("<4sII", b"glTF", 2, 12),
        "old": whole[:4] + struct.pack("<I", 1) + whole[8:],
        "long chunk": whole[:12] + struct.pack("<I", 2**31) + whole[16:],
        "longer": whole + b"more",
        "list": pack([], made.binary),
        "deep": pack(b"[" * 100_000, made.binary),
        "bytes": pack(b'{"nodes": "\xff"}', made.binary),
        "nan": pack(b'{"extras": NaN}', made.binary),
        "no bin": pack(made.content, None),
        "elsewhere": changed(made, "buffers", 0, to={"byteLength": 4, "uri": "../../secret.bin"}),
        "no mesh": changed(made, "nodes", FACE, "mesh", to=7),
        "negative": changed(made, "nodes", FACE, "mesh", to=-1),
        "circle": changed(made, "nodes", 5, "children", to=[0]),
        "two parents": changed(made, "nodes", 5, "children", to=[3]),
        "far child": changed(made, "nodes", 5, "children", to=[99]),
        "no rotation": changed(made, "nodes", 3, "rotation", to=[0, 0, 0, 0]),
        "hardly any rotation": changed(made, "nodes", 3, "rotation", to=[1e-300, 0, 0, 0]),
        "huge": changed(made, "meshes", 0, "weights", to=[1e300]),
        "flat": changed(made, "nodes", 3, "matrix", to=[0] * 16),
        "shear": changed(made, "nodes", 1, "matrix", to=[1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
        "weights": changed(made, "meshes", 0, "weights", to=[0, 0, 0]),
        "names": changed(made, "meshes", 0, "extras", to={"targetNames": {"a": 1}}),
        "primitives": changed(made, "meshes", 0, "primitives", to=[]),
    }  # fmt: skip
    files |= {f"cut at {n}": whole[:n] for n in range(1, len(whole), 97)}
    for name, data in files.items():
        (tmp_path / "bad.glb").write_bytes(data)
        with pytest.raises(InputError) as raised:
            apply_clip(performance(), tmp_path / "bad.glb", tmp_path / "out.glb")
        assert "\n" not in str(raised.value), name
        assert "bad.glb" in str(raised.value), name
    assert not (tmp_path / "out.glb").exists()


class TestCommand:
    def run(self, monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
        from adamesh.cli import main

        monkeypatch.setattr("sys.argv", ["adamesh", "apply", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    def test_inspect_tells_the_mapping(self, monkeypatch, capsys, tmp_path):
        make_avatar(tmp_path / "a.glb", ["JawOpen", "evil\x1b[2J"])
        code, out, _ = self.run(monkeypatch, capsys, "--inspect", tmp_path / "a.glb", "--json")
        facts = json.loads(out)
        assert code == 0
        assert facts["morphs"] == {"part0": {"JawOpen": {"jawOpen": 1.0}}}
        assert facts["bones"]["left_eye"] == "mixamorig:LeftEye"
        assert len(facts["not_shown"]) == 51
        make_avatar(tmp_path / "v.glb", ["viseme_aa"])
        _, out, _ = self.run(monkeypatch, capsys, "--inspect", tmp_path / "v.glb", "--json")
        assert "jawOpen" not in json.loads(out)["not_shown"]
        code, out, _ = self.run(monkeypatch, capsys, "--inspect", tmp_path / "a.glb")
        assert code == 0
        assert "evil?[2J" in out

    def test_a_clip_is_applied_once(self, monkeypatch, capsys, tmp_path):
        make_avatar(tmp_path / "a.glb", ["JawOpen"])
        performance().save(tmp_path / "clip.npz")
        command = (tmp_path / "clip.npz", tmp_path / "a.glb", "-o", tmp_path / "b.glb")
        code, _, _ = self.run(monkeypatch, capsys, *command)
        assert code == 0
        assert len(Played(tmp_path / "b.glb").times) == FRAMES
        code, _, err = self.run(monkeypatch, capsys, *command)
        assert code == 2
        assert "--force" in err
