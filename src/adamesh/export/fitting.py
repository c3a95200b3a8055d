"""Does this clip fit this face? Asked once, for all writers that show a face."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamesh.errors import InputError
from adamesh.motion import MotionClip
from adamesh.motion.clip import ROTATIONS

if TYPE_CHECKING:
    from adamesh.faces import Face


def check_fit(clip: MotionClip, face: "Face") -> None:
    """Refuses a clip that the face cannot show as it is.

    Raises:
        InputError: the coefficient spaces differ, or the clip turns a joint that the face lacks.
    """
    if clip.space != face.space:
        raise InputError(
            f"the clip is in the coefficient space '{clip.space}', the face '{face.name}' in "
            f"'{face.space}'; retarget it: --face {face.name}, or adamesh.retargeting.fit_to_face in Python"
        )
    missing = [name for name in moving_joints(clip) if name not in face.joint_names]
    if missing:
        raise InputError(f"the clip turns {', '.join(missing)}, which face '{face.name}' lacks")


def moving_joints(clip: MotionClip) -> dict[str, NDArray[np.float32]]:
    """Axis-angle [T, 3] of each joint that the clip turns, by the name of the joint."""
    poses = {name.removesuffix("_pose"): getattr(clip, name) for name in ROTATIONS}
    return {joint: pose for joint, pose in poses.items() if pose.any()}


def full_betas(face: "Face", betas: ArrayLike | None) -> NDArray[np.float64]:
    """[K] identity in the whole shape space of the face; what is not given is zero.

    Raises:
        InputError: it has more components than the face.
    """
    given = np.zeros(0) if betas is None else np.asarray(betas, np.float64)
    if given.ndim != 1 or len(given) > face.n_betas:
        raise InputError(
            f"betas of face '{face.name}' must have at most {face.n_betas} components, "
            f"got shape {list(given.shape)}"
        )
    return np.pad(given, (0, face.n_betas - len(given)))
