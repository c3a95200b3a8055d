"""Colours of the head, sRGB 0..1."""

import numpy as np
from geometry import Array

SKIN = np.array([0.82, 0.63, 0.54])
BLUSH = np.array([0.79, 0.50, 0.43])
LIPS = np.array([0.72, 0.43, 0.40])
INSIDE = np.array([0.45, 0.18, 0.18])
BROWS = np.array([0.24, 0.16, 0.12])
LASHES = np.array([0.10, 0.07, 0.06])
SCLERA = np.array([0.93, 0.91, 0.89])
IRIS = np.array([0.33, 0.40, 0.38])
IRIS_INNER = np.array([0.45, 0.38, 0.25])
LIMBUS = np.array([0.14, 0.17, 0.17])
PUPIL = np.array([0.02, 0.02, 0.02])
TEETH = np.array([0.93, 0.90, 0.84])
GUMS = np.array([0.66, 0.33, 0.33])
HAIR = np.array([0.27, 0.20, 0.17])
TONGUE = np.array([0.72, 0.36, 0.36])


def mixed(a: Array, b: Array, share: Array | float) -> Array:
    """Colour `a`, with `share` of it replaced by `b`."""
    share = np.asarray(share, float)[..., None]
    return a * (1 - share) + b * share
