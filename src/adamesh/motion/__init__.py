"""What moves: the motion clip, its coefficient spaces, and the events and loops in it."""

from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52, CoefficientSpace, coefficient_space

__all__ = ["ARKIT52", "CoefficientSpace", "MotionClip", "coefficient_space"]
