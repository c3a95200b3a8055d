"""A face drawn of ellipses, which the face networks take for one."""

import numpy as np

# Of the drawn face, in its own pixels: x to the subject's left, y down.
EYE_X, EYE_Y, MOUTH_Y = 21, -12, 39


def draw_face(
    image: np.ndarray, x: float, y: float, scale: float = 1.0, angle: float = 0.0
) -> np.ndarray:
    """A face of soft ellipses, about 125 * scale pixels wide, turned clockwise by `angle`."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    dx, dy = (columns - x) / scale, (rows - y) / scale
    u, v = np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx
    canvas = image.astype(np.float64)

    def ellipse(cx, cy, rx, ry, colour, soft=0.08):  # type: ignore[no-untyped-def]
        cover = np.clip((1 - np.hypot((u - cx) / rx, (v - cy) / ry)) / soft + 0.5, 0, 1)[..., None]
        canvas[:] = canvas * (1 - cover) + cover * np.array(colour)

    ellipse(0, -20, 62, 72, (60, 40, 30))  # hair
    ellipse(0, 60, 22, 45, (190, 140, 115))  # neck
    ellipse(0, 5, 52, 68, (224, 172, 145), 0.15)
    for side in (-EYE_X, EYE_X):
        ellipse(side, EYE_Y, 12, 6.5, (245, 240, 238))
        ellipse(side, EYE_Y, 5.5, 5.5, (80, 60, 40))
        ellipse(side, EYE_Y, 2.5, 2.5, (10, 10, 10))
        ellipse(side, EYE_Y - 14, 15, 3, (70, 45, 35), 0.4)  # brow
        ellipse(side * 2.5, 0, 7, 14, (210, 155, 130), 0.2)  # ear
        ellipse(side / 4, 20, 4, 2.5, (150, 95, 80), 0.5)  # nostril
    ellipse(0, MOUTH_Y, 20, 6.5, (185, 85, 85), 0.25)
    ellipse(0, MOUTH_Y, 17, 1.2, (110, 40, 45), 0.5)
    return canvas.round().astype(np.uint8)


def wall(height: int = 256, width: int = 256) -> np.ndarray:
    return np.full((height, width, 3), (120, 140, 160), np.uint8)


def portrait(x: float = 128, y: float = 128, scale: float = 1.0, angle: float = 0.0) -> np.ndarray:
    return draw_face(wall(), x, y, scale, angle)


def placed(x: float, y: float, scale: float, angle: float, u: float, v: float) -> np.ndarray:
    """Where a point of the drawn face lies in the image."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([x, y]) + scale * np.array([cos * u - sin * v, sin * u + cos * v])
