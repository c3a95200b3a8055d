"""FLAME models of every edition, read from their makers' files.

    face = read_flame("generic_model.pkl")

Keys, shapes and the order of the joints are those of the files of 2019, 2020 and 2023
(https://flame.is.tue.mpg.de); the forward is SMPL's (Loper et al., SIGGRAPH Asia 2015) as used by
FLAME (Li et al., SIGGRAPH Asia 2017).
"""

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adamesh.errors import InputError
from adamesh.faces.appearance import plain_appearance
from adamesh.faces.face import N_LANDMARKS, Face
from adamesh.faces.pickles import MAX_BYTES, read_pickled_arrays
from adamesh.files import check_input

Array = np.ndarray

N_IDENTITY = 300  # of the columns of shapedirs; expression has the rest
EXPRESSION_SIZES = (100, 50)
JOINTS = ("root", "neck", "jaw", "leye", "reye")
PARENTS = (-1, 0, 1, 1, 1)
JAW = JOINTS.index("jaw")
NO_PARENT = 2**32 - 1  # as an unsigned number; -1 where it is signed


def read_flame(path: str | os.PathLike[str], *, has_jaw: bool | None = None) -> Face:
    """Reads a FLAME model of 2019, 2020, 2023 or 2023 Open; a pickle in it is never run.

    Args:
        path: `generic_model.pkl`, `flame2023.pkl`, `flame2023_no_jaw.pkl`, or an `.npz` with the
            same keys.
        has_jaw: False for a model whose expressions open the mouth, so that the jaw's joint must
            stay; None takes this from the name of the file ("no_jaw").
    Returns:
        A face with the space flame100 (flame50 of a file with fewer components), the joints root,
        neck, jaw, leye, reye, plain colours, and no landmarks yet.
    Raises:
        InputError: it is not a FLAME model; the message says what is wrong with it.
    """
    path = check_input(path, "face model")
    arrays = _read_npz(path) if zipfile.is_zipfile(path) else read_pickled_arrays(path, _KEYS)
    model = _Model(arrays, path)
    if has_jaw is None:
        has_jaw = "no_jaw" not in path.stem.lower().replace("-", "_")
    return model.face(path.stem, has_jaw=has_jaw)


def _read_npz(path: Path) -> dict[str, Array]:
    """The numbers in an .npz; objects, which may hide a pickle, are refused by numpy."""
    try:
        with zipfile.ZipFile(path) as file:
            unpacked = sum(member.file_size for member in file.infolist())
        if unpacked > MAX_BYTES:
            raise InputError(
                f"face model '{path}' unpacks to {unpacked / 2**20:.0f} MiB; "
                f"expected a FLAME model, of less than {MAX_BYTES // 2**20}: check the path"
            )
        with np.load(path, allow_pickle=False) as file:
            # "gender" and the like are texts, and may be stored as objects.
            return {key: file[key] for key in _KEYS if key in file.files}
    except _BROKEN as error:
        raise InputError(
            f"face model '{path}' is refused: it is no whole .npz of plain arrays; "
            "download it again from its makers"
        ) from error


# What numpy, zipfile and zlib raise on files that are cut off, altered or made to hide something.
_BROKEN = (
    ValueError,
    TypeError,
    OSError,
    EOFError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)

_KEYS = {
    "f": (None, 3),
    "v_template": (None, 3),
    "shapedirs": (None, 3, None),
    "posedirs": (None, 3, 9 * (len(JOINTS) - 1)),
    "weights": (None, len(JOINTS)),
    "J_regressor": (len(JOINTS), None),
    "kintree_table": (2, len(JOINTS)),
}


