"""What all files of ARKit weights share: weights by name, and the clip they make."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from adamesh.errors import InputError, listed
from adamesh.formats.names import arkit_columns
from adamesh.motion.clip import MotionClip
from adamesh.motion.gaze import look_to_eye_rotation
from adamesh.motion.head import over_joints
from adamesh.motion.spaces import ARKIT52, EYE_LOOK

# Some solvers overshoot; what lies further out is in percent, or no weight at all.
FURTHEST = (-0.5, 2.0)
EULER = "YXZ"  # yaw about +Y, pitch about +X, roll about +Z, in that order

Float = NDArray[np.float64]


def numbers(path: Path, rows: Sequence[Sequence[object]]) -> Float:
    """[T, N] numbers of a table.

    Raises:
        InputError: a cell is no finite number, or the rows differ in length.
    """
    try:
        values = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"'{path}' has rows of different length or a cell that is no number"
        ) from error
    if values.ndim != 2 or values.size == 0:
        raise InputError(f"'{path}' must hold rows of numbers, got shape {list(values.shape)}")
    if not np.isfinite(values).all():
        raise InputError(f"'{path}' has a number that is not finite")
    return values


def named_weights(path: Path, names: Sequence[str], values: Float) -> NDArray[np.float32]:
    """Columns of any order as arkit52; blendshapes that are not there rest at zero.

    Args:
        names: name of each column; those that are not ARKit's are left out.
        values: [T, N].
    Returns:
        [T, 52] weights 0..1.
    Raises:
        InputError: none of the names is ARKit's, or values are no weights.
    """
    if values.shape[1] != len(names):
        raise InputError(
            f"'{path}' has {len(names)} names and {values.shape[1]} weights a frame; they must agree"
        )
    columns = arkit_columns(names)
    if not columns:
        raise InputError(
            f"'{path}' has none of the 52 ARKit names (jawOpen ...), it has {listed(names)}"
        )
    here = values[:, list(columns)]
    if here.min() < FURTHEST[0] or here.max() > FURTHEST[1]:
        raise InputError(
            f"weights of '{path}' must lie in 0..1, got {here.min():.3g}..{here.max():.3g}; "
            "if they are in percent, divide them by 100"
        )
    weights = np.zeros((len(values), len(ARKIT52)), np.float32)
    weights[:, list(columns.values())] = np.clip(here, 0, 1)
    return weights


def arkit_clip(
    path: Path,
    weights: NDArray[np.float32],
    fps: float,
    *,
    head: ArrayLike | None = None,
    eyes: Float | None = None,
    transl: ArrayLike | None = None,
    confidence: ArrayLike | None = None,
) -> MotionClip:
    """A clip of the space arkit52.

    Args:
        weights: [T, 52].
        head: [T, 3] axis-angle of the whole head; neck and head joint share it.
        eyes: [T, 2, 3] axis-angle, left and right; without it, the eyeLook* weights tell.
    """
    if eyes is None:
        eyes = np.stack(look_to_eye_rotation(weights[:, EYE_LOOK]), axis=1)
    joints = over_joints(np.zeros((len(weights), 3)) if head is None else head)
    return MotionClip(
        space="arkit52",
        fps=fps,
        expression=weights,
        neck_pose=joints[:, 0],
        head_pose=joints[:, 1],
        leye_pose=eyes[:, 0].astype(np.float32),
        reye_pose=eyes[:, 1].astype(np.float32),
        transl=None if transl is None else np.asarray(transl, np.float32),
        confidence=None if confidence is None else np.asarray(confidence, np.float32),
        metadata={"source": path.name},
    )


def check_arkit(clip: MotionClip, tool: str) -> None:
    """Refuses a clip of another space.

    Raises:
        InputError: as said.
    """
    if clip.space != "arkit52":
        raise InputError(
            f"files of {tool} hold the 52 ARKit blendshapes, this clip is in '{clip.space}'; "
            "retarget it: --face embedded, or adamesh.retargeting.fit_to_face in Python"
        )


def arkit_values(clip: MotionClip, tool: str) -> Float:
    """[T, 61] weights in Apple's order, then yaw, pitch and roll of head, left and right eye, in radians.

    Raises:
        InputError: the clip is of another space than `arkit52`.
    """
    check_arkit(clip, tool)
    head = Rotation.from_rotvec(clip.neck_pose) * Rotation.from_rotvec(clip.head_pose)
    eyes = (Rotation.from_rotvec(clip.leye_pose), Rotation.from_rotvec(clip.reye_pose))
    angles = [rotation.as_euler(EULER) for rotation in (head, *eyes)]
    return np.concatenate([clip.expression, *angles], axis=1)
