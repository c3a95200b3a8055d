"""USD avatars of every kind move as the clip says, by UsdSkel's own account; nothing else of them changes."""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.avatar_motion import FRAMES, performance, turns
from support.other_avatars import Made

pytest.importorskip("pxr", reason="USD is an extra")
from pxr import Sdf, Usd, UsdSkel
from support.other_usd_avatars import JOINTS, baked, make_usd_avatar

from adamesh.avatars import apply_clip, match_avatar
from adamesh.avatars.visemes import to_visemes
from adamesh.errors import InputError, MissingDependencyError
from adamesh.export import export
from adamesh.motion import ARKIT52, MotionClip

FACE = ["jawOpen", "mouthSmile_L", "EyeBlinkRight", "brow_inner_up_L", "Fat", "noseSneer_R"]
TEETH = ["blendShape1_mouthFunnel", "jawOpen"]


def check_motion(
    made: Made, path: Path, clip: MotionClip, weights: list[list[np.ndarray | float]]
) -> None:
    """Weights: of every mesh and target, a curve [T] or one number. Within a millionth of the avatar."""
    size = np.ptp(made.vertices[0], axis=0).max()
    for frame in (0, 4, FRAMES - 1):
        for mesh, curves in enumerate(weights):
            now = [curve if isinstance(curve, float) else curve[frame] for curve in curves]
            want = made.expected(mesh, np.array(now), turns(clip, frame))
            assert np.abs(baked(path, mesh, frame / clip.fps) - want).max() < 1e-5 * size


@pytest.mark.parametrize("suffix", [".usda", ".usdc", ".usd", ".usdz"])
@pytest.mark.parametrize(("z_up", "unit"), [(False, 1.0), (True, 0.01)])
def test_meshes_of_one_skeleton_move_as_the_clip_says(tmp_path, suffix, z_up, unit):
    before, after = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    bound = {"Fat": 0.25, "jawOpen": 0.5}  # in another order than the meshes'
    made = make_usd_avatar(before, FACE, TEETH, z_up=z_up, unit=unit, bound=bound)
    clip = performance()
    found = apply_clip(clip, before, after)
    assert found.facts()["front"] == ("-Y" if z_up else "+Z")
    assert found.unmatched == ["Fat"]
    weight = clip.expression_by_name
    face = [weight("jawOpen"), weight("mouthSmileLeft"), weight("eyeBlinkRight"),
            weight("browInnerUp"), 0.25, weight("noseSneerRight")]  # fmt: skip
    check_motion(made, after, clip, [face, [weight("mouthFunnel"), weight("jawOpen")]])


def test_visemes_alone_are_enough(tmp_path):
    sounds = ["PP", "aa", "O"]
    make_usd_avatar(tmp_path / "a.usda", [f"v_{sound}" for sound in sounds])
    clip = performance()
    apply_clip(clip, tmp_path / "a.usda", tmp_path / "b.usda")
    stage = Usd.Stage.Open(str(tmp_path / "b.usda"))
    animation = UsdSkel.Animation(stage.GetPrimAtPath("/Avatar/Rig/Skeleton/adamesh"))
    got = [animation.GetBlendShapeWeightsAttr().Get(frame * 24 / 25) for frame in range(FRAMES)]
    want = to_visemes(clip.expression, [f"viseme_{sound}" for sound in sounds])
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_a_map_goes_before_names(tmp_path):
    names = ("b0", "b1", "b2", "b3", "b4")
    made = make_usd_avatar(tmp_path / "a.usdc", ["Mouth1", "jawOpen"], joints=names)
    (tmp_path / "map.yaml").write_text(
        "morphs: {Mouth1: jawOpen, jawOpen: null}\n"
        "bones: {neck: b1, head: b2, left_eye: b3, right_eye: b4}\n"
    )
    clip = performance()
    apply_clip(clip, tmp_path / "a.usdc", tmp_path / "b.usdc", map_file=tmp_path / "map.yaml")
    weights: list[np.ndarray | float] = [clip.expression_by_name("jawOpen"), 0.0]
    check_motion(made, tmp_path / "b.usdc", clip, [weights])
    (tmp_path / "map.yaml").write_text("bones: {head: Kopf}")
    with pytest.raises(InputError, match=r"no bone 'Kopf'.*it has b0, b1, b2, b3, b4"):
        match_avatar(tmp_path / "a.usdc", map_file=tmp_path / "map.yaml")


