"""Binary glTF 2.0 of strangers: what is read of it is checked, the rest is carried along as it is.

Source: the glTF 2.0 specification, section 4.4 for the container; the extensions of VRM 0.x and 1.0.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

from adamesh.errors import InputError
from adamesh.files import atomic_output

_MAGIC, _JSON, _BIN = b"glTF", b"JSON", b"BIN\0"
_DTYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
LARGEST_COUNT = 2**24
_COMPONENTS = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}  # glTF's component types
_HEADER, _CHUNK = struct.Struct("<4sII"), struct.Struct("<I4s")

# glTF computes in float32, which holds the squares of these; infinity and NaN are none.
Number = Annotated[float, Field(gt=-1e18, lt=1e18)]
Vector4 = tuple[Number, Number, Number, Number]


class Node(BaseModel):
    name: str | None = None
    mesh: NonNegativeInt | None = None
    skin: NonNegativeInt | None = None
    children: list[NonNegativeInt] = []
    rotation: Vector4 = (0, 0, 0, 1)  # x, y, z, w
    matrix: list[Number] | None = Field(None, min_length=16, max_length=16)
    weights: list[Number] | None = None


class Primitive(BaseModel):
    attributes: dict[str, NonNegativeInt] = {}
    targets: list[dict[str, Any]] = []
    extras: Any = None


class Mesh(BaseModel):
    name: str | None = None
    primitives: list[Primitive] = Field(min_length=1)
    weights: list[Number] | None = None
    extras: Any = None

    def target_names(self, accessors: Sequence[Mapping[str, Any]]) -> list[str]:
        """Names of the morph targets, from the places where exporters put them; else their numbers."""
        most = max(self.primitives, key=lambda primitive: len(primitive.targets))
        named = _list_in(self.extras) or next(
            (found for p in self.primitives if (found := _list_in(p.extras))), []
        )
        names = []
        for i, target in enumerate(most.targets):
            place = target.get("POSITION")
            of_accessor = None
            if isinstance(place, int) and 0 <= place < len(accessors):
                of_accessor = accessors[place].get("name")
            names.append(
                _text_in(target.get("extras"))
                or (str(named[i]) if i < len(named) else None)
                or (of_accessor if isinstance(of_accessor, str) and of_accessor else None)
                or f"target {i}"
            )
        # Exporters name accessors after their meshes too: one name for all is none.
        return (
            names
            if len(set(names)) > 1 or len(names) < 2
            else [f"target {i}" for i in range(len(names))]
        )


class Skin(BaseModel):
    joints: list[NonNegativeInt] = []


class Linked(BaseModel):
    """A buffer or an image, which may lie in another file."""

    uri: str | None = None


class Vrm0Bind(BaseModel):
    mesh: int
    index: int
    weight: Number = 100  # percent


class Vrm0Group(BaseModel):
    name: str = ""
    presetName: str = "unknown"  # noqa: N815
    binds: list[Vrm0Bind] | None = None


class Vrm0Groups(BaseModel):
    blendShapeGroups: list[Vrm0Group] = []  # noqa: N815


class Vrm0Bone(BaseModel):
    bone: str
    node: int


class Vrm0Bones(BaseModel):
    humanBones: list[Vrm0Bone] = []  # noqa: N815


class Vrm0FirstPerson(BaseModel):
    lookAtTypeName: str | None = None  # noqa: N815


class Vrm0(BaseModel):
    firstPerson: Vrm0FirstPerson | None = None  # noqa: N815
    blendShapeMaster: Vrm0Groups = Vrm0Groups()  # noqa: N815
    humanoid: Vrm0Bones = Vrm0Bones()


class Vrm1Bind(BaseModel):
    node: int
    index: int
    weight: Number = 1


class Vrm1Expression(BaseModel):
    morphTargetBinds: list[Vrm1Bind] = []  # noqa: N815


class Vrm1Expressions(BaseModel):
    preset: dict[str, Vrm1Expression] = {}
    custom: dict[str, Vrm1Expression] = {}


class Vrm1Bone(BaseModel):
    node: int


class Vrm1Bones(BaseModel):
    humanBones: dict[str, Vrm1Bone] = {}  # noqa: N815


class Vrm1LookAt(BaseModel):
    type: str | None = None


class Vrm1(BaseModel):
    lookAt: Vrm1LookAt | None = None  # noqa: N815
    expressions: Vrm1Expressions = Vrm1Expressions()
    humanoid: Vrm1Bones = Vrm1Bones()


class Extensions(BaseModel):
    VRM: Vrm0 | None = None
    VRMC_vrm: Vrm1 | None = None


class Document(BaseModel):
    """The parts of a glTF that are read, and those lists that an animation is added to."""

    nodes: list[Node] = []
    meshes: list[Mesh] = []
    skins: list[Skin] = []
    buffers: list[Linked] = []
    images: list[Linked] = []
    animations: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []
    bufferViews: list[dict[str, Any]] = []  # noqa: N815
    extensions: Extensions = Extensions()


@dataclass(frozen=True)
class Glb:
    """A .glb or .vrm file.

    Attributes:
        path: where it was read.
        json: its JSON as it was read.
        document: the same, checked.
        binary: its first buffer, with the padding of its chunk.
        others: the chunks behind it, of kinds that the specification leaves open.
        parents: parent of every node that has one.
    """

    path: Path
    json: dict[str, Any]
    document: Document
    binary: bytes
    others: bytes
    parents: dict[int, int]

    def node_name(self, node: int) -> str:
        return self.document.nodes[node].name or f"node {node}"

    def mesh_of(self, node: int) -> Mesh | None:
        """The mesh that a node shows, if both are there."""
        nodes = self.document.nodes
        mesh = nodes[node].mesh if 0 <= node < len(nodes) else None
        return None if mesh is None else self.document.meshes[mesh]


def read_glb(path: Path) -> Glb:
    """Reads a .glb or .vrm whose data all lie in the one file.

    Raises:
        InputError: no binary glTF 2.0, damaged, or its data lie in other files.
    """
    data = path.read_bytes()
    chunks = _chunks(path, data)
    try:
        content = json.loads(chunks[0][1], parse_constant=_no_number)
        document = Document.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part)[:40] for part in first["loc"])
        _damaged(path, f"its JSON is no glTF at {place!a}: {first['msg']}", error)
    except (ValueError, RecursionError) as error:
        _damaged(path, "its JSON cannot be read", error)
    has_binary = len(chunks) > 1 and chunks[1][0] == _BIN
    binary = chunks[1][1] if has_binary else b""
    links = [part.uri for part in (*document.buffers, *document.images) if part.uri is not None]
    elsewhere = any(not uri.startswith("data:") for uri in links)
    if elsewhere or (document.buffers and (document.buffers[0].uri is not None or not has_binary)):
        raise InputError(
            f"avatar '{path}' has data outside its binary part; export it as one .glb file"
        )
    return Glb(
        path=path,
        json=content,
        document=document,
        binary=binary,
        others=b"".join(_chunk(kind, body) for kind, body in chunks[2 if has_binary else 1 :]),
        parents=_parents(path, document),
    )


def read_accessor(file: Glb, number: object) -> NDArray[np.float64] | None:
    """[N, components] of an accessor; None where there is none, or where it cannot be read as it stands."""
    accessors = file.document.accessors
    if not isinstance(number, int) or not 0 <= number < len(accessors):
        return None
    accessor = accessors[number]
    try:
        kind = np.dtype(_DTYPES[accessor["componentType"]])
        width, count = _WIDTHS[accessor["type"]], int(accessor["count"])
        if not 0 < count <= LARGEST_COUNT:
            return None
        values = np.zeros((count, width))
        if "bufferView" in accessor:
            values[:] = _view(
                file, accessor["bufferView"], accessor.get("byteOffset", 0), kind, count, width
            )
        sparse = accessor.get("sparse")
        if sparse is not None:
            some, places, others = int(sparse["count"]), sparse["indices"], sparse["values"]
            at = _view(
                file, places["bufferView"], places.get("byteOffset", 0),
                np.dtype(_DTYPES[places["componentType"]]), some, 1,
            )  # fmt: skip
            values[at[:, 0].astype(np.int64)] = _view(
                file, others["bufferView"], others.get("byteOffset", 0), kind, some, width
            )
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError):
        return None
    if accessor.get("normalized") and kind.kind in "iu":
        values /= np.iinfo(kind).max
    return values if np.isfinite(values).all() else None


def _view(
    file: Glb, view: int, offset: int, kind: "np.dtype[Any]", count: int, width: int
) -> NDArray[Any]:
    """[count, width] out of the binary part.

    Raises:
        ValueError, KeyError, IndexError: it does not lie there.
    """
    stated = file.document.bufferViews[view]
    if stated.get("buffer", 0) != 0 or "extensions" in stated:
        raise ValueError("not in the binary part, or packed")
    begin = stated.get("byteOffset", 0) + offset
    size = kind.itemsize * width
    stride = stated.get("byteStride") or size
    if min(begin, offset, stride - size) < 0 or begin + stride * (count - 1) + size > len(
        file.binary
    ):
        raise ValueError("beyond the binary part")
    return np.ndarray((count, width), kind, file.binary, begin, (stride, kind.itemsize))


def write_glb(path: Path, content: dict[str, Any], binary: bytes, others: bytes) -> None:
    """Writes a .glb, whole or not at all."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    body = _chunk(_JSON, text) + _chunk(_BIN, binary) + others
    with atomic_output(path) as temporary:
        temporary.write_bytes(_HEADER.pack(_MAGIC, 2, _HEADER.size + len(body)) + body)


