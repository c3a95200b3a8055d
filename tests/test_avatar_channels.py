"""One motion, one channel; and the words that tools have for mouths, lids and bones."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.avatar_motion import FRAMES, performance, turns
from support.other_avatars import MIXAMO, Played, make_avatar, pack

from adamesh.avatars import apply_clip, match_avatar
from adamesh.avatars.animation import JAW_OPEN
from adamesh.avatars.names import find_bone, find_shape
from adamesh.errors import InputNotice
from adamesh.motion import MotionClip

FACE = 6  # node behind the armature and five bones
# A target moves the vertex of its own number, which is bound to this bone.
HEAD, LEFT_EYE, RIGHT_EYE = 2, 3, 4
LOOKS = ["lookUp", "lookDown", "lookLeft", "lookRight"]
HUMANS = {"neck": 2, "head": 3, "leftEye": 4, "rightEye": 5}


def moved(made, path: Path, clip: MotionClip, weights: list, off: tuple[str, ...] = ()) -> float:
    """Largest distance between the played vertices and what weights and turns of bones lead to."""
    played, worst = Played(path), 0.0
    for frame in (0, 4, FRAMES - 1):
        now = np.array([w if isinstance(w, float) else w[frame] for w in weights])
        turned = {name: turn for name, turn in turns(clip, frame).items() if name not in off}
        want = made.expected(0, now, turned)
        worst = max(worst, float(np.abs(played.vertices(FACE, frame) - want).max()))
    return worst


def vrm(version: int, look: str | None, names: list[str]) -> dict:
    """Expressions that look, each by the target of its own number."""
    if version == 1:
        preset = {
            name: {"morphTargetBinds": [{"node": FACE, "index": i, "weight": 1}]}
            for i, name in enumerate(names)
        }
        human = {name: {"node": node} for name, node in HUMANS.items()}
        whole = {"expressions": {"preset": preset}, "humanoid": {"humanBones": human}}
        return {"VRMC_vrm": whole | ({"lookAt": {"type": look}} if look else {})}
    groups = [
        {"name": n, "presetName": n.lower(), "binds": [{"mesh": 0, "index": i, "weight": 100}]}
        for i, n in enumerate(names)
    ]
    human = [{"bone": name, "node": node} for name, node in HUMANS.items()]
    whole = {"blendShapeMaster": {"blendShapeGroups": groups}, "humanoid": {"humanBones": human}}
    return {"VRM": whole | ({"firstPerson": {"lookAtTypeName": look}} if look else {})}


@pytest.mark.parametrize(
    ("version", "look"), [(0, "Bone"), (0, "BlendShape"), (1, "bone"), (1, "expression")]
)
def test_a_vrm_says_what_turns_the_eyes(version: int, look: str, tmp_path: Path) -> None:
    names = [*LOOKS, "blink"]
    path = tmp_path / "a.vrm"
    extensions = vrm(version, look, names)
    made = make_avatar(path, [f"m_{n}" for n in names], extensions=extensions, turned=not version)
    clip = performance()
    with pytest.warns(InputNotice, match=r"nothing opens the mouth of '.*a\.vrm'"):
        apply_clip(clip, path, tmp_path / "b.vrm")
    w = clip.expression_by_name
    lids = (w("eyeBlinkLeft") + w("eyeBlinkRight")) / 2
    by_shape = [
        (w("eyeLookUpLeft") + w("eyeLookUpRight")) / 2,
        (w("eyeLookDownLeft") + w("eyeLookDownRight")) / 2,
        (w("eyeLookOutLeft") + w("eyeLookInRight")) / 2,
        (w("eyeLookInLeft") + w("eyeLookOutRight")) / 2,
    ]
    if look.lower() == "bone":
        assert moved(made, tmp_path / "b.vrm", clip, [0.0, 0.0, 0.0, 0.0, lids]) < 2e-6
    else:
        eyes = ("left_eye", "right_eye")
        assert moved(made, tmp_path / "b.vrm", clip, [*by_shape, lids], off=eyes) < 2e-6


@pytest.mark.parametrize("look", ["expression", None])
def test_looks_without_binds_leave_the_eyes_to_their_bones(
    look: str | None, tmp_path: Path
) -> None:
    """VRoid's have none, whatever the type says."""
    made = make_avatar(tmp_path / "a.vrm", ["jawOpen"], extensions=vrm(1, look, []))
    clip = performance()
    apply_clip(clip, tmp_path / "a.vrm", tmp_path / "b.vrm")
    assert moved(made, tmp_path / "b.vrm", clip, [clip.expression_by_name("jawOpen")]) < 2e-6


