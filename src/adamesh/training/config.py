"""Training configs as YAML files; a key that nothing reads is an error."""

import os
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from adamesh.errors import InputError
from adamesh.files import check_input
from adamesh.training.loop import LoopConfig

Config = TypeVar("Config", bound=LoopConfig)


def load_training_config(recipe: type[Config], path: str | os.PathLike[str]) -> Config:
    """Reads the config file of a recipe.

    Raises:
        InputError: not a readable YAML mapping, an unknown key, or a value of the wrong type; the
            message names the key.
    """
    path = check_input(path, "config")
    try:
        content = yaml.safe_load(Path(path).read_bytes())
        return recipe.model_validate(content)
    except yaml.YAMLError as error:
        raise InputError(f"config '{path}' is not YAML: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"config '{path}', key '{key}': {first['msg']}") from error
