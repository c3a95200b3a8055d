"""ARKit weights as visemes, for avatars that know no ARKit shapes.

A viseme is described by the ARKit blendshapes that make its mouth. A frame's visemes are those that together
come nearest to the frame's blendshapes: non-negative least squares, with a price on their sum, so that few
are used.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from adamesh.motion.spaces import ARKIT52

PRICE = 0.1  # on the sum of the visemes; small beside the blendshapes of one, which are about 0.5

# Our own, from what phonetics says of each mouth shape. Names without a side stand for both.
_POSES: dict[str, dict[str, float]] = {
    "viseme_PP": {"mouthPress": 0.5, "mouthRollLower": 0.3, "mouthRollUpper": 0.3},
    "viseme_FF": {"mouthRollLower": 0.5, "mouthUpperUp": 0.3, "jawOpen": 0.05},
    "viseme_TH": {"tongueOut": 0.4, "jawOpen": 0.15, "mouthLowerDown": 0.2},
    "viseme_DD": {"jawOpen": 0.15, "mouthLowerDown": 0.3, "mouthUpperUp": 0.2},
    "viseme_kk": {"jawOpen": 0.2, "mouthLowerDown": 0.15, "mouthStretch": 0.1},
    "viseme_CH": {"mouthFunnel": 0.5, "mouthUpperUp": 0.2, "jawOpen": 0.1},
    "viseme_SS": {"mouthStretch": 0.35, "mouthLowerDown": 0.25, "jawOpen": 0.05},
    "viseme_nn": {"jawOpen": 0.15, "mouthLowerDown": 0.15},
    "viseme_RR": {"mouthFunnel": 0.3, "mouthPucker": 0.3, "jawOpen": 0.15},
    "viseme_aa": {"jawOpen": 0.65, "mouthLowerDown": 0.25, "mouthUpperUp": 0.15},
    "viseme_E": {"jawOpen": 0.3, "mouthStretch": 0.35, "mouthLowerDown": 0.2},
    "viseme_I": {"jawOpen": 0.15, "mouthSmile": 0.45, "mouthStretch": 0.2},
    "viseme_O": {"jawOpen": 0.4, "mouthFunnel": 0.6},
    "viseme_U": {"jawOpen": 0.15, "mouthPucker": 0.8, "mouthFunnel": 0.3},
}


def to_visemes(weights: NDArray[np.float32], visemes: Sequence[str]) -> NDArray[np.float64]:
    """ARKit weights as weights of the visemes that an avatar has.

    Args:
        weights: [T, 52] of the space arkit52.
        visemes: some of `names.VISEMES`.
    Returns:
        [T, len(visemes)] 0..1, with a sum of at most 1.
    """
    poses = np.stack([_pose(viseme) for viseme in visemes], axis=1)  # [52, N]
    matrix = np.vstack([poses, np.full(len(visemes), PRICE)])
    mouths = weights.astype(np.float64)
    # mouthClose shuts the lips of a jaw that is open: what is seen is what they leave of it.
    opened, closed = ARKIT52.index("jawOpen"), ARKIT52.index("mouthClose")
    mouths[:, opened] = np.maximum(mouths[:, opened] - mouths[:, closed], 0)
    mouths[:, poses.sum(axis=1) == 0] = 0
    found = np.stack([nnls(matrix, np.append(mouth, 0.0))[0] for mouth in mouths])
    return found / np.maximum(found.sum(axis=1, keepdims=True), 1)


def viseme_blendshapes(viseme: str) -> dict[str, float]:
    """The ARKit blendshapes that make a viseme, and their weights."""
    return {
        name: weight
        for blendshape, weight in _POSES[viseme].items()
        for name in (blendshape, f"{blendshape}Left", f"{blendshape}Right")
        if name in ARKIT52
    }


def _pose(viseme: str) -> NDArray[np.float64]:
    """[52]."""
    blendshapes = viseme_blendshapes(viseme)
    return np.array([blendshapes.get(name, 0.0) for name in ARKIT52])
