"""Cameras, lights and colours by name."""

import re
from dataclasses import dataclass

import numpy as np

from adamesh.errors import InputError
from adamesh.faces.face import Face
from adamesh.render.camera import Camera
from adamesh.render.renderer import AMBIENT, STUDIO, Light


@dataclass(frozen=True)
class View:
    """What a camera shows of a head, whatever the shape of the picture.

    Attributes:
        width, height: metres that are in the picture at least.
        drop: metres from the top of the head down to the middle of the picture.
        yaw, pitch: radians that the camera is moved round the head, to its left and up.
        distance: metres from the camera to the middle of the head.
    """

    width: float
    height: float
    drop: float
    yaw: float = 0.0
    pitch: float = 0.0
    distance: float = 1.2


@dataclass(frozen=True)
class Lighting:
    """Lights, and the share of a surface's colour that is seen without any of them."""

    lights: tuple[Light, ...]
    ambient: float


CAMERAS: dict[str, View] = {
    "front": View(0.21, 0.31, 0.13),
    "three-quarter": View(0.23, 0.31, 0.13, yaw=0.65),
    "profile": View(0.27, 0.31, 0.13, yaw=np.pi / 2),
    "close": View(0.16, 0.19, 0.15, distance=1.0),
    "below": View(0.23, 0.31, 0.125, yaw=0.2, pitch=-0.4),
}

_WHITE = (1.0, 1.0, 1.0)
LIGHTS: dict[str, Lighting] = {
    "studio": Lighting(STUDIO, AMBIENT),
    # From a wide front, as through a cloth: hardly a shadow, but round.
    "soft": Lighting(
        (
            ((-0.8, 0.5, 1.0), _WHITE, 0.25),
            ((0.8, 0.5, 1.0), _WHITE, 0.25),
            ((0.0, 1.0, 0.5), _WHITE, 0.2),
            ((0.0, -0.6, 1.0), (1.0, 0.95, 0.92), 0.12),
        ),
        0.42,
    ),
    # A warm key from one side, a cold rim from behind on the other, little else.
    "dramatic": Lighting(
        (
            ((-1.0, 0.45, 0.55), (1.0, 0.9, 0.78), 0.95),
            ((1.0, 0.35, -0.7), (0.6, 0.75, 1.0), 0.7),
            ((0.1, -0.1, 1.0), (0.8, 0.88, 1.0), 0.2),
        ),
        0.08,
    ),
    # Every surface at its own colour.
    "flat": Lighting((((0.0, 0.0, 1.0), _WHITE, 0.2),), 0.85),
}


def preset_camera(face: Face, size: tuple[int, int], name: str) -> Camera:
    """The camera of `CAMERAS[name]`: all that it is to show is in the picture, wide or tall.

    Args:
        face: its template is looked at.
        size: (width, height), pixels.
    """
    view = CAMERAS[name]
    template = face.template.numpy(force=True).astype(float)
    top, front = template[:, 1].max(), template[:, 2].max()
    middle = [0.0, top - view.drop, front - 0.11]
    return Camera.looking_at(
        middle,
        size=size,
        height=max(view.height, view.width * size[1] / size[0]),
        distance=view.distance,
        yaw=view.yaw,
        pitch=view.pitch,
    )


def parse_color(text: str) -> tuple[float, float, float]:
    """sRGB 0..1 of a colour's name in CSS, or of #RRGGBB.

    Raises:
        InputError: there is no such colour.
    """
    if re.fullmatch("#[0-9a-fA-F]{6}", text):
        red, green, blue = bytes.fromhex(text[1:])
        return red / 255, green / 255, blue / 255
    from vtkmodules.vtkCommonColor import vtkNamedColors

    names = vtkNamedColors()
    if not names.ColorExists(text):
        raise InputError(
            f"there is no colour '{text}'; give a name such as white, a value such as #20A060, or "
            "transparent"
        )
    red, green, blue = names.GetColor3d(text)
    return red, green, blue
