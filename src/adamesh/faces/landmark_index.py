"""Which of the 478 face mesh landmarks is what.

Left and right are the subject's: their left eye is on the right of an image that is not mirrored.
"""

import numpy as np

LANDMARK_COUNT = 478  # 468 of the face, 5 of the right iris, 5 of the left iris

# Outer and inner corner.
RIGHT_EYE_CORNERS = (33, 133)
LEFT_EYE_CORNERS = (263, 362)

# The lids' edge: from the outer corner along the lower lid, back along the upper.
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)

# The centre, then four points of the edge.
RIGHT_IRIS = (468, 469, 470, 471, 472)
LEFT_IRIS = (473, 474, 475, 476, 477)

# The lower edge from the outer end to the inner, then the upper edge.
RIGHT_BROW = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107)
LEFT_BROW = (276, 283, 282, 295, 285, 300, 293, 334, 296, 336)

MOUTH_CORNERS = (61, 291)  # right, left

# The mouth's opening from the right corner to the left, without the corners; upper[i] touches
# lower[i] in a closed mouth.
INNER_LIPS_UPPER = (191, 80, 81, 82, 13, 312, 311, 310, 415)
INNER_LIPS_LOWER = (95, 88, 178, 87, 14, 317, 402, 318, 324)

# The edges of the red of the lips: from the right corner along the lower lip, back along the upper.
OUTER_LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)  # fmt: skip
INNER_LIPS = (78, *INNER_LIPS_LOWER, 308, *INNER_LIPS_UPPER[::-1])
LIPS = OUTER_LIPS + INNER_LIPS

# From the middle of the forehead down the subject's left side, over the chin, up the right side.
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip

# On the plane of symmetry. Of the others, 3..247 are on the right and 248..467 on the left, in the
# same order.
MIDLINE = (
    0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    94, 151, 152, 164, 168, 175, 195, 197, 199, 200,
)  # fmt: skip
RIGHT_HALF = tuple(i for i in range(248) if i not in MIDLINE)
LEFT_HALF = tuple(range(248, 468))


def _mirror() -> tuple[int, ...]:
    other = dict(zip(RIGHT_HALF, LEFT_HALF, strict=True))
    # an iris's edge starts on the left of the face and goes up: left, top, right, bottom
    centre, left, top, right, bottom = LEFT_IRIS
    other |= zip(RIGHT_IRIS, (centre, right, top, left, bottom), strict=True)
    other |= {left: right for right, left in other.items()}
    return tuple(other.get(i, i) for i in range(LANDMARK_COUNT))


MIRROR = _mirror()  # [478] the landmark at the same place on the other side of the face


def interocular_distance(landmarks: np.ndarray) -> np.ndarray:
    """The distance between the eyes' centres, each the middle between its two corners.

    Args:
        landmarks: [..., 478, D], D = 2 or 3: in the image plane or in space.
    Returns:
        [...] in the units of the landmarks.
    """
    right, left = (
        landmarks[..., list(corners), :].mean(-2)
        for corners in (RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS)
    )
    return np.linalg.norm(left - right, axis=-1)
