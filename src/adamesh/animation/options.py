"""How a style is to be played, as plain values: they can be sent as JSON."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from adamesh.errors import InputError

Pose = Literal["loop", "generated", "still", "off"]
LARGEST_FACTOR = 4.0


@dataclass(frozen=True)
class MotionOptions:
    """How to animate.

    Attributes:
        pose: of the head and the eyes: `loop` repeats the motion of the style's reference, `generated` makes
            new head motion in the style's way, `still` moves the eyes alone, `off` nothing.
        pose_scale: factor on the head's motion; 1 is the style's own.
        intensity: factor on the mouth's motion; 1 is the style's own amplitude.
        seed: of head motion, gaze, blinks and brows. The same seed gives the same clip.
    Raises:
        InputError: a value is none of those that there are.
    """

    pose: Pose = "loop"
    pose_scale: float = 1.0
    intensity: float = 1.0
    seed: int = 0

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # of values that come in as JSON

    def __post_init__(self) -> None:
        if self.pose not in get_args(Pose):
            raise InputError(f"pose must be one of {', '.join(get_args(Pose))}, got '{self.pose}'")
        for name, factor in (("pose scale", self.pose_scale), ("intensity", self.intensity)):
            if not 0 <= factor <= LARGEST_FACTOR:
                raise InputError(f"{name} must be within 0..{LARGEST_FACTOR:g}, got {factor:g}")
        if not 0 <= self.seed <= 2**31:
            raise InputError(f"seed must be within 0..2147483648, got {self.seed}")
