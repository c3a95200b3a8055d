"""Speech in, a file out: what `adamesh animate` does once, and for every row of a batch."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from adamesh.export.pictures import Pictures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adamesh.animation.animate import Pose
    from adamesh.animation.style import Style
    from adamesh.export import Encoding
    from adamesh.faces import Face
    from adamesh.models.expression import ExpressionAdapter
    from adamesh.motion.clip import MotionClip

__all__ = ["AnimateOptions", "animate_file", "base_model", "learn_style", "shown_face"]


@dataclass(frozen=True)
class AnimateOptions:
    """How to animate and write; see `animation.animate` and `export`."""

    pose: "Pose" = "reference"
    pose_scale: float = 1.0
    intensity: float = 1.0
    seed: int = 0
    encoding: "Encoding" = "plain"  # of a .glb
    fps: float | None = None  # of the outputs; None: what their readers expect
    neutral: bool = False  # the average head instead of the person's
    face: str | None = None  # by name; None: the model's own
    sound_offset: float | None = None  # s, of a reference's sound; None: found
    checkpoint: Path | None = None  # of the expression adapter; None: the shipped one
    pictures: Pictures = Pictures()  # noqa: RUF009, it is frozen
    texture: "NDArray[np.uint8] | None" = field(default=None, compare=False)  # see `export`
    force: bool = False  # replace outputs that exist


def animate_file(
    speech: Path,
    style: "Style | None",
    output: Path,
    options: AnimateOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple["MotionClip", Path]:
    """Animates one line of speech and writes it, sound included where the format has a place for it.

    Args:
        speech: any file with an audio track.
        style: whose manner; None is the neutral one.
        output: its suffix is the format, see `export`.
        options: everything else.
        progress: called with frames written and frames in all, by formats that take long.
    Returns:
        The clip as it was written, and the file or folder.
    Raises:
        InputError: something given is not right, see `animation.animate` and `export`.
    """
    from adamesh.animation.animate import animate
    from adamesh.export import export
    from adamesh.media.audio import load_audio
    from adamesh.rates import SAMPLE_RATE
    from adamesh.retargeting import fit_to_face

    face = shown_face(options)
    samples = load_audio(speech)
    clip = animate(
        samples,
        style,
        model=base_model(options.checkpoint),
        pose=options.pose,
        pose_scale=options.pose_scale,
        intensity=options.intensity,
        seed=options.seed,
    )
    clip = fit_to_face(replace(clip, betas=None) if options.neutral else clip, face)
    written, *_ = export(
        clip,
        output,
        face=face,
        audio=(samples, SAMPLE_RATE),
        fps=options.fps,
        encoding=options.encoding,
        force=options.force,
        pictures=options.pictures,
        texture=options.texture,
        progress=progress,
    )
    return clip, written


def learn_style(
    video: Path, options: AnimateOptions, *, progress: Callable[..., None] | None = None
) -> "Style":
    """The style of the person in a video, see `animation.adapt`."""
    from adamesh.animation.adapt import adapt

    return adapt(
        video,
        sound_offset=options.sound_offset,
        model=base_model(options.checkpoint),
        progress=progress,
    )


def shown_face(options: AnimateOptions) -> "Face":
    """The face that is written.

    Raises:
        InputError: there is none of that name.
    """
    return _face(options.face or base_model(options.checkpoint).config.face)


@functools.cache
def base_model(checkpoint: Path | None) -> "ExpressionAdapter":
    """The expression adapter that styles belong to, loaded once in a process.

    Raises:
        InputError: the checkpoint is none.
    """
    from adamesh.checkpoints.networks import load_network
    from adamesh.models.expression import ExpressionAdapter

    return load_network(ExpressionAdapter, checkpoint)


@functools.cache
def _face(name: str) -> "Face":
    from adamesh.faces.library import load_named_face

    return load_named_face(name)
