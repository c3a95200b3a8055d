"""The light of a video, found from the skin that it falls on.

Skin is taken to be of one colour, so what goes with its normal is light. Light from afar on a matt surface is
a quadratic polynomial of the normal to within a few per cent: Ramamoorthi and Hanrahan, "An efficient
representation for irradiance environment maps", 2001.
"""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]

ROUNDS = 6
HUBER = 1.3  # deviations beyond which a sample counts less
RIDGE = 0.01  # on all but the mean light, per sample
RANGE = (0.5, 2.0)  # of light, to its mean: what lies beyond is shadow, or has lost its colour


def fit_light(normals: Float, colors: Float) -> Float:
    """Light by direction of the normal.

    Args:
        normals: [N, 3] unit, in the frame of the light.
        colors: [N, 3] linear, of skin.
    Returns:
        [9, 3] coefficients for `light`, whose mean over the samples is 1.
    """
    terms = _terms(normals)
    ridge = RIDGE * len(normals) * np.diag([0.0] + [1.0] * 8)
    found = np.empty((9, 3))
    for channel, values in enumerate(colors.T):
        sure = np.ones(len(values))
        for _ in range(ROUNDS):
            gram = (terms * sure[:, None]).T @ terms
            found[:, channel] = np.linalg.solve(gram + ridge, terms.T @ (sure * values))
            left = np.abs(values - terms @ found[:, channel])
            limit = HUBER * max(1.48 * float(np.median(left)), 1e-6)
            sure = np.minimum(1, limit / np.maximum(left, 1e-9))
        found[:, channel] /= np.average(terms @ found[:, channel], weights=sure)
    # A light has one colour, as well as can be told: quadratic terms of their own for each channel paint
    # the sides of the face.
    found[4:] = found[4:].mean(axis=1, keepdims=True)
    return found


def light(normals: Float, coefficients: Float) -> Float:
    """[N, 3] unit normals, [9, 3] -> [N, 3] light, 1 in the mean, in RANGE."""
    return np.clip(_terms(normals) @ coefficients, *RANGE)


def _terms(normals: Float) -> Float:
    """[N, 9] the polynomials of degree 2 that are independent on the sphere."""
    x, y, z = normals.T
    return np.stack(
        [np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, z * z - 1 / 3], 1
    )
