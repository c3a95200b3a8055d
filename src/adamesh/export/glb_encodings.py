"""How the arrays of a .glb are stored: in full, sparse, or as small integers.

Sources: the glTF 2.0 specification, sections 3.6 (accessors), 3.7 (meshes, skins) and 3.11 (animations);
the extension KHR_mesh_quantization.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pygltflib as gltf
from numpy.typing import NDArray

from adamesh.export.options import Encoding
from adamesh.export.rest import LEAST_MOVE, LEAST_TURN
from adamesh.media.picture import png_bytes

Float = NDArray[np.float64]

_COMPONENTS = {
    np.dtype(np.float32): gltf.FLOAT,
    np.dtype(np.int8): gltf.BYTE,
    np.dtype(np.int16): gltf.SHORT,
    np.dtype(np.uint8): gltf.UNSIGNED_BYTE,
    np.dtype(np.uint16): gltf.UNSIGNED_SHORT,
    np.dtype(np.uint32): gltf.UNSIGNED_INT,
}


class Buffer:
    """Arrays of a glTF file, each with an accessor; equal arrays are stored once."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[gltf.BufferView] = []
        self.accessors: list[gltf.Accessor] = []
        self._known: dict[tuple[object, ...], int] = {}

    def add(
        self,
        array: NDArray[Any],
        kind: str,
        *,
        target: int | None = None,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """Index of an accessor of `array`, [count, ...], whose dtype gives the component type."""
        raw = np.ascontiguousarray(array).tobytes()
        key = (raw, kind, array.dtype, target, bounds, normalized)
        if key not in self._known:
            self._known[key] = self._append(
                gltf.Accessor(
                    bufferView=self._view(array, target),
                    componentType=_COMPONENTS[array.dtype],
                    count=len(array),
                    type=kind,
                    normalized=normalized,
                ),
                array if bounds else None,
            )
        return self._known[key]

    def add_sparse(self, array: NDArray[Any], *, normalized: bool = False) -> int:
        """Index of an accessor of vectors [count, 3] of which only the rows that are not zero are stored."""
        rows = np.flatnonzero(array.any(axis=1))
        key = (array.tobytes(), array.dtype, normalized)
        if key not in self._known:
            sparse = None
            if len(rows):
                places = small_ints(rows)
                sparse = gltf.Sparse(
                    count=len(rows),
                    indices=gltf.AccessorSparseIndices(
                        bufferView=self._view(places), componentType=_COMPONENTS[places.dtype]
                    ),
                    values=gltf.AccessorSparseValues(bufferView=self._view(array[rows])),
                )
            self._known[key] = self._append(
                gltf.Accessor(
                    byteOffset=None,  # there is no view that it could be in
                    componentType=_COMPONENTS[array.dtype],
                    count=len(array),
                    type=gltf.VEC3,
                    normalized=normalized,
                    sparse=sparse,
                ),
                array,
            )
        return self._known[key]

    def add_png(self, picture: NDArray[np.uint8]) -> int:
        """Index of the view of a picture [H, W, 3] sRGB."""
        return self._view(np.frombuffer(png_bytes(picture), np.uint8))

    def _append(self, accessor: gltf.Accessor, bounded: NDArray[Any] | None) -> int:
        if bounded is not None:
            flat = bounded.reshape(len(bounded), -1)
            accessor.min, accessor.max = flat.min(axis=0).tolist(), flat.max(axis=0).tolist()
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def _view(self, array: NDArray[Any], target: int | None = None) -> int:
        stride = None
        if target == gltf.ARRAY_BUFFER and (array.nbytes // len(array)) % 4:
            # Vertex attributes begin at multiples of four bytes, each of them.
            stride = -(-array.nbytes // len(array) // 4) * 4
            rows = np.ascontiguousarray(array).view(np.uint8).reshape(len(array), -1)
            array = np.pad(rows, ((0, 0), (0, stride - rows.shape[1])))
        raw = np.ascontiguousarray(array).tobytes()
        self.views.append(
            gltf.BufferView(
                buffer=0,
                byteOffset=len(self.data),
                byteLength=len(raw),
                byteStride=stride,
                target=target,
            )
        )
        self.data += raw + bytes(-len(raw) % 4)
        return len(self.views) - 1


class Plain:
    """32-bit floating point throughout, which every reader knows."""

    extensions: tuple[str, ...] = ()

    def __init__(self, vertices: Float) -> None:
        """For a mesh of vertices [V, 3]."""
        self.buffer = Buffer()
        self.vertices = vertices

    def positions(self, values: Float) -> int:
        return self._vectors(values)

    def normals(self, values: Float) -> int:
        return self._vectors(values)

    def position_deltas(self, values: Float) -> int:
        return self._vectors(values)

    def normal_deltas(self, values: Float) -> int:
        return self._vectors(values)

    def uv(self, values: Float) -> int:
        return self.buffer.add(values.astype(np.float32), gltf.VEC2, target=gltf.ARRAY_BUFFER)

    def skin_weights(self, values: Float) -> int:
        return self.buffer.add(values.astype(np.float32), gltf.VEC4, target=gltf.ARRAY_BUFFER)

    def inverse_binds(self, matrices: Float) -> int:
        """Of matrices [J, 4, 4] for column vectors, which glTF stores column by column."""
        columns = matrices.transpose(0, 2, 1).reshape(-1, 16)
        return self.buffer.add(columns.astype(np.float32), gltf.MAT4)

    def morph_weights(self, values: NDArray[np.float32]) -> int:
        """Of [T, E], the targets of a frame one after another."""
        return self.buffer.add(values.reshape(-1, 1), gltf.SCALAR)

    def _vectors(self, values: Float) -> int:
        # Only positions need bounds; they are given to all, so that equal arrays can be shared.
        return self.buffer.add(
            values.astype(np.float32), gltf.VEC3, target=gltf.ARRAY_BUFFER, bounds=True
        )


class Sparse(Plain):
    """Of a morph target, only the vertices that it moves."""

    def position_deltas(self, values: Float) -> int:
        return self.buffer.add_sparse(_without_less_than(LEAST_MOVE, values).astype(np.float32))

    def normal_deltas(self, values: Float) -> int:
        return self.buffer.add_sparse(_without_less_than(LEAST_TURN, values).astype(np.float32))


class Quantised(Plain):
    """Integers of 16 and 8 bits that mean -1..1 or 0..1; of a morph target, those that are not 0.

    The mesh is scaled into -1..1, and the skin, which every vertex has, brings it back. Rotations stay as
    they are: 16 bits would double the error in millimetres to make the file 0.1 % smaller.
    """

    extensions = ("KHR_mesh_quantization",)

    def __init__(self, vertices: Float) -> None:
        super().__init__(vertices)
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        self.centre, self.scale = (low + high) / 2, float((high - low).max() / 2)

    def positions(self, values: Float) -> int:
        return self._vertex((values - self.centre) / self.scale, np.int16, gltf.VEC3)

    def normals(self, values: Float) -> int:
        return self._vertex(values, np.int8, gltf.VEC3)

    def position_deltas(self, values: Float) -> int:
        return self.buffer.add_sparse(_quantised(values / self.scale, np.int16), normalized=True)

    def normal_deltas(self, values: Float) -> int:
        return self.buffer.add_sparse(_quantised(values, np.int8), normalized=True)

    def uv(self, values: Float) -> int:
        inside = values.min() >= 0 and values.max() <= 1
        return self._vertex(values, np.uint16, gltf.VEC2) if inside else super().uv(values)

    def skin_weights(self, values: Float) -> int:
        packed = _quantised(values, np.uint16)
        # Readers want a sum of exactly 1; the largest weight takes what rounding left.
        left = np.iinfo(np.uint16).max - packed.sum(axis=1, dtype=np.int64)
        packed[np.arange(len(packed)), packed.argmax(axis=1)] += left.astype(
            np.uint16
        )  # modulo 2^16
        return self.buffer.add(packed, gltf.VEC4, target=gltf.ARRAY_BUFFER, normalized=True)

    def inverse_binds(self, matrices: Float) -> int:
        to_metres = np.diag([self.scale] * 3 + [1.0])
        to_metres[:3, 3] = self.centre
        return super().inverse_binds(matrices @ to_metres)

    def morph_weights(self, values: NDArray[np.float32]) -> int:
        if values.min() < 0 or values.max() > 1:  # as FLAME's may be
            return super().morph_weights(values)
        packed = _quantised(values, np.uint16).reshape(-1, 1)
        return self.buffer.add(packed, gltf.SCALAR, normalized=True)

    def _vertex(self, values: Float, dtype: type, kind: str) -> int:
        return self.buffer.add(
            _quantised(values, dtype), kind, target=gltf.ARRAY_BUFFER, bounds=True, normalized=True
        )


ENCODINGS: dict[Encoding, Callable[[Float], Plain]] = {
    "plain": Plain,
    "sparse": Sparse,
    "quantised": Quantised,
}


def small_ints(values: NDArray[np.int64]) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Indices in the smallest type that does."""
    # 65535 restarts a strip in some engines, so glTF forbids it as an index.
    return values.astype(np.uint16) if values.max() < 65535 else values.astype(np.uint32)


def _without_less_than(least: float, vectors: Float) -> Float:
    """Vectors [N, 3]; zeros where no component is larger than `least`."""
    return np.where(np.abs(vectors).max(axis=1, keepdims=True) > least, vectors, 0.0)


def _quantised(values: NDArray[Any], dtype: type) -> NDArray[Any]:
    """-1..1, or 0..1 where `dtype` has no sign, as integers; what lies outside is cut."""
    info = np.iinfo(dtype)
    return np.round(np.clip(values, -1 if info.min else 0, 1) * info.max).astype(dtype)
