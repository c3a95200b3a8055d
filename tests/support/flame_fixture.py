"""FLAME-format files with the shape of the embedded head, since no FLAME file may be shipped.

    arrays = flame_arrays()                       # what such a file holds
    write_flame(folder / "generic_model.pkl")     # the edition follows from the name, see EDITIONS

The mesh is another one than the embedded head's: subdivided and simplified again to FLAME's 5,023
vertices (3,931 of skin, open at the mouth, and two eyeballs of 546). Every one of its skin's vertices
is a mean of up to two of the embedded head's (`skin_map`), so that identity, actions and weights are
carried over exactly. As FLAME, it has no teeth, tongue, lashes and brows; its mouth opens by the jaw's
joint, not by expression, and its lids don't close.
"""

import functools
import heapq
import io
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.optimize
import scipy.sparse
import torch

from adamesh.faces import Face, load_embedded_face
from adamesh.motion.spaces import ARKIT52

Array = np.ndarray

N_VERTICES, N_EYE, N_SKIN = 5023, 546, 3931
N_IDENTITY, N_EXPRESSION = 300, 100
RINGS, SEGMENTS = 17, 32  # of an eyeball, beside its two poles
ORIGIN = np.array([0.0, 0.01, 0.045])  # of the file, in the embedded head's frame, metres
NECK_BOTTOM = -0.15  # metres above the head joint: what is below is cropped
MOUTH_DEPTH = 0.006  # metres from the lips: what of the mouth's inside is further off is cropped
EDITIONS = {
    "generic_model.pkl": "2020: everything chumpy, made by Python 2",
    "flame2019.pkl": "2019: new-style objects instead of copy_reg._reconstructor",
    "flame2023.pkl": "2023: plain numpy arrays, made by Python 3",
    "flame2023_no_jaw.pkl": "2023: jaw motion is in the expressions",
    "flame2023_Open.pkl": "2023 Open",
    "flame2023.npz": "the same keys as plain arrays",
}
SEED = 2017


# --- the mesh -------------------------------------------------------------------------------------


@functools.cache
def skin_map() -> tuple[scipy.sparse.csr_array, Array]:
    """The skin's vertices as means of the embedded head's [3931, V], and its triangles [F, 3]."""
    head = load_embedded_face()
    template, triangles = head.template.double().numpy(), head.triangles.numpy()
    regions = {name: ids.numpy() for name, ids in head.regions.items()}
    graph = scipy.sparse.coo_array(
        (np.ones(triangles.size), (triangles.ravel(), np.roll(triangles, 1, 1).ravel())),
        shape=(len(template),) * 2,
    )
    _, part = scipy.sparse.csgraph.connected_components(graph, directed=False)
    lips = template[regions["lips"]]
    inside = regions["mouth_interior"]
    far = np.linalg.norm(template[inside][:, None] - lips, axis=-1).min(1) > MOUTH_DEPTH
    kept = (part == part[regions["lips"][0]]) & (template[:, 1] > NECK_BOTTOM)
    kept[inside[far]] = False
    triangles = triangles[kept[triangles].all(1)]
    triangles = _largest_part(triangles)

    # Midpoints of all edges, so that simplifying finds other vertices than those of the head.
    corners = triangles[:, [[0, 1], [1, 2], [2, 0]]]
    edges, number = np.unique(np.sort(corners.reshape(-1, 2), 1), axis=0, return_inverse=True)
    middle = len(template) + number.reshape(-1, 3)
    a, b, c = triangles.T
    p, q, r = middle.T
    finer = np.concatenate([np.stack(t, 1) for t in ((a, p, r), (p, b, q), (r, q, c), (p, q, r))])
    rows = np.repeat(np.arange(len(edges)), 2)
    halves = scipy.sparse.csr_array(
        (np.full(2 * len(edges), 0.5), (rows, edges.ravel())), shape=(len(edges), len(template))
    )
    to_finer = scipy.sparse.vstack([scipy.sparse.eye_array(len(template)), halves]).tocsr()
    points = to_finer @ template
    length = np.linalg.norm(template[edges[:, 0]] - template[edges[:, 1]], axis=1)
    size = np.bincount(edges.ravel(), np.repeat(length, 2), len(template))
    size /= np.maximum(np.bincount(edges.ravel(), minlength=len(template)), 1)
    simplified = _simplify(points, finer, to_finer @ size, N_SKIN)
    used = np.unique(simplified)
    return to_finer[used], np.searchsorted(used, simplified)


