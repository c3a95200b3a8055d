"""JSON of named curves: weights and rotations, a row a frame; docs/guides/export.md describes it."""

import json

import numpy as np

from adamesh.export.job import Job
from adamesh.files import atomic_output
from adamesh.motion.clip import ROTATIONS
from adamesh.motion.rotation import continuous_quats
from adamesh.motion.spaces import coefficient_space

FORMAT = "adamesh-curves"
FORMAT_VERSION = 1
DECIMALS = 6  # of a weight, a quaternion and a metre: float32 holds no more


def write(job: Job) -> None:
    """Writes all curves of a clip, of any coefficient space, at its frame rate.

    Raises:
        InputError: the folder does not exist or cannot be written.
    """
    clip = job.clip
    rotations = {
        name.removesuffix("_pose"): _rows(continuous_quats(getattr(clip, name)))
        for name in ROTATIONS
    }
    content = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "units": {"fps": "1/s", "rotations": "quaternion w x y z", "translation": "m"},
        "space": clip.space,
        "fps": clip.fps,
        "frames": clip.frames,
        "names": coefficient_space(clip.space).channels,
        "weights": _rows(clip.expression),
        "rotations": rotations,
        "translation": None if clip.transl is None else _rows(clip.transl),
    }
    with atomic_output(job.path) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file)


def _rows(values: np.ndarray) -> list[list[float]]:
    return np.asarray(values, np.float64).round(DECIMALS).tolist()
