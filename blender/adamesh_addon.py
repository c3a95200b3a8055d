"""Blender add-on: a talking head of AdaMesh as a scene ready to render, and its curves on your own character.

Install it with Edit > Preferences > Add-ons > Install from Disk. It adds to File > Import

- AdaMesh talking head (.glb): a scene of its own with the head, its sound, a camera, lights and an `.mp4` as
  its render output;
- AdaMesh curves on selected (.json): keys of shape keys and bones for what is selected, from the current
  frame on, with the sound.

Without a window, the first one renders by itself:

    blender --background --python adamesh_addon.py -- talking.glb -o talking.mp4 [--engine cycles]
"""

import argparse
import json
import math
import re
import struct
import sys
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.io_utils import ImportHelper
from mathutils import Matrix, Quaternion, Vector

bl_info = {
    "name": "AdaMesh",
    "author": "The AdaMesh authors",
    "version": (1, 0, 0),
    "blender": (4, 5, 0),
    "location": "File > Import",
    "description": "Talking heads ready to render; their curves on your own characters",
    "category": "Import-Export",
}

SIDE = 1080  # pixels of the picture
MARGIN = 1.15  # the picture is so much taller than the head
LENS = 85.0  # mm, of a portrait
# Place about the head's middle in head heights, width and power in watts: key, fill and rim. A lamp twice as
# far has to be four times as strong; these are for a head of 0.3 m.
LIGHTS = {
    "key": (Vector((2.0, -3.0, 1.5)), 1.5, 14.0),
    "fill": (Vector((-3.0, -2.5, 0.5)), 2.5, 7.0),
    "rim": (Vector((-1.0, 3.0, 2.0)), 1.5, 14.0),
}

# Joint of a curves file: what bones of that joint are called, once `plain_bone` has been at them.
BONES = {
    "neck": ("neck", "necktwist"),
    "head": ("head",),
    "jaw": ("jaw",),
    "leye": ("eyeleft", "leye", "lefteye"),
    "reye": ("eyeright", "reye", "righteye"),
}


class AdaMeshError(Exception):
    """A file or a selection that cannot be used; the message is for the user."""


# --- The talking head --------------------------------------------------------------------------------------


def talking_head(path: Path) -> bpy.types.Scene:
    """A new scene with the head of a `.glb`, its sound, camera and lights, ready to render; it is shown.

    A scene of its own, since a frame rate, a camera and an output are a scene's, and yours stay as they are.

    Raises:
        AdaMeshError: the file is no .glb with an animation.
    """
    fps = glb_frame_rate(path)
    scene = bpy.data.scenes.new(path.stem)
    bpy.context.window.scene = scene
    # Blender places keys by frames, and its importer (5.0.1) takes a rate like 29.97 for another. So they are
    # placed at whole frames a second, and moved.
    whole = round(fps)
    scene.render.fps, scene.render.fps_base = whole, 1.0
    before = set(bpy.data.actions)
    bpy.ops.import_scene.gltf(filepath=str(path), disable_bone_shape=True)
    actions = set(bpy.data.actions) - before
    for action in actions:
        stretch(action, fps / whole)
    scene.render.fps_base = whole / fps
    scene.frame_start = 0
    scene.frame_end = max(round(action.frame_range[1]) for action in actions)
    scene.frame_set(0)
    add_sound(scene, path.with_suffix(".wav"), frame=0)
    add_camera_and_lights(scene)
    set_output(scene, path.with_suffix(".mp4"))
    return scene


def glb_frame_rate(path: Path) -> float:
    """Samples a second of the file's first animation; rates of NTSC as x/1001.

    Raises:
        AdaMeshError: the file is no .glb with an animation.
    """
    with path.open("rb") as file:
        magic, _, _, length, kind = struct.unpack("<4sII I4s", file.read(20).ljust(20, b"\0"))
        if magic != b"glTF" or kind != b"JSON":
            raise AdaMeshError(f"{path.name} is no .glb")
        content = json.loads(file.read(length))
    if not content.get("animations"):
        raise AdaMeshError(f"{path.name} has no animation")
    times = content["accessors"][content["animations"][0]["samplers"][0]["input"]]
    if times["count"] < 2:
        raise AdaMeshError(f"{path.name} is a single frame")
    found = (times["count"] - 1) / (times["max"][0] - times["min"][0])
    # Times in the file are 32-bit numbers.
    for rate in (round(found), round(found) * 1000 / 1001):
        if math.isclose(found, rate, rel_tol=1e-5):
            return rate
    return found


