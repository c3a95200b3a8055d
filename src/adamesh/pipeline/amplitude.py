"""Gives back the amplitude that regression takes away.

What speech does not explain of a mouth's motion, a regression leaves out: its output follows the right
curve and is too small. People see a mumble. So motion of the mouth is enlarged about what the same
network does in silence (closed lips stay closed), by one number for each style, measured on the
reference: how much more the mouth opens and shuts there than the network makes it.
"""

import numpy as np
from torch import Tensor

from adamesh.faces.embedded import load_embedded_face
from adamesh.features import load_features
from adamesh.metrics.mouth import mouth_opening
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.spaces import MOUTH
from adamesh.rates import SAMPLE_RATE

LARGEST = 3.0  # beyond, noise would be enlarged rather than speech


def amplitude_gain(generated: Tensor, seen: Tensor) -> float:
    """How much more the mouth opens and shuts in `seen` than in `generated`, both [T, E]; 1..LARGEST."""
    face = load_embedded_face()
    wanted, found = (mouth_opening(face, x).std() for x in (seen, generated))
    return float((wanted / found.clamp_min(1e-9)).clamp(1.0, LARGEST))


def resting_expression(model: ExpressionAdapter, style: Tensor, betas: Tensor) -> Tensor:
    """[E] what the model does in silence. Args: style [1, style_dim]; betas [1, K]."""
    silence = load_features(model.config.features)(np.zeros(SAMPLE_RATE, np.float32))
    return model.predict(silence, style, betas)[-1]


def enlarge(expression: Tensor, rest: Tensor, gain: float) -> Tensor:
    """`expression` [T, E] with mouth actions `gain` times as far from `rest` [E], within 0..1."""
    larger = expression.clone()
    larger[:, MOUTH] = rest[MOUTH] + gain * (expression[:, MOUTH] - rest[MOUTH])
    return larger.clamp(0, 1)
