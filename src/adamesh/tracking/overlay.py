"""The fitted mesh drawn on the video that it was fitted to, for people to look at."""

import os

import numpy as np
import torch

from adamesh.faces.embedded import load_embedded_face
from adamesh.media.audio import load_audio
from adamesh.media.video import VideoWriter, probe, read_frames
from adamesh.motion.rotation import axis_angle_to_matrix
from adamesh.progress import Progress, no_progress
from adamesh.rates import SAMPLE_RATE
from adamesh.render.camera import Camera
from adamesh.render.renderer import HeadRenderer
from adamesh.tracking.track import TrackedVideo

OPACITY = 0.6  # of the drawn head; the rest is the person
KEY = (0.0, 1.0, 0.0)  # sRGB of the renderer's background, where the video shows unchanged


def write_overlay(
    tracked: TrackedVideo,
    video: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    progress: Progress = no_progress,
) -> None:
    """Draws the fitted face on every frame of its video, with its sound.

    Args:
        tracked: what `track_video` found in `video`.
        output: an .mp4.
        progress: told how far it is.
    """
    face = load_embedded_face()
    clip, fit = tracked.clip, tracked.fit
    width, height = (side - side % 2 for side in tracked.size)  # H.264 takes even sides only
    camera = Camera(tracked.size, fit.focal, (tracked.size[0] / 2, tracked.size[1] / 2))
    sound = (load_audio(video), SAMPLE_RATE) if probe(video).has_audio else None
    rotations = axis_angle_to_matrix(fit.rotation)
    with (
        VideoWriter(output, clip.fps, width, height, sound) as writer,
        HeadRenderer(face, tracked.size, camera=camera, background=KEY) as renderer,
    ):
        for t, frame in enumerate(read_frames(video, fps=clip.fps)):
            if t >= clip.frames:
                break
            with torch.no_grad():
                posed = face(
                    *(torch.from_numpy(x)[None].float() for x in (fit.betas, clip.expression[t])),
                    leye_pose=torch.from_numpy(clip.leye_pose[t : t + 1]),
                    reye_pose=torch.from_numpy(clip.reye_pose[t : t + 1]),
                )
            vertices = posed.vertices[0].numpy() @ rotations[t].T + fit.translation[t]
            drawn = renderer.render(vertices)
            shown = np.abs(drawn.astype(np.int16) - np.multiply(KEY, 255)).max(2) > 40
            alpha = OPACITY * shown[..., None]
            mixed = (frame * (1 - alpha) + drawn * alpha).astype(np.uint8)
            writer.write(np.ascontiguousarray(mixed[:height, :width]))
            progress("drawing", t + 1, clip.frames)
