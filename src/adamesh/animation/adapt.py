"""A reference -> a style: tracking, unless that is done, then MoLoRA on its own speech and motion."""

import copy
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from adamesh.alignment import estimate_offset, in_time
from adamesh.animation.amplitude import amplitude_gain
from adamesh.animation.fitting import Shown, solve
from adamesh.animation.pose import learn_pose
from adamesh.animation.reference import is_track, load_reference
from adamesh.animation.style import Style, default_style
from adamesh.checkpoints.networks import fingerprint, shared_network
from adamesh.data.sequences import shut_frames, speech_activity
from adamesh.errors import InputError
from adamesh.faces import Face
from adamesh.faces.library import load_named_face
from adamesh.features import features_for_frames, load_features
from adamesh.media.audio import load_audio
from adamesh.metrics.mouth import mouth_opening
from adamesh.models.baseline import Baseline
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.blinks import BlinkStatistics, detect_blinks, frames_of_blinks
from adamesh.motion.brows import BrowStatistics
from adamesh.motion.clip import MotionClip
from adamesh.motion.head import head_rotation, over_joints
from adamesh.motion.regression import regression_target
from adamesh.motion.saccades import GazeStatistics
from adamesh.motion.spaces import BROWS, EYE_BLINK
from adamesh.motion.squints import POPULATION_SLOPE, squint_slope
from adamesh.nn.molora import Branch, branch_state
from adamesh.progress import Progress, no_progress
from adamesh.rates import FPS, SAMPLES_PER_FRAME
from adamesh.retargeting import fit_to_face
from adamesh.tracking.track import track_video

BRANCHES = (
    # Low ranks move fast and carry what is common to all frames; higher ones refine.
    Branch(rank=2, alpha=4.0, learning_rate=1e-3),
    Branch(rank=4, alpha=4.0, learning_rate=5e-4),
    Branch(rank=8, alpha=4.0, learning_rate=2.5e-4),
)


def adapt(
    reference: str | os.PathLike[str],
    *,
    audio: str | os.PathLike[str] | None = None,
    format: str | None = None,
    fps: float | None = None,
    made_for: Face | None = None,
    sound_offset: float | None = None,
    model: ExpressionAdapter | None = None,
    progress: Progress = no_progress,
) -> Style:
    """Learns a person's style from about 10 seconds of them talking; more is better.

    Args:
        reference: a video with one face in view and its speech; with `audio`, a track of another tool
            or a clip of our own instead.
        audio: the sound of a track.
        format: of a track, a name of `formats.FORMATS`; default: told from the file.
        fps: of a track, where its file does not say it.
        made_for: face of a track whose coefficients are not `arkit52` and whose file does not tell.
        sound_offset: seconds by which the sound comes after the lips; found by default, see `alignment`.
        model: base expression adapter; the shipped one by default.
        progress: told how far it is.
    Raises:
        InputError: no face, no sound, or too little of either; track and sound do not go together.
    """
    if audio is not None:
        clip, samples = load_reference(reference, audio, format=format, fps=fps)
    elif format is not None or fps is not None or is_track(reference):
        raise InputError(f"'{reference}' is a track and has no sound; give that with --audio")
    else:
        samples = load_audio(reference)
        clip = track_video(reference, progress=progress).clip
    return adapt_to_clip(
        clip,
        samples,
        Path(reference).name,
        made_for=made_for,
        sound_offset=sound_offset,
        model=model,
    )


