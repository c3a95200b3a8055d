"""Small avatars of every kind, and a reader of their animation; neither shares code with the package.

An avatar has two meshes on one skeleton, whose bones are turned at rest. Every vertex is bound to one bone
and every morph target moves one vertex.
"""

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

BONES = ("hips", "neck", "head", "left_eye", "right_eye")
PARENTS = (None, 0, 1, 2, 2)
PLACES = np.array([[0, 1, 0], [0, 1.4, 0], [0.0, 1.5, 0.02], [0.03, 1.6, 0.08], [-0.03, 1.6, 0.08]])
MIXAMO = tuple(f"mixamorig:{name}" for name in ("Hips", "Neck", "Head", "LeftEye", "RightEye"))
HALF_TURN = np.diag([-1.0, 1.0, -1.0])


@dataclass
class Made:
    """What a made avatar is, in the world.

    Attributes:
        vertices: [V, 3] of each mesh.
        bones: [V] the bone that a vertex is bound to.
        targets: [N, V, 3].
        places: [5, 3] of the bones.
        axes: left, up and front of the face, as columns.
    """

    vertices: list[np.ndarray]
    bones: list[np.ndarray]
    targets: list[np.ndarray]
    places: np.ndarray
    axes: np.ndarray
    content: dict[str, Any] = field(repr=False, default_factory=dict)
    binary: bytes = field(repr=False, default=b"")

    def expected(self, mesh: int, weights: np.ndarray, turns: dict[str, np.ndarray]) -> np.ndarray:
        """[V, 3] where morph weights [N] and axis-angle turns of bones, in the face's axes, lead."""
        moved = self.vertices[mesh] + np.tensordot(weights, self.targets[mesh], 1)
        world: list[np.ndarray] = []
        shift: list[np.ndarray] = []
        for bone, (name, parent) in enumerate(zip(BONES, PARENTS, strict=True)):
            turn = (
                self.axes
                @ Rotation.from_rotvec(turns.get(name, np.zeros(3))).as_matrix()
                @ self.axes.T
            )
            above, moves = (
                (np.eye(3), np.zeros(3)) if parent is None else (world[parent], shift[parent])
            )
            here = above @ self.places[bone] + moves
            world.append(above @ turn)
            shift.append(here - world[bone] @ self.places[bone])
        return np.stack(
            [world[b] @ v + shift[b] for v, b in zip(moved, self.bones[mesh], strict=True)]
        )


