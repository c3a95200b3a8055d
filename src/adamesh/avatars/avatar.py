"""What matching and animating need of an avatar, whichever file it lies in."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adamesh.errors import InputError

Float = NDArray[np.float64]
Place = tuple[int, int]  # the number of a mesh, and of one of its morph targets

ANIMATION_NAME = "adamesh"
SHEAR = 1e-3  # cosine between the axes of a matrix, above which it is no turn and scale

# Where a face looks: the axes left, up and front of the face, as columns in the axes of the file.
FRONTS: dict[str, Float] = {
    "+Z": np.eye(3),
    "-Z": np.diag([-1.0, 1.0, -1.0]),
    "-Y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),  # +Z is up
}


@dataclass(frozen=True)
class Bone:
    """What may be a bone.

    Attributes:
        name: as the file has it, or its number where it has none.
        joint: it moves a skin.
        mesh: it shows a mesh, so that only a map file makes it a bone.
    """

    name: str
    joint: bool = True
    mesh: bool = False


class Avatar(Protocol):
    """An avatar's file; meshes and bones go by numbers.

    Attributes:
        path: where it was read.
        targets: name of every morph target.
        expressions: name of every expression that an extension states, by the names of VRM 1, and the
            targets it moves with their weights.
        bones: all that may be bones.
        humanoid: number of each of `names.BONES` that an extension states.
        front: where the face looks, one of `FRONTS`.
        look_at: whether `bone`s or `expression`s turn the eyes; None where the file does not say.
    """

    @property
    def path(self) -> Path: ...
    @property
    def targets(self) -> Mapping[Place, str]: ...
    @property
    def expressions(self) -> Sequence[tuple[str, Mapping[Place, float]]]: ...
    @property
    def bones(self) -> Sequence[Bone]: ...
    @property
    def humanoid(self) -> Mapping[str, int]: ...
    @property
    def front(self) -> str: ...
    @property
    def look_at(self) -> str | None: ...

    def mesh_name(self, mesh: int) -> str: ...

    def moved_share(self, place: Place, bones: Collection[int]) -> float:
        """0..1, how much of what a morph target moves follows some of the bones."""
        ...

    def rest(self, bone: int) -> tuple[Float, Float]:
        """Rotations [3, 3] at rest: of the bone's parent in the world, and of the bone in its parent.

        Raises:
            InputError: one of them is no rotation.
        """
        ...

    def write(
        self,
        path: Path,
        fps: float,
        weights: Mapping[Place, Float],
        rotations: Mapping[int, Float],
    ) -> None:
        """Writes the avatar with an animation `ANIMATION_NAME`; one of that name is replaced.

        All else in the file stays as it is.

        Args:
            path: the file; appears whole or not at all.
            fps: frames a second of the curves.
            weights: [T] of the targets that move; others stay as they are at rest.
            rotations: [T, 4] local unit quaternions, w first, of the bones that turn.
        Raises:
            InputError: what is to move is damaged, or `path` cannot be written.
        """
        ...


def rotation_and_scale(matrix: Float) -> tuple[Float, Float] | None:
    """A matrix [3, 3] for column vectors as rotation [3, 3] times scale [3]; None if it is no such thing."""
    scale = np.linalg.norm(matrix, axis=0)
    if not (np.isfinite(scale).all() and scale.all()):
        return None
    if np.linalg.det(matrix) < 0:
        scale[0] *= -1
    axes = matrix / scale
    return (axes, scale) if np.abs(axes.T @ axes - np.eye(3)).max() <= SHEAR else None


def no_rotation(avatar: Avatar, bone: str) -> InputError:
    """The error for a bone that cannot be turned."""
    return InputError(
        f"bone {bone!a} of avatar '{avatar.path}' has no rotation at rest; "
        "apply its transform in the program it comes from and export it again"
    )
