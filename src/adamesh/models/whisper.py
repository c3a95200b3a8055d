"""The first layers of Whisper's encoder (arXiv 2212.04356): mel frames in, hidden states at 50 Hz out.

Whisper was trained on 680,000 hours of speech, so what its lower layers tell of sounds holds for any voice,
room and language. The layers are built of the parts in `adamesh.nn`; `tools/build_whisper.py` converts the
weights.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adamesh.nn.conformer import Blockwise
from adamesh.nn.state import Past, State
from adamesh.nn.transformer import TransformerBlock

POSITIONS = 1500  # frames, 30 s: as many as Whisper was trained on; in longer streams they repeat
BEFORE, AFTER = (
    2,
    1,
)  # mel frames that the convolutions need before and after those of their own frames


@dataclass(frozen=True)
class WhisperConfig:
    """Everything that is needed to build the network again; sizes are those of Whisper base."""

    mel_dim: int = 80
    dim: int = 512
    heads: int = 8
    layers: int = 3  # of Whisper's 6; docs/decisions/features.md says why


class WhisperEncoder(nn.Module):
    """Mel frames -> hidden states after the last layer that is kept."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv1d(config.mel_dim, config.dim, 3)
        self.conv2 = nn.Conv1d(config.dim, config.dim, 3, stride=2)
        self.blocks = nn.ModuleList(
            TransformerBlock(config.dim, config.heads, window=None, dropout=0.0)
            for _ in range(config.layers)
        )

    def forward(
        self,
        mels: Tensor,
        blockwise: Blockwise | None = None,
        past: Past | None = None,
        first: int | Tensor = 0,
    ) -> Tensor:
        """Hidden states of all frames of a recording or of its next chunk.

        Args:
            mels: [B, BEFORE + 2 S + AFTER, mel_dim] of `audio.whisper_mel`.
            blockwise: which frames a frame sees; None: all that are given.
            past: of the chunks before, with `blockwise`; see `step`.
            first: position of the first frame in the recording; a tensor [] where it is an input.
        Returns:
            [B, S, dim].
        """
        x = F.gelu(self.conv1(mels.transpose(1, 2)))
        x = F.gelu(self.conv2(x)).transpose(1, 2)
        x = x + positions(first, x.shape[1], x.shape[2], x.device).to(x)
        for block in self.blocks:
            x = block(x, past, blockwise)
        return x

    def step(
        self, mels: Tensor, blockwise: Blockwise, state: State, first: int | Tensor
    ) -> tuple[Tensor, State]:
        """`forward` for the next chunk of a stream.

        Args:
            mels: of a number of blocks, S a multiple of `blockwise.frames`; the last chunk may be shorter.
            state: that the chunk before returned; `START` at the beginning.
        Returns:
            [B, S, dim], and the state: [B, P, 2 dim] keys and values of each layer, P grows from 0 to
            `blockwise.past`.
        """
        past = Past(state)
        return self(mels, blockwise, past, first), past.state


def positions(
    first: int | Tensor, count: int, dim: int, device: torch.device | None = None
) -> Tensor:
    """[count, dim] Whisper's sinusoids for the frames from `first` on; they repeat after `POSITIONS`."""
    half = dim // 2
    scale = torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half, device=device))
    angle = ((first + torch.arange(count, device=device)) % POSITIONS)[:, None] * scale
    return torch.cat([angle.sin(), angle.cos()], dim=1)
