"""A texture from whatever a user has: a picture in the UV map, or a video to make it of."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adamesh.errors import InputError
from adamesh.files import check_input
from adamesh.media.video import read_frames
from adamesh.progress import Progress, no_progress
from adamesh.texture.make import make_texture

PICTURES = (".png", ".jpg", ".jpeg")
SMALLEST, LARGEST = 64, 8192  # pixels
# The last one: a plan, a check and a batch ask for the same, and a video takes seconds.
_LAST: dict[tuple[Path, int], NDArray[np.uint8]] = {}


def load_texture(
    path: str | os.PathLike[str], *, progress: Progress = no_progress
) -> NDArray[np.uint8]:
    """Reads a picture, or makes one of a video; the last one is kept, don't change it in place.

    Args:
        path: a square `.png` or `.jpg` in the UV map of the embedded head, or a video of a person.
        progress: as for `make_texture`.
    Returns:
        [S, S, 3] sRGB. What is transparent in a picture comes out as it is stored.
    Raises:
        InputError: it cannot be read, or a picture is not square or of no sensible size.
    """
    path = check_input(path, "texture")
    key = path.resolve(), path.stat().st_mtime_ns
    if key not in _LAST:
        picture = _read(path, progress)
        _LAST.clear()
        _LAST[key] = picture
    return _LAST[key]


def _read(path: Path, progress: Progress) -> NDArray[np.uint8]:
    if path.suffix.lower() not in PICTURES:
        return make_texture(path, progress=progress).picture
    picture: NDArray[np.uint8] = next(read_frames(path))
    height, width, _ = picture.shape
    if width != height or not SMALLEST <= width <= LARGEST:
        raise InputError(
            f"texture '{path}' has {width} x {height} pixels; it must be square, from {SMALLEST} to "
            f"{LARGEST} pixels, in the head's UV map as `adamesh texture VIDEO -o {path.stem}.png` writes it"
        )
    return picture