def stretch(action: bpy.types.Action, factor: float) -> None:
    """Multiplies the frames of all keys."""
    for curve in curves_of(action):
        keys = np.empty((len(curve.keyframe_points), 2), np.float32)
        curve.keyframe_points.foreach_get("co", keys.ravel())
        keys[:, 0] *= factor
        curve.keyframe_points.foreach_set("co", keys.ravel())
        curve.update()


def curves_of(action: bpy.types.Action) -> list[bpy.types.FCurve]:
    bags = (bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags)
    return [curve for bag in bags for curve in bag.fcurves]


def add_sound(scene: bpy.types.Scene, path: Path, *, frame: int) -> bool:
    """Puts a sound into the video sequencer, if there is such a file, and lets playback follow it."""
    if not path.exists():
        return False
    strips = scene.sequence_editor_create().strips
    channel = 1 + max((strip.channel for strip in strips), default=0)
    strips.new_sound(path.stem, str(path), channel, frame)
    scene.sync_mode = "AUDIO_SYNC"
    return True


def add_camera_and_lights(scene: bpy.types.Scene) -> None:
    """A portrait of all meshes of the scene, seen from the front, which is -Y in Blender."""
    bpy.context.view_layer.update()
    meshes = [thing for thing in scene.objects if thing.type == "MESH" and thing.data.shape_keys]
    corners = [m.matrix_world @ Vector(corner) for m in meshes for corner in m.bound_box]
    low, high = (Vector(map(end, zip(*corners, strict=True))) for end in (min, max))
    middle, height = (low + high) / 2, (high - low).z

    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.data.lens = LENS
    away = MARGIN * height / 2 / math.tan(camera.data.angle / 2)
    camera.location = (middle.x, low.y - away, middle.z)
    camera.rotation_euler = (math.pi / 2, 0, 0)
    camera.data.clip_start = away / 100
    scene.collection.objects.link(camera)
    scene.camera = camera

    for name, (place, width, watts) in LIGHTS.items():
        lamp = bpy.data.lights.new(name, "AREA")
        lamp.energy, lamp.size = watts * (height / 0.3) ** 2, width * height
        light = bpy.data.objects.new(name, lamp)
        light.location = middle + place * height
        light.rotation_euler = (middle - light.location).to_track_quat("-Z", "Y").to_euler()
        scene.collection.objects.link(light)

    scene.world = bpy.data.worlds.new(scene.name)  # dark grey
    scene.view_settings.view_transform = "Standard"  # colours as they are in the file


def set_output(scene: bpy.types.Scene, path: Path) -> None:
    """H.264 and AAC in an .mp4."""
    render = scene.render
    render.resolution_x = render.resolution_y = SIDE
    render.filepath = str(path)
    if hasattr(render.image_settings, "media_type"):  # since 5.0
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format = "FFMPEG"
    render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
    render.ffmpeg.constant_rate_factor = "HIGH"
    render.ffmpeg.audio_codec = "AAC"


# --- Curves on a character ---------------------------------------------------------------------------------


def put_curves(path: Path, objects: list[bpy.types.Object], scene: bpy.types.Scene) -> str:
    """Keys the curves of a `.json` on shape keys and bones, from the current frame of the scene on.

    Animation that is there already goes into a strip of the NLA below, so that it stays wherever no curve is.

    Args:
        objects: meshes with shape keys, and armatures; those that deform the meshes are added.
    Returns:
        What was keyed, in words.
    Raises:
        AdaMeshError: the file holds no such curves, or no shape key has one of its names.
    """
    clip = read_curves(path)
    meshes = [thing for thing in objects if thing.type == "MESH" and thing.data.shape_keys]
    armatures = [thing for thing in objects if thing.type == "ARMATURE"]
    armatures += [mesh.find_armature() for mesh in meshes if mesh.find_armature()]
    start = scene.frame_current
    a_frame = scene.render.fps / scene.render.fps_base / clip["fps"]
    frames = [start + k * a_frame for k in range(clip["frames"])]
    weights = dict(zip(map(plain, clip["names"]), zip(*clip["weights"], strict=True), strict=True))

    matched = {mesh: shape_curves(mesh.data.shape_keys, weights) for mesh in meshes}
    if not any(matched.values()):
        names = [key.name for mesh in meshes for key in mesh.data.shape_keys.key_blocks[1:]]
        raise AdaMeshError(
            f"No shape key is called like a curve of {path.name} ({', '.join(clip['names'][:3])}, ...); "
            + (f"there are {', '.join(names[:8])}" if names else "select a mesh with shape keys")
        )
    said = []
    for mesh, curves in matched.items():
        if curves:
            key_curves(mesh.data.shape_keys, path.stem, frames, curves)
        said.append(f"{len(curves)} of {len(weights)} shapes of {mesh.name}")
    for armature in dict.fromkeys(armatures):
        bones = match_bones([bone.name for bone in armature.pose.bones])
        curves = bone_curves(armature, bones, clip["rotations"])
        if curves:
            key_curves(armature, path.stem, frames, curves)
        said.append(f"bones {', '.join(bones.values()) or 'none'} of {armature.name}")
    if add_sound(scene, path.with_suffix(".wav"), frame=start):
        said.append(f"sound {path.stem}.wav")
    return "; ".join(said)


