"""Pictures of faces, off-screen."""

from adamesh.render.camera import Camera
from adamesh.render.renderer import HeadRenderer

__all__ = ["Camera", "HeadRenderer"]
