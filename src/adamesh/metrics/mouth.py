"""The curve by which lip sync is judged."""

from torch import Tensor

from adamesh.faces.face import Face
from adamesh.faces.motion_basis import motion_directions
from adamesh.tracking.landmark_index import INNER_LIPS_LOWER, INNER_LIPS_UPPER


def mouth_opening(face: Face, expression: Tensor) -> Tensor:
    """How far the inner lips are apart at their middle, along +Y, on the face with betas = 0, metres.

    Signed: lips pressed into one another must not count as open.

    Args:
        expression: [..., T, D], see `motion.regression`. Returns: [..., T].
    """
    template, directions = face.landmark_basis().template.float(), motion_directions(face)
    ids = [list(INNER_LIPS_UPPER), list(INNER_LIPS_LOWER)]
    middle = [row[len(row) // 2] for row in ids]
    upper, lower = (template[i] + expression @ directions[i].T for i in middle)
    return (upper - lower)[..., 1]
