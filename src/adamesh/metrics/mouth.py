"""The curve by which lip sync is judged."""

from torch import Tensor

from adamesh.faces.face import Face
from adamesh.tracking.landmark_index import INNER_LIPS_LOWER, INNER_LIPS_UPPER


def mouth_opening(face: Face, expression: Tensor) -> Tensor:
    """How far the inner lips are apart at their middle, along +Y, on the face with betas = 0, metres.

    Signed: lips pressed into one another must not count as open.

    Args:
        expression: [..., T, E]. Returns: [..., T].
    """
    basis = face.landmark_basis()
    ids = [list(INNER_LIPS_UPPER), list(INNER_LIPS_LOWER)]
    middle = [row[len(row) // 2] for row in ids]
    upper, lower = (
        basis.template[i].float() + expression @ basis.expressiondirs[i].float().T for i in middle
    )
    return (upper - lower)[..., 1]
