"""Motion clips into files that other programs open; the suffix chooses the format."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamesh.errors import InputError
from adamesh.files import atomic_output, check_output
from adamesh.motion import MotionClip

if TYPE_CHECKING:
    from adamesh.faces import Face

__all__ = ["FORMATS", "Sound", "check_export", "export"]

Sound = tuple[NDArray[np.float32], int]  # mono samples [N], -1..1, and their rate in Hz
Progress = Callable[[int, int], None]  # called with frames done and frames in all


@dataclass(frozen=True)
class _Job:
    """Everything a writer may need; the clip is already at the frame rate asked for."""

    clip: MotionClip
    path: Path
    face: "Face | None"
    betas: ArrayLike | None
    audio: Sound | None
    progress: Progress | None


@dataclass(frozen=True)
class _Format:
    write: Callable[[_Job], None]
    sound_suffix: str | None = None  # of a file beside the output that takes the sound
    fps: float | None = None  # what its readers expect; None: the clip's own


def export(
    clip: MotionClip,
    path: str | os.PathLike[str],
    *,
    audio: Sound | None = None,
    fps: float | None = None,
    face: "Face | None" = None,
    force: bool = False,
    betas: ArrayLike | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Writes a clip in the format of the suffix of `path`.

    - `.npz`: the clip itself, see `MotionClip.save`. Sound has no place in it.
    - `.glb`: a head with morph targets, joints and animation. glTF has no sound, so it goes into a
      `.wav` of the same name beside it.
    - `.mp4`: a rendering, with the sound in it.
    - `.csv`: Live Link Face, at 60 fps where no other rate is asked for; the sound goes into a `.wav` of the
      same name beside it.

    Args:
        clip: what to write.
        path: where; its suffix is the format.
        audio: the speech, mono, and its rate.
        fps: frame rate of the output; default: what the format's readers expect, else the clip's.
        face: the head to show; default: the embedded one.
        force: replace files that exist.
        betas: [K] identity to show; default: that of the clip, else the average face.
        progress: called with frames done and frames in all, by formats that take long.
    Returns:
        The files written.
    Raises:
        InputError: unknown suffix, a file exists already, or clip and face do not fit.
        MissingDependencyError: the format needs an extra that is not installed.
    """
    outputs = check_export(path, force=force, sound=audio is not None)
    kind = FORMATS[outputs[0].suffix.lower()]
    rate = fps or kind.fps
    clip = clip if rate is None else clip.resample(rate)
    betas = clip.betas if betas is None else betas
    kind.write(_Job(clip, outputs[0], face, betas, audio, progress))
    return outputs


def check_export(
    path: str | os.PathLike[str], *, force: bool = False, sound: bool = False
) -> list[Path]:
    """What `export` would write, checked before any work is done.

    Args:
        path: as for `export`.
        force: files that exist may be replaced.
        sound: the export will have sound.
    Returns:
        The files that `export` will write, `path` first.
    Raises:
        InputError: unknown suffix, a file exists already, or there is no such folder.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"cannot write '{path.name}': the formats are {', '.join(FORMATS)}")
    outputs = [path]
    sound_suffix = FORMATS[suffix].sound_suffix
    if sound and sound_suffix is not None:
        outputs.append(path.with_suffix(sound_suffix))
    return [check_output(output, force=force) for output in outputs]


def _write_npz(job: _Job) -> None:
    job.clip.save(job.path)


def _write_glb(job: _Job) -> None:
    from adamesh.export.glb import write_glb

    with _sound_beside(job):
        write_glb(job.clip, job.path, face=_face(job), betas=job.betas)


def _write_csv(job: _Job) -> None:
    from adamesh.formats.livelink import write_livelink

    with _sound_beside(job):
        write_livelink(job.clip, job.path)


@contextlib.contextmanager
def _sound_beside(job: _Job) -> Iterator[None]:
    """The sound, in a file that appears when the block ends well: both files are there, or neither."""
    if job.audio is None:
        yield
        return
    from adamesh.media.audio import wav_bytes

    with atomic_output(job.path.with_suffix(".wav")) as temporary:
        temporary.write_bytes(wav_bytes(*job.audio))
        yield


def _write_mp4(job: _Job) -> None:
    from adamesh.export.mp4 import write_mp4

    write_mp4(
        job.clip,
        job.path,
        face=_face(job),
        betas=job.betas,
        audio=job.audio,
        progress=job.progress,
    )


def _face(job: _Job) -> "Face":
    from adamesh.faces import load_embedded_face

    return load_embedded_face() if job.face is None else job.face


FORMATS: dict[str, _Format] = {
    ".npz": _Format(_write_npz),
    ".glb": _Format(_write_glb, sound_suffix=".wav"),
    ".mp4": _Format(_write_mp4),
    ".csv": _Format(_write_csv, sound_suffix=".wav", fps=60.0),
}
