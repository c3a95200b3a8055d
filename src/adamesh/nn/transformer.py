"""A transformer block (arXiv 1706.03762), with the norms before attention and perceptron as in GPT-2."""

import torch.nn.functional as F
from torch import Tensor, nn

from adamesh.nn.conformer import Blockwise, SelfAttention
from adamesh.nn.state import Past


class TransformerBlock(nn.Module):
    """Attention, then a perceptron of two layers, each after a layer norm and with a residual.

    `window` as in `SelfAttention`: with one the block is causal.
    """

    def __init__(self, dim: int, heads: int, *, window: int | None, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads, window)
        self.mlp_norm = nn.LayerNorm(dim)
        self.hidden = nn.Linear(dim, 4 * dim)
        self.project = nn.Linear(4 * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, past: Past | None = None, blockwise: Blockwise | None = None
    ) -> Tensor:
        """Args: x [B, T, D]; past, blockwise: see `SelfAttention`. Returns: [B, T, D]."""
        attended = self.attention(self.attention_norm(x), past=past, blockwise=blockwise)
        x = x + self.dropout(attended)
        return x + self.dropout(self.project(F.gelu(self.hidden(self.mlp_norm(x)))))
