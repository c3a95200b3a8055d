"""Lips, brows and the rest of a face, found from its landmarks: as sets of vertices, and coloured."""

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray

from adamesh.faces.appearance import BROWS, INSIDE, LIPS, MATERIALS, SKIN
from adamesh.faces.face import Face
from adamesh.faces.landmark_index import (
    FACE_OVAL,
    INNER_LIPS,
    LEFT_BROW,
    MOUTH_CORNERS,
    OUTER_LIPS,
    RIGHT_BROW,
)
from adamesh.faces.surface import vertex_normals
from adamesh.tracking.face_landmarks import PARTED, mouth_opening

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]

CHEEKBONES = 0.02  # metres below the eyes, where the upper face ends
DEPTH = 0.012  # metres behind the landmarks that a part of the face may go back
BROW_SHARE = 0.6  # of the brows' colour


def with_regions(face: Face) -> Face:
    """The face with regions from its landmarks, and lips and brows in their colours.

    The regions are those of the embedded head that the landmarks tell: lips, upper_lip, lower_lip,
    left_brow, right_brow, brows, front, upper_face and lower_face, beside what the face has.

    Args:
        face: with landmarks and plain colours.
    """
    parted = face(**mouth_opening(face)(PARTED)).vertices
    points = face.landmarks(parted)[0].double().numpy()
    vertices = parted[0].double().numpy()
    on_skin = np.ones(len(vertices), bool)
    for ball in ("left_eyeball", "right_eyeball"):
        on_skin[face.regions[ball].numpy()] = False
    facing = on_skin & (vertex_normals(vertices, face.triangles.numpy())[:, 2] > -0.2)

    def behind(*landmarks: int) -> Mask:
        """Which vertices are in a closed line of landmarks, seen from the front, or close behind."""
        corners = points[list(landmarks)]
        corners = corners[np.isfinite(corners[:, 0])]
        near = vertices[:, 2] > corners[:, 2].min() - DEPTH
        return on_skin & near & _in_polygon(vertices[:, :2], corners[:, :2])

    def inside(*landmarks: int) -> Mask:
        return facing & behind(*landmarks)

    near_mouth = behind(*OUTER_LIPS)
    lips = inside(*OUTER_LIPS) & ~inside(*INNER_LIPS)
    upper = _above(vertices, points, lips)
    brows = {
        name: inside(*brow[:5], *brow[:4:-1])  # along the lower edge, back along the upper
        for name, brow in (("left_brow", LEFT_BROW), ("right_brow", RIGHT_BROW))
    }
    front = inside(*FACE_OVAL)
    eyes = [face.joint_names.index(joint) for joint in ("leye", "reye")]
    cheekbones = float(face.joints_template[eyes, 1].mean()) - CHEEKBONES
    high = face.template[:, 1].numpy() >= cheekbones
    found = {
        "lips": lips,
        "upper_lip": lips & upper,
        "lower_lip": lips & ~upper,
        **brows,
        "brows": brows["left_brow"] | brows["right_brow"],
        "front": front,
        "upper_face": front & high & ~lips,
        "lower_face": front & ~high,
    }

    mouth = near_mouth & ~lips  # the lips' inner sides
    colors = face.colors.double().numpy().copy()
    smooth = _neighbour_mean(face.triangles.numpy(), len(vertices))
    for color, where, rounds in (
        (BROW_SHARE * BROWS + (1 - BROW_SHARE) * SKIN, found["brows"], 2),
        (LIPS, lips | mouth, 1),
        (INSIDE, mouth, 0),
    ):
        share = where.astype(float)
        for _ in range(rounds):
            share = (share + smooth @ share) / 2
        share = np.where(on_skin, share, 0)[:, None]
        colors = share * color + (1 - share) * colors
    material = face.triangle_material.clone()
    material[torch.from_numpy(lips[face.triangles.numpy()].all(axis=1))] = MATERIALS.index("lips")
    regions = {name: torch.from_numpy(np.flatnonzero(mask)) for name, mask in found.items()}
    return face.replace(
        colors=torch.from_numpy(colors).to(face.colors.dtype),
        triangle_material=material,
        regions=face.regions | regions,
    )


def _above(vertices: Float, points: Float, lips: Mask) -> Mask:
    """[V] which vertices of parted lips belong to the upper one: those above the middle of the gap.

    The middle goes from corner to corner through the means of the opposite inner edges.
    """
    right, *lower_edge = INNER_LIPS[: len(INNER_LIPS) // 2]
    left, *upper_edge = INNER_LIPS[len(INNER_LIPS) // 2 :]
    middle = (points[lower_edge] + points[upper_edge[::-1]]) / 2
    line = np.concatenate(
        [points[[MOUTH_CORNERS[0], right]], middle, points[[left, MOUTH_CORNERS[1]]]]
    )
    line = line[np.isfinite(line[:, 0])]
    return lips & (vertices[:, 1] > np.interp(vertices[:, 0], line[:, 0], line[:, 1]))


def _in_polygon(points: Float, corners: Float) -> Mask:
    """[n] which points [n, 2] are in a polygon [m, 2]: a line to the right meets it an odd number of
    times."""
    start, end = corners, np.roll(corners, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    spans = (start[:, 1] > y) != (end[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (y - start[:, 1]) / (end[:, 1] - start[:, 1])
    crossing = start[:, 0] + share * (end[:, 0] - start[:, 0])
    return (spans & (crossing > x)).sum(axis=1) % 2 == 1


def _neighbour_mean(triangles: NDArray[np.int64], n: int) -> scipy.sparse.csr_array:
    """[n, n] map to the mean over a vertex's neighbours."""
    ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    both = np.concatenate([ends, ends[:, ::-1]]).T
    near = scipy.sparse.csr_array((np.ones(both.shape[1]), both), shape=(n, n)).sign()
    return scipy.sparse.diags_array(1 / np.maximum(near.sum(axis=1), 1)) @ near
