"""Regions of the head that follow from position, from weights, and from what moves."""

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
from assembly import Assembly
from geometry import Array
from part import JOINTS

from adamesh.motion.spaces import ARKIT52


def derived_regions(head: Assembly, vertices: Array, blendshapes: Array) -> dict[str, Array]:
    """Regions that follow from position, from the weights, and from what moves.

    Args:
        head: with the regions that its parts have.
        vertices: [V, 3] neutral head, metres.
        blendshapes: [52, V, 3] metres.
    """
    skin, regions = head.parts["skin"], head.regions
    n = len(skin)
    x, y = vertices[:n, 0], vertices[:n, 1]
    moved = {
        name: np.linalg.norm(b[:n], axis=1) for name, b in zip(ARKIT52, blendshapes, strict=True)
    }
    is_front, is_lip, is_inside = (np.zeros(n, bool) for _ in range(3))
    is_front[regions["front"]] = True
    is_lip[regions["lips"]] = True
    is_inside[regions["mouth_interior"]] = True
    outside = is_front & ~is_inside
    opening = -blendshapes[ARKIT52.index("jawOpen"), :n, 1]
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