def test_a_second_clip_takes_the_place_of_the_first(tmp_path):
    made = make_usd_avatar(tmp_path / "a.usda", FACE, bound={"Fat": 0.5})
    first, second = performance(), performance(fps=50.0)
    apply_clip(first, tmp_path / "a.usda", tmp_path / "b.usda")
    apply_clip(second, tmp_path / "b.usda", tmp_path / "c.usda")
    weight = second.expression_by_name
    face = [weight("jawOpen"), weight("mouthSmileLeft"), weight("eyeBlinkRight"),
            weight("browInnerUp"), 0.5, weight("noseSneerRight")]  # fmt: skip
    check_motion(made, tmp_path / "c.usda", second, [face])
    again = Usd.Stage.Open(str(tmp_path / "c.usda"))
    animation = UsdSkel.Animation(again.GetPrimAtPath("/Avatar/Rig/Skeleton/adamesh"))
    times = animation.GetRotationsAttr().GetTimeSamples()
    np.testing.assert_allclose(times, np.arange(FRAMES) * 24 / 50)
    assert again.GetEndTimeCode() == times[-1]


def test_everything_else_stays_as_it_was(tmp_path):
    make_usd_avatar(tmp_path / "a.usda", FACE, TEETH, bound={"Fat": 0.25})
    apply_clip(performance(), tmp_path / "a.usda", tmp_path / "b.usda")
    before = Sdf.Layer.FindOrOpen(str(tmp_path / "a.usda"))
    after = Sdf.Layer.FindOrOpen(str(tmp_path / "b.usda"))
    skeleton = after.GetPrimAtPath("/Avatar/Rig/Skeleton")
    assert list(skeleton.relationships["skel:animationSource"].targetPathList.explicitItems) == [
        "/Avatar/Rig/Skeleton/adamesh"
    ]
    # Without what was added, it is the same text.
    del skeleton.nameChildren["adamesh"]
    skeleton.RemoveProperty(skeleton.relationships["skel:animationSource"])
    skeleton.ClearInfo("apiSchemas")
    after.ClearStartTimeCode()
    after.ClearEndTimeCode()
    assert after.ExportToString() == before.ExportToString()


def test_pictures_stay_in_a_package_and_paths_lead_to_them_from_elsewhere(tmp_path):
    (tmp_path / "textures").mkdir()
    picture = tmp_path / "textures" / "skin.png"
    picture.write_bytes(b"\x89PNG of some kind")
    for name in ("a.usdz", "a.usdc"):
        make_usd_avatar(tmp_path / name, FACE, texture="./textures/skin.png")
    apply_clip(performance(), tmp_path / "a.usdz", tmp_path / "b.usdz")
    with (
        zipfile.ZipFile(tmp_path / "a.usdz") as before,
        zipfile.ZipFile(tmp_path / "b.usdz") as after,
    ):
        assert after.namelist() == before.namelist()
        assert after.read(after.namelist()[1]) == picture.read_bytes()
    stage = Usd.Stage.Open(str(tmp_path / "b.usdz"))
    link = stage.GetAttributeAtPath("/Avatar/skin/picture.inputs:file").Get()
    assert link.resolvedPath.endswith("b.usdz[textures/skin.png]")

    (tmp_path / "elsewhere").mkdir()
    for name in ("b.usdc", "elsewhere/b.usdc"):
        apply_clip(performance(), tmp_path / "a.usdc", tmp_path / name)
        stage = Usd.Stage.Open(str(tmp_path / name))
        link = stage.GetAttributeAtPath("/Avatar/skin/picture.inputs:file").Get()
        assert Path(link.resolvedPath).samefile(picture)
        assert not Path(link.path).is_absolute()


