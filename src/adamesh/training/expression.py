"""Pre-training of the expression adapter: person-agnostic speech to expression, with style as input."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adamesh.checkpoints.networks import save_network
from adamesh.data.corpus import of_split, read_corpus
from adamesh.data.sequences import (
    SILENCE,
    TAUGHT,
    Augmentation,
    Batch,
    WindowSampler,
    load_sequences,
    silences,
)
from adamesh.data.sequences import Sequence as Clip
from adamesh.data.sound_offsets import delays
from adamesh.data.speech import read_speech, spread
from adamesh.errors import InputError
from adamesh.faces.face import Face
from adamesh.faces.library import load_named_face
from adamesh.features.registry import both_ways
from adamesh.metrics.mouth import mouth_opening
from adamesh.metrics.sync import Sync, synchrony
from adamesh.models.expression import ExpressionAdapter, ExpressionConfig
from adamesh.models.expression_loss import ExpressionLoss, LossWeights
from adamesh.motion.regression import regression_size
from adamesh.progress import Progress, no_progress, under
from adamesh.rates import FEATURES_PER_FRAME, FPS
from adamesh.training.loop import CPU, LoopConfig, optimize
from adamesh.training.statistics import feature_statistics, motion_deviation
from adamesh.training.teaching import taught_sequences

VALIDATION_CLIPS = 10  # of a person; some have fifty, and training waits
SMALLEST_PERSON = 5.0  # s; correlations of less say nothing


def validate(
    model: ExpressionAdapter, face: Face, groups: dict[str, list[Clip]]
) -> dict[str, Sync]:
    """Mouth-opening agreement for each person of `groups`, all clips joined, as a stranger to the model."""
    figures = {}
    style = torch.zeros(1, model.config.style_dim)
    betas = torch.zeros(1, model.config.identity_dim)
    for speaker, clips in groups.items():
        curves: list[tuple[Tensor, Tensor]] = []
        for sequence in clips[:VALIDATION_CLIPS]:
            frames = len(sequence.motion) + model.config.lookahead
            features = sequence.heard(0, 0.0, 1.0, frames * FEATURES_PER_FRAME)
            predicted, _ = model.predict(features, style, betas)
            curves.append((mouth_opening(face, predicted), mouth_opening(face, sequence.motion)))
        generated, seen = (torch.cat(side).numpy() for side in zip(*curves, strict=True))
        figures[speaker] = synchrony(generated, seen)
    return figures


class ExpressionTraining(LoopConfig):
    """Everything that decides the outcome of `adamesh train expression`."""

    steps: int = 2000
    other_voices: int = 2  # altered versions of each recording's speech
    window: int = 75  # motion frames: 3 s
    reference: int = 150  # motion frames of another stretch for the style encoder
    silence: float = 0.05  # share of windows in which nobody speaks
    taught: float = 0.4  # share of windows of speech without video, where teachers are given
    recordings: int = 800  # of speech without video
    loss: LossWeights = LossWeights()
    model: ExpressionConfig = ExpressionConfig()
    augmentation: Augmentation = Augmentation()


def train_expression(
    config: ExpressionTraining,
    data: Path,
    tracks: Path,
    folder: Path,
    *,
    leave_out: str | None = None,
    teachers: Sequence[ExpressionAdapter] = (),
    progress: Progress = no_progress,
    device: torch.device = CPU,
) -> Path:
    """Trains on a corpus, resuming from `folder` if a run stopped there.

    Args:
        data, tracks: the corpus and its tracks, see `data.corpus`.
        leave_out: a training speaker, who is judged on in place of the validation people.
        teachers: adapters that teach on the corpus's recordings without video.
    Returns:
        The checkpoint.
    Raises:
        InputError: no such corpus, tracks or speaker, or as `fit_expression`.
    """
    features = both_ways(config.model.features)
    face = load_named_face(config.model.face)
    videos = read_corpus(data, tracks)
    train, valid = of_split(videos, "train"), of_split(videos, "valid")
    if leave_out is not None:
        valid = [v for v in train if v.speaker == leave_out]
        train = [v for v in train if v.speaker != leave_out]
        if not valid:
            raise InputError(f"--leave-out '{leave_out}' is no training speaker of '{data}'")
    late = delays(tracks)
    recordings = [r for r in read_speech(data) if r.split == "train"] if teachers else []
    recordings = spread(recordings, config.recordings, seed=config.seed)
    seen = load_sequences(
        train,
        features,
        face,
        delays=late,
        other_voices=config.other_voices,
        progress=under("load train", progress),
    )
    quiet = silences(features, face, seed=config.seed)
    taught = taught_sequences(recordings, teachers, features, face, progress=progress)
    judged = load_sequences(
        valid, features, face, delays=late, progress=under("load valid", progress)
    )
    return fit_expression(
        config, [*seen, *quiet, *taught], judged, face, folder, progress=progress, device=device
    )


def fit_expression(
    config: ExpressionTraining,
    train: list[Clip],
    valid: list[Clip],
    face: Face,
    folder: Path,
    *,
    progress: Progress = no_progress,
    device: torch.device = CPU,
) -> Path:
    """Trains on sequences; see `loop.optimize`.

    Args:
        train: with the features that `config.model` names, in the coefficients of `face`; recordings in
            which nobody speaks among them.
        valid: likewise.
        face: the one that `config.model` names.
    Returns:
        The checkpoint: averaged weights with their config.
    Raises:
        InputError: the config names another space or size than those of the face or of a sequence.
    """
    _check_space(config.model, face, [*train, *valid])
    torch.manual_seed(config.seed)
    model = ExpressionAdapter(config.model)
    mean, deviation = feature_statistics(train)
    model.audio_encoder.feature_mean.copy_(mean)
    model.audio_encoder.feature_std.copy_(deviation)
    model.std.copy_(motion_deviation(train))
    sampler = WindowSampler(
        train,
        config.window,
        model.config.lookahead,
        config.reference,
        config.augmentation,
        config.seed,
        config.model.space,
        {SILENCE: config.silence, TAUGHT: config.taught},
    )
    loss_function = ExpressionLoss(face, config.loss, device)
    groups: dict[str, list[Clip]] = {}
    for sequence in valid:
        groups.setdefault(sequence.speaker, []).append(sequence)
    groups = {
        name: clips
        for name, clips in groups.items()
        if sum(len(s.motion) for s in clips) >= SMALLEST_PERSON * FPS
    }

    def figures(averaged: ExpressionAdapter) -> dict[str, float]:
        found = validate(averaged, face, groups)
        if not found:
            return {}
        ratios = [sync.std_ratio for sync in found.values()]
        correlations = {name: sync.correlation for name, sync in found.items()}
        return {
            **correlations,
            "median": float(np.median(list(correlations.values()))),
            "median ratio of deviations": float(np.median(ratios)),
        }

    trained = optimize(
        model,
        config,
        folder,
        draw=lambda step: sampler.draw(config.batch_size, step),
        loss=lambda batch: _loss(model, loss_function, batch),
        validate=figures,
        progress=progress,
        device=device,
    )
    target = folder / "expression.safetensors"
    save_network(target, trained, {"training": config.model_dump(mode="json"), "clips": len(train)})
    return target


def _check_space(config: ExpressionConfig, face: Face, sequences: list[Clip]) -> None:
    size = regression_size(config.space)
    if face.space != config.space:
        raise InputError(
            f"the config's model.space is '{config.space}', its face '{face.name}' is in '{face.space}'; "
            "set model.space and model.face to fit"
        )
    if config.expression_dim != size:
        raise InputError(
            f"model.expression_dim is {config.expression_dim}, but '{config.space}' has {size} numbers a "
            f"frame; set it to {size}"
        )
    for sequence in sequences:
        if sequence.motion.shape[1] != size:
            raise InputError(
                f"the motion of '{sequence.name}' has {sequence.motion.shape[1]} numbers a frame, "
                f"'{config.space}' has {size}; load it for face '{face.name}'"
            )
        if len(sequence.betas) != config.identity_dim:
            raise InputError(
                f"'{sequence.name}' has {len(sequence.betas)} betas, model.identity_dim is "
                f"{config.identity_dim}; set it to {len(sequence.betas)}"
            )


def _loss(model: ExpressionAdapter, loss_function: ExpressionLoss, batch: Batch) -> Tensor:
    style = batch.motion.new_zeros(len(batch.motion), model.config.style_dim)
    if batch.conditioned.any():  # the others need none: half of the references are never read
        read = model.encode_style(batch.reference[batch.conditioned])
        style = style.to(read.dtype).index_put((batch.conditioned.nonzero()[:, 0],), read)
    output = model(batch.features, style, batch.betas * batch.conditioned[:, None])
    output = output.after_lookahead(model.config.lookahead)
    return loss_function(model, output, batch.motion, batch.mask, batch.shut, batch.activity)