class Additions:
    """The content of a file, and what is appended to it: old bytes and numbers stay where they are.

    Attributes:
        json: free to change.
    """

    def __init__(self, file: Glb) -> None:
        self.json = deepcopy(file.json)
        self._file = file
        self._binary = bytearray(file.binary)

    def accessor(
        self, values: NDArray[Any], kind: str, *, bounds: bool = False, target: int | None = None
    ) -> int:
        """Index of a new accessor.

        Args:
            values: [count, ...]; integers stay what they are, all else becomes float32.
            kind: SCALAR, VEC3 and so on.
            bounds: whether to state the smallest and largest values.
            target: what the numbers are for, as vertices' attributes.
        """
        array = values if values.dtype.kind == "u" else values.astype("<f4")
        accessor = self._accessor(array, kind, len(array), bounds)
        accessor["bufferView"] = self._view(array, target)
        return self.append("accessors", accessor)

    def sparse_accessor(self, values: NDArray[np.floating]) -> int:
        """Index of a new accessor of vectors [count, 3], of which only those that are not zero are stored."""
        array = values.astype("<f4")
        accessor = self._accessor(array, "VEC3", len(array), bounds=True)
        rows = np.flatnonzero(array.any(axis=1)).astype("<u4")
        if len(rows):
            accessor["sparse"] = {
                "count": len(rows),
                "indices": {"bufferView": self._view(rows), "componentType": _COMPONENTS["u4"]},
                "values": {"bufferView": self._view(array[rows])},
            }
        return self.append("accessors", accessor)

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        self._binary += bytes(-len(self._binary) % 4)
        write_glb(path, self.json, bytes(self._binary), self._file.others)

    def append(self, kind: str, content: dict[str, Any]) -> int:
        """Index of a new accessor, node, mesh, skin and so on."""
        self.json.setdefault(kind, []).append(content)
        return len(self.json[kind]) - 1

    @staticmethod
    def _accessor(array: NDArray[Any], kind: str, count: int, bounds: bool) -> dict[str, Any]:
        accessor: dict[str, Any] = {
            "componentType": _COMPONENTS[array.dtype.str[1:]],
            "count": count,
            "type": kind,
        }
        if bounds:
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        return accessor

    def _view(self, array: NDArray[Any], target: int | None = None) -> int:
        self._binary += bytes(-len(self._binary) % 4)
        view = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": array.nbytes}
        self._binary += array.tobytes()
        buffers = self.json.setdefault("buffers", [])
        if not buffers:
            buffers.append({})
        buffers[0]["byteLength"] = len(self._binary)
        return self.append("bufferViews", view if target is None else view | {"target": target})


