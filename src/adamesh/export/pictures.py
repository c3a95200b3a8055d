"""What a rendering looks like: the choices, and which format of pictures can hold them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from adamesh.errors import InputError

CameraName = Literal["front", "three-quarter", "profile", "close", "below"]
LightName = Literal["studio", "soft", "dramatic", "flat"]

SMALLEST, LARGEST = 16, 8192  # pixels
TRANSPARENT = "transparent"


@dataclass(frozen=True)
class Medium:
    """What pictures in a file format can be."""

    alpha: bool = False  # transparent
    odd: bool = False  # of an odd number of pixels
    fastest: float = float("inf")  # pictures a second


@dataclass(frozen=True)
class Pictures:
    """How a head is shown by the formats that are pictures of it.

    Attributes:
        size: (width, height) of the head's picture, pixels.
        camera: where it stands.
        light: how the head is lit.
        background: a colour, by its name in CSS or as #RRGGBB, or "transparent".
        wireframe: the mesh is drawn on the head.
        beside: video to show on the left, as tall as the head's picture. It begins with the clip; after its
            end its last picture stays, darkened.
    Raises:
        InputError: the size, the camera or the light is none that there is.
    """

    size: tuple[int, int] = (512, 512)
    camera: CameraName = "front"
    light: LightName = "studio"
    background: str = "#DBE0E6"
    wireframe: bool = False
    beside: Path | None = None

    def __post_init__(self) -> None:
        if not all(SMALLEST <= side <= LARGEST for side in self.size):
            raise InputError(
                f"size {self.size[0]}x{self.size[1]} cannot be drawn; give a width and a height from "
                f"{SMALLEST} to {LARGEST} pixels"
            )
        for what, name, names in (
            ("camera", self.camera, get_args(CameraName)),
            ("light", self.light, get_args(LightName)),
        ):
            if name not in names:
                raise InputError(f"there is no {what} '{name}'; there are {', '.join(names)}")

    @property
    def transparent(self) -> bool:
        return self.background == TRANSPARENT

    def check(self, suffix: str, medium: Medium, fps: float | None) -> None:
        """Whether a format can hold such pictures, before any work is done.

        Args:
            suffix: the format's.
            medium: what it can hold.
            fps: pictures a second, where a rate was asked for.
        Raises:
            InputError: it cannot; or there is no such colour, or no such video.
        """
        if self.transparent and not medium.alpha:
            raise InputError(
                f"{suffix} has no transparency; write .webm or .png, or choose a background colour"
            )
        if not medium.odd and any(side % 2 for side in self.size):
            raise InputError(
                f"{suffix} needs an even width and height, got {self.size[0]}x{self.size[1]}"
            )
        if fps is not None and fps > medium.fastest:
            raise InputError(
                f"{suffix} shows at most {medium.fastest:g} pictures a second, and {fps:g} were asked "
                f"for; give --fps {medium.fastest:g} or less"
            )
        if not self.transparent:
            from adamesh.render.presets import parse_color

            parse_color(self.background)
        if self.beside is not None:
            from adamesh.media.video import probe

            probe(self.beside)


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) of "1280x720".

    Raises:
        InputError: it is none.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"size '{text}' must be WIDTHxHEIGHT in pixels, as 1280x720")
    return int(width), int(height)
