"""The 52 blendshapes and the joints of the embedded head, for a face of any other mesh."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from adamesh.faces.face import Face
from adamesh.faces.surface import connected_parts
from adamesh.motion.spaces import ARKIT52
from adamesh.retargeting.registration import partners
from adamesh.rigging.deformation import MOVES, DeformationTransfer, Pairs
from adamesh.rigging.fitting import FittedHead, fit_head

Float = NDArray[np.float64]
Int = NDArray[np.int64]

JOINTS = ("root", "neck", "head", "leye", "reye")  # the jaw moves by blendshapes
# Parts of a mouth, by regions of the embedded head: each moves as its like does.
MOUTH_PARTS = ("upper_teeth", "lower_teeth", "tongue")
NEIGHBOURS = 4  # of the head's vertices, whose mean moves what lies on no surface of it
# Metres by which a part must be nearer to the skin than to teeth or tongue to go with it: front teeth
# touch the lips, and nothing else is near to either.
LIPS_BEFORE_TEETH = 0.005
NEAR = 1e-4  # metres, so that a neighbour at no distance does not weigh everything


def with_blendshapes(head: Face, face: Face) -> Face:
    """The face with the blendshapes, the joints and the skinning weights of a head.

    Args:
        head: with the 52 blendshapes and the regions of the embedded head.
        face: of any mesh, with landmarks; what it has of blendshapes and joints is replaced. Its regions
            left_eyeball and right_eyeball, where they are not empty, turn about their own middle.
    Raises:
        InputError: the face lacks landmarks.
    """
    fitted = fit_head(head, face)
    weights = _joint_weights(head, JOINTS)
    moved = _moved(head, fitted)  # [V of the head, 3 * 52]
    values = np.concatenate([moved, weights], axis=1)
    carried = _carried(head, fitted, face, values)
    directions, weights = carried[:, : moved.shape[1]], carried[:, moved.shape[1] :].copy()
    joints = fitted.joints[[head.joint_names.index(name) for name in JOINTS]]
    for joint, ball in (("leye", "left_eyeball"), ("reye", "right_eyeball")):
        vertices = face.regions[ball].numpy()
        number = JOINTS.index(joint)
        # Lids are near, but only an eyeball turns.
        weights[:, JOINTS.index("head")] += weights[:, number]
        weights[:, number] = 0
        if len(vertices):
            points = face.template.numpy()[vertices]
            joints[number] = (points.min(0) + points.max(0)) / 2
            weights[vertices] = np.eye(len(JOINTS))[number]
            directions[vertices] = 0
    dtype = face.template.dtype
    return face.replace(
        space="arkit52",
        expression_names=ARKIT52,
        expressiondirs=torch.from_numpy(directions.reshape(-1, 3, len(ARKIT52))).to(dtype),
        joint_names=JOINTS,
        joint_parents=(-1, 0, 1, 2, 2),
        joints_template=torch.from_numpy(joints).to(dtype),
        joints_shapedirs=torch.zeros(len(JOINTS), 3, face.n_betas, dtype=dtype),
        skin_weights=torch.from_numpy(weights).to(dtype),
        posedirs=None,
        joints_expressiondirs=None,
    )


def _joint_weights(head: Face, joints: tuple[str, ...]) -> Float:
    """[V, J] of the head's skinning weights; what is another joint's goes to the head."""
    weights = head.skin_weights.double().numpy()
    own = np.stack([weights[:, head.joint_names.index(name)] for name in joints], axis=1)
    own[:, joints.index("head")] += 1 - own.sum(1)
    return own


def _moved(head: Face, fitted: FittedHead) -> Float:
    """[V, 3 * 52] what the blendshapes do to the fitted head: its skin first, the rest along with that."""
    directions = head.expressiondirs.double().numpy()  # [V, 3, 52]
    rest = head.template.double().numpy()
    skin = np.unique(fitted.source.triangles)
    number = np.full(len(rest), -1)
    number[skin] = np.arange(len(skin))
    own, shape = directions[skin], rest[skin]
    pairs = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    for closed, opened in _closures(own):
        pairs += Pairs.touching(shape + closed, shape + opened)
    transfer = DeformationTransfer(
        shape,
        fitted.vertices[skin],
        number[fitted.source.triangles],
        fixed=np.linalg.norm(own, axis=1).max(1) < MOVES,
        pairs=pairs,
    )
    result = np.zeros_like(directions)
    result[skin] = np.stack([transfer(d) for d in np.moveaxis(own, -1, 0)], axis=-1)
    # Teeth and tongue move as on the head, in the size of this mouth; what lies on skin goes with it.
    others = np.setdiff1d(np.arange(len(rest)), skin)
    chin = transfer.turn[number[head.regions["lower_lip"].numpy()]].mean(0)
    inside = np.isin(others, np.concatenate([head.regions[p].numpy() for p in MOUTH_PARTS]))
    result[others[inside]] = chin @ directions[others[inside]]
    balls = np.isin(others, head.regions["eyeballs"].numpy())
    on_skin = others[~inside & ~balls]
    _, nearest = cKDTree(shape).query(rest[on_skin])
    beside = directions[on_skin] - own[nearest]
    result[on_skin] = result[skin[nearest]] + transfer.turn[nearest] @ beside
    return result.reshape(len(rest), -1)


def _closures(directions: Float) -> Iterator[tuple[Float, Float]]:
    """Displacements [V, 3] that close lips or lids, and ones that part them."""
    blendshape = dict(zip(ARKIT52, np.moveaxis(directions, -1, 0), strict=True))
    yield blendshape["jawOpen"] + blendshape["mouthClose"], blendshape["jawOpen"]
    for side in ("Left", "Right"):
        yield blendshape[f"eyeBlink{side}"], np.zeros_like(blendshape["jawOpen"])


def _carried(head: Face, fitted: FittedHead, face: Face, values: Float) -> Float:
    """[V of the face, C] values [V of the head, C] at the points of the head where its vertices lie."""
    skin = np.unique(fitted.target.triangles)
    triangle, barycentric = partners(
        fitted.target, skin, fitted.vertices, fitted.source.triangles, fitted.source.lip
    )
    found = triangle >= 0
    result = np.zeros((len(fitted.target.points), values.shape[1]))
    corners = fitted.source.triangles[triangle[found]]
    result[skin[found]] = (values[corners] * barycentric[found][..., None]).sum(1)
    for vertices, of_head in _groups(head, fitted, face, skin[~found]):
        distance, near = cKDTree(fitted.vertices[of_head]).query(
            fitted.target.points[vertices], k=NEIGHBOURS
        )
        share = 1 / (distance + NEAR)
        share /= share.sum(1, keepdims=True)
        result[vertices] = (values[of_head[near]] * share[..., None]).sum(1)
    return result


def _groups(head: Face, fitted: FittedHead, face: Face, on_skin: Int) -> Iterator[tuple[Int, Int]]:
    """Vertices of the face without a partner, and the head's vertices that they follow.

    Each part of the mesh follows the part of the head, teeth or skin, that most of it is nearest to.
    """
    head_skin = np.unique(fitted.source.triangles)
    yield on_skin, head_skin
    kinds = [head_skin, *(head.regions[part].numpy() for part in MOUTH_PARTS)]
    kinds[0] = np.setdiff1d(kinds[0], np.concatenate(kinds[1:]))
    distances = np.stack(
        [cKDTree(fitted.vertices[kind]).query(fitted.target.points)[0] for kind in kinds]
    )
    distances[0] += LIPS_BEFORE_TEETH
    part = connected_parts(face.triangles.numpy(), len(fitted.target.points))
    for number in np.setdiff1d(part, part[fitted.target.triangles]):
        vertices = np.flatnonzero(part == number)
        kind = np.bincount(distances[:, vertices].argmin(0), minlength=len(kinds)).argmax()
        yield vertices, kinds[kind]