def make_avatar(
    path: Path,
    *targets: list[str],
    bones: tuple[str, ...] = MIXAMO,
    extensions: dict[str, Any] | None = None,
    turned: bool = False,
    as_matrix: bool = False,
    rest: float = 0.0,
) -> Made:
    """Writes an avatar with one mesh for each list of morph targets.

    Args:
        bones: names of hips, neck, head and eyes.
        turned: it looks along -Z.
        as_matrix: the head bone's transform is a matrix.
        rest: weight of every morph target at rest.
    """
    rng = np.random.default_rng(5)
    binary = bytearray()
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []

    def store(array: np.ndarray, kind: str, component: int = 5126) -> int:
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": array.nbytes})
        binary.extend(array.tobytes() + bytes(-array.nbytes % 4))
        accessors.append({"bufferView": len(views) - 1, "componentType": component,
                          "count": len(array), "type": kind})  # fmt: skip
        return len(accessors) - 1

    axes = HALF_TURN if turned else np.eye(3)
    places = PLACES @ axes.T
    rotations = Rotation.random(len(BONES), random_state=9)
    armature = Rotation.from_euler("x", -90, degrees=True)
    nodes: list[dict[str, Any]] = [{"name": "Armature", "rotation": armature.as_quat().tolist()}]
    world: list[np.ndarray] = []
    for bone, (name, parent) in enumerate(zip(bones, PARENTS, strict=True)):
        if parent is None:
            above = np.eye(4)
            above[:3, :3] = armature.as_matrix()
        else:
            above = world[parent]
        frame = np.eye(4)
        frame[:3, :3], frame[:3, 3] = rotations[bone].as_matrix(), places[bone]
        world.append(frame)
        local = np.linalg.inv(above) @ frame
        node: dict[str, Any] = {"name": name}
        if as_matrix and BONES[bone] == "head":
            node["matrix"] = local.T.reshape(-1).tolist()
        else:
            node["translation"] = local[:3, 3].tolist()
            node["rotation"] = Rotation.from_matrix(local[:3, :3]).as_quat().tolist()
        nodes.append(node)
        nodes[0 if parent is None else parent + 1].setdefault("children", []).append(bone + 1)
    binds = np.stack([np.linalg.inv(frame).T.reshape(-1) for frame in world]).astype("<f4")
    skin = {"joints": list(range(1, len(BONES) + 1)), "inverseBindMatrices": store(binds, "MAT4")}

    made = Made([], [], [], places, axes)
    meshes = []
    for index, names in enumerate(targets):
        V = max(len(names), 2 * len(BONES))
        vertices = (rng.normal(size=(V, 3)) * 0.1 + [0, 1.55, 0]).astype("<f4")
        bound = np.arange(V) % len(BONES)
        shapes = np.zeros((len(names), V, 3), "<f4")
        shapes[np.arange(len(names)), np.arange(len(names))] = rng.normal(size=(len(names), 3))
        joints = np.zeros((V, 4), "u1")
        joints[:, 0] = bound
        one = np.zeros((V, 4), "<f4")
        one[:, 0] = 1
        meshes.append({
            "name": f"mesh{index}",
            "primitives": [{
                "attributes": {"POSITION": store(vertices, "VEC3"), "WEIGHTS_0": store(one, "VEC4"),
                               "JOINTS_0": store(joints, "VEC4", 5121)},
                "targets": [{"POSITION": store(shape, "VEC3")} for shape in shapes],
                "material": 0,
            }],
            "weights": [rest] * len(names),
            "extras": {"targetNames": names, "author": "né 1985"},
        })  # fmt: skip
        nodes.append({"name": f"part{index}", "mesh": index, "skin": 0})
        made.vertices.append(vertices.astype(np.float64))
        made.bones.append(bound)
        made.targets.append(shapes.astype(np.float64))
    clock = store(np.array([[0.0], [1.0]], "<f4"), "SCALAR")
    wave = store(np.array([[0, 0, 0, 1.0], [0, 1, 0, 0]], "<f4"), "VEC4")
    made.content = {
        "asset": {"version": "2.0", "generator": "by hand", "extras": {"scale": 1e-7}},
        "extensionsUsed": ["KHR_materials_unlit", "ACME_hat"],
        "extensions": {"ACME_hat": {"feather": [1, 2.5, None]}} | (extensions or {}),
        "scene": 0,
        "scenes": [{"nodes": [0, *range(len(BONES) + 1, len(nodes))]}],
        "nodes": nodes,
        "meshes": meshes,
        "skins": [skin],
        "materials": [{"name": "skin", "extensions": {"KHR_materials_unlit": {}}}],
        "animations": [{
            "name": "wave",
            "channels": [{"sampler": 0, "target": {"node": 1, "path": "rotation"}}],
            "samplers": [{"input": clock, "output": wave}],
        }],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary), "name": "main"}],
    }  # fmt: skip
    made.binary = bytes(binary)
    path.write_bytes(pack(made.content, made.binary))
    return made


def pack(content: Any, binary: bytes | None) -> bytes:
    """A .glb, with a chunk of a kind of its own at the end."""
    text = (
        content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
    )
    chunks = [(b"JSON", text + b" " * (-len(text) % 4)), (b"ACME", b"hat!")]
    if binary is not None:
        chunks.insert(1, (b"BIN\0", binary))
    body = b"".join(struct.pack("<I4s", len(data), kind) + data for kind, data in chunks)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


