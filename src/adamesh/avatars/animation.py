"""A clip as an animation of an avatar's morph targets and bones, appended to its file.

Head motion is given in the axes of the face, +Y up and +Z out of it. A bone of the rest rotations L (local)
and W (of its parent, in the world) turns by R in the world when its local rotation is W^-1 R W L.
"""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adamesh.avatars.gltf import Glb, write_glb
from adamesh.avatars.matching import Match
from adamesh.avatars.names import VISEMES
from adamesh.avatars.visemes import to_visemes
from adamesh.errors import InputError
from adamesh.motion.clip import MotionClip
from adamesh.motion.rotation import (
    axis_angle_to_quat,
    continuous_quats,
    matrix_to_quat,
    quat_multiply,
    quat_to_axis_angle,
    quat_to_matrix,
)
from adamesh.motion.spaces import ARKIT52

ANIMATION_NAME = "adamesh"
_FLOAT = 5126  # glTF's componentType
_FACING_BACK = np.diag([-1.0, 1.0, -1.0])  # half a turn about +Y
SHORTEST = 1e-6  # length of a quaternion at rest, which should be 1
SHEAR = 1e-3  # cosine between the axes of a matrix, above which it is no turn and scale

Float = NDArray[np.float64]


def write_animation(match: Match, clip: MotionClip, path: Path) -> None:
    """Writes the avatar with the clip as its animation `adamesh`; one of that name is replaced.

    All other content is as it was: the animation's data follow those of the file.

    Raises:
        InputError: weights or matrices of the avatar are damaged.
    """
    added = _Added(match.avatar)
    clock = added.accessor((np.arange(clip.frames) / clip.fps)[:, None], "SCALAR", bounds=True)
    animation: dict[str, Any] = {"name": ANIMATION_NAME, "channels": [], "samplers": []}

    def channel(node: int, path: str, values: Float, kind: str) -> None:
        output = added.accessor(values, kind)
        sampler = {"input": clock, "output": output, "interpolation": "LINEAR"}
        target = {"node": node, "path": path}
        animation["channels"].append({"sampler": len(animation["samplers"]), "target": target})
        animation["samplers"].append(sampler)

    for node, weights in _weights(match, clip).items():
        channel(node, "weights", weights.reshape(-1, 1), "SCALAR")
    for bone, pose in _poses(match, clip).items():
        node = match.bones[bone]
        added.without_matrix(node)
        quats = _local_rotations(match, node, pose)
        channel(node, "rotation", np.roll(quats, -1, axis=1), "VEC4")  # glTF has w last

    animations = added.json.setdefault("animations", [])
    known = [i for i, other in enumerate(animations) if other.get("name") == ANIMATION_NAME]
    if known:
        animations[known[0]] = animation
    else:
        animations.append(animation)
    write_glb(path, added.json, bytes(added.binary), match.avatar.others)


class _Added:
    """The content of an avatar's file, and what is appended to it."""

    def __init__(self, avatar: Glb) -> None:
        self.avatar = avatar
        self.json = deepcopy(avatar.json)
        self.binary = bytearray(avatar.binary)
        self.binary += bytes(-len(self.binary) % 4)

    def accessor(self, values: Float, kind: str, *, bounds: bool = False) -> int:
        """Index of a new accessor of float32 values [count, ...]."""
        array = values.astype("<f4")
        views = self.json.setdefault("bufferViews", [])
        views.append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": array.nbytes})
        self.binary += array.tobytes()
        buffers = self.json.setdefault("buffers", [])
        if not buffers:
            buffers.append({})
        buffers[0]["byteLength"] = len(self.binary)
        accessor = {
            "bufferView": len(views) - 1,
            "componentType": _FLOAT,
            "count": len(array),
            "type": kind,
        }
        if bounds:
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        accessors = self.json.setdefault("accessors", [])
        accessors.append(accessor)
        return len(accessors) - 1

    def without_matrix(self, node: int) -> None:
        """Says in parts what a node says as a matrix: glTF animates nothing else."""
        matrix = self.avatar.document.nodes[node].matrix
        if matrix is None:
            return
        axes, scale = _axes_and_scale(self.avatar, node)
        content = self.json["nodes"][node]
        del content["matrix"]
        content["translation"] = matrix[12:15]
        content["rotation"] = np.roll(matrix_to_quat(axes), -1).tolist()
        content["scale"] = scale.tolist()


