"""The one training loop: seeded, resumable, logged; recipes say what a step's loss is."""

import dataclasses
import json
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from adamesh.files import atomic_output
from adamesh.progress import Progress, no_progress

Batch = TypeVar("Batch")

CPU = torch.device("cpu")


class LoopConfig(BaseModel):
    """What every recipe decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    steps: int
    batch_size: int = 32  # windows
    learning_rate: float = 1e-3  # peak; linear warm-up, then a cosine to zero
    warmup: int = 300  # steps
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    ema: float = 0.999  # decay of the averaged weights that are kept
    validate_every: int = 500  # steps
    save_every: int = 250  # steps
    bfloat16: bool = False  # products in bfloat16, where the processor is faster at it


@dataclass(frozen=True)
class RunFolder:
    """Files of one training run."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state.pt"

    @property
    def figures(self) -> Path:
        return self.folder / "validation.jsonl"


def optimize(
    model: nn.Module,
    config: LoopConfig,
    folder: Path,
    *,
    draw: Callable[[int], Batch],
    loss: Callable[[Batch], Tensor],
    validate: Callable[[Any], dict[str, float]],
    progress: Progress = no_progress,
    device: torch.device = CPU,
) -> nn.Module:
    """Optimises `model`, resuming from `folder` if a run stopped there.

    Windows, dropout and order are functions of seed and step alone, so a resumed run ends where an
    uninterrupted one ends.

    Args:
        model: moved to `device`, with its averaged copy.
        draw: the batch of a step, a dataclass of tensors, a function of the step alone.
        loss: of a batch, which is on `device`.
        validate: figures by name of the averaged model, which is in eval mode.
        progress: told how far it is.
        device: that the model is trained on.
    Returns:
        The averaged model, in eval mode, on the CPU.
    """
    from torch.utils.tensorboard import SummaryWriter

    run = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model.to(device)
    average: Any = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.ema)
    )
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    step = 0
    if run.state.exists():
        saved = torch.load(run.state, map_location=CPU, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
    model.train()
    average.eval()
    precision = torch.autocast(device.type, torch.bfloat16) if config.bfloat16 else nullcontext()
    with SummaryWriter(folder) as writer:
        while step < config.steps:
            torch.manual_seed(hash((config.seed, step)) & 0x7FFFFFFF)
            for group in optimizer.param_groups:
                group["lr"] = _learning_rate(config, step)
            batch = on_device(draw(step), device)
            with precision:
                value = loss(batch)
            optimizer.zero_grad()
            value.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            average.update_parameters(model)
            step += 1
            if step % 20 == 0:
                writer.add_scalar("train/loss", value.item(), step)
                writer.add_scalar("train/gradient_norm", norm.item(), step)
                progress("training", step, config.steps, f"loss {value.item():.3f}")
            if step % config.validate_every == 0 or step == config.steps:
                figures = validate(average.module)
                for name, figure in figures.items():
                    writer.add_scalar(f"valid/{name}", figure, step)
                record = {name: round(figure, 4) for name, figure in figures.items()}
                with run.figures.open("a", encoding="utf-8") as handle:
                    handle.write(json.dumps({"step": step, **record}) + "\n")
            if step % config.save_every == 0 or step == config.steps:
                state = {
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step,
                }
                with atomic_output(run.state) as temporary:
                    torch.save(state, temporary)
    trained: nn.Module = average.module
    return trained.cpu()


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch, a dataclass of tensors, with all of them on `device`."""
    fields: Any = batch
    moved = {f.name: getattr(batch, f.name).to(device) for f in dataclasses.fields(fields)}
    result: Batch = dataclasses.replace(fields, **moved)
    return result


def _learning_rate(config: LoopConfig, step: int) -> float:
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    share = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
