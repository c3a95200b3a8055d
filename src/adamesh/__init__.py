"""AdaMesh: personalised speech-driven 3D facial animation.

style = adamesh.adapt("me.mp4")
clip = adamesh.animate("speech.wav", style)
adamesh.export(clip, "talking.glb")
"""

from typing import TYPE_CHECKING, Any

from adamesh.errors import AdaMeshError, InputError, InputNotice, MissingDependencyError

# Eager, since the sub-package of the same name would take the function's place; it imports nothing heavy.
from adamesh.export import OutputOptions, export
from adamesh.motion.clip import MotionClip

if TYPE_CHECKING:
    from adamesh.animation.adapt import adapt
    from adamesh.animation.animator import Animator, animate
    from adamesh.animation.mix import mix_styles, scale_style
    from adamesh.animation.options import MotionOptions
    from adamesh.animation.style import Style

__all__ = [
    "AdaMeshError",
    "Animator",
    "InputError",
    "InputNotice",
    "MissingDependencyError",
    "MotionClip",
    "MotionOptions",
    "OutputOptions",
    "Style",
    "adapt",
    "animate",
    "export",
    "mix_styles",
    "scale_style",
]
__version__ = "0.1.0"

_LAZY = {
    "Animator": "animation.animator",
    "adapt": "animation.adapt",
    "animate": "animation.animator",
    "mix_styles": "animation.mix",
    "scale_style": "animation.mix",
    "MotionOptions": "animation.options",
    "Style": "animation.style",
}


def __getattr__(name: str) -> Any:
    """Imports what needs torch when it is first used."""
    if name not in _LAZY:
        raise AttributeError(f"module 'adamesh' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"adamesh.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