def _weights(match: Match, clip: MotionClip) -> dict[int, Float]:
    """[T, N] weights of the N morph targets of each node of which at least one moves."""
    controls = dict(zip(ARKIT52, clip.expression.T, strict=True))
    visemes = [viseme for viseme in VISEMES if viseme in match.controls]
    if visemes:
        controls |= dict(zip(visemes, to_visemes(clip.expression, visemes).T, strict=True))
    moved: dict[int, Float] = {}
    for (node, target), gains in match.gains.items():
        if node not in moved:
            mesh = match.avatar.mesh_of(node)
            assert mesh is not None
            count = len(mesh.primitives[0].targets)
            rest = match.avatar.document.nodes[node].weights or mesh.weights or [0.0] * count
            if len(rest) != count:
                raise InputError(
                    f"avatar '{match.avatar.path}' is damaged: {match.avatar.node_name(node)!a} has "
                    f"{count} morph targets and {len(rest)} weights; export it again"
                )
            moved[node] = np.tile(np.asarray(rest, np.float64), (clip.frames, 1))
        total = sum(gain * controls[control] for control, gain in gains.items())
        moved[node][:, target] = np.clip(total, 0, 1)
    return moved


def _poses(match: Match, clip: MotionClip) -> dict[str, Float]:
    """[T, 3] axis-angle of each bone that was found and turns, in the axes of the face.

    A bone that never turns gets no channel, so that it follows the avatar's other animations.
    Where only one of neck and head is there, it turns as far as both.
    """
    poses = {
        "neck": np.asarray(clip.neck_pose, np.float64),
        "head": np.asarray(clip.head_pose, np.float64),
        "left_eye": np.asarray(clip.leye_pose, np.float64),
        "right_eye": np.asarray(clip.reye_pose, np.float64),
    }
    if len(match.bones.keys() & {"neck", "head"}) == 1:
        turns = (axis_angle_to_quat(poses[bone]) for bone in ("neck", "head"))
        poses["neck"] = poses["head"] = quat_to_axis_angle(quat_multiply(*turns))
    return {bone: poses[bone] for bone in match.bones if poses[bone].any()}


def _local_rotations(match: Match, node: int, pose: Float) -> Float:
    """[T, 4] quaternions, w first, of a node that turns by `pose` [T, 3] against its rest."""
    world = np.eye(3)
    above = match.avatar.parents.get(node)
    while above is not None:
        world = _axes_and_scale(match.avatar, above)[0] @ world
        above = match.avatar.parents.get(above)
    axes = _FACING_BACK @ world if match.turned else world
    rest = matrix_to_quat(_axes_and_scale(match.avatar, node)[0])
    return quat_multiply(continuous_quats(pose @ axes), rest)


def _axes_and_scale(avatar: Glb, node: int) -> tuple[Float, Float]:
    """Local rotation [3, 3] of a node at rest, and the scale [3] of its matrix, ones if it has none.

    Raises:
        InputError: it is no rotation.
    """
    content = avatar.document.nodes[node]
    if content.matrix is None:
        x, y, z, w = content.rotation
        if np.linalg.norm(content.rotation) < SHORTEST:
            raise _no_rotation(avatar, node)
        return quat_to_matrix([w, x, y, z]), np.ones(3)
    columns = np.array(content.matrix).reshape(4, 4).T[:3, :3]
    scale = np.linalg.norm(columns, axis=0)
    if not scale.all():
        raise _no_rotation(avatar, node)
    if np.linalg.det(columns) < 0:
        scale[0] *= -1
    axes = columns / scale
    if np.abs(axes.T @ axes - np.eye(3)).max() > SHEAR:
        raise _no_rotation(avatar, node)
    return axes, scale


def _no_rotation(avatar: Glb, node: int) -> InputError:
    return InputError(
        f"bone {avatar.node_name(node)!a} of avatar '{avatar.path}' has no rotation at rest; "
        "apply its transform in the program it comes from and export it again"
    )
