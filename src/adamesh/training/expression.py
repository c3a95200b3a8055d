"""Pre-training of the expression adapter: person-agnostic speech to expression, with style as input."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from adamesh.checkpoints.networks import save_network
from adamesh.data.sequences import Augmentation, Batch, Sequence, WindowSampler
from adamesh.errors import InputError
from adamesh.faces.face import Face
from adamesh.metrics.mouth import mouth_opening
from adamesh.metrics.sync import Sync, synchrony
from adamesh.models.expression import ExpressionAdapter, ExpressionConfig, ExpressionOutput
from adamesh.models.expression_loss import ExpressionLoss
from adamesh.motion.regression import regression_size
from adamesh.rates import FEATURES_PER_FRAME
from adamesh.training.loop import LoopConfig, optimize

VALIDATION_CLIPS = 10  # of a person; some have fifty, and training waits
STD_FLOOR = 0.03  # an action that hardly moves must not become loud by z-scoring


def validate(
    model: ExpressionAdapter, face: Face, groups: dict[str, list[Sequence]]
) -> dict[str, Sync]:
    """Mouth-opening agreement for each person of `groups`, all clips joined, with their own style.

    The style is read from the other clips of the person, or from the clip itself where there is one.
    """
    figures = {}
    for speaker, clips in groups.items():
        group = clips[:VALIDATION_CLIPS]
        generated: list[np.ndarray] = []
        seen: list[np.ndarray] = []
        for i, sequence in enumerate(group):
            others = [s.expression for j, s in enumerate(group) if j != i] or [sequence.expression]
            with torch.no_grad():
                style = model.encode_style(torch.cat(others)[None, :500])
            frames = len(sequence.expression) + model.config.lookahead
            features = sequence.voices[0][: frames * FEATURES_PER_FRAME]
            predicted = model.predict(features, style, sequence.betas[None])
            for curve, x in ((generated, predicted), (seen, sequence.expression)):
                opening = mouth_opening(face, x)
                curve.append((opening - opening.mean()).numpy())
        figures[speaker] = synchrony(np.concatenate(generated), np.concatenate(seen))
    return figures


class ExpressionTraining(LoopConfig):
    """Everything that decides the outcome of `adamesh train expression`."""

    steps: int = 4000
    # Seconds by which a video's sound comes late
    sound_delays: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    other_voices: int = 6  # altered versions of each recording's speech
    window: int = 75  # motion frames: 3 s
    reference: int = 150  # motion frames of another stretch for the style encoder
    velocity_weight: float = 0.5  # L1 on frame-to-frame differences, z-scored
    lip_weight: float = 0.4  # L1 on lip landmarks, per millimetre
    model: ExpressionConfig = ExpressionConfig()
    augmentation: Augmentation = Augmentation()


def train_expression(
    config: ExpressionTraining,
    train: list[Sequence],
    valid: list[Sequence],
    face: Face,
    folder: Path,
    *,
    progress: Callable[[int, int, float], None],
) -> Path:
    """Trains, resuming from `folder` if a run stopped there; see `loop.optimize`.

    Args:
        train, valid: with the features that `config.model` names, in the coefficients of `face`.
        face: the one that `config.model` names.
    Returns:
        The checkpoint: averaged weights with their config.
    Raises:
        InputError: the config names another space or size than those of the face or of a sequence.
    """
    _check_space(config.model, face, [*train, *valid])
    torch.manual_seed(config.seed)
    model = ExpressionAdapter(config.model)
    expressions = torch.cat([s.expression for s in train])
    model.mean.copy_(expressions.mean(0))
    model.std.copy_(expressions.std(0).clamp_min(STD_FLOOR))
    sampler = WindowSampler(
        train,
        config.window,
        model.config.lookahead,
        config.reference,
        config.augmentation,
        config.seed,
        config.model.space,
    )
    loss_function = ExpressionLoss(
        face, velocity_weight=config.velocity_weight, lip_weight=config.lip_weight
    )
    groups: dict[str, list[Sequence]] = {}
    for sequence in valid:
        groups.setdefault(sequence.speaker, []).append(sequence)

    def figures(averaged: ExpressionAdapter) -> dict[str, float]:
        return {name: sync.correlation for name, sync in validate(averaged, face, groups).items()}

    trained = optimize(
        model,
        config,
        folder,
        draw=lambda step: sampler.draw(config.batch_size, step),
        loss=lambda batch: _loss(model, loss_function, batch),
        validate=figures,
        progress=progress,
    )
    target = folder / "expression.safetensors"
    save_network(target, trained, {"training": config.model_dump(mode="json"), "clips": len(train)})
    return target


def _check_space(config: ExpressionConfig, face: Face, sequences: list[Sequence]) -> None:
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
        if sequence.expression.shape[1] != size:
            raise InputError(
                f"the motion of '{sequence.name}' has {sequence.expression.shape[1]} numbers a frame, "
                f"'{config.space}' has {size}; load it for face '{face.name}'"
            )
        if len(sequence.betas) != config.identity_dim:
            raise InputError(
                f"'{sequence.name}' has {len(sequence.betas)} betas, model.identity_dim is "
                f"{config.identity_dim}; set it to {len(sequence.betas)}"
            )


def _loss(model: ExpressionAdapter, loss_function: ExpressionLoss, batch: Batch) -> Tensor:
    full = torch.ones(batch.reference.shape[:2], dtype=torch.bool)
    kept = batch.conditioned[:, None]
    style = model.encode_style(batch.reference, full) * kept
    output = model(batch.features, style, batch.betas * kept)
    late = model.config.lookahead
    output = ExpressionOutput(output.before[:, late:], output.after[:, late:])
    return loss_function(model, output, batch.expression, batch.mask)
