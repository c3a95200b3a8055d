"""A .glb or .vrm as an avatar: what it states of itself, and an animation appended to its data."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from adamesh.avatars.avatar import (
    ANIMATION_NAME,
    Bone,
    Float,
    Place,
    no_rotation,
    rotation_and_scale,
)
from adamesh.avatars.gltf import Additions, Glb, read_accessor, read_glb
from adamesh.avatars.names import HUMANOID, VRM0_PRESETS
from adamesh.errors import InputError
from adamesh.motion.rotation import matrix_to_quat, quat_to_matrix

_SHORTEST = 1e-6  # length of a quaternion at rest, which should be 1


def read_gltf_avatar(path: Path) -> "GltfAvatar":
    """Reads a .glb or .vrm.

    Raises:
        InputError: as `gltf.read_glb`.
    """
    return GltfAvatar(read_glb(path))


@dataclass(frozen=True)
class GltfAvatar:
    """See `avatar.Avatar`; meshes and bones go by the numbers of their nodes."""

    file: Glb

    @property
    def path(self) -> Path:
        return self.file.path

    @cached_property
    def targets(self) -> dict[Place, str]:
        return {
            (index, target): name
            for index in range(len(self.file.document.nodes))
            if (mesh := self.file.mesh_of(index)) is not None
            for target, name in enumerate(mesh.target_names(self.file.document.accessors))
        }

    @cached_property
    def expressions(self) -> list[tuple[str, dict[Place, float]]]:
        # Converters leave binds to meshes that they took out.
        return [
            (name, {place: weight for place, weight in places.items() if place in self.targets})
            for name, places in self._stated_expressions()
        ]

    @cached_property
    def bones(self) -> list[Bone]:
        document = self.file.document
        joints = {joint for skin in document.skins for joint in skin.joints}
        return [
            Bone(self.file.node_name(index), joint=index in joints, mesh=node.mesh is not None)
            for index, node in enumerate(document.nodes)
        ]

    @property
    def humanoid(self) -> dict[str, int]:
        extensions = self.file.document.extensions
        named: list[tuple[str, int]] = []
        if extensions.VRMC_vrm is not None:
            humans = extensions.VRMC_vrm.humanoid.humanBones
            named = [(name, bone.node) for name, bone in humans.items()]
        elif extensions.VRM is not None:
            named = [(bone.bone, bone.node) for bone in extensions.VRM.humanoid.humanBones]
        count = len(self.file.document.nodes)
        return {HUMANOID[name]: n for name, n in named if name in HUMANOID and 0 <= n < count}

    @property
    def front(self) -> str:
        extensions = self.file.document.extensions
        return "-Z" if extensions.VRM is not None and extensions.VRMC_vrm is None else "+Z"

    @property
    def look_at(self) -> str | None:
        one, zero = (getattr(self.file.document.extensions, x) for x in ("VRMC_vrm", "VRM"))
        stated = None
        if one is not None:
            stated = one.lookAt and one.lookAt.type
        elif zero is not None:
            stated = zero.firstPerson and zero.firstPerson.lookAtTypeName
        return {"bone": "bone", "expression": "expression", "blendshape": "expression"}.get(
            (stated or "").lower()
        )

    def moved_share(self, place: Place, bones: Collection[int]) -> float:
        node, target = place
        mesh = self.file.mesh_of(node)
        assert mesh is not None
        skin = self.file.document.nodes[node].skin
        rigid = {node}
        above = self.file.parents.get(node)
        while above is not None:
            rigid.add(above)
            above = self.file.parents.get(above)
        moved = bound = 0.0
        for primitive in mesh.primitives:
            if target >= len(primitive.targets):
                continue
            delta = read_accessor(self.file, primitive.targets[target].get("POSITION"))
            if delta is None:
                continue
            far = np.linalg.norm(delta, axis=1)
            moved += float(far.sum())
            joints = read_accessor(self.file, primitive.attributes.get("JOINTS_0"))
            weights = read_accessor(self.file, primitive.attributes.get("WEIGHTS_0"))
            if skin is None or joints is None or weights is None:
                bound += float(far.sum()) if rigid & set(bones) else 0.0
            elif len(joints) == len(weights) == len(far) and skin < len(self.file.document.skins):
                numbers = self.file.document.skins[skin].joints
                theirs = [i for i, joint in enumerate(numbers) if joint in bones]
                share = (weights * np.isin(joints, theirs)).sum(1) / np.maximum(
                    weights.sum(1), 1e-9
                )
                bound += float((far * share).sum())
        return bound / moved if moved else 0.0

    def mesh_name(self, mesh: int) -> str:
        return self.file.node_name(mesh)

    def rest(self, bone: int) -> tuple[Float, Float]:
        world = np.eye(3)
        above = self.file.parents.get(bone)
        while above is not None:
            world = self._rotation_and_scale(above)[0] @ world
            above = self.file.parents.get(above)
        return world, self._rotation_and_scale(bone)[0]

    def write(
        self,
        path: Path,
        fps: float,
        weights: Mapping[Place, Float],
        rotations: Mapping[int, Float],
    ) -> None:
        added = Additions(self.file)
        frames = len(next(iter((*weights.values(), *rotations.values()))))
        clock = added.accessor((np.arange(frames) / fps)[:, None], "SCALAR", bounds=True)
        animation: dict[str, Any] = {"name": ANIMATION_NAME, "channels": [], "samplers": []}

        def channel(node: int, path: str, values: Float, kind: str) -> None:
            output = added.accessor(values, kind)
            sampler = {"input": clock, "output": output, "interpolation": "LINEAR"}
            target = {"node": node, "path": path}
            animation["channels"].append({"sampler": len(animation["samplers"]), "target": target})
            animation["samplers"].append(sampler)

        for node in dict.fromkeys(node for node, _ in weights):
            together = np.tile(self._rest_weights(node), (frames, 1))
            for (moved, target), curve in weights.items():
                if moved == node:
                    together[:, target] = curve
            channel(node, "weights", together.reshape(-1, 1), "SCALAR")
        for node, quats in rotations.items():
            self._part_matrix(added.json["nodes"][node], node)
            channel(node, "rotation", np.roll(quats, -1, axis=1), "VEC4")  # glTF has w last

        animations = added.json.setdefault("animations", [])
        known = [i for i, other in enumerate(animations) if other.get("name") == ANIMATION_NAME]
        if known:
            animations[known[0]] = animation
        else:
            animations.append(animation)
        added.write(path)

    def _stated_expressions(self) -> Iterator[tuple[str, dict[Place, float]]]:
        document = self.file.document
        if document.extensions.VRMC_vrm is not None:
            expressions = document.extensions.VRMC_vrm.expressions
            for name, expression in (expressions.custom | expressions.preset).items():
                binds = expression.morphTargetBinds
                yield name, {(bind.node, bind.index): bind.weight for bind in binds}
        elif document.extensions.VRM is not None:
            for group in document.extensions.VRM.blendShapeMaster.blendShapeGroups:
                preset = group.presetName.lower()
                yield (
                    group.name if preset == "unknown" else VRM0_PRESETS.get(preset, preset),
                    {
                        (index, bind.index): bind.weight / 100
                        for bind in group.binds or ()
                        for index, node in enumerate(document.nodes)
                        if node.mesh == bind.mesh
                    },
                )

    def _rest_weights(self, node: int) -> Float:
        """[N] of a node's morph targets."""
        mesh = self.file.mesh_of(node)
        assert mesh is not None
        count = max(len(primitive.targets) for primitive in mesh.primitives)
        rest = self.file.document.nodes[node].weights or mesh.weights or [0.0] * count
        if len(rest) != count:
            raise InputError(
                f"avatar '{self.path}' is damaged: {self.mesh_name(node)!a} has "
                f"{count} morph targets and {len(rest)} weights; export it again"
            )
        return np.asarray(rest, np.float64)

    def _rotation_and_scale(self, node: int) -> tuple[Float, Float]:
        """Local rotation [3, 3] of a node at rest, and the scale [3] of its matrix, ones if it has none."""
        content = self.file.document.nodes[node]
        if content.matrix is None:
            x, y, z, w = content.rotation
            if np.linalg.norm(content.rotation) < _SHORTEST:
                raise no_rotation(self, self.file.node_name(node))
            return quat_to_matrix([w, x, y, z]), np.ones(3)
        parts = rotation_and_scale(np.array(content.matrix).reshape(4, 4).T[:3, :3])
        if parts is None:
            raise no_rotation(self, self.file.node_name(node))
        return parts

    def _part_matrix(self, content: dict[str, Any], node: int) -> None:
        """Says in parts what a node says as a matrix: glTF animates nothing else."""
        matrix = content.pop("matrix", None)
        if matrix is None:
            return
        axes, scale = self._rotation_and_scale(node)
        content["translation"] = matrix[12:15]
        content["rotation"] = np.roll(matrix_to_quat(axes), -1).tolist()
        content["scale"] = scale.tolist()
