"""What the add-on makes of our files, in Blender; see test_blender_addon.py.

    python blender_addon.py head GLB OUT.npz
    python blender_addon.py curves STILL.glb CURVES.json OUT.npz FRAME...

`head` imports by the menu's operator. `curves` puts curves on the still head, which it makes into somebody
else's character first: it is called, turned and rigged differently, and the root has an animation of its own.
"""

import math
import sys
from pathlib import Path

import bpy
import numpy as np
from blender_dump import posed
from mathutils import Euler

sys.path.insert(0, str(Path(__file__).parents[1] / "blender"))
import adamesh_addon

CLIP_FPS = 25.0


def head(path: str, output: str) -> None:
    before = bpy.context.scene
    rate_before = before.render.fps
    bpy.ops.import_scene.adamesh_head(filepath=path)
    scene = bpy.context.scene
    assert scene is not before
    assert before.render.fps == rate_before
    (mesh,) = (thing for thing in scene.objects if thing.type == "MESH")
    frames = range(scene.frame_start, scene.frame_end + 1)
    values, vertices = [], []
    for frame in frames:
        scene.frame_set(frame)
        values.append([key.value for key in mesh.data.shape_keys.key_blocks[1:]])
        vertices.append(posed([mesh])[::97])
    (sound,) = scene.sequence_editor.strips
    np.savez(
        output,
        fps=scene.render.fps / scene.render.fps_base,
        frames=frames,
        names=[key.name for key in mesh.data.shape_keys.key_blocks[1:]],
        weights=values,
        vertices=vertices,
        sound=[sound.frame_final_start, sound.frame_final_duration],
        sound_path=bpy.path.abspath(sound.sound.filepath),
    )


def curves(still: str, path: str, output: str, *frames: str) -> None:
    scene = bpy.context.scene
    scene.render.fps = 24  # not the clip's
    bpy.ops.import_scene.gltf(filepath=still)
    (mesh,) = (o for o in scene.objects if o.type == "MESH" and o.data.shape_keys)
    armature = mesh.find_armature()
    for owner in (mesh.data.shape_keys, armature):
        owner.animation_data_clear()
    for key in mesh.data.shape_keys.key_blocks[1:]:
        for side in ("Left", "Right"):
            key.name = key.name.replace(side, f"_{side[0]}")
    for name, other in {"neck": "Neck_01", "leye": "eye.L", "reye": "CC_Base_R_Eye"}.items():
        armature.pose.bones[name].name = other
    armature.pose.bones["Neck_01"].rotation_mode = "ZXY"
    armature.rotation_mode = "XYZ"
    armature.rotation_euler = Euler((0, 0, math.pi / 2))  # it looks along +X
    armature.keyframe_insert("location", frame=1)
    armature.pose.bones["root"].keyframe_insert("location", frame=1)
    for thing in scene.objects:
        thing.select_set(thing is mesh)
    scene.frame_set(101)
    bpy.ops.import_anim.adamesh_curves(filepath=path)
    shown = []
    for frame in map(int, frames):
        at = 101 + frame / CLIP_FPS * 24
        scene.frame_set(math.floor(at), subframe=at % 1)
        shown.append(posed([mesh]))
    (sound,) = scene.sequence_editor.strips
    below = [track.strips[0].action.name for track in armature.animation_data.nla_tracks]
    np.savez(output, posed=shown, sound=sound.frame_final_start, below=below)


adamesh_addon.register()
{"head": head, "curves": curves}[sys.argv[1]](*sys.argv[2:])
