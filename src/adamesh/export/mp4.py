"""MP4: the head rendered frame by frame, with the speech."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from adamesh.export.fitting import check_fit, full_betas, moving_joints
from adamesh.media.video import VideoWriter
from adamesh.motion import MotionClip
from adamesh.render.renderer import HeadRenderer

if TYPE_CHECKING:
    from adamesh.faces import Face

SIZE = 512  # pixels, width and height
CHUNK = 32  # frames posed at once, so that an hour takes no more memory than a second


def write_mp4(
    clip: MotionClip,
    path: Path,
    *,
    face: "Face",
    betas: ArrayLike | None = None,
    audio: tuple[NDArray[np.float32], int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Renders the performance at the frame rate of the clip.

    Args:
        clip: the performance; its coefficient space must be that of the face.
        path: the file; appears whole or not at all.
        face: the head to show; its joints must do for the clip.
        betas: [K] identity; default: the average face.
        audio: mono samples [N] and their rate.
        progress: called with frames done and frames in all.
    Raises:
        InputError: clip and face do not fit, or the identity has too many components.
        MissingDependencyError: the renderer is not installed.
    """
    check_fit(clip, face)
    identity = full_betas(face, betas)
    with (
        HeadRenderer(face, size=(SIZE, SIZE)) as renderer,
        VideoWriter(path, fps=clip.fps, width=SIZE, height=SIZE, audio=audio) as video,
    ):
        for done, vertices in enumerate(_posed(clip, face, identity), start=1):
            video.write(renderer.render(vertices))
            if progress is not None:
                progress(done, clip.frames)


def _posed(
    clip: MotionClip, face: "Face", betas: NDArray[np.float64]
) -> Iterator[NDArray[np.float32]]:
    """Vertices [V, 3] of one frame after another."""
    like = face.template

    def tensor(array: NDArray[np.floating]) -> torch.Tensor:
        return torch.tensor(array, dtype=like.dtype, device=like.device)

    channels: dict[str, NDArray[np.floating]] = {
        f"{joint}_pose": pose for joint, pose in moving_joints(clip).items()
    }
    channels["expression"] = clip.expression
    if clip.transl is not None:
        # Where the person sat does not matter to the picture, how they moved does.
        channels["transl"] = clip.transl - np.median(clip.transl, axis=0)
    identity = tensor(betas[None])
    for start in range(0, clip.frames, CHUNK):
        part = {name: tensor(x[start : start + CHUNK]) for name, x in channels.items()}
        with torch.no_grad():
            vertices = face(betas=identity, **part).vertices
        yield from vertices.cpu().numpy()
