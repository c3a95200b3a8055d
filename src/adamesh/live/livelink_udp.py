"""The UDP packets by which the app Live Link Face sends what its CSV records, one a frame.

Big-endian: the version, 6, in one byte; device and subject as a length in four bytes and that many of UTF-8;
the frame as a number and a part of it; frames a second as a fraction; the number of values; the values.
Source: packets as the PyPI package `pylivelinkface` reads them; it takes the length of the device's name for
a part of it.
"""

import struct
from fractions import Fraction
from uuid import UUID

import numpy as np
from numpy.typing import ArrayLike

from adamesh.errors import InputError
from adamesh.formats.names import LIVELINK
from adamesh.rates import exact_fps

PORT = 11111  # where Unreal listens
VERSION = 6
_LARGEST_DENOMINATOR = 1001  # of NTSC's rates


def livelink_packet(
    values: ArrayLike, frame: int, fps: float, *, device: UUID, subject: str
) -> bytes:
    """One frame as it goes over the net.

    Args:
        values: [61] in the order of `names.LIVELINK`, see `livelink.livelink_values`.
        frame: its number; the app counts from midnight.
        fps: frames a second; 29.97 and so on stand for 30000/1001.
        device: tells senders apart.
        subject: the name under which receivers show it.
    Raises:
        InputError: there are not 61 values.
    """
    row = np.asarray(values, np.float64)
    if row.shape != (len(LIVELINK),):
        raise InputError(f"a Live Link packet has {len(LIVELINK)} values, got shape {row.shape}")
    rate = Fraction(exact_fps(fps)).limit_denominator(_LARGEST_DENOMINATOR)
    clock = struct.pack("!ifii", frame, 0.0, rate.numerator, rate.denominator)
    return (
        struct.pack("!B", VERSION)
        + _text(str(device))
        + _text(subject)
        + clock
        + struct.pack(f"!B{len(row)}f", len(row), *row)
    )


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("!i", len(encoded)) + encoded