class _Model:
    """The arrays of a FLAME file, checked against one another."""

    def __init__(self, arrays: dict[str, Any], path: Path) -> None:
        self.path = path
        missing = [key for key in _KEYS if key not in arrays]
        if missing:
            raise self._error(f"it lacks {', '.join(missing)}")
        for key, expected in _KEYS.items():
            shape = np.shape(arrays[key])
            if len(shape) != len(expected) or any(
                n is not None and n != m for n, m in zip(expected, shape, strict=False)
            ):
                raise self._error(f"{key} has the shape {shape}, expected {_written(expected)}")
            if arrays[key].dtype.kind not in "fiu":
                raise self._error(f"{key} holds no numbers")
            if not np.isfinite(arrays[key]).all():
                raise self._error(f"{key} has numbers that are not finite")
        self.template, self.shapedirs, self.posedirs, self.weights, self.regressor = (
            np.asarray(arrays[key], float)
            for key in ("v_template", "shapedirs", "posedirs", "weights", "J_regressor")
        )
        self.triangles = arrays["f"].astype(np.int64)
        V = len(self.template)
        for key, values in (
            ("shapedirs", self.shapedirs),
            ("posedirs", self.posedirs),
            ("weights", self.weights),
            ("J_regressor", self.regressor.T),
        ):
            if len(values) != V:
                raise self._error(f"{key} is of {len(values)} vertices, but v_template has {V}")
        if not len(self.triangles) or not 0 <= self.triangles.min() <= self.triangles.max() < V:
            raise self._error(f"f names vertices beyond the {V} of v_template")
        if (self.weights < -1e-6).any() or not np.allclose(self.weights.sum(1), 1, atol=1e-3):
            raise self._error("weights are no shares: their rows don't add up to 1")
        parents = arrays["kintree_table"][0].astype(np.int64)
        parents[(parents == NO_PARENT) | (parents < 0)] = -1
        if tuple(parents) != PARENTS:
            raise self._error(f"kintree_table has the parents {tuple(parents.tolist())}")
        n = self.shapedirs.shape[-1] - N_IDENTITY
        size = next((size for size in EXPRESSION_SIZES if size <= n), None)
        if size is None:
            raise self._error(
                f"shapedirs has {n + N_IDENTITY} components, expected {N_IDENTITY} of identity and "
                f"{' or '.join(map(str, EXPRESSION_SIZES))} of expression"
            )
        self.identity = self.shapedirs[..., :N_IDENTITY]
        self.expression = self.shapedirs[..., N_IDENTITY : N_IDENTITY + size]

    def _error(self, what: str) -> InputError:
        return InputError(
            f"face model '{self.path}' is refused: {what}; give a FLAME model as its makers wrote it"
        )

    def face(self, name: str, *, has_jaw: bool) -> Face:
        joints, parents = list(JOINTS), list(PARENTS)
        weights, regressor = self.weights.copy(), self.regressor
        posedirs = self.posedirs.reshape(*self.posedirs.shape[:2], len(JOINTS) - 1, 9)
        if not has_jaw:
            # What hangs on the jaw goes with the head.
            weights[:, PARENTS[JAW]] += weights[:, JAW]
            weights = np.delete(weights, JAW, axis=1)
            regressor = np.delete(regressor, JAW, axis=0)
            posedirs = np.delete(posedirs, JAW - 1, axis=2)  # the root has none
            del joints[JAW], parents[JAW]
        look = plain_appearance(
            self.template,
            self.triangles,
            left_eye=weights[:, joints.index("leye")] > 0.5,
            right_eye=weights[:, joints.index("reye")] > 0.5,
        )
        return Face(
            name=name,
            space=f"flame{self.expression.shape[-1]}",
            expression_names=None,
            joint_names=tuple(joints),
            joint_parents=tuple(parents),
            template=_real(self.template),
            triangles=torch.from_numpy(self.triangles),
            shapedirs=_real(self.identity),
            expressiondirs=_real(self.expression),
            joints_template=_real(regressor @ self.template),
            joints_shapedirs=_real(np.einsum("jv,vdk->jdk", regressor, self.identity)),
            joints_expressiondirs=_real(np.einsum("jv,vdk->jdk", regressor, self.expression)),
            skin_weights=_real(weights),
            uv=_real(look.uv),
            uv_triangles=torch.from_numpy(self.triangles),
            colors=_real(look.colors),
            triangle_material=torch.from_numpy(look.triangle_material),
            material_names=look.material_names,
            regions={key: torch.from_numpy(ids) for key, ids in look.regions.items()},
            landmark_triangles=torch.full((N_LANDMARKS,), -1),
            landmark_barycentric=torch.zeros(N_LANDMARKS, 3),
            posedirs=_real(posedirs.reshape(*posedirs.shape[:2], -1)),
        )


def _real(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _written(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('any' if n is None else str(n) for n in shape)})"
