"""The meshes of a glTF file as one: vertices in the world, triangles, colours, and where each comes from."""

import io
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from adamesh.avatars.gltf import Glb
from adamesh.errors import InputError, MissingDependencyError
from adamesh.faces.surface import vertex_normals
from adamesh.motion.rotation import quat_to_matrix
from adamesh.values import Value

Float = NDArray[np.float64]
Int = NDArray[np.int64]

COMPRESSED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression")
TRIANGLES, STRIP, FAN = 4, 5, 6  # modes of a primitive
SAME = 1e-6  # of the size of all, up to which two vertices lie at the same place
# Cosine between normals, below which vertices at one place are not one: lips that touch.
OPPOSITE = -0.5
PLAIN = (0.75, 0.72, 0.70)  # sRGB of what has no colour
_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True, eq=False, repr=False)
class Part(Value):
    """The vertices of one primitive, as one node shows it.

    Attributes:
        node, primitive: where it is in the file.
        start, stop: its rows of `Scene.points`.
        to_world: [N, 3, 4] what takes each vertex from the mesh to the world, at rest.
        local: [N, 3] the vertices in the mesh.
    """

    node: int
    primitive: int
    start: int
    stop: int
    to_world: Float
    local: Float


@dataclass(frozen=True, eq=False, repr=False)
class Scene(Value):
    """All that a file shows.

    Attributes:
        parts: of which the rows come.
        points: [V, 3] in the world, in the file's units.
        triangles: [F, 3].
        colors: [V, 3] sRGB 0..1.
        colored: whether the file has any colours.
        welded: [V] the number of each vertex among the different ones: files have a vertex once for each
            of its normals and texture coordinates.
    """

    parts: list[Part]
    points: Float
    triangles: Int
    colors: Float
    colored: bool
    welded: Int


def read_scene(avatar: Glb) -> Scene:
    """The meshes that the file's nodes show, at rest.

    Raises:
        InputError: there are none, they are compressed, or damaged.
    """
    reader = _Reader(avatar)
    parts: list[Part] = []
    triangles, colors = [], []
    count = 0
    for node, content in enumerate(avatar.document.nodes):
        if content.mesh is None:
            continue
        for number, primitive in enumerate(avatar.json["meshes"][content.mesh]["primitives"]):
            faces = reader.triangles(primitive)
            if not len(faces):
                continue
            local = reader.array(primitive["attributes"].get("POSITION"), 3)
            if faces.max() >= len(local):
                reader.damaged(f"mesh {content.mesh} has triangles beyond its vertices")
            to_world = reader.to_world(node, primitive, len(local))
            parts.append(Part(node, number, count, count + len(local), to_world, local))
            triangles.append(faces + count)
            colors.append(reader.colors(primitive, len(local)))
            count += len(local)
    if not parts:
        raise InputError(f"'{avatar.path}' shows no triangles; give a mesh with a face")
    points = np.concatenate(
        [np.einsum("nij,nj->ni", p.to_world[..., :3], p.local) + p.to_world[..., 3] for p in parts]
    )
    faces = np.concatenate(triangles)
    shades = np.concatenate(colors)
    return Scene(
        parts=parts,
        points=points,
        triangles=faces,
        colors=shades,
        colored=bool(np.ptp(shades, axis=0).max() > 0.02),
        welded=_weld(points, faces),
    )


