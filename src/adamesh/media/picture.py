"""Still pictures into files, and in other sizes."""

import os
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from adamesh.files import atomic_output


def write_png(path: str | os.PathLike[str], image: NDArray[np.uint8]) -> None:
    """Writes a picture as PNG.

    Args:
        path: replaced if it exists.
        image: as for `png_bytes`.
    """
    content = png_bytes(image)
    with atomic_output(path) as temporary:
        temporary.write_bytes(content)


def png_bytes(image: NDArray[np.uint8]) -> bytes:
    """What `write_png` writes.

    Args:
        image: [height, width, 3] sRGB, or [height, width, 4] with straight alpha.
    """
    codec = av.CodecContext.create("png", "w")
    codec.height, codec.width, channels = image.shape
    codec.pix_fmt = "rgba" if channels == 4 else "rgb24"
    codec.sample_aspect_ratio = Fraction(1)  # else the file says 0, which glTF's validator warns of
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=codec.pix_fmt)
    return b"".join(bytes(packet) for packet in (*codec.encode(frame), *codec.encode(None)))


def resized(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """[height, width, 3] of [H, W, 3] sRGB; smooth, however much smaller it gets."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    how = "AREA" if height < frame.height else "BICUBIC"
    return np.asarray(frame.reformat(width, height, interpolation=how).to_ndarray(), np.uint8)
