"""A causal transformer block (arXiv 1706.03762, norms before the parts as in GPT-2)."""

import torch.nn.functional as F
from torch import Tensor, nn

from adamesh.nn.conformer import SelfAttention, State


class TransformerBlock(nn.Module):
    """Attention over the last `window` frames and a two-layer perceptron, each behind a norm, residual."""

    def __init__(self, dim: int, heads: int, *, window: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads, window)
        self.mlp_norm = nn.LayerNorm(dim)
        self.hidden = nn.Linear(dim, 4 * dim)
        self.project = nn.Linear(4 * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """Args: x [B, T, D]; state keeps keys and values of earlier chunks. Returns: [B, T, D]."""
        x = x + self.dropout(self.attention(self.attention_norm(x), state=state))
        return x + self.dropout(self.project(F.gelu(self.hidden(self.mlp_norm(x)))))