class Played:
    """A .glb of which one animation is played."""

    def __init__(self, path: Path, animation_name: str = "adamesh") -> None:
        data = path.read_bytes()
        assert struct.unpack_from("<4sII", data) == (b"glTF", 2, len(data))
        self.chunks: dict[bytes, bytes] = {}
        at = 12
        while at < len(data):
            size, kind = struct.unpack_from("<I4s", data, at)
            assert size % 4 == 0
            self.chunks[kind] = data[at + 8 : at + 8 + size]
            at += 8 + size
        self.json = json.loads(self.chunks[b"JSON"])
        self.bin = self.chunks[b"BIN\0"]
        assert self.json["buffers"][0]["byteLength"] <= len(self.bin)
        (animation,) = [a for a in self.json["animations"] if a["name"] == animation_name]
        self.times = np.zeros(0)
        self.channels: dict[tuple[int, str], np.ndarray] = {}
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            assert sampler["interpolation"] == "LINEAR"
            clock = self.json["accessors"][sampler["input"]]
            self.times = self.read(sampler["input"])[:, 0]
            assert clock["min"] == [self.times[0]]
            assert clock["max"] == [self.times[-1]]
            target = channel["target"]
            values = self.read(sampler["output"])
            self.channels[target["node"], target["path"]] = values.reshape(len(self.times), -1)

    def read(self, index: int) -> np.ndarray:
        accessor = self.json["accessors"][index]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor["type"]]
        if "bufferView" in accessor:
            return self._view(accessor["bufferView"], accessor, accessor["count"], width)
        values = np.zeros((accessor["count"], width))
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            where, what = sparse["indices"], sparse["values"]
            rows = self._view(where["bufferView"], where, sparse["count"], 1)[:, 0].astype(int)
            values[rows] = self._view(what["bufferView"], accessor, sparse["count"], width)
        return values

    def _view(self, index: int, kind: dict[str, Any], count: int, width: int) -> np.ndarray:
        view = self.json["bufferViews"][index]
        dtype = np.dtype({5121: "<u1", 5125: "<u4", 5126: "<f4"}[kind["componentType"]])
        assert view["byteOffset"] % 4 == 0
        values = np.frombuffer(self.bin, dtype, count * width, view["byteOffset"])
        assert values.nbytes <= view["byteLength"]
        return values.reshape(-1, width).astype(np.float64)

    def vertices(self, node: int, frame: int) -> np.ndarray:
        """[V, 3] in the world: morph targets, then skin, as glTF prescribes."""
        nodes = self.json["nodes"]
        mesh = self.json["meshes"][nodes[node]["mesh"]]
        (primitive,) = mesh["primitives"]
        weights = self.channels.get((node, "weights"))
        weights = mesh["weights"] if weights is None else weights[frame]
        at = self.read(primitive["attributes"]["POSITION"])
        for weight, target in zip(weights, primitive["targets"], strict=True):
            at = at + weight * self.read(target["POSITION"])
        skin = self.json["skins"][0]
        binds = self.read(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        joints = self.read(primitive["attributes"]["JOINTS_0"])[:, 0].astype(int)
        bones = np.stack(
            [
                self._world(joint, frame) @ bind
                for joint, bind in zip(skin["joints"], binds, strict=True)
            ]
        )
        return np.einsum("vij,vj->vi", bones[joints], np.c_[at, np.ones(len(at))])[:, :3]

    def _world(self, node: int, frame: int) -> np.ndarray:
        content = self.json["nodes"][node]
        if "matrix" in content:
            assert (node, "rotation") not in self.channels
            local = np.array(content["matrix"]).reshape(4, 4).T
        else:
            rotation = content.get("rotation", [0, 0, 0, 1])
            if (node, "rotation") in self.channels:
                rotation = self.channels[node, "rotation"][frame]
            local = np.eye(4)
            local[:3, :3] = Rotation.from_quat(rotation).as_matrix() * content.get("scale", 1.0)
            local[:3, 3] = content.get("translation", [0, 0, 0])
        above = [
            p for p, other in enumerate(self.json["nodes"]) if node in other.get("children", ())
        ]
        return self._world(above[0], frame) @ local if above else local
