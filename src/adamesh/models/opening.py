"""The opening network: how far a mouth is open, from speech alone, by a few convolutions.

It has no style and no identity, and predicts only when a mouth opens and shuts. That is enough to find how
late a video's sound is, see `alignment`; it is also a baseline that the expression adapter is compared with.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adamesh.rates import FEATURES_PER_FRAME

OPENING = 0  # index among the outputs; the mouth's coefficients follow


@dataclass(frozen=True)
class OpeningConfig:
    """Everything that is needed to build the network again."""

    features: str = "whisper+log_mel"  # name of the speech features
    feature_dim: int = 640  # their channels
    outputs: int = 1  # the opening, and the coefficients that training adds as auxiliary targets
    dim: int = 192
    kernel: int = 5  # frames
    layers: int = 3
    groups: int = 8
    dropout: float = 0.2


class OpeningNetwork(nn.Module):
    """Speech features -> z-scored mouth opening at 25 fps.

    The three convolutions see 6 motion frames to both sides; the norms take statistics over all frames given.
    """

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, config: OpeningConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("feature_mean", torch.zeros(config.feature_dim))
        self.register_buffer("feature_std", torch.ones(config.feature_dim))
        self.input = nn.Conv1d(FEATURES_PER_FRAME * config.feature_dim, config.dim, 1)
        self.convs = nn.ModuleList(
            nn.Conv1d(config.dim, config.dim, config.kernel, padding=config.kernel // 2)
            for _ in range(config.layers)
        )
        self.norms = nn.ModuleList(
            nn.GroupNorm(config.groups, config.dim) for _ in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Conv1d(config.dim, config.outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Args: features [B, 2 T, feature_dim] at 50 Hz. Returns: [B, T, outputs]."""
        x = (features - self.feature_mean) / self.feature_std
        x = self.input(x.unflatten(1, (-1, FEATURES_PER_FRAME)).flatten(2).transpose(1, 2))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + self.dropout(F.gelu(norm(conv(x))))
        return self.out(x).transpose(1, 2)

    def opening(self, features: Tensor) -> Tensor:
        """The mouth's opening predicted for one recording.

        It is computed on the device of the network and returned on that of the features.

        Args:
            features: [2 T, feature_dim].
        Returns:
            [T] z-scored.
        """
        with torch.no_grad():
            heard = features[None].to(self.feature_mean.device)
            return self(heard)[0, :, OPENING].to(features.device)
