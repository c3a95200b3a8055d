"""USD files are opened, checked and posed by Pixar's own library, which knows nothing of `Face`."""

import shutil
import sys
import wave
import zipfile

import numpy as np
import pytest
import torch
from support.flame_fixture import write_flame
from support.performances import FACES, JOINTS, embedded_face, expected, performance, small_face
from support.usd_validation import complaints

from adamesh.errors import InputError, MissingDependencyError
from adamesh.export import OutputOptions, export, plan_export
from adamesh.faces import read_flame
from adamesh.motion import ARKIT52, MotionClip

pytest.importorskip("pxr", reason="USD is an extra")
from pxr import Gf, Usd, UsdGeom, UsdMedia, UsdShade, UsdSkel, UsdUtils

SOUND = (np.sin(np.arange(16_000) / 10).astype(np.float32) * 0.5, 16_000)


def baked_points(stage, frames):
    """World positions [frames, V, 3] after UsdSkel has turned the rig into moving points."""
    assert UsdSkel.BakeSkinning(
        UsdSkel.Root(stage.GetDefaultPrim()), Gf.Interval(0, stage.GetEndTimeCode())
    )
    points = UsdGeom.Mesh(stage.GetPrimAtPath("/Head/Mesh")).GetPointsAttr()
    return np.stack([np.array(points.Get(frame)) for frame in frames])


@pytest.mark.parametrize("suffix", ["usda", "usdc", "usdz"])
@pytest.mark.parametrize("make_face", FACES)
def test_usd_skinning_sees_what_forward_computes(make_face, suffix, tmp_path):
    face = make_face()
    betas = np.random.default_rng(3).normal(size=face.n_betas)
    clip = performance(frames=10, betas=betas)
    path = tmp_path / f"a.{suffix}"
    export(clip, path, face=face)
    points = baked_points(Usd.Stage.Open(str(path)), range(10))
    want = np.stack([expected(face, clip, frame, clip.betas) for frame in range(10)])
    assert np.abs(points - want).max() < 1e-4  # 0.1 mm
    assert np.ptp(points, axis=0).max() > 0.01  # it moves


def test_a_flame_face_without_its_correctives(tmp_path):
    file = tmp_path / "flame2023.npz"
    write_flame(file)
    face = read_flame(file).to(torch.float64)
    face = face.replace(posedirs=None, joints_expressiondirs=None)
    rng = np.random.default_rng(0)
    size = len(face.expression_names or ()) or face.expressiondirs.shape[-1]
    jaw = np.abs(rng.normal(size=(4, 3))) * 0.1
    clip = MotionClip(f"flame{size}", 25, rng.normal(size=(4, size)), jaw_pose=jaw)
    export(clip, tmp_path / "a.usdc", face=face)
    points = baked_points(Usd.Stage.Open(str(tmp_path / "a.usdc")), range(4))
    given = {
        name: torch.tensor(getattr(clip, name)).double() for name in ("expression", "jaw_pose")
    }
    assert np.abs(points - face(**given).vertices.numpy()).max() < 1e-4


@pytest.mark.parametrize("suffix", ["usda", "usdc", "usdz"])
def test_the_library_has_nothing_to_complain_of(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    export(performance(), path, face=embedded_face(), audio=SOUND)
    assert complaints(path) == []


def test_the_check_of_the_check(tmp_path):
    """A sound that is not there is found, so silence of the validators means something."""
    export(performance(), tmp_path / "a.usda", face=small_face(), audio=SOUND)
    (tmp_path / "a.wav").unlink()
    assert any("a.wav" in complaint for complaint in complaints(tmp_path / "a.usda"))


def test_clock_units_and_names(tmp_path):
    export(performance(frames=25), tmp_path / "a.usda", OutputOptions(fps=60), face=small_face())
    stage = Usd.Stage.Open(str(tmp_path / "a.usda"))
    assert stage.GetTimeCodesPerSecond() == stage.GetFramesPerSecond() == 60
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0, 59)
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert stage.GetDefaultPrim().IsA(UsdSkel.Root)
    animation = UsdSkel.Animation(stage.GetPrimAtPath("/Head/Performance"))
    assert tuple(animation.GetBlendShapesAttr().Get()) == ARKIT52
    for samples in (animation.GetBlendShapeWeightsAttr(), animation.GetRotationsAttr()):
        assert samples.GetTimeSamples() == list(range(60))
    skeleton = UsdSkel.Skeleton(stage.GetPrimAtPath("/Head/Skeleton"))
    assert tuple(skeleton.GetJointNamesAttr().Get()) == JOINTS
    assert skeleton.GetJointsAttr().Get()[3] == "root/neck/head/jaw"
    mesh = stage.GetPrimAtPath("/Head/Mesh")
    targets = UsdSkel.BindingAPI(mesh).GetBlendShapeTargetsRel().GetTargets()
    assert tuple(target.name for target in targets) == ARKIT52


