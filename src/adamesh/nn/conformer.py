"""Conformer blocks, causal or bidirectional.

A block is multi-head attention, then a convolution module, then layer norm, with residuals around the
first two (AdaMesh, arXiv 2310.07236, section 3; Conformer, arXiv 2005.08100, for the convolution module).

Causal parts look back a fixed number of frames and never ahead, so they can stream; `nn.state` carries the
frames they look back at from chunk to chunk.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adamesh.nn.state import Past


@dataclass(frozen=True)
class Blockwise:
    """An attention pattern: a frame sees all of its own block, and a number of frames before the block.

    A stream that handles one block at a time has exactly these frames.
    """

    frames: int  # in a block
    past: int  # frames before the block

    def visible(self, frames: int, past: int, device: torch.device | None = None) -> Tensor:
        """[frames, past + frames] bool: row t is True for the frames that frame t sees.

        Args:
            frames: in the chunk, which begins with a block.
            past: frames before the chunk.
        """
        here = torch.arange(frames, device=device)[:, None]
        there = torch.arange(-past, frames, device=device)[None]
        start = here - here % self.frames
        return (there >= start - self.past) & (there < start + self.frames)


class SelfAttention(nn.Module):
    """Multi-head self-attention.

    With a `window` it is causal: frame t sees frames t - window + 1 .. t, and a learned bias for each head
    and distance encodes their order. Without one, every frame sees all valid frames, or those that a
    `Blockwise` pattern allows, and their order has no effect.
    """

    def __init__(self, dim: int, heads: int, window: int | None) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim, bias=False)  # a key bias shifts all scores alike: no effect
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        if window is not None:
            self.distance_bias = nn.Parameter(torch.zeros(heads, window))

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        past: Past | None = None,
        blockwise: Blockwise | None = None,
    ) -> Tensor:
        """Self-attention over the frames of a sequence or of its next chunk.

        Args:
            x: [B, T, D].
            mask: [B, T] bool, True = valid.
            past: keeps keys and values [B, P, 2 D] of earlier chunks; P grows from 0 to window - 1, or to
                `blockwise.past`.
            blockwise: only without a window; a chunk then has to begin with a block.
        Returns:
            [B, T, D].
        """
        keys_values = torch.cat([self.key(x), self.value(x)], dim=2)
        if past is not None:  # keys and values are kept, so none is computed twice
            reach = blockwise.past if blockwise else (self.window or 1) - 1
            keys_values = past.extend(keys_values, reach)
        before = keys_values.shape[1] - x.shape[1]
        q, k, v = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)  # [B, H, T, D/H]
            for part in (self.query(x), *keys_values.chunk(2, dim=2))
        )
        bias = self._bias(x.shape[1], before)
        if blockwise is not None:
            hidden = ~blockwise.visible(x.shape[1], before, x.device)
            bias = x.new_zeros(hidden.shape).masked_fill(hidden, float("-inf"))[None, None]
        if mask is not None:
            invalid = ~mask[:, None, None, :]
            base = x.new_zeros(1, 1, 1, 1) if bias is None else bias
            # Finite, so that a row in which everything is masked gives numbers and not NaN.
            bias = base.masked_fill(invalid, torch.finfo(x.dtype).min / 2)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.out(y.transpose(1, 2).flatten(2))

    def _bias(self, frames: int, past: int) -> Tensor | None:
        """[1, H, T, P + T] score bias: the learned one within the window, -inf outside it."""
        if self.window is None:
            return None
        here = torch.arange(past, past + frames, device=self.distance_bias.device)
        there = torch.arange(past + frames, device=self.distance_bias.device)
        distance = here[:, None] - there[None, :]
        visible = (distance >= 0) & (distance < self.window)
        bias = self.distance_bias[:, distance.clamp(0, self.window - 1)]
        return bias.masked_fill(~visible, float("-inf"))[None]


class Conv(nn.Conv1d):
    """1-D convolution over [B, T, D], padded with zeros: causal ones before it only, others on both sides."""

    def __init__(
        self,
        dim_in: int,
        dim_out: int,
        kernel: int,
        *,
        causal: bool,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(dim_in, dim_out, kernel, stride=stride, groups=groups)
        self.causal = causal
        self.reach = kernel - stride  # frames of padding

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        """Convolution over the frames of a sequence or of its next chunk.

        Args:
            x: [B, T, D_in], T a multiple of the stride.
            past: if causal, takes the place of the padding; keeps [B, reach, D_in] of earlier chunks, and
                nothing if the reach is 0.
        Returns:
            [B, T / stride, D_out].
        """
        left, right = self.reach, 0
        if not self.causal:
            left, right = self.reach - self.reach // 2, self.reach // 2
        elif past is not None and self.reach:
            x, left = past.extend(x, self.reach, zeros=self.reach), 0
        y = super().forward(F.pad(x.transpose(1, 2), (left, right)))
        return y.transpose(1, 2)


class ConvModule(nn.Module):
    """The Conformer's convolution module: pointwise, gated linear unit, depthwise, norm, SiLU, pointwise."""

    def __init__(self, dim: int, kernel: int, *, causal: bool) -> None:
        super().__init__()
        self.expand = Conv(dim, 2 * dim, 1, causal=causal)
        self.depthwise = Conv(dim, dim, kernel, causal=causal, groups=dim)
        # Layer norm in place of the paper's batch norm: no running buffers to freeze when adapting,
        # and one frame's output never depends on another clip of the batch.
        self.norm = nn.LayerNorm(dim)
        self.project = Conv(dim, dim, 1, causal=causal)

    def forward(self, x: Tensor, mask: Tensor | None = None, past: Past | None = None) -> Tensor:
        x = F.glu(self.expand(x), dim=2)
        if mask is not None:  # the kernel would carry padding into valid frames
            x = x * mask[:, :, None]
        return self.project(F.silu(self.norm(self.depthwise(x, past))))


class ConformerBlock(nn.Module):
    """Attention, then convolution, each after a layer norm and with a residual; a last norm."""

    def __init__(
        self, dim: int, heads: int, kernel: int, *, window: int | None, dropout: float
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads, window)
        self.conv_norm = nn.LayerNorm(dim)
        self.conv = ConvModule(dim, kernel, causal=window is not None)
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None, past: Past | None = None) -> Tensor:
        """Args: x [B, T, D]; mask [B, T] bool, True = valid. Returns: [B, T, D]."""
        x = x + self.dropout(self.attention(self.attention_norm(x), mask, past))
        x = x + self.dropout(self.conv(self.conv_norm(x), mask, past))
        return self.norm(x)
