"""A reference -> a style: tracking, unless that is done, then MoLoRA on its own speech and motion."""

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adamesh.alignment import estimate_offset, in_time
from adamesh.checkpoints.networks import fingerprint, load_network
from adamesh.data.sequences import in_other_voices, shut_frames, speech_activity
from adamesh.errors import InputError
from adamesh.faces import Face
from adamesh.features import load_features
from adamesh.library.store import load_named_face
from adamesh.media.audio import load_audio
from adamesh.metrics.mouth import mouth_opening
from adamesh.models.baseline import Baseline
from adamesh.models.expression import ExpressionAdapter
from adamesh.models.expression_loss import ExpressionLoss, LossWeights
from adamesh.motion.blinks import BlinkStatistics, detect_blinks, frames_of_blinks
from adamesh.motion.brows import BrowStatistics
from adamesh.motion.clip import MotionClip
from adamesh.motion.head import head_rotation, over_joints
from adamesh.motion.regression import regression_target
from adamesh.motion.saccades import GazeStatistics
from adamesh.motion.spaces import BROWS, EYE_BLINK
from adamesh.motion.squints import POPULATION_SLOPE, squint_slope
from adamesh.nn.molora import Branch, attach, branch_state, parameter_groups
from adamesh.pipeline.amplitude import amplitude_gain
from adamesh.pipeline.pose import learn_pose
from adamesh.pipeline.reference import is_track, load_reference
from adamesh.pipeline.style import Style
from adamesh.rates import FPS, SAMPLES_PER_FRAME
from adamesh.retargeting import fit_to_face
from adamesh.tracking.track import track_video

LONGEST = 60.0  # s of a reference that are used; more makes adapting slower, not better


@dataclass(frozen=True)
class AdaptOptions:
    """How the MoLoRA branches are fitted to a reference."""

    branches: tuple[Branch, ...] = (
        # Low ranks move fast and carry what is common to all frames; higher ones refine.
        Branch(rank=2, alpha=4.0, learning_rate=1e-3),
        Branch(rank=4, alpha=4.0, learning_rate=5e-4),
        Branch(rank=8, alpha=4.0, learning_rate=2.5e-4),
    )
    steps: int = 50
    voices: int = 6  # altered versions of the reference's speech, beside the recording itself
    copies: int = 2  # of the reference a step, each in one of the voices
    loss: LossWeights = LossWeights()  # noqa: RUF009, it is frozen
    weight_decay: float = 0.01
    seed: int = 0


