"""A reference that is tracked already: another tool's file or a clip of our own, with its sound."""

import os
from pathlib import Path

import numpy as np

from adamesh.errors import InputError
from adamesh.formats import FORMATS, read_track
from adamesh.media.audio import load_audio
from adamesh.motion.clip import MotionClip
from adamesh.rates import SAMPLE_RATE

# s between the ends of track and sound. The authors' own loader bears less than five frames at 25 fps.
LARGEST_DIFFERENCE = 0.2


def is_track(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a track by its suffix, and so no video."""
    suffix = Path(path).suffix.lower()
    return bool(suffix) and any(suffix in kind.suffixes for kind in FORMATS.values())


def load_reference(
    track: str | os.PathLike[str],
    audio: str | os.PathLike[str],
    *,
    format: str | None = None,
    fps: float | None = None,
) -> tuple[MotionClip, np.ndarray]:
    """A track and its sound, which start together.

    Args:
        track: what `formats.read_track` reads; so are `format` and `fps`.
        audio: any file with an audio track.
    Returns:
        The clip and [N] mono samples at `SAMPLE_RATE`.
    Raises:
        InputError: either is unreadable, or they differ in length.
    """
    clip = read_track(track, format=format, fps=fps)
    samples = load_audio(audio)
    sound = len(samples) / SAMPLE_RATE
    if abs(clip.duration - sound) > LARGEST_DIFFERENCE:
        raise InputError(
            f"track '{track}' lasts {clip.duration:.2f} s at {clip.fps:g} fps, its sound '{audio}' "
            f"{sound:.2f} s; they may differ by {LARGEST_DIFFERENCE:g} s: cut the longer one, or "
            "check the frame rate"
        )
    return clip, samples