def _largest_part(triangles: Array) -> Array:
    n = triangles.max() + 1
    graph = scipy.sparse.coo_array(
        (np.ones(triangles.size), (triangles.ravel(), np.roll(triangles, 1, 1).ravel())), (n, n)
    )
    _, part = scipy.sparse.csgraph.connected_components(graph, directed=False)
    return triangles[part[triangles[:, 0]] == np.bincount(part[triangles[:, 0]]).argmax()]


def _simplify(points: Array, triangles: Array, size: Array, count: int) -> Array:
    """Merges vertices into neighbours, those of the relatively shortest edges first.

    A vertex on an open edge moves along it only, no triangle turns by more than 60 degrees, and no
    merge may tie two parts of the surface together, so that the mouth stays open.

    Args:
        points: [n, 3].
        triangles: [F, 3].
        size: [n] wanted length of the edges at a vertex, up to a common factor.
        count: of vertices to end with.
    Returns:
        [G, 3] triangles over `count` of the vertices.
    """
    faces = [list(map(int, t)) for t in triangles]
    around: dict[int, set[int]] = {}
    for i, face in enumerate(faces):
        for v in face:
            around.setdefault(v, set()).add(i)
    queue: list[tuple[float, int, int]] = []

    def neighbours(v: int) -> set[int]:
        return {w for i in around[v] for w in faces[i]} - {v}

    def push(u: int, v: int) -> None:
        cost = np.linalg.norm(points[u] - points[v]) / (size[u] + size[v])
        queue.append((float(cost), u, v))

    for u in around:
        for v in neighbours(u):
            push(u, v)
    heapq.heapify(queue)

    def normal(face: list[int]) -> Array:
        a, b, c = (points[v] for v in face)
        x, y = b - a, c - a
        n = np.array(
            [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]
        )
        return n / max(float(np.sqrt(n @ n)), 1e-15)

    def may_merge(u: int, v: int) -> bool:
        shared = around[u] & around[v]
        on_edge = any(len(around[u] & around[w]) == 1 for w in neighbours(u))
        if on_edge and len(shared) != 1:
            return False
        if len(neighbours(u) & neighbours(v)) != len(shared):
            return False
        for i in around[u] - shared:
            moved = [v if w == u else w for w in faces[i]]
            if normal(faces[i]) @ normal(moved) < 0.5:
                return False
        return True

    while len(around) > count:
        _, u, v = heapq.heappop(queue)
        if u not in around or v not in around or not around[u] & around[v]:
            continue
        if not may_merge(u, v):
            continue
        for i in around.pop(u):
            if v in faces[i]:
                for w in set(faces[i]) - {u}:
                    around[w].discard(i)
            else:
                faces[i] = [v if w == u else w for w in faces[i]]
                around[v].add(i)
        for w in neighbours(v):
            for pair in ((v, w), (w, v)):
                cost = np.linalg.norm(points[v] - points[w]) / (size[v] + size[w])
                heapq.heappush(queue, (float(cost), *pair))
    kept = sorted({i for ids in around.values() for i in ids})
    return np.array([faces[i] for i in kept])


def _eyeball() -> tuple[Array, Array]:
    """A unit sphere, poles to the front and the back: vertices [546, 3], triangles [F, 3]."""
    polar = np.arange(1, RINGS + 1) * np.pi / (RINGS + 1)
    round_ = np.arange(SEGMENTS) * 2 * np.pi / SEGMENTS
    ring = np.stack([np.cos(round_), np.sin(round_), 0 * round_], 1)
    grid = np.sin(polar)[:, None, None] * ring + np.cos(polar)[:, None, None] * [0, 0, 1]
    vertices = np.concatenate([[[0, 0, 1]], grid.reshape(-1, 3), [[0, 0, -1]]])
    here = np.arange(SEGMENTS)
    there = (here + 1) % SEGMENTS
    cap = np.stack([0 * here, 1 + here, 1 + there], 1)
    bands = []
    for k in range(RINGS - 1):
        a, b = 1 + k * SEGMENTS, 1 + (k + 1) * SEGMENTS
        bands += [
            np.stack([a + here, b + here, b + there], 1),
            np.stack([a + here, b + there, a + there], 1),
        ]
    last = 1 + (RINGS - 1) * SEGMENTS
    floor = np.stack([0 * here + N_EYE - 1, last + there, last + here], 1)
    return vertices, np.concatenate([cap, *bands, floor])


