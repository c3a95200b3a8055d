"""Turns a .glb of ours into Alembic or FBX; Blender runs this file, with nothing of our package in reach.

    blender --background --python blender_convert.py -- IN.glb OUT.abc|OUT.fbx FPS

The .glb must say one frame a second: Blender places keys by frames, and its importer of glTF takes rates like
29.97 for others (5.0.1 multiplies by `fps_base` where it should divide).
"""

import sys

import bpy


def main(source: str, target: str, fps: float) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 1, 1.0
    bpy.ops.import_scene.gltf(filepath=source, disable_bone_shape=True)
    ends = [end for action in bpy.data.actions for end in action.frame_range]
    scene.frame_start, scene.frame_end = round(min(ends)), round(max(ends))
    scene.render.fps, scene.render.fps_base = round(fps), round(fps) / fps
    for thing in bpy.data.objects:
        # A joint is called head as well, and readers of FBX take one for the other.
        thing.name = {"ARMATURE": "Skeleton", "MESH": "Mesh"}.get(thing.type, thing.name)
        thing.select_set(thing.type == "MESH")
    if target.endswith(".abc"):
        # Normals would be most of the file, and readers compute them.
        bpy.ops.wm.alembic_export(
            filepath=target,
            start=scene.frame_start,
            end=scene.frame_end,
            selected=True,
            flatten=True,
            normals=False,
            face_sets=True,
        )
    else:
        bpy.ops.export_scene.fbx(
            filepath=target,
            object_types={"ARMATURE", "MESH"},
            apply_scale_options="FBX_SCALE_ALL",  # the file says that its unit is a metre
            add_leaf_bones=False,
            bake_anim_use_all_actions=False,
            bake_anim_use_nla_strips=False,
            bake_anim_simplify_factor=0.0,
        )


source, target, fps = sys.argv[sys.argv.index("--") + 1 :]
main(source, target, float(fps))
