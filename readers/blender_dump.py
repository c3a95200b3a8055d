"""Opens a file in Blender and writes what Blender makes of it.

    python blender_dump.py FILE FPS OUT.npz FRAME...

FPS is set before, since Blender places keys by frames. OUT.npz: `posed` [frames, N, 3] metres with +Y up,
`shape_keys`, `seconds`, the length of the animation, and `fps`, what Blender takes for the file's rate.
"""

import functools
import sys

import bpy
import numpy as np

IMPORTERS = {
    "glb": bpy.ops.import_scene.gltf,
    "usdc": bpy.ops.wm.usd_import,
    "fbx": bpy.ops.wm.fbx_import,
    "abc": functools.partial(bpy.ops.wm.alembic_import, set_frame_range=True),
}


def in_our_axes(thing: object, local: np.ndarray) -> np.ndarray:
    """[3 N] of one object -> [N, 3] in the world, +Y up; Blender's up is +Z."""
    world = np.array(thing.matrix_world)
    x, y, z = (local.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]).T
    return np.stack([x, z, -y], 1)


def posed(objects: list) -> np.ndarray:
    graph = bpy.context.evaluated_depsgraph_get()
    found = []
    for thing in objects:
        shown = thing.evaluated_get(graph)
        mesh = shown.to_mesh()
        local = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", local)
        found.append(in_our_axes(shown, local))
        shown.to_mesh_clear()
    return np.concatenate(found)


def main() -> None:
    path, fps, output, *frames = sys.argv[1:]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = round(float(fps)), round(float(fps)) / float(fps)
    IMPORTERS[path.rsplit(".")[-1]](filepath=path)
    meshes = [
        o for o in bpy.data.objects if o.type == "MESH" and (o.data.shape_keys or o.modifiers)
    ]
    keys = [mesh.data.shape_keys for mesh in meshes if mesh.data.shape_keys]
    names = [key.name for shapes in keys for key in shapes.key_blocks[1:]]
    ranges = [action.frame_range for action in bpy.data.actions]
    ranges = ranges or [(scene.frame_start, scene.frame_end)]  # Alembic is no action
    first = min(start for start, _ in ranges)
    shown = []
    for frame in frames:
        scene.frame_set(round(first + int(frame)))
        shown.append(posed(meshes))
    length = max(stop for _, stop in ranges) - first
    rate = scene.render.fps / scene.render.fps_base
    np.savez(output, posed=shown, shape_keys=names, seconds=length / rate, fps=rate)


if __name__ == "__main__":
    main()