def adapt_to_clip(
    clip: MotionClip,
    samples: np.ndarray,
    source: str,
    *,
    made_for: Face | None = None,
    sound_offset: float | None = None,
    model: ExpressionAdapter | None = None,
) -> Style:
    """`adapt` for motion that is tracked already.

    Args:
        clip: the person's motion, any frame rate, starting with the sound; retargeted if the base model
            speaks the coefficients of another face.
        samples: [N] mono speech at `SAMPLE_RATE`.
        source: name of the reference, kept for people.
        made_for: the clip's face, where the clip does not tell.
        sound_offset: seconds by which the sound comes after the lips; found by default, see `alignment`.
    """
    model = model or shared_network(ExpressionAdapter)
    face = load_named_face(model.config.face)
    clip = clip.resample(FPS)
    fitted = fit_to_face(clip, face, made_for=made_for)
    found = None
    if sound_offset is None:
        opening = mouth_opening(face, torch.from_numpy(regression_target(fitted)))
        found = estimate_offset(samples, opening.numpy())
        sound_offset = found.applied
    heard = in_time(samples, sound_offset)[: clip.frames * SAMPLES_PER_FRAME]
    shown = look(fitted, heard, model)
    adapted = copy.deepcopy(model)
    with torch.no_grad():
        embedding = adapted.encode_style(shown.motion[None])[0]
    unseen = solve(adapted, shown, embedding, BRANCHES)
    head, eyes, upper = head_rotation(clip), eye_rotation(clip), upper_face(clip)
    return Style(
        base=fingerprint(model),
        branches=BRANCHES,
        molora=branch_state(adapted),
        embedding=embedding,
        betas=shown.betas,
        baseline=shown.baseline,
        gain=amplitude_gain(face, unseen, shown.motion),
        pose=learn_pose(head, heard),
        head_motion=over_joints(head),
        eye_motion=eyes,
        blinks=upper.blinks,
        gaze=upper.gaze,
        brows=upper.brows,
        squint_slope=upper.squint_slope,
        source=source,
        sound_offset=found,
    )


def look(clip: MotionClip, heard: np.ndarray, model: ExpressionAdapter) -> Shown:
    """What a clip of the model's face, at `FPS`, shows to `model`.

    Args:
        heard: [N] its speech, in time with the lips.
    """
    face = load_named_face(model.config.face)
    expression = torch.from_numpy(regression_target(clip))
    baseline, population = Baseline.of(face, expression), default_style().baseline
    if len(population.rest) == len(baseline.rest):  # the same coefficients
        baseline = baseline.towards(population, clip.frames)
    # Of some tools' tracks the identity is not known: the average one stands for it.
    betas = torch.zeros(face.n_betas) if clip.betas is None else torch.from_numpy(clip.betas)
    features = load_features(model.config.features)
    return Shown(
        features=features_for_frames(features, heard, clip.frames + model.config.lookahead),
        motion=baseline.remove(face.space, expression),
        baseline=baseline,
        shut=shut_frames(mouth_opening(face, expression)),
        activity=speech_activity(heard, clip.frames),
        betas=betas,
    )


@dataclass(frozen=True)
class UpperFace:
    """What is sampled rather than regressed; fields as in `Style`."""

    blinks: BlinkStatistics
    gaze: GazeStatistics
    brows: BrowStatistics
    squint_slope: float


def upper_face(clip: MotionClip) -> UpperFace:
    """How the person of a clip moves it; as people in general do, where its space has no lids and brows."""
    head, eyes = head_rotation(clip), eye_rotation(clip).mean(1)
    if clip.space != "arkit52":
        gaze = GazeStatistics.of(head, eyes, clip.fps)
        return UpperFace(BlinkStatistics(), gaze, BrowStatistics(), POPULATION_SLOPE)
    lids = clip.expression[:, EYE_BLINK]
    shut = frames_of_blinks(clip.frames, detect_blinks(lids, clip.fps))
    return UpperFace(
        blinks=BlinkStatistics.of(lids, clip.fps),
        gaze=GazeStatistics.of(head, eyes, clip.fps, shut),
        brows=BrowStatistics.of(clip.expression[:, BROWS], clip.fps),
        squint_slope=squint_slope(regression_target(clip), clip.fps),
    )


def eye_rotation(clip: MotionClip) -> np.ndarray:
    """[T, 2, 3] axis-angle of the left and the right eyeball."""
    return np.stack([clip.leye_pose, clip.reye_pose], axis=1).astype(np.float32)
