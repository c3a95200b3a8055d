"""What the expression adapter is asked to get right, in pre-training and in adaptation alike."""

import torch
from torch import Tensor

from adamesh.faces.face import Face
from adamesh.faces.motion_basis import motion_directions
from adamesh.models.expression import ExpressionAdapter, ExpressionOutput
from adamesh.motion.spaces import EYE_LOOK, UPPER_FACE
from adamesh.tracking.landmark_index import LIPS

UPPER_FACE_WEIGHT = 0.3  # speech says little of brows and lids


class ExpressionLoss:
    """L1 before and after the postnet, on velocities, and on the lips in millimetres."""

    def __init__(self, face: Face, *, velocity_weight: float, lip_weight: float) -> None:
        """Args: velocity_weight: of L1 on z-scored differences; lip_weight: of L1 per millimetre."""
        self.velocity_weight = velocity_weight
        self.lip_weight = lip_weight
        self.lips = 1000.0 * motion_directions(face)[list(LIPS)].flatten(0, 1)
        weights = torch.ones(self.lips.shape[1])
        if face.space == "arkit52":
            weights[UPPER_FACE] = UPPER_FACE_WEIGHT
            weights[EYE_LOOK] = 0.0
        self.weights = weights / weights.mean()

    def __call__(
        self, model: ExpressionAdapter, output: ExpressionOutput, target: Tensor, mask: Tensor
    ) -> Tensor:
        """Args: output of T frames; target [B, T, E] coefficients; mask [B, T]. Returns: scalar."""
        wanted = model.normalize(target)
        valid = mask[:, :, None] * self.weights

        def l1(error: Tensor, weight: Tensor) -> Tensor:
            return (error.abs() * weight).sum() / weight.expand_as(error).sum().clamp_min(1)

        loss = l1(output.before - wanted, valid) + l1(output.after - wanted, valid)
        velocity = (output.after - wanted).diff(dim=1)
        loss = loss + self.velocity_weight * l1(velocity, valid[:, 1:] * valid[:, :-1])
        displacement = ((output.after - wanted) * model.std) @ self.lips.T
        return loss + self.lip_weight * l1(displacement, mask[:, :, None].to(wanted))
