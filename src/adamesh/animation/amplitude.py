"""Gives back the amplitude that regression takes away.

What speech does not explain of a mouth's motion, a regression leaves out: its output follows the right
curve and is too small. People see a mumble. So motion of the mouth is enlarged about the resting face
(closed lips stay closed) by one number for each style, measured on the reference: how much more the mouth
opens and shuts there than the network makes it.
"""

from torch import Tensor

from adamesh.faces.face import Face
from adamesh.metrics.mouth import mouth_opening

LARGEST = 3.0  # beyond, noise would be enlarged rather than speech


def amplitude_gain(face: Face, generated: Tensor, seen: Tensor) -> float:
    """How much more the mouth opens and shuts in `seen` than in `generated`, both [T, D]; 1..LARGEST."""
    wanted, found = (mouth_opening(face, x).std() for x in (seen, generated))
    return float((wanted / found.clamp_min(1e-9)).clamp(1.0, LARGEST))