# --- what a file holds ----------------------------------------------------------------------------


@functools.cache
def flame_arrays(*, jaw_in_expressions: bool = False) -> dict[str, Array]:
    """The arrays of a FLAME file, float64, metres.

    Args:
        jaw_in_expressions: as in the edition without a jaw.
    """
    head = load_embedded_face()
    carry, triangles = skin_map()

    def skin(values: torch.Tensor) -> Array:
        flat = values.double().numpy().reshape(len(values), -1)
        return (carry @ flat).reshape(N_SKIN, *values.shape[1:])

    sphere, sphere_triangles = _eyeball()
    template, shapes = [skin(head.template)], [skin(head.shapedirs)]
    for side, joint in (("left", "leye"), ("right", "reye")):
        ball = head.regions[f"{side}_eyeball"]
        centre = head.joints_template[head.joint_names.index(joint)].double().numpy()
        # A ball that all identities scale and move, as the least squares of the head's own say.
        offset = head.template[ball].double().numpy() - centre
        radius = np.median(np.linalg.norm(offset, axis=1))
        template.append(centre + radius * sphere)
        directions = head.shapedirs[ball].double().numpy()
        affine = np.column_stack([np.ones(len(ball)), offset])
        fitted = np.linalg.lstsq(affine, directions.reshape(len(ball), -1), rcond=None)[0]
        at = np.column_stack([np.ones(N_EYE), radius * sphere]) @ fitted
        shapes.append(at.reshape(N_EYE, 3, -1))
    v = np.concatenate(template) - ORIGIN
    f = np.concatenate([triangles, sphere_triangles + N_SKIN, sphere_triangles + N_SKIN + N_EYE])
    assert len(v) == N_VERTICES

    own = skin(head.skin_weights)
    joint = head.joint_names.index
    weights = np.zeros((N_VERTICES, 5))
    weights[:N_SKIN, 0] = own[:, joint("root")]
    weights[:N_SKIN, 1] = own[:, joint("neck")] + own[:, joint("head")]
    weights[:N_SKIN, 2] = own[:, joint("jaw")]
    weights[N_SKIN : N_SKIN + N_EYE, 3] = 1
    weights[N_SKIN + N_EYE :, 4] = 1

    rest = head.joints_template.double().numpy() - ORIGIN
    wanted = [[0, NECK_BOTTOM - ORIGIN[1] + 0.02, -0.07], rest[joint("neck")], rest[joint("jaw")]]
    regressor = np.zeros((5, N_VERTICES))
    for row, point in enumerate(wanted):
        system = np.vstack([v[:N_SKIN].T, np.ones(N_SKIN)])
        regressor[row, :N_SKIN] = scipy.optimize.nnls(system, np.append(point, 1))[0]
        regressor[row] /= regressor[row].sum()
    regressor[3, N_SKIN : N_SKIN + N_EYE] = regressor[4, N_SKIN + N_EYE :] = 1 / N_EYE

    rng = np.random.default_rng(SEED)
    identity = np.concatenate(shapes)
    more = N_IDENTITY - identity.shape[-1]
    small = np.geomspace(3e-4, 3e-5, more)  # metres, RMS: the tail of a PCA
    identity = np.concatenate([identity, _waves(v, more, rng) * small], axis=-1)

    jaw_share = (weights[:, 2] * (1 - weights[:, 2]))[:, None, None]
    posedirs = np.zeros((N_VERTICES, 3, 36))
    posedirs[..., 9:18] = 0.01 * jaw_share * _waves(v, 9, rng)
    posedirs[..., :9] = 0.002 * (weights[:, :1, None] + 0.1) * _waves(v, 9, rng)
    posedirs[N_SKIN:] = 0

    model = {
        "f": f.astype(np.uint32),
        "v_template": v,
        "posedirs": posedirs,
        "weights": weights,
        "J_regressor": regressor,
        "J": regressor @ v,
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
    }
    actions = np.concatenate([skin(head.expressiondirs), np.zeros((2 * N_EYE, 3, len(ARKIT52)))])
    jaw = _turned_jaw(model) if jaw_in_expressions else None
    expression = _expressions(v, actions, rng, jaw)
    return model | {"shapedirs": np.concatenate([identity, expression], axis=-1)}


