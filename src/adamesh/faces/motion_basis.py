"""How landmarks move with what networks regress: expression and, where the jaw turns, its rotation."""

import functools

import torch
from torch import Tensor

from adamesh.faces.face import Face
from adamesh.motion.spaces import coefficient_space

STEP = 0.01  # radians to either side, whose difference is the derivative to a ten-thousandth


@functools.lru_cache(maxsize=8)
def motion_directions(face: Face) -> Tensor:
    """[478, 3, D] metres per unit of each number of `motion.regression`, float32, zero for no landmark.

    Exact for expression; for a jaw that turns, to first order about rest.
    """
    directions = face.landmark_basis().expressiondirs.float()
    if not coefficient_space(face.space).jaw_turns:
        return directions

    by_jaw = directions.new_zeros(*directions.shape[:2], 3)
    if "jaw" in face.joint_names:
        turns = STEP * torch.eye(3).to(face.template)
        ahead, behind = face.landmarks(face(jaw_pose=torch.cat([turns, -turns])).vertices).chunk(2)
        by_jaw = ((ahead - behind) / (2 * STEP)).float().nan_to_num().permute(1, 2, 0)
    return torch.cat([directions, by_jaw], dim=-1)
