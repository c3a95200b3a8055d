"""A face's blendshapes and joints written into the file that its mesh came from; all else in it stays."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adamesh.avatars.gltf import Additions, Glb
from adamesh.faces.surface import vertex_normals
from adamesh.motion.spaces import ARKIT52
from adamesh.rigging.blendshapes import JOINTS
from adamesh.rigging.geometry import Part, Scene
from adamesh.rigging.meshes import MeshFace

Float = NDArray[np.float64]
Int = NDArray[np.int64]

ARRAY_BUFFER = 34962  # what a buffer view of attributes is for
STILL = 1e-5  # metres in life size: what moves less does not move
SMALLEST_TURN = 1e-3  # of a normal, which is one long
INFLUENCES = 4  # joints that may move a vertex
ROOT = "upright"  # node that turns a scene and scales it to metres


def write_rigged(
    avatar: Glb, scene: Scene, found: MeshFace, path: Path, *, scale: float = 1.0
) -> None:
    """Writes the file with 52 morph targets and, if it has no skin, with joints for neck, head and eyes.

    A scene that does not stand upright with its face along +Z, as glTF wants it, is turned.

    Args:
        avatar: the file.
        scene: what it shows.
        found: the face on the scene's mesh.
        path: the .glb to write, whole or not at all.
        scale: from the file's units to metres.
    """
    _Rig(avatar, scene, found, scale).write(path)


class _Rig:
    def __init__(self, avatar: Glb, scene: Scene, found: MeshFace, scale: float) -> None:
        self.added = Additions(avatar)
        self.json = self.added.json
        self.scene, self.found = scene, found
        self.upright = np.eye(4)
        self.upright[:3, :3] = scale * found.turn
        count = len(found.vertices)  # behind them may be eyeballs that the file has not
        directions = found.face.expressiondirs[:count].double().numpy()
        directions = np.where(np.abs(directions).max(1, keepdims=True) < STILL, 0, directions)
        different = scene.welded.max() + 1
        self.moves = np.zeros((different, 3, len(ARKIT52)))
        self.moves[found.vertices] = found.directions_to_scene(directions)
        self.weights = np.tile(np.eye(len(JOINTS))[0], (different, 1))
        self.weights[found.vertices] = found.face.skin_weights[:count].double().numpy()
        self.parts: dict[int, dict[int, Part]] = {}
        for part in scene.parts:
            self.parts.setdefault(part.node, {})[part.primitive] = part

    def write(self, path: Path) -> None:
        skinned = any("skin" in self.json["nodes"][node] for node in self.parts)
        normals = self._normals()
        for node, parts in self.parts.items():
            if any(self.moves[self._rows(part)].any() for part in parts.values()):
                self._add_targets(self._mesh_of(node), parts, normals)
        roots = self._roots()
        turned = not np.allclose(self.upright, np.eye(4))
        if turned:
            matrix = self.upright.T.ravel().tolist()
            top = self.added.append(
                "nodes", {"name": ROOT, "matrix": matrix, "children": list(roots)}
            )
            roots[:] = [top]
        if not skinned:
            joints, places = self._add_joints(roots)
            for node, parts in self.parts.items():
                self._skin(node, parts, joints, places, roots)
        self.added.write(path)

    def _rows(self, part: Part) -> Int:
        """[N] the different vertices that a part's are."""
        return self.scene.welded[part.start : part.stop]

    def _roots(self) -> list[int]:
        """The nodes at the top of the scene that is shown; changes of the list are the file's."""
        scenes = self.json.setdefault("scenes", [])
        if not scenes:
            below = {child for node in self.json["nodes"] for child in node.get("children", ())}
            scenes.append({"nodes": [n for n in range(len(self.json["nodes"])) if n not in below]})
        self.json.setdefault("scene", 0)
        nodes: list[int] = scenes[self.json["scene"]].setdefault("nodes", [])
        return nodes

    def _normals(self) -> Float:
        """[V, 3, 1 + 52] normals of the different vertices at rest, and in each blendshape."""
        first = np.unique(self.scene.welded, return_index=True)[1]
        points, triangles = self.scene.points[first], self.scene.welded[self.scene.triangles]
        shapes = [points, *(points + move for move in np.moveaxis(self.moves, -1, 0))]
        return np.stack([vertex_normals(shape, triangles) for shape in shapes], axis=-1)

    def _mesh_of(self, node: int) -> dict[str, Any]:
        """The mesh of a node, its own: no other node's morph targets change with it."""
        number = self.json["nodes"][node]["mesh"]
        if sum(other.get("mesh") == number for other in self.json["nodes"]) > 1:
            number = self.added.append("meshes", deepcopy(self.json["meshes"][number]))
            self.json["nodes"][node]["mesh"] = number
        mesh: dict[str, Any] = self.json["meshes"][number]
        return mesh

    def _add_targets(self, mesh: dict[str, Any], parts: dict[int, Part], normals: Float) -> None:
        mesh["weights"] = [0.0] * len(ARKIT52)
        mesh["extras"] = (mesh.get("extras") or {}) | {"targetNames": list(ARKIT52)}
        for number, primitive in enumerate(mesh["primitives"]):
            part = parts.get(number)
            targets = []
            for blendshape in range(len(ARKIT52)):
                if part is None:  # points and lines
                    count = self.json["accessors"][primitive["attributes"]["POSITION"]]["count"]
                    targets.append({"POSITION": self.added.sparse_accessor(np.zeros((count, 3)))})
                    continue
                rows, to_world = self._rows(part), part.to_world[..., :3]
                moves = np.linalg.solve(to_world, self.moves[rows, :, blendshape, None])[..., 0]
                target = {"POSITION": self.added.sparse_accessor(moves)}
                if "NORMAL" in primitive["attributes"]:
                    before, after = (
                        _unit(np.einsum("nij,ni->nj", to_world, normals[rows, :, place]))
                        for place in (0, 1 + blendshape)
                    )
                    turn = after - before
                    turn[np.abs(turn).max(1) < SMALLEST_TURN] = 0
                    target["NORMAL"] = self.added.sparse_accessor(turn)
                targets.append(target)
            primitive["targets"] = targets

    def _add_joints(self, roots: list[int]) -> tuple[list[int], Float]:
        """Nodes of the joints that move something, and their places [J, 3] in the upright scene."""
        face = self.found.face
        places = self.found.to_scene(face.joints_template.double().numpy())
        places = places @ self.upright[:3, :3].T
        used = self.weights.max(0) > 0
        used[: JOINTS.index("head") + 1] = True  # what is above an eye is there for it
        self.weights, places = self.weights[:, used], places[used]
        names = [name for name, keep in zip(JOINTS, used, strict=True) if keep]
        above = [names.index(JOINTS[p]) if p >= 0 else -1 for p in face.joint_parents]
        parents = [p for p, keep in zip(above, used, strict=True) if keep]
        nodes: list[int] = []
        for name, parent, place in zip(names, parents, places, strict=True):
            start = places[parent] if parent >= 0 else np.zeros(3)
            node = {"name": name, "translation": (place - start).tolist()}
            nodes.append(self.added.append("nodes", node))
            above_node = self.json["nodes"][nodes[parent]] if parent >= 0 else None
            (roots if above_node is None else above_node.setdefault("children", [])).append(
                nodes[-1]
            )
        return nodes, places

    def _skin(
        self, node: int, parts: dict[int, Part], joints: list[int], places: Float, roots: list[int]
    ) -> None:
        """Shows a node's mesh by a new node with a skin, which has no place of its own in glTF."""
        mesh = self._mesh_of(node)
        to_world = np.eye(4)
        to_world[:3] = next(iter(parts.values())).to_world[0]
        binds = np.tile(self.upright @ to_world, (len(joints), 1, 1))
        binds[:, :3, 3] -= places
        for number, primitive in enumerate(mesh["primitives"]):
            attributes = primitive["attributes"]
            if number in parts:
                weights = self.weights[self._rows(parts[number])]
            else:
                count = self.json["accessors"][attributes["POSITION"]]["count"]
                weights = np.tile(np.eye(len(joints))[0], (count, 1))
            # Always four, whether or not there are as many joints.
            weights = np.pad(weights, ((0, 0), (0, INFLUENCES)))
            chosen = np.argsort(-weights, axis=1, kind="stable")[:, :INFLUENCES]
            kept = np.take_along_axis(weights, chosen, axis=1)
            kept /= kept.sum(1, keepdims=True)
            chosen = np.where(kept > 0, chosen, 0).astype(np.uint8)
            attributes["JOINTS_0"] = self.added.accessor(chosen, "VEC4", target=ARRAY_BUFFER)
            attributes["WEIGHTS_0"] = self.added.accessor(kept, "VEC4", target=ARRAY_BUFFER)
        matrices = binds.transpose(0, 2, 1).reshape(-1, 16)
        skin = self.added.append(
            "skins",
            {"joints": joints, "inverseBindMatrices": self.added.accessor(matrices, "MAT4")},
        )
        old = self.json["nodes"][node]
        shown = {"name": old.get("name", "head"), "mesh": old.pop("mesh"), "skin": skin}
        roots.append(self.added.append("nodes", shown))


def _unit(vectors: Float) -> Float:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-30)