def adapt(
    reference: str | os.PathLike[str],
    *,
    audio: str | os.PathLike[str] | None = None,
    format: str | None = None,
    fps: float | None = None,
    made_for: Face | None = None,
    sound_offset: float | None = None,
    model: ExpressionAdapter | None = None,
    options: AdaptOptions | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Style:
    """Learns a person's style from about 10 seconds of them talking.

    Args:
        reference: a video with one face in view and its speech; with `audio`, a track of another tool
            or a clip of our own instead.
        audio: the sound of a track.
        format: of a track, a name of `formats.FORMATS`; default: told from the file.
        fps: of a track, where its file does not say it.
        made_for: face of a track whose coefficients are not `arkit52` and whose file does not tell.
        sound_offset: seconds by which the sound comes after the lips; found by default, see `alignment`.
        model: base expression adapter; the shipped one by default.
        progress: called with the name of the stage, steps done and steps in all.
    Raises:
        InputError: no face, no sound, or too little of either; track and sound do not go together.
    """

    def report(stage: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(stage, done, total)

    if audio is not None:
        clip, samples = load_reference(reference, audio, format=format, fps=fps)
    elif format is not None or fps is not None or is_track(reference):
        raise InputError(f"'{reference}' is a track and has no sound; give that with --audio")
    else:
        samples = load_audio(reference)
        clip = track_video(reference, progress=report("tracking")).clip
    return adapt_to_clip(
        clip,
        samples,
        Path(reference).name,
        made_for=made_for,
        sound_offset=sound_offset,
        model=model,
        options=options,
        progress=report("adapting"),
    )


def adapt_to_clip(
    clip: MotionClip,
    samples: np.ndarray,
    source: str,
    *,
    made_for: Face | None = None,
    sound_offset: float | None = None,
    model: ExpressionAdapter | None = None,
    options: AdaptOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Style:
    """`adapt` for motion that is tracked already.

    Args:
        clip: the person's motion, any frame rate, starting with the sound; retargeted if the base model
            speaks the coefficients of another face.
        samples: [N] mono speech at `SAMPLE_RATE`.
        source: name of the reference, kept for people.
        made_for: the clip's face, where the clip does not tell.
        sound_offset: seconds by which the sound comes after the lips; found by default, see `alignment`.
        progress: called with steps done and steps in all.
    """
    model = model or load_network(ExpressionAdapter)
    options = options or AdaptOptions()
    face = load_named_face(model.config.face)
    clip = clip.resample(FPS)
    clip = clip.slice(0, min(clip.frames, int(LONGEST * FPS)))
    fitted = fit_to_face(clip, face, made_for=made_for)
    expression = torch.from_numpy(regression_target(fitted))
    baseline, opening = Baseline.of(face, expression), mouth_opening(face, expression)
    # Of some tools' tracks the identity is not known: the average one stands for it.
    betas = torch.zeros(face.n_betas) if fitted.betas is None else torch.from_numpy(fitted.betas)
    found = None
    if sound_offset is None:
        found = estimate_offset(samples, opening.numpy())
        sound_offset = found.applied
    heard = in_time(samples, sound_offset)[: clip.frames * SAMPLES_PER_FRAME]
    personal = copy.deepcopy(model)
    frames = clip.frames + model.config.lookahead
    extract = load_features(model.config.features)
    count = options.voices if options.steps else 0
    fitted_sound = np.pad(heard, (0, frames * SAMPLES_PER_FRAME - len(heard)))
    voices = [
        extract(fitted_sound),
        *in_other_voices(fitted_sound, extract, count, seed=options.seed),
    ]
    shown = Shown(
        motion=baseline.remove(face.space, expression),
        shut=shut_frames(opening),
        activity=speech_activity(heard, clip.frames),
        betas=betas,
    )
    _fit(personal, face, voices, shown, options, progress)
    personal.eval()
    with torch.no_grad():
        embedding = personal.encode_style(shown.motion[None])[0]
    generated, _ = personal.predict(voices[0], embedding[None], betas[None])
    head, eyes, upper = head_rotation(clip), eye_rotation(clip), upper_face(clip)
    return Style(
        base=fingerprint(model),
        branches=options.branches if options.steps else (),
        molora=branch_state(personal),
        embedding=embedding,
        betas=betas,
        baseline=baseline,
        gain=amplitude_gain(face, generated, shown.motion),
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


@dataclass(frozen=True)
class Shown:
    """What a reference shows, as training has it of every clip: see `data.sequences.Sequence`."""

    motion: Tensor  # [T, E] about the resting face
    shut: Tensor  # [T] bool
    activity: Tensor  # [T]
    betas: Tensor  # [K]


def _fit(
    model: ExpressionAdapter,
    face: Face,
    voices: list[Tensor],
    shown: Shown,
    options: AdaptOptions,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Attaches MoLoRA to `model` and optimises it, and nothing else, on one reference."""
    if not options.steps:
        return
    attach(model, options.branches, seed=options.seed)
    groups = parameter_groups(model, options.branches)
    optimizer = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[branch.learning_rate for branch in options.branches],
        total_steps=options.steps,
        pct_start=0.2,
        cycle_momentum=False,
    )
    loss_function = ExpressionLoss(face, options.loss)
    rng = np.random.default_rng(options.seed)
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(options.seed)
    late = model.config.lookahead
    rows = options.copies
    wanted, shut, activity, betas = (
        x.expand(rows, *x.shape) for x in (shown.motion, shown.shut, shown.activity, shown.betas)
    )
    mask = torch.ones(wanted.shape[:2], dtype=torch.bool)
    model.train()
    for step in range(options.steps):
        heard = torch.stack([voices[i] for i in rng.integers(len(voices), size=rows)])
        style = model.encode_style(shown.motion[None]).expand(rows, -1)
        output = model(heard, style, betas).after_lookahead(late)
        loss = loss_function(model, output, wanted, mask, shut, activity)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, options.steps)
    torch.random.set_rng_state(torch_state)  # the caller's own randomness goes on as if untouched


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
