"""What is to be written, as plain values: they can be sent as JSON, and every caller shares this one list."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from adamesh.errors import InputError
from adamesh.export.pictures import Pictures

Encoding = Literal["plain", "sparse", "quantised"]
Identity = Literal["person", "average"]


@dataclass(frozen=True)
class OutputOptions:
    """How a clip is written.

    Attributes:
        fps: frames a second; 23.976, 29.97 and so on mean 24000/1001 and 30000/1001. None: what the
            format's readers expect, else the clip's own.
        face: name of the face to show, see `faces.library`; motion of another face is retargeted to it. None:
            the face that the clip was made for, else the embedded head.
        identity: shape of the head: that of the clip's person, or the average.
        encoding: of a `.glb`: every number in full; only what morph targets move; or integers.
        texture: skin of the embedded head: a square picture in its UV map, or a video to make it of.
        pictures: what a rendering looks like.
        force: replace files that exist.
    Raises:
        InputError: a value is none of those that there are.
    """

    fps: float | None = None
    face: str | None = None
    identity: Identity = "person"
    encoding: Encoding = "plain"
    texture: Path | None = None
    pictures: Pictures = Pictures()  # noqa: RUF009, it is frozen
    force: bool = False

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # of values that come in as JSON

    def __post_init__(self) -> None:
        if self.fps is not None and not 1 <= self.fps <= 1000:
            raise InputError(f"fps must be within 1..1000, got {self.fps:g}")
        for name, given, known in (
            ("identity", self.identity, get_args(Identity)),
            ("encoding", self.encoding, get_args(Encoding)),
        ):
            if given not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}, got '{given}'")