def test_the_surface_carries_uv_colour_and_outward_normals(tmp_path):
    face = small_face()
    export(performance(), tmp_path / "a.usdc", face=face)
    stage = Usd.Stage.Open(str(tmp_path / "a.usdc"))
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/Head/Mesh"))
    uv = np.array(UsdGeom.PrimvarsAPI(mesh).GetPrimvar("st").ComputeFlattened())
    np.testing.assert_allclose(uv, face.uv[face.uv_triangles].reshape(-1, 2), atol=1e-6)
    outwards = np.array(mesh.GetPointsAttr().Get()) - [0, 1.6, 0]
    assert (np.sum(outwards * np.array(mesh.GetNormalsAttr().Get()), axis=1) > 0).all()
    color = np.array(mesh.GetDisplayColorAttr().Get())
    gamma = np.where(color <= 0.0031308, color * 12.92, 1.055 * color ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(gamma, face.colors, atol=1e-4)

    subsets = UsdShade.MaterialBindingAPI(mesh).GetMaterialBindSubsets()
    for subset in subsets:
        material, _ = UsdShade.MaterialBindingAPI(subset).ComputeBoundMaterial()
        index = face.material_names.index(material.GetPrim().GetName())
        mine = np.flatnonzero(face.triangle_material.numpy() == index)
        assert np.array_equal(subset.GetIndicesAttr().Get(), mine)
        surface, _, _ = material.ComputeSurfaceSource()
        diffuse = surface.GetInput("diffuseColor")
        one_colour = material.GetPrim().GetName() == "sclera"  # of the ball
        assert diffuse.HasConnectedSource() != one_colour
    assert len(subsets) == 3


def test_sound_lies_beside_or_in_the_package(tmp_path):
    for name in ("a.usda", "b c.usdc"):
        path = tmp_path / name
        wav = path.with_suffix(".wav")
        assert export(performance(), path, face=small_face(), audio=SOUND) == [path, wav]
        stage = Usd.Stage.Open(str(path))
        audio = UsdMedia.SpatialAudio(stage.GetPrimAtPath("/Head/Speech"))
        assert audio.GetFilePathAttr().Get().resolvedPath == str(wav)
        assert audio.GetAuralModeAttr().Get() == "nonSpatial"

    package = tmp_path / "c.usdz"
    assert export(performance(), package, face=small_face(), audio=SOUND) == [package]
    with zipfile.ZipFile(package) as archive:
        assert archive.namelist() == ["c.usdc", "c.wav"]
        archive.extract("c.wav", tmp_path)
    with wave.open(str(tmp_path / "c.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (16_000, 16_000)
    _, assets, unresolved = UsdUtils.ComputeAllDependencies(str(package))
    assert [asset.endswith("[c.wav]") for asset in assets] == [True]
    assert not unresolved


def test_a_package_is_whole_wherever_it_goes_and_never_replaced_unasked(tmp_path):
    path = tmp_path / "a.usdz"
    export(performance(frames=2), path, face=small_face(), audio=SOUND)
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(path, tmp_path / "elsewhere")
    assert complaints(moved) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["elsewhere"]
    with pytest.raises(InputError, match="exists already"):
        plan_export(moved)


def test_without_the_library_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.raises(MissingDependencyError, match=r"adamesh\[usd\]"):
        plan_export(tmp_path / "a.usdc")
    assert list(tmp_path.iterdir()) == []
