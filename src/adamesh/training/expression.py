"""Pre-training of the expression adapter: person-agnostic speech to expression, with style as input."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adamesh.checkpoints.expression import load_expression_adapter, save_expression_adapter
from adamesh.data.sequences import Batch, Sequence, WindowSampler
from adamesh.faces.face import Face
from adamesh.files import atomic_output
from adamesh.metrics.mouth import mouth_opening
from adamesh.metrics.sync import Sync, synchrony
from adamesh.models.expression import ExpressionAdapter, ExpressionOutput
from adamesh.models.expression_loss import ExpressionLoss
from adamesh.rates import FEATURES_PER_FRAME
from adamesh.training.config import ExpressionTraining

VALIDATION_CLIPS = 10  # of a person; some have fifty, and training waits
STD_FLOOR = 0.03  # an action that hardly moves must not become loud by z-scoring


def validate(
    model: ExpressionAdapter, face: Face, groups: dict[str, list[Sequence]]
) -> dict[str, Sync]:
    """Mouth-opening agreement for each person of `groups`, all clips joined, with their own style.

    The style is read from the other clips of the person, or from the clip itself where there is one.
    """
    model.eval()
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
            features = sequence.features[: frames * FEATURES_PER_FRAME]
            predicted = model.predict(features, style, sequence.betas[None])
            for curve, x in ((generated, predicted), (seen, sequence.expression)):
                opening = mouth_opening(face, x)
                curve.append((opening - opening.mean()).numpy())
        figures[speaker] = synchrony(np.concatenate(generated), np.concatenate(seen))
    model.train()
    return figures


@dataclass
class Run:
    """Files of one training run."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state.pt"

    @property
    def weights(self) -> Path:
        return self.folder / "expression.safetensors"

    @property
    def figures(self) -> Path:
        return self.folder / "validation.jsonl"


def train_expression(
    config: ExpressionTraining,
    train: list[Sequence],
    valid: list[Sequence],
    face: Face,
    folder: Path,
    *,
    progress: Callable[[int, int, float], None],
) -> Path:
    """Trains, resuming from `folder` if a run stopped there.

    Windows, dropout and order are functions of seed and step alone, so a resumed run ends where an
    uninterrupted one ends.

    Args:
        progress: called with the step, all steps and the loss.
    Returns:
        The checkpoint: averaged weights with their config.
    """
    from torch.utils.tensorboard import SummaryWriter

    run = Run(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    if config.initial is None:
        model = ExpressionAdapter(config.model)
        expressions = torch.cat([s.expression for s in train])
        model.mean.copy_(expressions.mean(0))
        model.std.copy_(expressions.std(0).clamp_min(STD_FLOOR))
    else:
        model = load_expression_adapter(config.initial).requires_grad_(True)
    average: Any = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.ema)
    )
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    step = 0
    if run.state.exists():
        saved = torch.load(run.state, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
    sampler = WindowSampler(
        train,
        config.window,
        model.config.lookahead,
        config.reference,
        config.augmentation,
        config.seed,
    )
    loss_function = ExpressionLoss(
        face, velocity_weight=config.velocity_weight, lip_weight=config.lip_weight
    )
    groups: dict[str, list[Sequence]] = {}
    for sequence in valid:
        groups.setdefault(sequence.speaker, []).append(sequence)
    model.train()
    with SummaryWriter(folder) as writer:
        while step < config.steps:
            torch.manual_seed(hash((config.seed, step)) & 0x7FFFFFFF)
            for group in optimizer.param_groups:
                group["lr"] = _learning_rate(config, step)
            batch = sampler.draw(config.batch_size, step)
            loss = _loss(model, loss_function, batch)
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            average.update_parameters(model)
            step += 1
            if step % 20 == 0:
                writer.add_scalar("train/loss", loss.item(), step)
                writer.add_scalar("train/gradient_norm", norm.item(), step)
                progress(step, config.steps, loss.item())
            if groups and (step % config.validate_every == 0 or step == config.steps):
                figures = validate(average.module, face, groups)
                for speaker, sync in figures.items():
                    writer.add_scalar(f"correlation/{speaker}", sync.correlation, step)
                    writer.add_scalar(f"std_ratio/{speaker}", sync.std_ratio, step)
                record = {name: round(sync.correlation, 3) for name, sync in figures.items()}
                with run.figures.open("a", encoding="utf-8") as handle:
                    handle.write(json.dumps({"step": step, "correlation": record}) + "\n")
            if step % config.save_every == 0 or step == config.steps:
                state = {
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step,
                }
                with atomic_output(run.state) as temporary:
                    torch.save(state, temporary)
    save_expression_adapter(
        run.weights,
        average.module,
        {"training": json.loads(config.model_dump_json()), "clips": len(train)},
    )
    return run.weights


def _loss(model: ExpressionAdapter, loss_function: ExpressionLoss, batch: Batch) -> Tensor:
    full = torch.ones(batch.reference.shape[:2], dtype=torch.bool)
    kept = batch.conditioned[:, None]
    style = model.encode_style(batch.reference, full) * kept
    output = model(batch.features, style, batch.betas * kept)
    late = model.config.lookahead
    output = ExpressionOutput(output.before[:, late:], output.after[:, late:])
    return loss_function(model, output, batch.expression, batch.mask)


def _learning_rate(config: ExpressionTraining, step: int) -> float:
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    share = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
