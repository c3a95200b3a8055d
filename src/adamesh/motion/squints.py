"""Lower lids that rise with a smile: how far, for each person, and put on whatever the mouth does.

A tracker sees lids narrow (`eyeSquint*`) and cannot tell raised cheeks from that: `cheekSquint*` stays zero.
"""

import numpy as np
from numpy.typing import NDArray

from adamesh.motion.spaces import ARKIT52

FloatArray = NDArray[np.float32]
Float = NDArray[np.float64]

SMILE = [ARKIT52.index("mouthSmileLeft"), ARKIT52.index("mouthSmileRight")]
SQUINT = [ARKIT52.index("eyeSquintLeft"), ARKIT52.index("eyeSquintRight")]

SMOOTH_S = 0.2  # deviation of a Gaussian: lips spread in a vowel are no smile
# eyeSquint for each unit of mouthSmile: median of the training data's natural speakers, by
# `tools/measure_population.py`.
POPULATION_SLOPE = 0.065
PRIOR_SQUARES = (
    2.5  # of smiles about their mean: 10 s at a deviation of 0.1 count as much as the population
)


def squint_slope(expression: FloatArray, fps: float) -> float:
    """How far somebody's lids narrow for each unit of smile, drawn towards the population, never below zero.

    Args:
        expression: [T, 52] without blinks, see `motion.regression`.
    """
    products, squares = slope_sums(expression, fps)
    slope = (PRIOR_SQUARES * POPULATION_SLOPE + products) / (PRIOR_SQUARES + squares)
    return float(max(slope, 0.0))


def slope_sums(expression: FloatArray, fps: float) -> Float:
    """[2] sums of smile times squint and of smile squared, both about their means."""
    smile, squint = (_smooth(expression[:, group], fps).mean(1) for group in (SMILE, SQUINT))
    smile, squint = smile - smile.mean(), squint - squint.mean()
    return np.array([smile @ squint, smile @ smile])


def squints(expression: FloatArray, rest: FloatArray, slope: float, fps: float) -> FloatArray:
    """[T, 2] weights of eyeSquint that go with what a mouth does, instead of what speech told of them.

    Args:
        expression: [T, 52] motion.
        rest: [52] the resting face, whose lids and smile it starts from.
        slope: of `squint_slope`.
    """
    smile = _smooth(expression[:, SMILE], fps) - rest[SMILE]
    return np.clip(rest[SQUINT] + slope * smile, 0, 1).astype(np.float32)


def _smooth(weights: FloatArray, fps: float) -> Float:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(np.asarray(weights, np.float64), SMOOTH_S * fps, axis=0))