class _Reader:
    """Numbers out of a stranger's file."""

    def __init__(self, avatar: Glb) -> None:
        self.avatar = avatar
        self.json = avatar.json
        used = [name for name in COMPRESSED if name in avatar.json.get("extensionsUsed", [])]
        if used:
            raise InputError(
                f"'{avatar.path}' is compressed ({', '.join(used)}); export it without compression"
            )
        self._world: dict[int, Float] = {}

    def damaged(self, what: str, cause: Exception | None = None) -> NoReturn:
        raise InputError(f"'{self.avatar.path}' is damaged: {what}; export it again") from cause

    def array(self, index: Any, width: int) -> Float:
        """[count, width] numbers of an accessor."""
        try:
            accessor = self.json["accessors"][_index(index)]
            kind = np.dtype(_TYPES[accessor["componentType"]])
            if _WIDTH[accessor["type"]] != width:
                raise ValueError(f"accessor {index} is of type {accessor['type']}")
            count = _index(accessor["count"])
            if "bufferView" in accessor:
                values = self._view(
                    accessor["bufferView"], accessor.get("byteOffset", 0), kind, count, width
                )
            elif "sparse" in accessor:
                values = np.zeros((count, width), kind)
            else:
                raise ValueError(f"accessor {index} has no data")
            if "sparse" in accessor:
                sparse = accessor["sparse"]
                at, to = sparse["indices"], sparse["values"]
                some = _index(sparse["count"])
                places = self._view(
                    at["bufferView"],
                    at.get("byteOffset", 0),
                    np.dtype(_TYPES[at["componentType"]]),
                    some,
                    1,
                )
                values[places[:, 0]] = self._view(
                    to["bufferView"], to.get("byteOffset", 0), kind, some, width
                )
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            self.damaged(f"accessor {index!a} cannot be read", error)
        with np.errstate(invalid="ignore"):  # what is no number is refused below
            result = values.astype(np.float64)
        if accessor.get("normalized"):
            result = np.maximum(result / np.iinfo(kind).max, -1)
        if not np.isfinite(result).all() or np.abs(result).max(initial=0) > 1e12:
            self.damaged(f"accessor {index} holds no finite numbers")
        return result

    def _view(
        self, index: Any, offset: Any, kind: np.dtype[Any], count: int, width: int
    ) -> NDArray[Any]:
        """[count, width] of a buffer view; a copy."""
        view = self.json["bufferViews"][_index(index)]
        if _index(view["buffer"]) != 0:
            raise ValueError("its data lie in a second buffer")
        start = _index(view.get("byteOffset", 0)) + _index(offset)
        size = kind.itemsize * width
        stride = _index(view.get("byteStride", 0)) or size
        needed = start + stride * (count - 1) + size if count else start
        if stride < size or needed > len(self.avatar.binary):
            raise ValueError("it goes beyond the file")
        return np.ndarray(
            (count, width), kind, self.avatar.binary, start, (stride, kind.itemsize)
        ).copy()

    def triangles(self, primitive: dict[str, Any]) -> Int:
        """[F, 3]; none of points and lines."""
        mode = primitive.get("mode", TRIANGLES)
        if mode not in (TRIANGLES, STRIP, FAN):
            return np.zeros((0, 3), np.int64)
        if "indices" in primitive:
            corners = self.array(primitive["indices"], 1)[:, 0].astype(np.int64)
        else:
            corners = np.arange(len(self.array(primitive["attributes"].get("POSITION"), 3)))
        if mode == TRIANGLES:
            return corners[: len(corners) // 3 * 3].reshape(-1, 3)
        first, second, third = corners[:-2].copy(), corners[1:-1].copy(), corners[2:]
        if mode == FAN:
            first = np.full_like(second, corners[0])
        else:  # every other triangle of a strip is the other way round
            first[1::2], second[1::2] = second[1::2].copy(), first[1::2].copy()
        return np.stack([first, second, third], axis=1)

    def to_world(self, node: int, primitive: dict[str, Any], count: int) -> Float:
        """[count, 3, 4] by the node's place, or by its skin."""
        skin = self.json["nodes"][node].get("skin")
        if skin is None:
            return np.tile(self.world(node)[:3], (count, 1, 1))
        try:
            content = self.json["skins"][_index(skin)]
            joints = [_index(joint) for joint in content["joints"]]
            worlds = np.stack([self.world(joint) for joint in joints])
            if "inverseBindMatrices" in content:
                binds = self.array(content["inverseBindMatrices"], 16).reshape(-1, 4, 4)
                worlds = worlds @ binds.transpose(0, 2, 1)[: len(joints)]
            attributes = primitive["attributes"]
            number = self.array(attributes["JOINTS_0"], 4).astype(np.int64)
            weight = self.array(attributes["WEIGHTS_0"], 4)
            total = np.maximum(weight.sum(1, keepdims=True), 1e-9)
            return np.einsum("nk,nkij->nij", weight / total, worlds[number])[:, :3]
        except (LookupError, TypeError, ValueError) as error:
            self.damaged(f"skin {skin!a} cannot be read", error)

    def world(self, node: int) -> Float:
        """[4, 4] from a node to the world."""
        if node not in self._world:
            above = self.avatar.parents.get(node)
            own = local_matrix(self.json["nodes"][node])
            self._world[node] = own if above is None else self.world(above) @ own
        return self._world[node]

    def colors(self, primitive: dict[str, Any], count: int) -> Float:
        """[count, 3] sRGB, of texture, material and vertices."""
        materials = self.json.get("materials", [])
        number = primitive.get("material")
        material = materials[number] if number in range(len(materials)) else {}
        look = material.get("pbrMetallicRoughness", {})
        attributes = primitive["attributes"]
        factor = np.array(look.get("baseColorFactor", (1, 1, 1, 1))[:3], float)
        linear = np.tile(factor, (count, 1))
        if "COLOR_0" in attributes:
            linear *= self._vertex_colors(attributes["COLOR_0"])
        srgb = np.where(
            linear <= 0.0031308,
            12.92 * linear,
            1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055,
        )
        texture = look.get("baseColorTexture")
        if texture is not None and texture.get("texCoord", 0) == 0 and "TEXCOORD_0" in attributes:
            srgb = srgb * self._sampled(texture, self.array(attributes["TEXCOORD_0"], 2))
        elif "COLOR_0" not in attributes and "baseColorFactor" not in look:
            srgb = np.tile(np.array(PLAIN), (count, 1))
        return np.clip(srgb, 0, 1)

    def _vertex_colors(self, index: int) -> Float:
        wide = self.json["accessors"][index].get("type") == "VEC4"
        return self.array(index, 4 if wide else 3)[:, :3]

    def _sampled(self, texture: dict[str, Any], uv: Float) -> Float:
        """[n, 3] sRGB of a texture at texture coordinates; white where it cannot be read."""
        try:
            from PIL import Image
        except ImportError as error:
            raise MissingDependencyError(
                "pillow", "textures of other meshes", "transfer"
            ) from error
        try:
            source = self.json["textures"][_index(texture["index"])]["source"]
            image = self.json["images"][_index(source)]
            view = self.json["bufferViews"][_index(image["bufferView"])]
            start = view.get("byteOffset", 0)
            data = self.avatar.binary[start : start + view["byteLength"]]
            with Image.open(io.BytesIO(data)) as picture:
                pixels = np.asarray(picture.convert("RGB"), float) / 255
        except (LookupError, TypeError, ValueError, OSError, Image.DecompressionBombError):
            return np.ones((len(uv), 3))
        height, width = pixels.shape[:2]
        column = np.clip((uv[:, 0] % 1 * width).astype(int), 0, width - 1)
        row = np.clip((uv[:, 1] % 1 * height).astype(int), 0, height - 1)
        return pixels[row, column]


def local_matrix(node: dict[str, Any]) -> Float:
    """[4, 4] of a node of glTF: its matrix, or translation, rotation and scale."""
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    result = np.eye(4)
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    result[:3, :3] = quat_to_matrix(np.array([w, x, y, z], float)) * np.array(
        node.get("scale", (1, 1, 1)), float
    )
    result[:3, 3] = node.get("translation", (0, 0, 0))
    return result


def _weld(points: Float, triangles: Int) -> Int:
    """[V] number of each vertex among the different ones."""
    size = float(np.ptp(points, axis=0).max())
    pairs = cKDTree(points).query_pairs(SAME * size, output_type="ndarray")
    normals = vertex_normals(points, triangles)
    pairs = pairs[(normals[pairs[:, 0]] * normals[pairs[:, 1]]).sum(1) > OPPOSITE]
    graph = coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(len(points),) * 2)
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _index(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!a} is no index")
    return value