def _chunks(path: Path, data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and content of every chunk, JSON first."""
    if not data.startswith(_MAGIC):
        raise InputError(f"avatar '{path}' is not binary glTF; export it as .glb or .vrm")
    if len(data) < _HEADER.size:
        _damaged(path, "it ends in its header")
    _, version, length = _HEADER.unpack_from(data)
    if version != 2:
        raise InputError(f"avatar '{path}' is glTF {version}; export it as glTF 2.0")
    if length != len(data):
        _damaged(path, f"it should have {length} bytes and has {len(data)}")
    chunks = []
    place = _HEADER.size
    while place < length:
        if place + _CHUNK.size > length:
            _damaged(path, "it ends in the head of a chunk")
        size, kind = _CHUNK.unpack_from(data, place)
        place += _CHUNK.size
        if place + size > length:
            _damaged(path, "a chunk is longer than the file")
        chunks.append((kind, data[place : place + size]))
        place += size
    if not chunks or chunks[0][0] != _JSON:
        _damaged(path, "it does not begin with JSON")
    return chunks


def _chunk(kind: bytes, body: bytes) -> bytes:
    return _CHUNK.pack(len(body), kind) + body


def _parents(path: Path, document: Document) -> dict[int, int]:
    """Parent of each node; what refers to nodes and meshes is checked on the way."""
    parents: dict[int, int] = {}
    count = len(document.nodes)
    for index, node in enumerate(document.nodes):
        if node.mesh is not None and node.mesh >= len(document.meshes):
            _damaged(path, f"node {index} shows mesh {node.mesh}, which is not there")
        for child in node.children:
            if child >= count or child in parents:
                _damaged(path, f"node {index} has the child {child}, which it cannot have")
            parents[child] = index
    # In a forest all nodes are reached from those without a parent; those of a circle are not.
    reached = [index for index in range(count) if index not in parents]
    for index in reached:
        reached.extend(document.nodes[index].children)
    if len(reached) < count:
        _damaged(path, "its nodes go round in a circle")
    return parents


def _list_in(extras: Any) -> list[Any]:
    names = extras.get("targetNames") if isinstance(extras, dict) else None
    return names if isinstance(names, list) else []


def _text_in(extras: Any) -> str | None:
    name = extras.get("name") if isinstance(extras, dict) else None
    return name if isinstance(name, str) else None


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _damaged(path: Path, what: str, cause: Exception | None = None) -> NoReturn:
    raise InputError(f"avatar '{path}' is damaged: {what}; export it again") from cause
