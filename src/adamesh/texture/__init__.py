"""The skin of a person in a video, as a picture in the UV map of the embedded head."""

from adamesh.texture.eyes import with_eyes_of
from adamesh.texture.load import load_texture
from adamesh.texture.make import Texture, make_texture

__all__ = ["Texture", "load_texture", "make_texture", "with_eyes_of"]
