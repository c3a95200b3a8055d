"""A user's own mapping, as a YAML file: what moves which morph target, and which bone is which."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FiniteFloat,
    ValidationError,
)

from adamesh.avatars.names import CONTROLS
from adamesh.errors import InputError
from adamesh.files import check_input


def _control(name: str) -> str:
    if name not in CONTROLS:
        raise ValueError(
            f"'{name}' is no ARKit blendshape (jawOpen ...) and no viseme (viseme_aa ...)"
        )
    return name


def _gains(given: Any) -> Any:
    if isinstance(given, str):
        return {given: 1.0}
    return {} if given is None else given


_Control = Annotated[str, AfterValidator(_control)]
_Gains = Annotated[dict[_Control, FiniteFloat], BeforeValidator(_gains)]


class Bones(BaseModel):
    """Names of bones; null leaves a bone alone, one that is not given is looked for."""

    model_config = ConfigDict(extra="forbid")

    neck: str | None = None
    head: str | None = None
    jaw: str | None = None
    left_eye: str | None = None
    right_eye: str | None = None


class AvatarMap(BaseModel):
    """Goes before what is found by name; targets that are not named are looked for.

    Attributes:
        morphs: name of a morph target -> the controls that move it with their gains; without any it is
            left alone. A file may give one control by its name only, and null for none.
        bones: which bone is which.
    """

    model_config = ConfigDict(extra="forbid")

    morphs: dict[str, _Gains] = {}
    bones: Bones = Bones()


def load_map(path: Path) -> AvatarMap:
    """Reads a map file.

    Raises:
        InputError: not a readable YAML mapping, an unknown key or control, or a value of the wrong type.
    """
    path = check_input(path, "map")
    try:
        return AvatarMap.model_validate(yaml.safe_load(path.read_bytes()))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise InputError(f"map '{path}', key '{key}': {first['msg']}") from error
        raise InputError(f"map '{path}' is not YAML: {str(error).splitlines()[0]}") from error
