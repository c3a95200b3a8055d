"""sRGB and linear light (IEC 61966-2-1)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[Any]  # of any precision

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear red, green and blue (ITU-R BT.709)


def to_linear(srgb: Float) -> Float:
    """sRGB 0..1 -> linear 0..1."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: Float) -> Float:
    """Linear 0..1 -> sRGB 0..1."""
    low = np.maximum(linear, 0)
    return np.where(low <= 0.0031308, low * 12.92, 1.055 * low ** (1 / 2.4) - 0.055)


# CIE 1976 L*a*b* of linear sRGB, with its white, D65.
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = _XYZ.sum(axis=1)
_LAB = np.array([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])
_BLACK = np.array([16.0, 0.0, 0.0])
_KNEE = 6 / 29


def to_lab(linear: Float) -> Float:
    """Linear sRGB [..., 3] -> CIELAB [..., 3]."""
    share = linear @ _XYZ.T / _WHITE
    root = np.where(share > _KNEE**3, np.cbrt(share), share / (3 * _KNEE**2) + 4 / 29)
    return root @ _LAB.T - _BLACK


def from_lab(lab: Float) -> Float:
    """CIELAB [..., 3] -> linear sRGB [..., 3], below 0 or above 1 where sRGB has no such colour."""
    root = (lab + _BLACK) @ np.linalg.inv(_LAB).T
    share = np.where(root > _KNEE, root**3, 3 * _KNEE**2 * (root - 4 / 29))
    return (share * _WHITE) @ np.linalg.inv(_XYZ).T
