"""The vertices of a clip on a face, frame by frame, in memory that does not grow with the clip."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from adamesh.export.fitting import full_betas, moving_joints
from adamesh.motion import MotionClip

if TYPE_CHECKING:
    from adamesh.faces import Face

CHUNK = 32  # frames posed at once


def posed_vertices(
    clip: MotionClip, face: "Face", betas: ArrayLike | None
) -> Iterator[NDArray[np.float32]]:
    """Vertices [V, 3] in metres of one frame after another, of a clip that fits the face.

    Args:
        betas: [K] identity; default: the average face.
    Raises:
        InputError: the identity has too many components.
    """
    like = face.template

    def tensor(array: NDArray[np.floating]) -> torch.Tensor:
        return torch.tensor(array, dtype=like.dtype, device=like.device)

    channels: dict[str, NDArray[np.floating]] = {
        f"{joint}_pose": pose for joint, pose in moving_joints(clip).items()
    }
    channels["expression"] = clip.expression
    if clip.transl is not None:
        channels["transl"] = clip.transl
    identity = tensor(full_betas(face, betas)[None])
    for start in range(0, clip.frames, CHUNK):
        part = {name: tensor(x[start : start + CHUNK]) for name, x in channels.items()}
        with torch.no_grad():
            vertices = face(betas=identity, **part).vertices
        yield from vertices.cpu().numpy()
