"""Still pictures into files."""

import os

import av
import numpy as np
from numpy.typing import NDArray

from adamesh.files import atomic_output


def write_png(path: str | os.PathLike[str], image: NDArray[np.uint8]) -> None:
    """Writes a picture as PNG.

    Args:
        path: replaced if it exists.
        image: [height, width, 3] sRGB.
    """
    codec = av.CodecContext.create("png", "w")
    codec.height, codec.width = image.shape[:2]
    codec.pix_fmt = "rgb24"
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    packets = [*codec.encode(frame), *codec.encode(None)]
    with atomic_output(path) as temporary:
        temporary.write_bytes(b"".join(bytes(packet) for packet in packets))
