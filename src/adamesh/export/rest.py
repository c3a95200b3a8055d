"""A face at rest as the writers of rigged heads need it: identity baked in, normals, joints, colours."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamesh.export.fitting import full_betas

if TYPE_CHECKING:
    from adamesh.faces import Face

MAX_INFLUENCES = 4  # joints per vertex that every engine reads

# Roughness by material name: what is wet shines.
ROUGHNESS = {
    "sclera": 0.15,
    "iris": 0.1,
    "pupil": 0.1,
    "teeth": 0.25,
    "gums": 0.35,
    "tongue": 0.4,
    "lips": 0.45,
    "skin": 0.6,
    "brows": 0.8,
    "lashes": 0.8,
}
OTHER_ROUGHNESS = 0.6


def with_identity(
    face: "Face", betas: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertices [V, 3] and joints [J, 3] of an identity [K] at rest, metres.

    Raises:
        InputError: the identity has more components than the face.
    """
    shape = full_betas(face, betas)
    vertices = as_array(face.template) + as_array(face.shapedirs) @ shape
    joints = as_array(face.joints_template) + as_array(face.joints_shapedirs) @ shape
    return vertices, joints


def vertex_normals(
    vertices: NDArray[np.float64], triangles: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[V, 3] unit normals, weighted by area; +Z where a vertex has no surface."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    area = np.cross(b - a, c - a)
    total = np.stack(
        [
            np.bincount(triangles.reshape(-1), np.repeat(area[:, axis], 3), minlength=len(vertices))
            for axis in range(3)
        ],
        axis=1,
    )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 1e-12, total / np.maximum(length, 1e-12), [0.0, 0.0, 1.0])


def strongest_joints(
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The joints that move each vertex most.

    Args:
        weights: [V, J] skin weights.
    Returns:
        Joints [V, MAX_INFLUENCES] and their weights of sum 1; joint 0 with weight 0 where there are fewer.
    """
    strongest = np.argsort(-weights, axis=1, kind="stable")[:, :MAX_INFLUENCES]
    kept = np.take_along_axis(weights, strongest, axis=1)
    kept = kept / kept.sum(axis=1, keepdims=True)
    joints = np.where(kept > 0, strongest, 0)
    pad = ((0, 0), (0, MAX_INFLUENCES - kept.shape[1]))
    return np.pad(joints, pad), np.pad(kept, pad)


def is_uniform(colors: NDArray[np.float64]) -> bool:
    """One colour does for all of [N, 3]."""
    return bool(np.ptp(colors, axis=0).max() < 1e-3)


def as_array(values: Any, dtype: type = np.float64) -> NDArray[Any]:
    """A numpy array of a numpy array, a list or a torch tensor on the CPU."""
    return np.asarray(values, dtype)