def test_an_avatar_in_a_referenced_file_moves_and_that_file_stays(tmp_path):
    made = make_usd_avatar(tmp_path / "body.usdc", ["jawOpen"])
    body = (tmp_path / "body.usdc").read_bytes()
    (tmp_path / "a.usda").write_text(
        '#usda 1.0\n(\n defaultPrim = "Avatar"\n)\n'
        'def "Avatar" (prepend references = @body.usdc@) {}\n'
    )
    (tmp_path / "out").mkdir()
    clip = performance()
    apply_clip(clip, tmp_path / "a.usda", tmp_path / "out" / "b.usda")
    check_motion(made, tmp_path / "out" / "b.usda", clip, [[clip.expression_by_name("jawOpen")]])
    assert (tmp_path / "body.usdc").read_bytes() == body


def test_the_head_that_export_writes_is_an_avatar_too(tmp_path):
    clip = performance()
    export(clip.slice(0, 1), tmp_path / "a.usdc")
    export(clip, tmp_path / "want.usdc")
    found = apply_clip(clip, tmp_path / "a.usdc", tmp_path / "b.usdc")
    assert found.controls == set(ARKIT52)
    assert found.bones.keys() == {"neck", "head", "left_eye", "right_eye"}
    points = []
    for name, frame in (("b.usdc", 5), ("want.usdc", 5)):
        stage = Usd.Stage.Open(str(tmp_path / name))
        query = UsdSkel.Cache().GetSkelQuery(
            UsdSkel.Skeleton(stage.GetPrimAtPath("/Head/Skeleton"))
        )
        points.append(np.array(query.ComputeJointSkelTransforms(frame)))
    np.testing.assert_allclose(*points, atol=1e-6)


def test_bones_need_a_rest_pose_and_shapes_do_not(tmp_path):
    make_usd_avatar(tmp_path / "a.usda", ["jawOpen"], rest_pose=False)
    with pytest.raises(InputError, match=r"bone 'mixamorig_Neck' of avatar .* no rotation at rest"):
        apply_clip(performance(), tmp_path / "a.usda", tmp_path / "b.usda")
    still = MotionClip("arkit52", 25, performance().expression)
    apply_clip(still, tmp_path / "a.usda", tmp_path / "b.usda")


def test_what_cannot_be_is_told_in_one_line(tmp_path, monkeypatch):
    make_usd_avatar(tmp_path / "a.usdz", ["Fat", "Thin"])
    make_usd_avatar(tmp_path / "a.usda", ["jawOpen"])
    whole = (tmp_path / "a.usdz").read_bytes()
    (tmp_path / "text.usda").write_text("#usda 1.0\ndef {")
    (tmp_path / "cut.usdz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.usdc").write_bytes(b"PXR-USDC and no more")
    cases = {
        ("a.usdz", "b.usdz"): "it has Fat, Thin",
        ("a.usdz", "b.usda"): r"must end in \.usdz",
        ("a.usda", "b.glb"): r"must end in \.usda or \.usdc",
        ("text.usda", "b.usda"): "damaged",
        ("cut.usdz", "b.usdz"): "damaged",
        ("cut.usdc", "b.usdc"): "damaged",
        ("a.usda", "a.usda"): "--force",
    }
    for (avatar, output), said in cases.items():
        with pytest.raises(InputError, match=said) as raised:
            apply_clip(performance(), tmp_path / avatar, tmp_path / output)
        assert "\n" not in str(raised.value)
    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.raises(MissingDependencyError, match=r"adamesh\[usd\]"):
        match_avatar(tmp_path / "a.usda")


def test_a_package_with_names_that_lead_elsewhere_is_refused(tmp_path):
    make_usd_avatar(tmp_path / "a.usdz", ["jawOpen"])
    with zipfile.ZipFile(tmp_path / "a.usdz", "a") as package:
        package.writestr("../escaped.png", b"x")
    with pytest.raises(InputError, match="no package as USD makes them"):
        apply_clip(performance(), tmp_path / "a.usdz", tmp_path / "b.usdz")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.usdz"]


def test_the_command_inspects(tmp_path, monkeypatch, capsys):
    from adamesh.cli import main

    make_usd_avatar(tmp_path / "a.usdc", ["JawOpen"])
    command = ["adamesh", "apply", "--inspect", str(tmp_path / "a.usdc"), "--json"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    facts = json.loads(capsys.readouterr().out)
    assert facts["morphs"] == {"/Avatar/Meshes/part0": {"JawOpen": {"jawOpen": 1.0}}}
    found = [joint for joint in facts["bones"].values() if joint is not None]
    assert found == list(JOINTS[1:])
