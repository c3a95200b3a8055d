"""Speech and a style -> a `MotionClip`."""

import os
from typing import Literal, get_args

import numpy as np

from adamesh.animation.pose import generate_pose
from adamesh.animation.speak import speak
from adamesh.animation.style import Style, default_style
from adamesh.audio.prosody import stress
from adamesh.checkpoints.networks import load_network
from adamesh.errors import InputError
from adamesh.faces.library import load_named_face
from adamesh.media.audio import load_audio
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.blinks import add_blinks, sample_blinks
from adamesh.motion.brows import sample_brows
from adamesh.motion.clip import MotionClip
from adamesh.motion.gaze import eye_rotation_to_look
from adamesh.motion.head import for_joints, over_joints
from adamesh.motion.looping import plan_loop
from adamesh.motion.regression import regressed_motion
from adamesh.motion.saccades import gaze_shifts, sample_gaze
from adamesh.motion.spaces import BROWS, EYE_BLINK, EYE_LOOK
from adamesh.motion.squints import SQUINT, squints
from adamesh.rates import FPS, SAMPLE_RATE, frames_in

SHORTEST = 0.5  # s of speech
Pose = Literal["generated", "reference", "still", "off"]


def animate(
    speech: str | os.PathLike[str] | np.ndarray,
    style: Style | None = None,
    *,
    pose: Pose = "reference",
    pose_scale: float = 1.0,
    intensity: float = 1.0,
    seed: int = 0,
    model: ExpressionAdapter | None = None,
) -> MotionClip:
    """Motion of a head that speaks `speech` in somebody's style.

    Args:
        speech: a file with an audio track, or [N] mono samples at `SAMPLE_RATE`.
        style: from `adapt`; the neutral default style if None.
        pose: `reference` loops the head and eye motion of the style's reference, `generated` makes new head
            motion in the style's way, `still` moves the eyes alone, `off` nothing.
        pose_scale: factor on the head's motion; 1 is the style's own.
        intensity: further factor on the mouth's motion; 1 is the style's own amplitude.
        seed: of head motion, gaze, blinks and brows. The same seed gives the same clip.
        model: base expression adapter that the style belongs to; the shipped one by default.
    Returns:
        A clip at 25 fps with the style's betas, at least as long as the speech, in the coefficients of the
        model's face; `retargeting.fit_to_face` puts it on another.
    Raises:
        InputError: no sound, too short, or a style of another base model.
    """
    if pose not in get_args(Pose):
        raise InputError(f"pose must be one of {', '.join(get_args(Pose))}, got '{pose}'")
    if not 0 <= pose_scale <= 4:
        raise InputError(f"pose scale must be within 0..4, got {pose_scale}")
    if not 0 <= intensity <= 4:
        raise InputError(f"intensity must be within 0..4, got {intensity}")
    samples = speech if isinstance(speech, np.ndarray) else load_audio(speech)
    if samples.ndim != 1 or len(samples) < SHORTEST * SAMPLE_RATE:
        raise InputError(
            f"speech must be mono samples of at least {SHORTEST} s at {SAMPLE_RATE} Hz, "
            f"got shape {list(samples.shape)}"
        )
    style = style or default_style()
    personal = style.personal_model(model or load_network(ExpressionAdapter))
    frames = frames_in(len(samples))
    config = personal.config
    values = speak(personal, style, samples, frames, intensity=intensity).numpy()
    motion = regressed_motion(config.space, values)
    joint_names = load_named_face(config.face).joint_names
    if "jaw" not in joint_names:
        motion.pop("jaw_pose", None)

    # Brows do not change with what the head does.
    rng, brows_rng = np.random.default_rng(seed).spawn(2)
    head = eyes = np.zeros((frames, 2, 3), np.float32)
    if pose != "off":
        head, eyes = _head_and_eyes(pose, style, samples, frames, pose_scale, seed, rng)
        motion["neck_pose"], motion["head_pose"] = for_joints(joint_names, head[:, 0], head[:, 1])
        motion["leye_pose"], motion["reye_pose"] = eyes[:, 0], eyes[:, 1]
    if config.space == "arkit52":
        expression = motion["expression"]
        shifts = gaze_shifts(head.sum(1), eyes.mean(1), FPS)
        closures = sample_blinks(frames, FPS, style.blinks, rng, shifts)
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
        metadata={"style": style.source, "pose": pose, "seed": seed, "face": config.face},
        **motion,
    )


def _head_and_eyes(
    pose: Pose,
    style: Style,
    samples: np.ndarray,
    frames: int,
    scale: float,
    seed: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Neck and head, and the eyeballs, [T, 2, 3] axis-angle each."""
    if pose == "reference":
        # Gaze and head move together in people, so they are looped together.
        loop = plan_loop(style.head_motion)
        head = loop.rotations(style.head_motion, frames)
        return scale * head, loop.rotations(style.eye_motion, frames)
    rotation = np.zeros((frames, 3), np.float32)
    if pose == "generated":
        rotation = np.float32(scale) * generate_pose(style.pose, samples, frames, seed=seed)
    eyes = sample_gaze(rotation, FPS, style.gaze, rng)
    return over_joints(rotation), np.stack([eyes, eyes], axis=1)