def _waves(points: Array, count: int, rng: np.random.Generator) -> Array:
    """Smooth random fields [V, 3, count] of RMS 1: equal points move alike, so lips stay closed."""
    wavelength = rng.uniform(0.05, 0.15, count)  # metres
    direction = rng.normal(size=(3, count))
    direction *= 2 * np.pi / wavelength / np.linalg.norm(direction, axis=0)
    phase = rng.uniform(0, 2 * np.pi, (3, count))
    fields = np.sin((points @ direction)[:, None] + phase)
    return fields / np.sqrt((fields**2).mean(axis=(0, 1)))


def _turned_jaw(model: dict[str, Array]) -> Array:
    """[V, 3] what 0.2 rad of the jaw's joint do, to first order in the angle."""
    from_joint = model["v_template"] - model["J"][2]
    return 0.2 * model["weights"][:, 2:3] * np.cross([1.0, 0, 0], from_joint)


def _expressions(v: Array, actions: Array, rng: np.random.Generator, jaw: Array | None) -> Array:
    """[V, 3, 100] PCA of mixtures of actions, each stronger in some places than in others.

    The jaw's actions, blinks, looks and the tongue have no part in them: in FLAME the jaw's joint
    opens the mouth, and nothing closes the lids. The variation from place to place makes the space
    larger than, and other than, that of the actions themselves.
    """
    left_out = ("jaw", "eyeBlink", "eyeLook", "tongue")
    used = [i for i, name in enumerate(ARKIT52) if not name.startswith(left_out)]
    draws = 300
    # Without a lower jaw, closing the mouth pushes the lips through one another: a little of it.
    spread = np.where(np.array(used) == ARKIT52.index("mouthClose"), 0.1, 0.35)
    weights = rng.normal(0, spread, (draws, len(used))) * (rng.random((draws, len(used))) < 0.35)
    flat = actions[..., used].reshape(-1, len(used))
    rows = np.empty((draws, len(v) * 3))
    for k, row in enumerate(weights):
        active = np.flatnonzero(row)
        places = 1 + 0.4 * _waves(v, max(len(active), 1), rng)[:, 0]
        moved = (flat[:, active].reshape(len(v), 3, -1) * places[:, None]) @ row[active]
        if jaw is not None:
            moved = moved + rng.normal() * jaw
        rows[k] = moved.ravel()
    small = rows @ rows.T / draws
    variance, u = np.linalg.eigh(small)
    top = np.argsort(variance)[::-1][:N_EXPRESSION]
    # Row space: x = sum_k z_k d_k with scores z of variance 1, d_k = u_k^T X / sqrt(draws).
    directions = u[:, top].T @ rows / np.sqrt(draws)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(1)[:, None], 1)
    return np.moveaxis((directions * np.sign(largest)).reshape(N_EXPRESSION, -1, 3), 0, -1)


# --- files ----------------------------------------------------------------------------------------


def write_flame(path: Path) -> Path:
    """Writes the FLAME file of the edition that the name of `path` tells (EDITIONS)."""
    arrays = flame_arrays(jaw_in_expressions="no_jaw" in path.name)
    if path.suffix == ".npz":
        np.savez(path, **arrays)
        return path
    python2 = path.name in ("generic_model.pkl", "flame2019.pkl")
    old_objects = path.name == "generic_model.pkl"
    content: dict[str, Any] = {"bs_style": "lbs", "bs_type": "lrotmin"}
    for key, value in arrays.items():
        content[key] = value
        if key == "J_regressor":
            content[key] = sparse(value, "scipy.sparse.csc" if python2 else "scipy.sparse._csc")
            content[key].old = old_objects
        elif key not in ("f", "kintree_table") and (python2 or "no_jaw" in path.name):
            content[key] = chumpy(value, old=old_objects)
    path.write_bytes(dumps(content, python2=python2))
    return path


