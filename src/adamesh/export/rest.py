"""A face at rest as the writers of rigged heads need it: identity baked in, normals, joints, colours."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamesh.export.fitting import full_betas
from adamesh.faces.surface import vertex_normals
from adamesh.media.color import to_linear
from adamesh.motion.spaces import coefficient_space
from adamesh.values import Value

if TYPE_CHECKING:
    from adamesh.faces import Face

Float = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_INFLUENCES = 4  # joints per vertex that every engine reads
LEAST_MOVE = 1e-7  # metres by which a blendshape must move a vertex to be stored with it
LEAST_TURN = 1e-3  # the same for its unit normal

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


@dataclass(frozen=True, eq=False, repr=False)
class Rest(Value):
    """A face at rest, with an identity baked in.

    Attributes:
        vertices: [V, 3] metres.
        normals: [V, 3] unit.
        joints: [J, 3] metres.
        offsets: [J, 3] the same from their parents.
        triangles: [F, 3] int64.
        uv: [U, 2] origin at the bottom left.
        uv_triangles: [F, 3] int64.
        colors: [V, 3] linear, 0..1.
        materials: triangles of every material that has any.
        skin_joints: [V, MAX_INFLUENCES] int64, see `strongest_joints`.
        skin_weights: [V, MAX_INFLUENCES].
        shape_names: of the face's blendshapes or components, E of them.
        shapes: [E, V, 3] how they move vertices, metres.
        turns: [E, V, 3] how they change normals.
    """

    vertices: Float
    normals: Float
    joints: Float
    offsets: Float
    triangles: Ints
    uv: Float
    uv_triangles: Ints
    colors: Float
    materials: dict[str, Ints]
    skin_joints: Ints
    skin_weights: Float
    shape_names: list[str]
    shapes: Float
    turns: Float


def at_rest(face: "Face", betas: ArrayLike | None) -> Rest:
    """A face with the identity `betas` [K]; None is the average one.

    Raises:
        InputError: the identity has more components than the face.
    """
    shape = full_betas(face, betas)
    vertices = as_array(face.template) + as_array(face.shapedirs) @ shape
    joints = as_array(face.joints_template) + as_array(face.joints_shapedirs) @ shape
    parents = np.array(face.joint_parents)
    triangles = as_array(face.triangles, np.int64)
    normals = vertex_normals(vertices, triangles)
    shapes = np.moveaxis(as_array(face.expressiondirs), -1, 0)
    material = as_array(face.triangle_material, np.int64)
    mine = {name: np.flatnonzero(material == i) for i, name in enumerate(face.material_names)}
    skin_joints, skin_weights = strongest_joints(as_array(face.skin_weights))
    return Rest(
        vertices=vertices,
        normals=normals,
        joints=joints,
        offsets=joints - np.where(parents[:, None] < 0, 0.0, joints[parents]),
        triangles=triangles,
        uv=as_array(face.uv),
        uv_triangles=as_array(face.uv_triangles, np.int64),
        colors=to_linear(as_array(face.colors)),
        materials={name: triangles for name, triangles in mine.items() if len(triangles)},
        skin_joints=skin_joints,
        skin_weights=skin_weights,
        shape_names=list(face.expression_names or coefficient_space(face.space).channels),
        shapes=shapes,
        turns=np.stack([vertex_normals(vertices + moved, triangles) - normals for moved in shapes]),
    )


def strongest_joints(
    weights: NDArray[np.float64],
) -> tuple[Ints, Float]:
    """The joints that move each vertex most.

    Args:
        weights: [V, J] skinning weights.
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
