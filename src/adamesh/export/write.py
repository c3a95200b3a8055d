"""A clip into a file of another program."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from adamesh.export.job import Job, Sound
from adamesh.export.options import OutputOptions
from adamesh.export.plan import ExportPlan, check_textured, plan_export
from adamesh.files import atomic_output
from adamesh.motion import MotionClip
from adamesh.progress import Progress, no_progress
from adamesh.rates import exact_fps

if TYPE_CHECKING:
    from adamesh.faces import Face


def export(
    clip: MotionClip,
    path: str | os.PathLike[str],
    options: OutputOptions = OutputOptions(),  # noqa: B008, it is frozen
    *,
    audio: Sound | None = None,
    face: "Face | None" = None,
    betas: ArrayLike | None = None,
    progress: Progress = no_progress,
) -> list[Path]:
    """Writes a clip in the format of the suffix of `path`; `registry.FORMATS` lists them.

    Sound goes into formats that have a place for it, else into a `.wav` of the same name beside the output. A
    folder that exists is never replaced.

    Args:
        clip: what to write.
        path: where; its suffix is the format.
        options: how.
        audio: the speech, mono, and its rate.
        face: a face that is in no library, in place of `options.face`; the clip must be made for it.
        betas: [K] identity to show, in place of the clip's.
        progress: told of frames done, by formats that take long.
    Returns:
        The files written, or the folder.
    Raises:
        InputError: as `plan_export`; or clip and face do not fit.
        MissingDependencyError: the format needs an extra, or Blender, that is not installed.
    """
    if face is not None and options.texture is not None:
        check_textured(face)
    plan = plan_export(path, options, sound=audio is not None)
    return write_export(plan, clip, audio=audio, face=face, betas=betas, progress=progress)


def write_export(
    plan: ExportPlan,
    clip: MotionClip,
    *,
    audio: Sound | None = None,
    face: "Face | None" = None,
    betas: ArrayLike | None = None,
    progress: Progress = no_progress,
) -> list[Path]:
    """`export` as it was planned, with sound if and only if the plan has sound."""
    options, kind = plan.options, plan.format
    if options.identity == "average":
        clip = replace(clip, betas=None)
    if options.face is not None and face is None:
        from adamesh.faces.library import load_named_face
        from adamesh.retargeting import fit_to_face

        clip = fit_to_face(clip, load_named_face(options.face))
    rate = options.fps or kind.fps
    clip = clip if rate is None else clip.resample(exact_fps(rate))
    texture = None
    if options.texture is not None:
        from adamesh.texture import load_texture

        texture = load_texture(options.texture, progress=progress)
    with contextlib.ExitStack() as beside:
        if audio is not None and kind.sound == "beside":
            from adamesh.media.audio import wav_bytes

            beside.enter_context(_beside(plan.path.with_suffix(".wav"), wav_bytes(*audio)))
        if texture is not None and kind.texture == "beside":
            from adamesh.media.picture import png_bytes

            beside.enter_context(_beside(plan.path.with_suffix(".png"), png_bytes(texture)))
        kind.write(
            Job(
                clip=clip,
                path=plan.path,
                audio=audio,
                betas=clip.betas if betas is None else betas,
                texture=texture,
                options=options,
                progress=progress,
                given_face=face,
            )
        )
    return list(plan.files)


@contextlib.contextmanager
def _beside(path: Path, content: bytes) -> Iterator[None]:
    """A file that appears when the block ends well: both it and the output are there, or neither."""
    with atomic_output(path) as temporary:
        temporary.write_bytes(content)
        yield