class Name:
    """A global of a pickle, whether such a thing exists here or not."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        """`save_reduce` insists on it."""


class Instance:
    """An object of a class that need not exist here, as Python 2 pickled those."""

    def __init__(self, kind: Name, state: dict[str, Any], *, old: bool = False) -> None:
        self.kind, self.state, self.old = kind, state, old


def chumpy(array: Array, *, old: bool) -> Instance:
    """A `chumpy.ch.Ch` that holds an array, with what else such objects carry."""
    state = {"x": array, "_dirty_vars": [], "_itr": None, "_status": "new", "_cache": {}}
    return Instance(Name("chumpy.ch", "Ch"), state, old=old)


def sparse(matrix: Array, module: str) -> Instance:
    """A `scipy.sparse` matrix under the module path of its day."""
    csc = scipy.sparse.csc_matrix(matrix)
    state = {
        "_shape": csc.shape,
        "maxprint": 50,
        "indices": csc.indices,
        "indptr": csc.indptr,
        "data": csc.data,
    }
    return Instance(Name(module, "csc_matrix"), state)


def dumps(content: Any, *, python2: bool) -> bytes:
    """A pickle of protocol 2 as Python 2 wrote it, or of protocol 4."""
    buffer = io.BytesIO()
    (_Python2Pickler if python2 else _Pickler)(buffer, 2 if python2 else 4).dump(content)
    return buffer.getvalue()


class _Pickler(pickle._Pickler):
    """Writes names and instances without importing anything."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_name(self, obj: Name) -> None:
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    def save_instance(self, obj: Instance) -> None:
        if obj.old:
            target = Name("copy_reg", "_reconstructor")
            args = (obj.kind, Name("__builtin__", "object"), None)
        else:
            target, args = obj.kind, ()
        self.save(target)
        self.save(args)
        self.write(pickle.REDUCE if obj.old else pickle.NEWOBJ)
        self.memoize(obj)
        self.save(obj.state)
        self.write(pickle.BUILD)

    dispatch[Name] = save_name
    dispatch[Instance] = save_instance


class _Python2Pickler(_Pickler):
    """Strings and the raw data of arrays are Python 2's one kind of string."""

    dispatch: ClassVar = dict(_Pickler.dispatch)

    def save_string(self, obj: str | bytes) -> None:
        raw = obj.encode("latin-1") if isinstance(obj, str) else obj
        if len(raw) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(raw)]) + raw)
        else:
            self.write(pickle.BINSTRING + len(raw).to_bytes(4, "little") + raw)
        self.memoize(obj)

    def save_array(self, obj: Array) -> None:
        self.save_reduce(
            Name("numpy.core.multiarray", "_reconstruct"),
            (Name("numpy", "ndarray"), (0,), "b"),
            (1, obj.shape, obj.dtype, False, np.ascontiguousarray(obj).tobytes()),
            obj=obj,
        )

    def save_dtype(self, obj: np.dtype) -> None:
        self.save_reduce(
            Name("numpy", "dtype"),
            (obj.str[1:], 0, 1),
            (3, obj.str[0], None, None, None, -1, -1, 0),
            obj=obj,
        )

    dispatch[str] = save_string
    dispatch[bytes] = save_string
    dispatch[np.ndarray] = save_array
    for _kind in {type(np.dtype(code)) for code in ("f8", "u4", "i4", "i8")}:
        dispatch[_kind] = save_dtype


def carried(head: Face, values: torch.Tensor) -> Array:
    """Values at the embedded head's vertices [V, ...] -> at the fixture's skin [3931, ...]."""
    assert len(values) == head.n_vertices
    flat = values.double().numpy().reshape(len(values), -1)
    return (skin_map()[0] @ flat).reshape(N_SKIN, *values.shape[1:])
