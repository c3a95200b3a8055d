"""PoseGPT (AdaMesh, arXiv 2310.07236, section 3.3): speech and a pose style -> codes of head motion.

A causal transformer over codes of `models.pose_vqvae`. Code k covers `frames_per_code` motion frames; it is
predicted from the codes before it and from speech features up to `lookahead` feature frames into it, so
that its first frame is late by no more than the mouth is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adamesh.nn.conformer import Conv, State
from adamesh.nn.transformer import TransformerBlock


@dataclass(frozen=True)
class PoseGPTConfig:
    """Everything that is needed to build the network again."""

    features: str = "whisper+log_mel"  # name of the speech features
    feature_dim: int = 640  # their channels
    codes: int = 256  # of the VQ-VAE it belongs to
    features_per_code: int = 8  # feature frames of a code: 160 ms
    lookahead: int = 6  # feature frames of a code that are heard before it is given: 120 ms
    code_dim: int = 16  # of the VQ-VAE's latents, which the style encoder reads
    style_dim: int = 16
    dim: int = 128
    heads: int = 4
    layers: int = 6
    window: int = 96  # codes that attention looks back: 15 s
    dropout: float = 0.2
    units: int = 512  # of speech, the rows of style matrices
    styles: int = 0  # training styles that are kept for retrieval; training counts them
    vqvae: str = ""  # fingerprint of the VQ-VAE whose codes it gives; training notes it


@dataclass(frozen=True)
class Sampling:
    """How a code is drawn from the predicted distribution."""

    temperature: float = 1.0  # above 1: livelier, below: calmer; 0 takes the likeliest
    top_p: float = (
        0.95  # the least likely codes beyond this share of the probability are never drawn
    )


class PoseGPT(nn.Module):
    """Speech features, a style and the codes so far -> logits of the next code.

    Buffers `style_keys` [N, U, code_dim] and `style_present` [N, U] are the style matrices of training
    clips, `style_values` [N, style_dim] their embeddings: what `models.pose_style.retrieve` looks in.
    `feature_mean` and `feature_std` [D] are the scale of the features, `centroids` [U, D] the units of speech
    in that scale.
    """

    feature_mean: Tensor
    feature_std: Tensor
    centroids: Tensor

    style_keys: Tensor
    style_present: Tensor
    style_values: Tensor

    def __init__(self, config: PoseGPTConfig) -> None:
        super().__init__()
        self.config = config
        self.style = nn.Sequential(
            nn.Linear(2 * config.code_dim, config.style_dim), nn.LayerNorm(config.style_dim)
        )
        self.embedding = nn.Embedding(config.codes + 1, config.dim)  # the last one: nothing yet
        self.speech = Conv(
            config.feature_dim,
            config.dim,
            2 * config.features_per_code,
            causal=True,
            stride=config.features_per_code,
        )
        self.speech_norm = nn.LayerNorm(config.dim)
        self.condition = nn.Linear(config.style_dim, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            TransformerBlock(config.dim, config.heads, window=config.window, dropout=config.dropout)
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.out = nn.Linear(config.dim, config.codes)
        self.register_buffer("feature_mean", torch.zeros(config.feature_dim))
        self.register_buffer("feature_std", torch.ones(config.feature_dim))
        self.register_buffer("centroids", torch.zeros(config.units, config.feature_dim))
        n = config.styles
        self.register_buffer("style_keys", torch.zeros(n, config.units, config.code_dim))
        self.register_buffer("style_present", torch.zeros(n, config.units))
        self.register_buffer("style_values", torch.zeros(n, config.style_dim))

    def encode_style(self, latents: Tensor, mask: Tensor | None = None) -> Tensor:
        """Style embedding of a motion by mean and deviation of its VQ-VAE latents.

        Args:
            latents: [B, K, code_dim] of `PoseVQVAE.encode`.
            mask: [B, K] bool, True = valid; all valid by default.
        Returns:
            [B, style_dim].
        """
        if mask is None:
            mask = torch.ones(latents.shape[:2], dtype=torch.bool, device=latents.device)
        weight = mask[:, :, None] / mask.sum(1)[:, None, None]
        mean = (latents * weight).sum(1)
        deviation = ((latents - mean[:, None]).square() * weight).sum(1).add(1e-4).sqrt()
        return self.style(torch.cat([mean, deviation], dim=1))

    def forward(
        self, before: Tensor, features: Tensor, style: Tensor, state: State | None = None
    ) -> Tensor:
        """Logits of codes.

        Args:
            before: [B, K] the code before each; `config.codes` where there is none.
            features: [B, 8 K, feature_dim] at 50 Hz: those that `heard` gives for the K codes.
            style: [B, style_dim].
            state: keys and values of the past; None for a whole sequence.
        Returns:
            [B, K, codes].
        """
        heard = self.speech_norm(self.speech(features, state))
        x = self.embedding(before) + heard + self.condition(style)[:, None]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, state)
        return self.out(self.norm(x))

    def units(self, features: Tensor) -> Tensor:
        """[S, D] features -> [S] the unit of speech, of the k-means clusters, that each frame belongs to."""
        return torch.cdist(
            (features - self.feature_mean) / self.feature_std, self.centroids
        ).argmin(1)

    def heard(self, features: Tensor) -> Tensor:
        """[..., S, D] features of a speech -> [..., S, D] as `forward` wants them: in their scale, and
        late by what of a code is not heard before it is given."""
        features = (features - self.feature_mean) / self.feature_std
        late = self.config.features_per_code - self.config.lookahead
        return torch.cat([torch.zeros_like(features[..., :late, :]), features], -2)[
            ..., : features.shape[-2], :
        ]

    @torch.no_grad()
    def sample(
        self,
        features: Tensor,
        style: Tensor,
        sampling: Sampling,
        generator: torch.Generator,
        *,
        prompt: Tensor,
    ) -> Iterator[int]:
        """Draws code after code, for as long as there are features.

        Args:
            features: [8 K, feature_dim] of the speech, not yet delayed.
            style: [1, style_dim].
            prompt: [P] codes of a reference that went before, whose speech is not known, P may be 0: the
                sequence goes on in their way.
        Yields:
            K codes.
        """
        n, state = self.config.features_per_code, State()
        before = features.new_full((1, 1), self.config.codes, dtype=torch.long)
        if len(prompt):
            shifted = torch.cat([before[0], prompt[:-1]])[None]
            silent = features.new_zeros(1, n * len(prompt), features.shape[1])
            self(shifted, silent, style, state)
            before = prompt[-1].view(1, 1)
        for chunk in self.heard(features).split(n):
            logits = self(before, chunk[None], style, state)[0, 0].float()
            code = draw(logits, sampling, generator)
            yield code
            before = before.new_full((1, 1), code)


def draw(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """One index from [N] logits by temperature and top-p (nucleus sampling, arXiv 1904.09751)."""
    if sampling.temperature == 0:
        return int(logits.argmax())
    share, order = (logits / sampling.temperature).softmax(0).sort(descending=True)
    # Those before which less than top_p is gathered: at least the likeliest one.
    kept = share.cumsum(0) - share < sampling.top_p
    return int(order[torch.multinomial(share * kept, 1, generator=generator)])
