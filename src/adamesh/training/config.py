"""Training configs as YAML files; a key that nothing reads is an error."""

import os
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, ValidationError

from adamesh.data.sequences import Augmentation
from adamesh.errors import InputError
from adamesh.files import check_input
from adamesh.models.expression import ExpressionConfig


class ExpressionTraining(BaseModel):
    """Everything that decides the outcome of `adamesh train expression`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    initial: Path | None = None  # checkpoint to start from, with its model; a fresh one by default
    sound_delays: dict[str, NonNegativeFloat] = {}  # seconds by which a video's sound comes late
    steps: int = 9000
    batch_size: int = 32  # windows
    window: int = 75  # motion frames: 3 s
    reference: int = 150  # motion frames of another stretch for the style encoder
    learning_rate: float = 1e-3  # peak; linear warm-up, then a cosine to zero
    warmup: int = 300  # steps
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    ema: float = 0.999  # decay of the averaged weights that are kept
    velocity_weight: float = 0.5  # L1 on frame-to-frame differences, z-scored
    lip_weight: float = 0.4  # L1 on lip landmarks, per millimetre
    validate_every: int = 500  # steps
    save_every: int = 250  # steps
    model: ExpressionConfig = ExpressionConfig()
    augmentation: Augmentation = Augmentation()


def load_training_config(path: str | os.PathLike[str]) -> ExpressionTraining:
    """Reads a config file.

    Raises:
        InputError: not a readable YAML mapping, an unknown key, or a value of the wrong type; the
            message names the key.
    """
    path = check_input(path, "config")
    try:
        content = yaml.safe_load(Path(path).read_bytes())
        return ExpressionTraining.model_validate(content)
    except yaml.YAMLError as error:
        raise InputError(f"config '{path}' is not YAML: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"config '{path}', key '{key}': {first['msg']}") from error
