"""Speech in, a file out: what `adamesh animate` does once, and for every row of a batch."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from adamesh.animation.options import MotionOptions
from adamesh.export import ExportPlan, OutputOptions, plan_export, write_export
from adamesh.progress import Progress, no_progress

if TYPE_CHECKING:
    from adamesh.animation.animator import Animator
    from adamesh.animation.style import Style
    from adamesh.models.expression import ExpressionAdapter
    from adamesh.motion.clip import MotionClip


@dataclass(frozen=True)
class AnimateOptions:
    """How to learn, animate and write, in plain values.

    Attributes:
        motion: how a style is played.
        output: how a clip is written. No face means the one whose coefficients the model speaks.
        sound_offset: s by which a reference's sound comes after the lips; None: found.
        checkpoint: of the expression adapter; None: the shipped one.
    """

    motion: MotionOptions = MotionOptions()  # noqa: RUF009, it is frozen
    output: OutputOptions = OutputOptions()  # noqa: RUF009, it is frozen
    sound_offset: float | None = None
    checkpoint: Path | None = None

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # of values that come in as JSON


def base_model(options: AnimateOptions) -> "ExpressionAdapter":
    """The expression adapter that styles belong to, read once in a process.

    Raises:
        InputError: the checkpoint is none.
    """
    from adamesh.checkpoints.networks import shared_network
    from adamesh.models.expression import ExpressionAdapter

    return shared_network(ExpressionAdapter, options.checkpoint)


def plan_output(output: Path, options: AnimateOptions) -> ExportPlan:
    """What will be written, and whether it can be; see `export.plan_export`."""
    face = options.output.face or base_model(options).config.face
    return plan_export(output, replace(options.output, face=face), sound=True)


def learn_style(
    video: Path, options: AnimateOptions, *, progress: Progress = no_progress
) -> "Style":
    """The style of the person in a video, see `animation.adapt`."""
    from adamesh.animation.adapt import adapt

    return adapt(
        video,
        sound_offset=options.sound_offset,
        model=base_model(options),
        progress=progress,
    )


def make_animator(style: "Style | None", options: AnimateOptions) -> "Animator":
    """An animator in that style; None is the neutral one."""
    from adamesh.animation.animator import Animator

    return Animator(style, options.motion, model=base_model(options))


def animate_file(
    speech: Path, animator: "Animator", plan: ExportPlan, *, progress: Progress = no_progress
) -> "MotionClip":
    """Animates one line of speech and writes it, sound included where the format has a place for it.

    Args:
        speech: any file with an audio track.
        plan: from `plan_output`.
    Returns:
        The clip as it was animated.
    Raises:
        InputError: something given is not right, see `Animator` and `export`.
    """
    from adamesh.media.audio import load_audio
    from adamesh.rates import SAMPLE_RATE

    samples = load_audio(speech)
    clip = animator.animate(samples)
    write_export(plan, clip, audio=(samples, SAMPLE_RATE), progress=progress)
    return clip
