"""The discrete prior of head motion (AdaMesh, arXiv 2310.07236, section 3.3): a VQ-VAE over rotations.

Motion is in the person's own units: rotation about the mean pose, divided by its deviation on each axis
(`motion.head`). So people who move their heads little and much share the same codes, and how much somebody
moves is a number of their style.

The encoder sees frames before and after; the decoder is causal, so that it can turn codes into motion while
they are generated.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adamesh.nn.conformer import Conv, ConvModule
from adamesh.nn.state import Past, State

AXES = 3  # rotation about x (pitch), y (yaw), z (roll)


@dataclass(frozen=True)
class PoseVQVAEConfig:
    """Everything that is needed to build the network again."""

    codes: int = 256  # size of the codebook
    code_dim: int = 16
    frames_per_code: int = 4  # motion frames: 160 ms
    dim: int = 96
    kernel: int = 5
    blocks: int = 3  # in the encoder and in the decoder


class _Residual(nn.Module):
    def __init__(self, config: PoseVQVAEConfig, *, causal: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim)
        self.conv = ConvModule(config.dim, config.kernel, causal=causal)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        return x + self.conv(self.norm(x), past=past)


class PoseVQVAE(nn.Module):
    """Head rotations in a person's own units <-> codes.

    The buffer `codebook` [codes, code_dim] is filled by the recipe that trains the network.
    """

    codebook: Tensor

    def __init__(self, config: PoseVQVAEConfig) -> None:
        super().__init__()
        self.config = config
        n = config.frames_per_code
        self.input = Conv(AXES * n, config.dim, 3, causal=False)
        self.encoder = nn.ModuleList(_Residual(config, causal=False) for _ in range(config.blocks))
        self.to_code = nn.Linear(config.dim, config.code_dim)
        self.from_code = Conv(config.code_dim, config.dim, 3, causal=True)
        self.decoder = nn.ModuleList(_Residual(config, causal=True) for _ in range(config.blocks))
        # From here on at the frame rate, so that codes of 160 ms do not show as steps.
        self.spread = nn.Linear(config.dim, n * config.dim)
        self.smooth = _Residual(config, causal=True)
        self.output = Conv(config.dim, AXES, config.kernel, causal=True)
        self.register_buffer("codebook", torch.zeros(config.codes, config.code_dim))

    def encode(self, motion: Tensor) -> Tensor:
        """[B, T, 3] in own units, T a multiple of `frames_per_code` -> [B, K, code_dim], not quantised."""
        x = self.input(motion.unflatten(1, (-1, self.config.frames_per_code)).flatten(2))
        for block in self.encoder:
            x = block(x)
        return self.to_code(x)

    def codes(self, latents: Tensor) -> Tensor:
        """[..., code_dim] -> [...] index of the nearest entry of the codebook."""
        return torch.cdist(latents.flatten(0, -2), self.codebook).argmin(1).view(latents.shape[:-1])

    def decode(self, latents: Tensor, past: Past | None = None) -> Tensor:
        """[B, K, code_dim], entries of the codebook -> [B, T, 3] motion in own units."""
        x = self.from_code(latents, past)
        for block in self.decoder:
            x = block(x, past)
        x = self.spread(x).unflatten(2, (self.config.frames_per_code, -1)).flatten(1, 2)
        return self.output(self.smooth(F.silu(x), past), past)

    def motion(self, codes: Tensor) -> Tensor:
        """[B, K] codes -> [B, T, 3] motion in own units."""
        return self.decode(self.codebook[codes])

    def step(self, codes: Tensor, state: State) -> tuple[Tensor, State]:
        """The motion of the next codes of a sequence.

        Args:
            codes: [B, K].
            state: that the step before returned; `START` at the beginning.
        Returns:
            [B, T, 3] motion in own units, and the state: [B, 2, code_dim] latents, [B, kernel - 1, dim] of
            each of `blocks`, and [B, kernel - 1, dim] of `smooth` and of `output` each.
        """
        past = Past(state)
        return self.decode(self.codebook[codes], past), past.state
