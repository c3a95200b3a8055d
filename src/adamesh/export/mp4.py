"""MP4: the head rendered frame by frame, with the speech."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamesh.export.fitting import check_fit
from adamesh.export.posing import posed_vertices
from adamesh.media.video import VideoWriter
from adamesh.motion import MotionClip
from adamesh.render.renderer import HeadRenderer

if TYPE_CHECKING:
    from adamesh.faces import Face

SIZE = 512  # pixels, width and height


def write_mp4(
    clip: MotionClip,
    path: Path,
    *,
    face: "Face",
    betas: ArrayLike | None = None,
    audio: tuple[NDArray[np.float32], int] | None = None,
    texture: NDArray[np.uint8] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Renders the performance at the frame rate of the clip.

    Args:
        clip: the performance; its coefficient space must be that of the face.
        path: the file; appears whole or not at all.
        face: the head to show; its joints must do for the clip.
        betas: [K] identity; default: the average face.
        audio: mono samples [N] and their rate.
        texture: [S, S, 3] sRGB in the face's UV map, for its skin.
        progress: called with frames done and frames in all.
    Raises:
        InputError: clip and face do not fit, or the identity has too many components.
        MissingDependencyError: the renderer is not installed.
    """
    check_fit(clip, face)
    if clip.transl is not None:
        # Where the person sat does not matter to the picture, how they moved does.
        middle = np.median(clip.transl, axis=0).astype(np.float32)
        clip = replace(clip, transl=clip.transl - middle)
    with (
        HeadRenderer(face, size=(SIZE, SIZE), texture=texture) as renderer,
        VideoWriter(path, fps=clip.fps, width=SIZE, height=SIZE, audio=audio) as video,
    ):
        for done, vertices in enumerate(posed_vertices(clip, face, betas), start=1):
            video.write(renderer.render(vertices))
            if progress is not None:
                progress(done, clip.frames)
