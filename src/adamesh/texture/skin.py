"""What is likely to be a person's skin, and what colour skin can have."""

import numpy as np
from numpy.typing import NDArray

from adamesh.media.color import LUMINANCE, from_lab, to_lab

Float = NDArray[np.floating]

DARKER, HUED = 0.35, 0.15  # of logarithms by which skin may differ from the median of the face
DARKER_SPREAD, HUED_SPREAD = 0.2, 0.1  # and how fast it is another thing beyond
# Of CIELAB, about the embedded head's skin, which has 54 degrees and 24. Balances of white that are
# farther off than people differ are brought back into it.
HUE = np.radians([45.0, 68.0])
CHROMA = (14.0, 30.0)


def skin_likelihood(colors: Float, typical: Float) -> Float:
    """[N, 3] linear -> [N] 1 for skin, and less for hair, clothes and what is behind.

    Args:
        typical: [3] linear, of the person's skin.
    """
    ratio = np.log(np.maximum(colors, 1e-3)) - np.log(typical)
    brightness = np.log(np.maximum(colors @ LUMINANCE, 1e-3) / (typical @ LUMINANCE))
    hued = np.linalg.norm(ratio - ratio.mean(axis=1, keepdims=True), axis=1)
    darker_by = np.maximum(np.abs(brightness) - DARKER, 0) / DARKER_SPREAD
    hued_by = np.maximum(hued - HUED, 0) / HUED_SPREAD
    return np.exp(-0.5 * (darker_by**2 + hued_by**2))


def white_balance(typical: Float) -> Float:
    """[3] factors on linear colours that bring a person's skin [3] to a hue and chroma that skin has."""
    lightness, a, b = to_lab(typical)
    hue = np.clip(np.arctan2(b, a), *HUE)
    chroma = np.clip(np.hypot(a, b), *CHROMA)
    wanted = from_lab(np.array([lightness, chroma * np.cos(hue), chroma * np.sin(hue)]))
    return np.maximum(wanted, 1e-3) / np.maximum(typical, 1e-3)
