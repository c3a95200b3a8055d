"""How landmarks move with what networks regress: expression and, where the jaw turns, its rotation."""

import functools

import torch
from torch import Tensor

from adamesh.faces.face import Face
from adamesh.motion.spaces import coefficient_space


@functools.lru_cache(maxsize=8)
def motion_directions(face: Face) -> Tensor:
    """[478, 3, D] metres per unit of each number of `motion.regression`, float32, zero for no landmark.

    Exact for expression; for a jaw that turns, to first order about rest.
    """
    directions = face.landmark_basis().expressiondirs.float()
    if not coefficient_space(face.space).jaw_turns:
        return directions

    def at(jaw_pose: Tensor) -> Tensor:
        return face.landmarks(face(jaw_pose=jaw_pose[None]).vertices)[0]

    if "jaw" in face.joint_names:
        by_jaw = torch.func.jacfwd(at)(face.template.new_zeros(3)).float().nan_to_num()
    else:
        by_jaw = directions.new_zeros(*directions.shape[:2], 3)
    return torch.cat([directions, by_jaw], dim=-1)
