"""The colour of a person's irises, told from the white of their eyes.

White and iris lie in the same light and in the shadow of the same lids and brows, so their ratio is free of
both; the skin around is not in that shadow.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamesh.faces import landmark_index as lm
from adamesh.media.color import LUMINANCE, from_lab, to_lab, to_linear
from adamesh.texture.blend import robust_mean
from adamesh.texture.raster import rasterise
from adamesh.values import Value

Float = NDArray[np.floating]

EYES = ((lm.RIGHT_EYE, lm.RIGHT_IRIS), (lm.LEFT_EYE, lm.LEFT_IRIS))
# In radii of the iris.
RING = (0.4, 0.75)  # between the pupil and the dark rim
WHITE = (1.1, 1.5)
BRIGHT = 75  # percentile of the white's pixels: the others are blurred with iris and lids
OPENING = 0.85  # share of the opening, about its middle, in which there are no lashes
OPEN = 0.4  # share of the ring that must be seen
CONTRAST = 1.4  # least luminance of the white, to the iris: lids, glasses and blur have none
ENOUGH = 4  # looks at an eye

WHITE_COLOR = to_linear(np.array([0.93, 0.91, 0.89]))
# What most eyes are, and what few pixels are drawn to: blur mixes the white into a small iris.
BROWN = to_linear(np.array([0.26, 0.17, 0.12]))
DARKEST = to_linear(np.array([0.13, 0.08, 0.06]))
BLURRED, SHARP = 3.0, 6.0  # radius in pixels of an iris that tells nothing, and that tells all


@dataclass(frozen=True, eq=False, repr=False)
class _Look(Value):
    """At one eye in one frame: linear colours [3], and the iris' radius in pixels."""

    iris: Float
    white: Float
    radius: float

    @property
    def contrast(self) -> float:
        return float(self.white @ LUMINANCE / max(self.iris @ LUMINANCE, 1e-4))


def iris_color(landmarks: Float, frames: dict[int, NDArray[np.uint8]]) -> Float | None:
    """The colour of both irises.

    Args:
        landmarks: [T, 478, 2 or 3] pixels.
        frames: [H, W, 3] sRGB by number t.
    Returns:
        [3] linear, or None where the eyes are not seen well enough.
    """
    looks = [
        look
        for t, frame in frames.items()
        for opening, iris in EYES
        if (look := _look(frame, landmarks[t, :, :2], opening, iris)) is not None
    ]
    radius = np.median([look.radius for look in looks]) if looks else 0.0
    if len(looks) < ENOUGH or radius < BLURRED:
        return None
    colors = np.array([look.iris / look.white for look in looks])
    # A clear look weighs more than one at an iris that is blurred, or beside its landmarks.
    weights = np.array([min(look.contrast, 10.0) - 1 for look in looks])
    color = robust_mean(colors[:, None], weights[:, None])[0] * WHITE_COLOR
    lightness, a, b = to_lab(color)
    color = from_lab(np.array([lightness, min(a, max(b, 0.0)), b]))  # no iris is purple
    trust = min((radius - BLURRED) / (SHARP - BLURRED), 1.0)
    return BROWN ** (1 - trust) * np.maximum(color, DARKEST) ** trust


def _look(
    frame: NDArray[np.uint8], landmarks: Float, opening: tuple[int, ...], iris: tuple[int, ...]
) -> _Look | None:
    """What is seen between the lids of an eye; None for one that is closed or covered."""
    height, width = frame.shape[:2]
    lids = landmarks[list(opening)]
    middle = lids.mean(0)
    lids = middle + OPENING * (lids - middle)
    fan = np.stack([np.broadcast_to(middle, lids.shape), lids, np.roll(lids, -1, axis=0)], axis=1)
    pixels = np.unique(rasterise(fan, (width, height)).pixel)
    centre, *rim = landmarks[list(iris)]
    radius = float(np.linalg.norm(rim - centre, axis=1).mean())
    away = np.stack([pixels % width, pixels // width], axis=1) - centre
    distance = np.linalg.norm(away, axis=1) / max(radius, 1e-6)
    colors = to_linear(frame.reshape(-1, 3)[pixels] / 255)
    ring, white = (colors[(distance > a) & (distance < b)] for a, b in (RING, WHITE))
    area = np.pi * radius**2 * (RING[1] ** 2 - RING[0] ** 2)
    if len(ring) < OPEN * area or not len(white):
        return None
    brightness = white @ LUMINANCE
    bright = white[brightness >= np.percentile(brightness, BRIGHT)].mean(axis=0)
    look = _Look(np.median(ring, axis=0), np.maximum(bright, 1e-3), radius)  # no highlights
    return look if look.contrast > CONTRAST else None
