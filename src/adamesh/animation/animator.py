"""Speech and a style -> a `MotionClip`."""

import os

import numpy as np

from adamesh.animation.expression import predict_expression
from adamesh.animation.options import MotionOptions
from adamesh.animation.pose import generate_pose
from adamesh.animation.style import Style, default_style
from adamesh.audio.prosody import stress
from adamesh.checkpoints.networks import shared_network
from adamesh.errors import InputError
from adamesh.faces.library import load_named_face
from adamesh.media.audio import load_audio
from adamesh.media.samples import usable_samples
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.blinks import add_blinks, sample_blinks
from adamesh.motion.brows import sample_brows
from adamesh.motion.clip import MotionClip
from adamesh.motion.gaze import eye_rotation_to_look
from adamesh.motion.head import for_joints, over_joints
from adamesh.motion.regression import regressed_motion
from adamesh.motion.saccades import gaze_shifts, sample_gaze
from adamesh.motion.spaces import BROWS, EYE_BLINK, EYE_LOOK
from adamesh.motion.squints import SQUINT, squints
from adamesh.rates import FPS, SAMPLE_RATE, frames_in

SHORTEST = 0.5  # s of speech


class Animator:
    """Speaks any number of speeches in one style; what they have in common is made once.

    Args:
        style: from `adapt`; the neutral default style if None.
        options: how to play it.
        model: base expression adapter that the style belongs to; the shipped one by default.
    Attributes:
        adapter: the expression adapter with the style's branches merged into it.
        face: whose coefficients come out.
    Raises:
        InputError: the style belongs to another base model.
    """

    def __init__(
        self,
        style: Style | None = None,
        options: MotionOptions = MotionOptions(),  # noqa: B008, it is frozen
        *,
        model: ExpressionAdapter | None = None,
    ) -> None:
        self.style = style or default_style()
        self.options = options
        self.adapter = self.style.adapted_model(model or shared_network(ExpressionAdapter))
        self.face = load_named_face(self.adapter.config.face)

    def animate(self, samples: np.ndarray) -> MotionClip:
        """Motion for [N] mono samples at `SAMPLE_RATE`, at 25 fps and at least as long.

        Raises:
            InputError: too short, or not mono.
        """
        if samples.ndim != 1 or len(samples) < SHORTEST * SAMPLE_RATE:
            raise InputError(
                f"speech must be mono samples of at least {SHORTEST} s at {SAMPLE_RATE} Hz, "
                f"got shape {list(samples.shape)}"
            )
        style, options, config = self.style, self.options, self.adapter.config
        frames = frames_in(len(samples))
        values = predict_expression(
            self.adapter, style, samples, frames, intensity=options.intensity
        ).numpy()
        motion = regressed_motion(config.space, values)
        if "jaw" not in self.face.joint_names:
            motion.pop("jaw_pose", None)
        # Each has a generator of its own: none changes with what another does, or with how it is asked for.
        blinks_rng, brows_rng, gaze_rng = np.random.default_rng(options.seed).spawn(3)
        head = eyes = np.zeros((frames, 2, 3), np.float32)
        if options.pose != "off":
            head, eyes = self._head_and_eyes(samples, frames, gaze_rng)
            motion["neck_pose"], motion["head_pose"] = for_joints(
                self.face.joint_names, head[:, 0], head[:, 1]
            )
            motion["leye_pose"], motion["reye_pose"] = eyes[:, 0], eyes[:, 1]
        if config.space == "arkit52":
            expression = motion["expression"]
            shifts = gaze_shifts(head.sum(1), eyes.mean(1), FPS)
            closures = sample_blinks(frames, FPS, style.blinks, blinks_rng, shifts)
            expression[:, EYE_BLINK] = add_blinks(expression[:, EYE_BLINK], closures)
            expression[:, BROWS] = sample_brows(
                frames, FPS, style.brows, stress(samples, frames), brows_rng
            )
            rest = style.baseline.rest.numpy()
            expression[:, SQUINT] = squints(expression, rest, style.squint_slope, FPS)
            expression[:, EYE_LOOK] = eye_rotation_to_look(eyes[:, 0], eyes[:, 1])
        return MotionClip(
            space=config.space,
            fps=FPS,
            betas=style.betas.numpy(),
            metadata={
                "style": style.source,
                "pose": options.pose,
                "seed": options.seed,
                "face": config.face,
            },
            **motion,
        )

    def _head_and_eyes(
        self, samples: np.ndarray, frames: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Neck and head, and the eyeballs, [T, 2, 3] axis-angle each."""
        style, scale = self.style, self.options.pose_scale
        if self.options.pose == "loop":
            # Gaze and head move together in people, so they are looped together.
            head = style.loop.rotations(style.head_motion, frames)
            return scale * head, style.loop.rotations(style.eye_motion, frames)
        rotation = np.zeros((frames, 3), np.float32)
        if self.options.pose == "generated":
            generated = generate_pose(style.pose, samples, frames, seed=self.options.seed)
            rotation = np.float32(scale) * generated
        eyes = sample_gaze(rotation, FPS, style.gaze, rng)
        return over_joints(rotation), np.stack([eyes, eyes], axis=1)


def animate(
    speech: str | os.PathLike[str] | np.ndarray,
    style: Style | None = None,
    options: MotionOptions = MotionOptions(),  # noqa: B008, it is frozen
    *,
    model: ExpressionAdapter | None = None,
) -> MotionClip:
    """Motion of a head that speaks `speech` in somebody's style; for many speeches keep an `Animator`.

    Args:
        speech: a file with an audio track, or [N] mono samples at `SAMPLE_RATE`, floats of -1..1 or integers.
        style, options, model: as for `Animator`.
    Returns:
        A clip at 25 fps with the style's betas, at least as long as the speech, in the coefficients of the
        model's face; `retargeting.fit_to_face` puts it on another.
    Raises:
        InputError: no sound, too short, or a style of another base model.
    """
    if isinstance(speech, np.ndarray):
        samples = usable_samples(speech, "speech", SAMPLE_RATE)
    else:
        samples = load_audio(speech)
    return Animator(style, options, model=model).animate(samples)
