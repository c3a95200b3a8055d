"""Gives back the amplitude that regression takes away.

What speech does not explain of a mouth's motion, a regression leaves out: its output follows the right
curve and is too small. People see a mumble. So motion of the mouth is enlarged about what the same
network does in silence (closed lips stay closed), by one number for each style, measured on the
reference: how much more the mouth opens and shuts there than the network makes it.
"""

import numpy as np
from torch import Tensor

from adamesh.faces.face import Face
from adamesh.features import load_features
from adamesh.metrics.mouth import mouth_opening
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.spaces import MOUTH, coefficient_space
from adamesh.rates import SAMPLE_RATE

LARGEST = 3.0  # beyond, noise would be enlarged rather than speech


def amplitude_gain(face: Face, generated: Tensor, seen: Tensor) -> float:
    """How much more the mouth opens and shuts in `seen` than in `generated`, both [T, D]; 1..LARGEST."""
    wanted, found = (mouth_opening(face, x).std() for x in (seen, generated))
    return float((wanted / found.clamp_min(1e-9)).clamp(1.0, LARGEST))


def resting_expression(model: ExpressionAdapter, style: Tensor, betas: Tensor) -> Tensor:
    """[E] what the model does in silence. Args: style [1, style_dim]; betas [1, K]."""
    silence = load_features(model.config.features)(np.zeros(SAMPLE_RATE, np.float32))
    return model.predict(silence, style, betas)[-1]


def enlarge(space: str, expression: Tensor, rest: Tensor, gain: float) -> Tensor:
    """`expression` [T, D] with the mouth's part `gain` times as far from `rest` [D], within bounds.

    Where components have no names, all of them are the mouth's.
    """
    known = coefficient_space(space)
    mouth = MOUTH if space == "arkit52" else slice(None)
    larger = expression.clone()
    larger[:, mouth] = rest[mouth] + gain * (expression[:, mouth] - rest[mouth])
    return larger.clamp(known.lower, known.upper)
