"""Packets are sent over a real socket and decoded by a reader that shares no code with the writer."""

import csv
import socket
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from pylivelinkface import FaceBlendShape, PyLiveLinkFace
from support.performances import performance

from adamesh.errors import InputError
from adamesh.export import export
from adamesh.formats.livelink import livelink_values
from adamesh.live.livelink_udp import livelink_packet

DEVICE = UUID("01234567-89ab-cdef-0123-456789abcdef")


def sent(packets: list[bytes]) -> list[bytes]:
    """What arrives of them on another socket of this machine."""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as receiver,
        socket.socket(type=socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        arrived = []
        for packet in packets:
            sender.sendto(packet, receiver.getsockname())
            arrived.append(receiver.recv(65536))
    return arrived


def by_name(packet: bytes) -> dict[str, float]:
    found, face = PyLiveLinkFace.decode(packet)
    assert found
    return {shape.name: face.get_blendshape(shape) for shape in FaceBlendShape}


def test_packets_hold_what_the_csv_holds(tmp_path: Path) -> None:
    clip = performance(frames=12)
    export(clip, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    values = livelink_values(clip.resample(60))
    packets = [
        livelink_packet(row, frame, 60, device=DEVICE, subject="Ada é")
        for frame, row in enumerate(values)
    ]
    assert len(rows) == len(packets) > 12
    for row, packet in zip(rows, sent(packets), strict=True):
        received = by_name(packet)
        assert len(received) == int(row["BlendShapeCount"]) == 61
        for name, value in received.items():
            assert value == pytest.approx(float(row[name]), abs=1e-7), name


@pytest.mark.parametrize(
    ("fps", "rate"), [(60, (60, 1)), (30000 / 1001, (30000, 1001)), (23.976, (24000, 1001))]
)
def test_device_subject_and_clock(fps: float, rate: tuple[int, int]) -> None:
    packet = livelink_packet(np.zeros(61), 4_000, fps, device=DEVICE, subject="Ada é")
    _, face = PyLiveLinkFace.decode(packet)
    assert face.uuid == f"${DEVICE}"  # the $ is the length of what follows, 36
    assert face.name == "Ada é"
    assert (face._frames, face.fps, face._denominator) == (4_000, *rate)
    assert packet[0] == face._version & 0xFF == 6


def test_other_numbers_of_values_are_refused() -> None:
    with pytest.raises(InputError, match="61 values"):
        livelink_packet(np.zeros(52), 0, 60, device=DEVICE, subject="Ada")
