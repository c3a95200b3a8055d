"""The head that comes with the package; `tools/build_head` makes it."""

import functools
from importlib import resources

import torch

from adamesh.faces.face import Face
from adamesh.faces.storage import load_face


@functools.cache
def load_embedded_face(dtype: torch.dtype = torch.float32) -> Face:
    """The embedded head: `arkit52` blendshapes, 50 identity components, neck, head, jaw and eye joints.

    It is read once per type and shared: don't change it in place, and move it with `copy.deepcopy`.
    """
    asset = resources.files("adamesh") / "assets" / "head.safetensors"
    with resources.as_file(asset) as path:
        return load_face(path, dtype).replace(name="embedded")  # as the library calls it