def test_shapes_bound_to_an_eye_bone_do_not_turn_the_eye_again(tmp_path: Path) -> None:
    """And those bound to the head, which are lids, go on moving."""
    names = ["jawOpen", "jawLeft", "eyeLookDownLeft", "eyeLookOutLeft", "eyeLookInRight"]
    made = make_avatar(tmp_path / "a.glb", names)
    assert [made.bones[0][i] for i in (2, 3, 4)] == [HEAD, LEFT_EYE, RIGHT_EYE]
    clip = performance()
    apply_clip(clip, tmp_path / "a.glb", tmp_path / "b.glb")
    w = clip.expression_by_name
    weights = [w("jawOpen"), w("jawLeft"), w("eyeLookDownLeft"), 0.0, 0.0]
    assert moved(made, tmp_path / "b.glb", clip, weights) < 2e-6
    match = match_avatar(tmp_path / "a.glb")
    assert match.unmatched == ["eyeLookInRight", "eyeLookOutLeft"]


def test_shapes_alone_turn_the_eyes_of_an_avatar_without_eye_bones(tmp_path: Path) -> None:
    names = ["jawOpen", "jawLeft", "eyeLookDownLeft", "eyeLookOutLeft", "eyeLookInRight"]
    bones = (*MIXAMO[:3], "Hair", "Hat")
    made = make_avatar(tmp_path / "a.glb", names, bones=bones)
    clip = performance()
    apply_clip(clip, tmp_path / "a.glb", tmp_path / "b.glb")
    weights = [clip.expression_by_name(name) for name in names]
    assert moved(made, tmp_path / "b.glb", clip, weights, off=("left_eye", "right_eye")) < 2e-6


JAW = ("CC_Base_Hip", "CC_Base_NeckTwist01", "CC_Base_Head", "CC_Base_JawRoot", "CC_Base_R_Eye")


def test_a_jaw_bone_opens_the_mouth_where_nothing_else_does(tmp_path: Path) -> None:
    """The bone that is the left eye of other avatars is the jaw here."""
    made = make_avatar(tmp_path / "a.glb", ["eyeBlinkLeft"], bones=JAW)
    clip = performance()
    apply_clip(clip, tmp_path / "a.glb", tmp_path / "b.glb")
    played = Played(tmp_path / "b.glb")
    for frame in (0, 4):
        w = {n: clip.expression_by_name(n)[frame] for n in ("jawOpen", "jawLeft", "jawRight")}
        pose = [JAW_OPEN * w["jawOpen"], np.radians(2.8) * (w["jawLeft"] - w["jawRight"]), 0.0]
        bones = turns(clip, frame) | {"left_eye": np.array(pose)}
        lids = clip.expression_by_name("eyeBlinkLeft")[frame : frame + 1]
        want = made.expected(0, lids, bones)
        assert np.abs(played.vertices(FACE, frame) - want).max() < 2e-6


def test_a_mouth_is_opened_once(tmp_path: Path) -> None:
    """A shape before the bone, but for a map that names the bone."""
    make_avatar(tmp_path / "a.glb", ["jawOpen"], bones=JAW)
    assert "jaw" not in match_avatar(tmp_path / "a.glb").bones
    (tmp_path / "map.yaml").write_text("bones: {jaw: CC_Base_JawRoot}")
    found = match_avatar(tmp_path / "a.glb", map_file=tmp_path / "map.yaml")
    assert found.bones["jaw"] == 4
    assert found.unmatched == ["jawOpen"]


def test_an_open_mouth_moves_the_chin_down_and_back() -> None:
    chin = np.array([0.0, -0.05, 0.08])  # from the joint, +Y up and +Z out of the face
    opened = Rotation.from_rotvec([JAW_OPEN, 0, 0]).apply(chin)
    assert opened[1] < chin[1] - 0.02
    assert opened[2] < chin[2]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["mouthOpen", "mouthSmile"], {"mouthOpen": "jawOpen"}),
        (["jawOpen", "mouthOpen"], {"jawOpen": "jawOpen"}),
        (["viseme_aa", "mouthOpen"], {"viseme_aa": "viseme_aa"}),
        (["あ", "い", "う", "え", "お"], dict(zip("あいうえお", "aIUEO", strict=True))),
        (["A", "I", "U", "E", "O"], dict(zip("AIUEO", "aIUEO", strict=True))),
        (["eCTRLMouthOpen"], {"eCTRLMouthOpen": "jawOpen"}),
        (["ウィンク", "ウィンク右"], {"ウィンク": "eyeBlinkLeft", "ウィンク右": "eyeBlinkRight"}),
    ],
)
def test_words_for_mouths_and_lids(
    names: list[str], expected: dict[str, str], tmp_path: Path
) -> None:
    make_avatar(tmp_path / "a.glb", names)
    match = match_avatar(tmp_path / "a.glb")
    found = {
        match.avatar.targets[place]: next(iter(gains))
        for place, gains in match.gains.items()
        if len(gains) == 1
    }
    assert {n: c.removeprefix("viseme_").replace("aa", "a") for n, c in found.items()} == {
        n: c.removeprefix("viseme_").replace("aa", "a") for n, c in expected.items()
    }


