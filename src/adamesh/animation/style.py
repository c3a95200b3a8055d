"""A person's style: everything that a reference tells of how somebody moves."""

import copy
import json
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from adamesh.alignment import SoundOffset
from adamesh.animation.pose import PoseStyle
from adamesh.checkpoints.networks import fingerprint
from adamesh.errors import InputError
from adamesh.files import atomic_output, check_input, check_output
from adamesh.models.baseline import Baseline
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.blinks import BlinkStatistics
from adamesh.motion.brows import BrowStatistics
from adamesh.motion.looping import Loop, plan_loop
from adamesh.motion.saccades import GazeStatistics
from adamesh.nn.molora import Branch, load_branches, merge
from adamesh.rates import FPS

KIND = "adamesh style 4"  # 2 had no resting face of its own, 3 no brows that move
_BRANCHES = "molora."  # prefix of the branch weights in the file


@dataclass(frozen=True, eq=False, repr=False)
class Style:
    """What `adapt` learns and `animate` needs.

    Attributes:
        base: fingerprint of the expression adapter it belongs to.
        branches: the shape of the MoLoRA; empty for a style that was not adapted.
        molora: branch weights by layer name.
        embedding: [style_dim] of the style encoder.
        betas: [K] identity.
        baseline: resting face and amplitude, which motion is put back on.
        gain: by which `animate` enlarges the mouth's motion, see `animation.amplitude`.
        pose: how the person moves the head, for generated motion.
        head_motion: [R, 2, 3] axis-angle of neck and head, 25 fps, about their mean, for looped motion.
        eye_motion: [R, 2, 3] axis-angle of the left and right eyeball at the same frames.
        blinks: how the person blinks.
        gaze: how the person looks about.
        brows: how the person raises and knits the brows.
        squint_slope: by which lower lids rise with a smile, see `motion.squints`.
        sound_offset: how late the reference's sound was; None where nobody looked.
        source: name of the reference, for people.
    """

    base: str
    branches: tuple[Branch, ...]
    molora: dict[str, Tensor]
    embedding: Tensor
    betas: Tensor
    baseline: Baseline
    gain: float
    pose: PoseStyle
    head_motion: np.ndarray
    eye_motion: np.ndarray
    blinks: BlinkStatistics
    gaze: GazeStatistics
    brows: BrowStatistics
    squint_slope: float
    source: str
    sound_offset: SoundOffset | None = None

    def __repr__(self) -> str:
        ranks = ", ".join(str(branch.rank) for branch in self.branches)
        seconds = len(self.head_motion) / FPS
        return (
            f"Style('{self.source}', {f'adapted by ranks {ranks}' if ranks else 'not adapted'}, "
            f"{seconds:.1f} s of head motion)"
        )

    @cached_property
    def loop(self) -> Loop:
        """How the reference's head motion repeats without a seam; planning it takes a second."""
        return plan_loop(self.head_motion)

    def adapted_model(self, base: ExpressionAdapter) -> ExpressionAdapter:
        """The expression adapter in this style: a copy of `base` with the branches merged.

        Raises:
            InputError: the style was made for another base model.
        """
        found = fingerprint(base)
        if found != self.base:
            raise InputError(
                f"the style '{self.source}' was made for base model {self.base}, this is {found}; "
                "run `adamesh adapt` on its video again"
            )
        model = copy.deepcopy(base)
        load_branches(model, self.branches, self.molora)
        merge(model)
        return model.eval().requires_grad_(False)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Writes one safetensors file.

        Raises:
            InputError: the file exists and `force` is off, or cannot be written.
        """
        check_output(path, force=force)
        tensors = {
            "embedding": self.embedding,
            "betas": self.betas,
            "rest": self.baseline.rest,
            "pose_embedding": self.pose.embedding,
            "pose_codes": self.pose.codes.short(),
            "pose_heard": self.pose.heard,
            "pose_deviation": torch.from_numpy(self.pose.deviation),
            "pose_gain": torch.from_numpy(self.pose.gain),
            "head_motion": torch.from_numpy(np.ascontiguousarray(self.head_motion)),
            "eye_motion": torch.from_numpy(np.ascontiguousarray(self.eye_motion)),
            **{_BRANCHES + name: tensor for name, tensor in self.molora.items()},
        }
        metadata = {
            "kind": KIND,
            "base": self.base,
            "branches": json.dumps([asdict(branch) for branch in self.branches]),
            "amplitude": str(self.baseline.amplitude),
            "gain": str(self.gain),
            "pose_base": self.pose.base,
            "blinks": json.dumps(asdict(self.blinks)),
            "gaze": json.dumps(asdict(self.gaze)),
            "brows": json.dumps(asdict(self.brows)),
            "squint_slope": str(self.squint_slope),
            "sound_offset": json.dumps(self.sound_offset and asdict(self.sound_offset)),
            "source": self.source,
        }
        with atomic_output(path) as temporary:
            # Clones, since tensors that share memory are refused.
            copies = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
            temporary.write_bytes(save(copies, metadata))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Style":
        """Reads what `save` wrote.

        Raises:
            InputError: no such file, or not a style.
        """
        path = check_input(path, "style")
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise InputError(
                f"style '{path}' is not a style file ({error}); make one with `adamesh adapt`"
            ) from error
        if metadata.get("kind") != KIND:
            raise InputError(
                f"style '{path}' holds '{metadata.get('kind', 'something unnamed')}', expected "
                f"'{KIND}'; make one with `adamesh adapt`"
            )
        try:
            return cls._of(metadata, tensors)
        # Keys, numbers and shapes that a damaged file lacks.
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"style '{path}' is damaged ({type(error).__name__}); make one with `adamesh adapt`"
            ) from error

    @classmethod
    def _of(cls, metadata: dict[str, str], tensors: dict[str, Tensor]) -> "Style":
        """What a file holds, as a style."""
        offset = json.loads(metadata["sound_offset"])
        return cls(
            base=metadata["base"],
            branches=tuple(Branch(**branch) for branch in json.loads(metadata["branches"])),
            molora={
                name.removeprefix(_BRANCHES): tensor
                for name, tensor in tensors.items()
                if name.startswith(_BRANCHES)
            },
            embedding=tensors["embedding"],
            betas=tensors["betas"],
            baseline=Baseline(tensors["rest"], float(metadata["amplitude"])),
            gain=float(metadata["gain"]),
            pose=PoseStyle(
                base=metadata["pose_base"],
                embedding=tensors["pose_embedding"],
                codes=tensors["pose_codes"].long(),
                heard=tensors["pose_heard"],
                deviation=tensors["pose_deviation"].numpy(),
                gain=tensors["pose_gain"].numpy(),
            ),
            head_motion=tensors["head_motion"].numpy(),
            eye_motion=tensors["eye_motion"].numpy(),
            blinks=BlinkStatistics(**json.loads(metadata["blinks"])),
            gaze=GazeStatistics(**json.loads(metadata["gaze"])),
            brows=BrowStatistics.from_json(json.loads(metadata["brows"])),
            squint_slope=float(metadata["squint_slope"]),
            source=metadata["source"],
            sound_offset=offset and SoundOffset(**offset),
        )


def default_style() -> Style:
    """The neutral style that is used when no reference is given."""
    return Style.load(Path(str(resources.files("adamesh") / "assets" / "default.style")))
