"""Names and index groups of the coefficient spaces. No other module spells an index out.

Every group is a list of indices into the last axis of an arkit52 array: `weights[..., MOUTH]` works
    for numpy and torch alike.
"""

from dataclasses import dataclass

from adamesh.errors import InputError

# Apple's order (ARFaceAnchor.BlendShapeLocation, and the packets of Live Link Face). The CSV files
# of some Live Link Face versions swap jawLeft/jawRight and mouthLeft/mouthRight: read those by
# name.
ARKIT52: tuple[str, ...] = (
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
    "eyeBlinkRight",
    "eyeLookDownRight",
    "eyeLookInRight",
    "eyeLookOutRight",
    "eyeLookUpRight",
    "eyeSquintRight",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)


def _starting(*prefixes: str) -> list[int]:
    return [i for i, name in enumerate(ARKIT52) if name.startswith(prefixes)]


def _mirror(name: str) -> str:
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    if name.endswith("Right"):
        return name.removesuffix("Right") + "Left"
    return name


EYE_BLINK: list[int] = _starting("eyeBlink")  # left, right
EYE_LOOK: list[int] = _starting("eyeLook")  # left down, in, out, up; right down, in, out, up
BROWS: list[int] = _starting("brow")
JAW: list[int] = _starting("jaw")
LIPS: list[int] = _starting("mouth")
MOUTH: list[int] = _starting("jaw", "mouth", "cheekPuff", "tongue")  # what speech articulates
UPPER_FACE: list[int] = [i for i in range(len(ARKIT52)) if i not in set(MOUTH)]  # all the rest
# weights[..., MIRROR] is the performance seen in a mirror.
MIRROR: list[int] = [ARKIT52.index(_mirror(name)) for name in ARKIT52]


@dataclass(frozen=True)
class CoefficientSpace:
    """What the columns of an expression array mean.

    Attributes:
        name: what a `MotionClip` and a face carry; the two must agree.
        channels: name of each column, in order.
        lower: smallest weight allowed.
        upper: largest weight allowed.
        jaw_turns: the jaw moves by `jaw_pose`; else by channels, and `jaw_pose` is zero.
    """

    name: str
    channels: tuple[str, ...]
    lower: float
    upper: float
    jaw_turns: bool

    def index(self, channel: str) -> int:
        """Column of `channel`.

        Raises:
            InputError: the space has no such channel.
        """
        try:
            return self.channels.index(channel)
        except ValueError:
            raise InputError(
                f"the coefficient space '{self.name}' has no channel '{channel}'; "
                f"it has {self.channels[0]} ... {self.channels[-1]}"
            ) from None


def _flame(size: int) -> CoefficientSpace:
    names = tuple(f"expression{i:03d}" for i in range(size))
    infinity = float("inf")
    return CoefficientSpace(f"flame{size}", names, -infinity, infinity, jaw_turns=True)


SPACES: dict[str, CoefficientSpace] = {
    space.name: space
    for space in (
        CoefficientSpace("arkit52", ARKIT52, lower=0.0, upper=1.0, jaw_turns=False),
        _flame(50),
        _flame(100),
    )
}


def coefficient_space(name: str) -> CoefficientSpace:
    """The space of that name.

    Raises:
        InputError: there is none; the message lists those known.
    """
    if name not in SPACES:
        raise InputError(f"unknown coefficient space '{name}'; known: {', '.join(SPACES)}")
    return SPACES[name]