def test_a_lone_letter_is_no_vowel(tmp_path: Path) -> None:
    make_avatar(tmp_path / "a.glb", ["A", "B", "jawLeft"])
    assert match_avatar(tmp_path / "a.glb").unmatched == ["A", "B"]


def test_groups_of_an_unknown_preset_go_by_their_names(tmp_path: Path) -> None:
    names = ["A", "I", "U", "E", "O", "Blink"]
    extensions = vrm(0, None, names)
    for group in extensions["VRM"]["blendShapeMaster"]["blendShapeGroups"]:
        group["presetName"] = "unknown"
    make_avatar(tmp_path / "a.vrm", [f"s{i}" for i in range(6)], extensions=extensions)
    controls = match_avatar(tmp_path / "a.vrm").controls
    assert controls == {
        *(f"viseme_{v}" for v in ("aa", "I", "U", "E", "O")), "eyeBlinkLeft", "eyeBlinkRight",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "bone"),
    [
        ("neckLower", "neck"), ("Neck_M", "neck"), ("neck.x", "neck"), ("neck_jnt", "neck"),
        ("首", "neck"), ("Head_M", "head"), ("head.x", "head"), ("rig:head_JNT", "head"),
        ("頭", "head"), ("lEye", "left_eye"), ("Eye_R", "right_eye"), ("l_eye_jnt", "left_eye"),
        ("eye.r", "right_eye"), ("左目", "left_eye"), ("jaw", "jaw"), ("CC_Base_JawRoot", "jaw"),
        ("c_jawbone.x", "jaw"), ("lowerJaw", "jaw"), ("FACIAL_C_Jaw", "jaw"), ("DEF-jaw", "jaw"),
        ("jawOpen", None), ("jaw_end", None), ("headphones", None), ("neckTie", None),
        ("Head_Hair_jnt", None), ("eyebrow_L", None), ("jnt", None), ("x", None),
        ("FACIAL_L_EyelidUpperA", None), ("headset_01_jnt", None),
    ],
)  # fmt: skip
def test_words_for_bones(name: str, bone: str | None) -> None:
    assert (find_bone(name) or (0, None))[1] == bone


def test_similar_words_open_no_mouth() -> None:
    from adamesh.avatars.names import OPENINGS

    for name in ("mouthOpenness_ctrl", "mouthClose", "mouthOpen_mouthSmile", "noMouthOpenTeeth"):
        assert find_shape(name, OPENINGS) is None, name


def test_targets_and_names_in_every_place(tmp_path: Path) -> None:
    """On another primitive than the first, and named on accessors or beside the primitive."""
    made = make_avatar(tmp_path / "a.glb", ["jawOpen", "größe"])
    mesh = made.content["meshes"][0]
    (primitive,) = mesh["primitives"]
    names = mesh["extras"].pop("targetNames")
    first = {"attributes": primitive["attributes"]}
    mesh["primitives"] = [first, primitive | {"extras": {"targetNames": names}}]
    (tmp_path / "b.glb").write_bytes(pack(made.content, made.binary))
    del mesh["primitives"][1]["extras"]
    mesh["primitives"][1].pop("extras", None)
    for name, target in zip(names, primitive["targets"], strict=True):
        made.content["accessors"][target["POSITION"]]["name"] = name
    (tmp_path / "c.glb").write_bytes(pack(made.content, made.binary))
    for name in ("b.glb", "c.glb"):
        found = match_avatar(tmp_path / name)
        assert list(found.avatar.targets.values()) == ["jawOpen", "größe"]
        assert found.controls == {"jawOpen"}
        clip = performance()
        apply_clip(clip, tmp_path / name, tmp_path / "out.glb", force=True)


def test_names_are_printed_as_they_are(tmp_path: Path) -> None:
    make_avatar(tmp_path / "a.glb", ["größe", "髪"])
    with pytest.raises(Exception, match="it has größe, 髪: say in a map file"):
        apply_clip(performance(), tmp_path / "a.glb", tmp_path / "b.glb")