def read_curves(path: Path) -> dict:
    """The JSON of `adamesh export`, docs/guides/export.md.

    Raises:
        AdaMeshError: the file is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = (content["format"], content["version"]) == ("adamesh-curves", 1)
    except (ValueError, TypeError, KeyError):
        known = False
    if not known:
        raise AdaMeshError(
            f"{path.name} is no file of curves: adamesh export CLIP.npz -o NAME.json"
        )
    return content


def plain(name: str) -> str:
    """`Mouth_Smile_L` -> `mouthsmileleft`: how spellings of one action are the same."""
    for short, side in (("L", "Left"), ("R", "Right")):
        name = re.sub(rf"[_. ]{short}$", side, name)
    return re.sub(r"[\W_]", "", name).lower()


def plain_bone(name: str) -> str:
    """`mixamorig:Neck_01` -> `neck`, `CC_Base_L_Eye` -> `leye`, `DEF-eye.L` -> `eyeleft`."""
    name = name.rpartition(":")[2]
    name = re.sub(r"^(DEF-|CC_Base_|FACIAL_|J_Bip_[A-Z]_|J_Adj_(?=[LR]_))", "", name)
    return plain(re.sub(r"[_.]?\d+$", "", name).replace("FaceEye", "Eye"))


def match_bones(names: list[str]) -> dict[str, str]:
    """Joint -> the first bone of that name."""
    found = {}
    for joint, known in BONES.items():
        fitting = [name for name in names if plain_bone(name) in known]
        if fitting:
            found[joint] = fitting[0]
    return found


Curves = dict[tuple[str, int], list[float]]  # data path and index -> values


def shape_curves(keys: bpy.types.Key, weights: dict[str, list[float]]) -> Curves:
    return {
        (f'key_blocks["{bpy.utils.escape_identifier(key.name)}"].value', 0): weights[
            plain(key.name)
        ]
        for key in keys.key_blocks[1:]
        if plain(key.name) in weights
    }


def bone_curves(armature: bpy.types.Object, bones: dict[str, str], rotations: dict) -> Curves:
    """Rotations, which are in the axes of the file, in those of each bone at rest."""
    turns = {joint: [Quaternion(q) for q in values] for joint, values in rotations.items()}
    for child, parent in (("head", "neck"), ("neck", "head")):
        if child in bones and parent not in bones:  # one bone turns for both
            turns[child] = [n @ h for n, h in zip(turns["neck"], turns["head"], strict=True)]
    axes = axes_of(armature)
    curves: Curves = {}
    for joint, name in bones.items():
        bone = armature.pose.bones[name]
        rest = axes.inverted() @ bone.bone.matrix_local.to_quaternion()
        local = [rest.inverted() @ turn @ rest for turn in turns[joint]]
        if bone.rotation_mode == "AXIS_ANGLE":
            bone.rotation_mode = "QUATERNION"
        kind, values = "rotation_quaternion", [tuple(q) for q in local]
        if bone.rotation_mode != "QUATERNION":
            kind, angles = "rotation_euler", [local[0].to_euler(bone.rotation_mode)]
            for turn in local[1:]:
                angles.append(turn.to_euler(bone.rotation_mode, angles[-1]))
            values = [tuple(angle) for angle in angles]
        path = bone.path_from_id(kind)
        curves |= {(path, i): list(row) for i, row in enumerate(zip(*values, strict=True))}
    return curves


def axes_of(armature: bpy.types.Object) -> Quaternion:
    """Turns the file's axes (+Y up, the face along +Z) into those of the armature at rest.

    Rigs are made with +Z up, the face along -Y, or come from elsewhere with +Y up and lie turned.
    """
    up = armature.matrix_world.to_quaternion().inverted() @ Vector((0, 0, 1))
    return Quaternion() if up.y > 0.7 else Matrix.Rotation(math.pi / 2, 3, "X").to_quaternion()


def key_curves(
    owner: bpy.types.Object | bpy.types.Key, name: str, frames: list[float], curves: Curves
) -> None:
    """A new action of linear keys for the owner, above what it has."""
    animation = owner.animation_data_create()
    if animation.action:  # what Push Down does
        old, slot = animation.action, animation.action_slot
        strip = animation.nla_tracks.new().strips.new(old.name, int(old.frame_range[0]), old)
        strip.action_slot = slot
    action = bpy.data.actions.new(name)
    slot = action.slots.new(owner.id_type, owner.name)
    bag = action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True)
    linear = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value
    for (path, index), values in curves.items():
        curve = bag.fcurves.new(path, index=index)
        curve.keyframe_points.add(len(frames))
        places = [number for pair in zip(frames, values, strict=True) for number in pair]
        curve.keyframe_points.foreach_set("co", places)
        curve.keyframe_points.foreach_set("interpolation", [linear] * len(frames))
        curve.update()
    animation.action, animation.action_slot = action, slot


# --- Menus and command line --------------------------------------------------------------------------------


class _Import(ImportHelper):
    """Asks for a file, does `work` with it, and says what came of it."""

    bl_options = frozenset({"REGISTER", "UNDO"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            self.report({"INFO"}, self.work(Path(self.filepath), context))
        except AdaMeshError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class IMPORT_SCENE_OT_adamesh_head(_Import, bpy.types.Operator):  # noqa: N801 Blender's rule for names
    """Open a .glb of AdaMesh as a scene with sound, camera and lights, ready to render"""

    bl_idname = "import_scene.adamesh_head"
    bl_label = "AdaMesh talking head (.glb)"
    filename_ext = ".glb"

    def work(self, path: Path, context: bpy.types.Context) -> str:  # noqa: ARG002
        scene = talking_head(path)
        sound = (
            ""
            if scene.sequence_editor
            else f", without sound: there is no {path.stem}.wav beside it"
        )
        return f"Render > Render Animation writes {scene.render.filepath}{sound}"


class IMPORT_ANIM_OT_adamesh_curves(_Import, bpy.types.Operator):  # noqa: N801
    """Key the curves of AdaMesh on shape keys and bones of the selected objects, from the current frame on"""

    bl_idname = "import_anim.adamesh_curves"
    bl_label = "AdaMesh curves on selected (.json)"
    filename_ext = ".json"

    def work(self, path: Path, context: bpy.types.Context) -> str:
        return put_curves(path, list(context.selected_objects), context.scene)


OPERATORS = (IMPORT_SCENE_OT_adamesh_head, IMPORT_ANIM_OT_adamesh_curves)


def menu(self: bpy.types.Menu, context: bpy.types.Context) -> None:  # noqa: ARG001
    for operator in OPERATORS:
        self.layout.operator(operator.bl_idname, text=operator.bl_label)


def register() -> None:
    for operator in OPERATORS:
        bpy.utils.register_class(operator)
    bpy.types.TOPBAR_MT_file_import.append(menu)


def unregister() -> None:
    bpy.types.TOPBAR_MT_file_import.remove(menu)
    for operator in OPERATORS:
        bpy.utils.unregister_class(operator)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("adamesh_addon.py", description="Renders a talking head.")
    parser.add_argument(
        "glb", type=Path, help="the head; talking.wav beside talking.glb is its sound"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help=".mp4, or .blend to save")
    # Not --cycles: Cycles itself reads what begins like that.
    parser.add_argument("--engine", choices=("eevee", "cycles"), default="eevee")
    parser.add_argument("--size", type=int, default=SIDE, help="pixels of width and height")
    given = parser.parse_args(arguments)
    if given.output.exists():
        parser.error(f"{given.output} exists")
    try:
        scene = talking_head(given.glb.resolve())
    except (AdaMeshError, OSError) as error:
        parser.error(str(error))
    scene.render.resolution_x = scene.render.resolution_y = given.size
    if given.engine == "cycles":
        scene.render.engine = "CYCLES"
        scene.cycles.samples = 16  # denoised
    output = str(given.output.resolve())
    if given.output.suffix == ".blend":
        bpy.ops.wm.save_as_mainfile(filepath=output)
    else:
        scene.render.filepath = output
        bpy.ops.render.render(animation=True, scene=scene.name)


if __name__ == "__main__":
    if "--" in sys.argv:
        main(sys.argv[sys.argv.index("--") + 1 :])
    else:
        register()
