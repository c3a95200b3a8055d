"""Pictures of the head, frame by frame: a video with the speech, a GIF, or a folder of PNG."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adamesh.export.fitting import check_fit
from adamesh.export.job import Job
from adamesh.export.posing import posed_vertices
from adamesh.export.sequence import write_files
from adamesh.media.gif import GifWriter, choose_palette
from adamesh.media.picture import png_bytes, resized
from adamesh.media.video import VideoWriter, probe, read_frames
from adamesh.render.presets import LIGHTS, parse_color, preset_camera
from adamesh.render.renderer import HeadRenderer

Image = NDArray[np.uint8]  # [height, width, 3] sRGB, or [height, width, 4] with straight alpha

PALETTE_PICTURES = 24  # of the whole clip, by which a GIF's colours are chosen
ENDED = 0.35  # brightness of a video's last picture after its end


class Film:
    """The pictures of a performance, drawn one by one.

    Raises:
        InputError: clip and face do not fit, or the video beside cannot be read.
    """

    def __init__(self, job: Job) -> None:
        clip, pictures = job.clip, job.options.pictures
        check_fit(clip, job.face)
        if clip.transl is not None:
            # Where the person sat does not matter to the picture, how they moved does.
            middle = np.median(clip.transl, axis=0).astype(np.float32)
            clip = replace(clip, transl=clip.transl - middle)
        self.clip, self._job = clip, job
        self.width, self.height = pictures.size
        self._beside = 0  # width of the video, pixels
        if pictures.beside is not None:
            video = probe(pictures.beside)
            self._beside = max(2 * round(self.height * video.width / video.height / 2), 2)
            self.width += self._beside

    def frames(self, fps: float | None = None) -> Iterator[Image]:
        """[height, width, 3 or 4] each; at another rate than the clip's where one is given.

        Raises:
            InputError: the identity has too many components.
            MissingDependencyError: the renderer is not installed.
        """
        look, face = self._job.options.pictures, self._job.face
        clip = self.clip if fps is None else self.clip.resample(fps)
        lighting = LIGHTS[look.light]
        with HeadRenderer(
            face,
            look.size,
            camera=preset_camera(face, look.size, look.camera),
            background=None if look.transparent else parse_color(look.background),
            lights=lighting.lights,
            ambient=lighting.ambient,
            wireframe=look.wireframe,
            texture=self._job.texture,
        ) as renderer:
            heads = (renderer.render(v) for v in posed_vertices(clip, face, self._job.betas))
            if look.beside is None:
                yield from heads
                return
            for head, picture in zip(heads, self._video(look.beside, clip.fps), strict=False):
                yield np.concatenate([picture[..., : head.shape[-1]], head], axis=1)

    def _video(self, path: Path, fps: float) -> Iterator[Image]:
        """[height, beside, 4] without end."""
        picture = np.zeros((self.height, self._beside, 4), np.uint8)
        picture[..., 3] = 255
        for frame in read_frames(path, fps):
            picture[..., :3] = resized(frame, self._beside, self.height)
            yield picture
        picture[..., :3] = (picture[..., :3] * ENDED).astype(np.uint8)
        while True:
            yield picture

    def counted(self) -> Iterator[Image]:
        """`frames`, told to the progress of the job after each was taken."""
        for done, frame in enumerate(self.frames(), start=1):
            yield frame
            self._job.progress("writing", done, self.clip.frames)


def write_video(job: Job) -> None:
    """`.mp4` or `.webm`, with the sound."""
    film = Film(job)
    size, alpha = (film.width, film.height), job.options.pictures.transparent
    with VideoWriter(job.path, film.clip.fps, *size, audio=job.audio, alpha=alpha) as video:
        for frame in film.counted():
            video.write(frame)


def write_gif(job: Job) -> None:
    """`.gif`, whose colours are chosen by a first look at a few pictures of the whole clip."""
    film = Film(job)
    few = min(film.clip.fps, PALETTE_PICTURES / film.clip.duration)
    palette = choose_palette(film.frames(few))
    with GifWriter(job.path, film.clip.fps, film.width, film.height, palette) as gif:
        for frame in film.counted():
            gif.write(frame)


def write_png_files(job: Job) -> None:
    """`NAME.png` as a new folder `NAME` of `NAME_0001.png`, `NAME_0002.png`, ..."""
    film = Film(job)
    write_files(job.path, map(png_bytes, film.frames()), film.clip.frames, job.progress)
