"""The loss of the expression adapter, in pre-training and in adaptation."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from adamesh.faces.face import Face
from adamesh.faces.landmark_index import LIPS
from adamesh.faces.motion_basis import motion_directions
from adamesh.metrics.mouth import opening_direction
from adamesh.models.expression import ExpressionAdapter, ExpressionOutput
from adamesh.motion.spaces import EYE_LOOK, UPPER_FACE

UPPER_FACE_WEIGHT = 0.3  # low, because speech tells little about brows and lids


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of the loss, relative to the L1 on z-scored coefficients."""

    velocity: float = 0.5  # L1 on frame-to-frame differences, z-scored
    lips: float = 0.4  # L1 on lip landmarks, per millimetre
    opening: float = 0.3  # L1 on the mouth's opening, per millimetre
    shut: float = (
        2.0  # factor on `opening` where lips are shut: closures are short, but errors show
    )
    activity: float = 0.3  # cross-entropy of speech activity


class ExpressionLoss:
    """L1 before and after the postnet, on velocities, and on the lips in millimetres."""

    def __init__(
        self, face: Face, weights: LossWeights, device: torch.device | None = None
    ) -> None:
        """Args: device: of the motion that it will be given; that of the face by default."""
        self.weights = weights
        self.lips = 1000.0 * motion_directions(face)[list(LIPS)].flatten(0, 1).to(device)
        self.opening = 1000.0 * opening_direction(face)[1].to(device)
        channels = self.lips.new_ones(self.lips.shape[1])
        if face.space == "arkit52":
            channels[UPPER_FACE] = UPPER_FACE_WEIGHT
            channels[EYE_LOOK] = 0.0
        self.channels = channels / channels.mean()

    def __call__(
        self,
        model: ExpressionAdapter,
        output: ExpressionOutput,
        target: Tensor,
        mask: Tensor,
        shut: Tensor,
        activity: Tensor,
    ) -> Tensor:
        """Mean over the valid frames.

        Args:
            output: of T frames.
            target: [B, T, E] motion about the resting face.
            mask: [B, T] bool, True = valid.
            shut: [B, T] bool, the target's lips are shut.
            activity: [B, T] 1 where somebody speaks, 0 where nobody does, below 0 where it is unknown.
        Returns:
            Scalar.
        """
        w = self.weights
        wanted = target / model.std
        frames = mask[:, :, None].to(wanted)
        valid = frames * self.channels

        def l1(error: Tensor, weight: Tensor) -> Tensor:
            return (error.abs() * weight).sum() / weight.expand_as(error).sum().clamp_min(1)

        loss = l1(output.before - wanted, valid) + l1(output.after - wanted, valid)
        velocity = (output.after - wanted).diff(dim=1)
        loss = loss + w.velocity * l1(velocity, valid[:, 1:] * valid[:, :-1])
        error = (output.after - wanted) * model.std
        loss = loss + w.lips * l1(error @ self.lips.T, frames)
        often = frames * torch.where(shut, w.shut, 1.0)[:, :, None]
        loss = loss + w.opening * l1((error @ self.opening)[:, :, None], often)
        known = (mask & (activity >= 0)).to(wanted)
        heard = F.binary_cross_entropy_with_logits(
            output.activity, activity, weight=known, reduction="sum"
        )
        return loss + w.activity * heard / known.sum().clamp_min(1)
