"""What of the Blender add-on needs no Blender; `readers/` runs the rest in a real one."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import pytest
from support.performances import performance, small_face

from adamesh.avatars.names import find_bone
from adamesh.export import OutputOptions, export
from adamesh.motion.spaces import ARKIT52
from adamesh.rates import exact_fps

ADDON = Path(__file__).parents[1] / "blender" / "adamesh_addon.py"


@pytest.fixture
def addon(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in ("bpy", "mathutils"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    sys.modules["bpy"].types.Operator = object
    helper = SimpleNamespace(ImportHelper=type("ImportHelper", (), {}))
    monkeypatch.setitem(sys.modules, "bpy_extras", SimpleNamespace(io_utils=helper))
    monkeypatch.setitem(sys.modules, "bpy_extras.io_utils", helper)
    spec = importlib.util.spec_from_file_location("adamesh_addon", ADDON)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("fps", [23.976, 25, 29.97, 26.3, 60])
def test_frame_rate_of_a_glb(addon, tmp_path, fps):
    export(performance(), tmp_path / "a.glb", OutputOptions(fps=fps), face=small_face())
    assert addon.glb_frame_rate(tmp_path / "a.glb") == pytest.approx(exact_fps(fps), rel=1e-5)


def test_rates_of_ntsc_are_exact(addon, tmp_path):
    export(performance(), tmp_path / "a.glb", OutputOptions(fps=29.97), face=small_face())
    assert addon.glb_frame_rate(tmp_path / "a.glb") == 30000 / 1001


def test_a_file_that_is_none_is_refused(addon, tmp_path):
    (tmp_path / "a.glb").write_text("no")
    with pytest.raises(addon.AdaMeshError, match=r"a\.glb is no \.glb"):
        addon.glb_frame_rate(tmp_path / "a.glb")


def test_spellings_of_shapes(addon):
    plain = {addon.plain(name) for name in ARKIT52}
    assert len(plain) == len(ARKIT52)
    for spelling in ("MouthSmileLeft", "mouthSmile_L", "mouth_smile_left", "mouthSmile.L"):
        assert addon.plain(spelling) == addon.plain("mouthSmileLeft")
    assert addon.plain("Smile") not in plain


def test_spellings_of_bones(addon):
    """Those that `adamesh apply` knows."""
    ours = {"neck": "neck", "head": "head", "left_eye": "leye", "right_eye": "reye"}
    names = [
        "Neck",
        "neck_01",
        "mixamorig:Head",
        "J_Bip_C_Head",
        "CC_Base_L_Eye",
        "CC_Base_R_Eye",
        "eye.L",
        "leye",
    ]
    for name in names:
        _, bone = find_bone(name)
        assert addon.match_bones([name]) == {ours[bone]: name}
    assert addon.match_bones(["head_end", "HeadTop", "shoulder.L"]) == {}
