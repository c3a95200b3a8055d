"""A reader of .glb that shares no code with the writer."""

import json
import struct
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}


class Glb:
    """A reader written from the glTF 2.0 specification, with no code of the writer."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        json_length, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        self.json = json.loads(data[20 : 20 + json_length])
        bin_length, kind = struct.unpack_from("<I4s", data, 20 + json_length)
        assert kind == b"BIN\0"
        self.bin = data[28 + json_length :]
        assert len(self.bin) == bin_length
        assert bin_length % 4 == json_length % 4 == 0
        mesh = self.json["meshes"][0]
        self.primitives = mesh["primitives"]
        self.target_names = mesh["extras"]["targetNames"]

    def read(self, index: int) -> np.ndarray:
        accessor = self.json["accessors"][index]
        count, component = accessor["count"], accessor["componentType"]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor["type"]]
        values = np.zeros((count, width), COMPONENTS[component])
        if "bufferView" in accessor:
            start = accessor.get("byteOffset", 0)
            values[:] = self._rows(accessor["bufferView"], start, component, count, width)
        if "sparse" in accessor:
            few, places = accessor["sparse"]["count"], accessor["sparse"]["indices"]
            rows = self._rows(places["bufferView"], 0, places["componentType"], few, 1)[:, 0]
            assert (np.diff(rows.astype(int)) > 0).all()
            view = accessor["sparse"]["values"]["bufferView"]
            values[rows] = self._rows(view, 0, component, few, width)
        if accessor.get("min"):
            assert np.array_equal(values.min(axis=0), np.float32(accessor["min"]))
            assert np.array_equal(values.max(axis=0), np.float32(accessor["max"]))
        unit = np.iinfo(values.dtype).max if accessor.get("normalized") else 1
        return values.astype(np.float64) / unit

    def _rows(self, view: int, start: int, component: int, count: int, width: int) -> np.ndarray:
        facts, dtype = self.json["bufferViews"][view], np.dtype(COMPONENTS[component])
        start += facts.get("byteOffset", 0)
        stride = facts.get("byteStride", width * dtype.itemsize)
        assert start % dtype.itemsize == stride % dtype.itemsize == 0
        if facts.get("target") == 34962:  # vertex attributes
            assert start % 4 == stride % 4 == 0
        return np.ndarray((count, width), dtype, self.bin, start, (stride, dtype.itemsize))

    def channels(self) -> dict[tuple[int, str], tuple[np.ndarray, np.ndarray]]:
        animation = self.json["animations"][0]
        found = {}
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            target = channel["target"]
            found[target["node"], target["path"]] = (
                self.read(sampler["input"])[:, 0],
                self.read(sampler["output"]),
            )
        return found

    def positions(self, frame: int) -> list[np.ndarray]:
        """World positions [N, 3] of each primitive at one key frame: morph, then skin."""
        channels, nodes = self.channels(), self.json["nodes"]
        E = len(self.target_names)
        weights = channels[0, "weights"][1].reshape(-1, E)[frame]
        parents = {c: p for p, node in enumerate(nodes) for c in node.get("children", [])}

        def world(n: int) -> np.ndarray:
            local = np.eye(4)
            local[:3, 3] = nodes[n].get("translation", [0, 0, 0])
            if (n, "translation") in channels:
                local[:3, 3] = channels[n, "translation"][1][frame]
            if (n, "rotation") in channels:
                quat = channels[n, "rotation"][1][frame]  # x, y, z, w, as scipy has it
                local[:3, :3] = Rotation.from_quat(quat).as_matrix()
            return world(parents[n]) @ local if n in parents else local

        skin = self.json["skins"][0]
        binds = self.read(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        bones = np.stack([world(n) @ b for n, b in zip(skin["joints"], binds, strict=True)])
        out = []
        for primitive in self.primitives:
            attributes = primitive["attributes"]
            at = self.read(attributes["POSITION"]).copy()
            for weight, target in zip(weights, primitive["targets"], strict=True):
                at += weight * self.read(target["POSITION"])
            joints = self.read(attributes["JOINTS_0"]).astype(int)
            blend = np.einsum("nk,nkij->nij", self.read(attributes["WEIGHTS_0"]), bones[joints])
            out.append(
                np.einsum("nij,nj->ni", blend, np.pad(at, ((0, 0), (0, 1)), constant_values=1))[
                    :, :3
                ]
            )
        return out
