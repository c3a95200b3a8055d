"""The expression adapter (AdaMesh, arXiv 2310.07236, section 3.2).

An audio encoder, a style encoder and an identity encoder feed an expression decoder with a postnet.

Everything along time is causal except the style encoder, which sees a whole reference. Looking ahead is
one shift in one place: the network reads `lookahead` motion frames of speech before it gives its first
frame, so it streams by construction and its total look-ahead is a sum that can be read off.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adamesh.errors import InputError
from adamesh.motion.spaces import coefficient_space
from adamesh.nn.conformer import ConformerBlock, Conv, State
from adamesh.rates import FEATURES_PER_FRAME

FRAMES_AT_ONCE = (
    200  # motion frames that `predict` computes together: attention is dense within them
)


@dataclass(frozen=True)
class ExpressionConfig:
    """Everything that is needed to build the network again."""

    space: str = "arkit52"  # coefficient space of the motion
    face: str = "embedded"  # name of the face that the coefficients are of
    features: str = "log_mel"  # name of the speech features
    feature_dim: int = 128  # their channels
    expression_dim: int = 52  # channels of the space, and 3 where the jaw turns by its joint
    identity_dim: int = 50  # betas
    dim: int = 192
    heads: int = 4
    kernel: int = 7  # frames, of the depthwise convolutions
    window: int = 50  # frames that attention looks back: 2 s
    encoder_blocks: int = 3
    decoder_blocks: int = 3
    style_blocks: int = 2
    style_dim: int = 64
    postnet_kernel: int = 5
    lookahead: int = 3  # motion frames of speech read ahead: 120 ms
    dropout: float = 0.1


@dataclass
class ExpressionOutput:
    """Expressions before and after the postnet, both [B, T, E] z-scored."""

    before: Tensor
    after: Tensor


def _blocks(config: ExpressionConfig, count: int, window: int | None) -> nn.ModuleList:
    return nn.ModuleList(
        ConformerBlock(
            config.dim, config.heads, config.kernel, window=window, dropout=config.dropout
        )
        for _ in range(count)
    )


class StyleEncoder(nn.Module):
    """A reference expression sequence -> one style embedding."""

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        self.input = nn.Linear(config.expression_dim, config.dim)
        self.blocks = _blocks(config, config.style_blocks, window=None)
        # Mean and deviation of the reference itself reach the embedding unmixed: a person's usual face
        # and range of motion are most of a style.
        self.out = nn.Linear(2 * (config.dim + config.expression_dim), config.style_dim)

    def forward(self, expression: Tensor, mask: Tensor) -> Tensor:
        """Args: expression [B, T, E] z-scored; mask [B, T]. Returns: [B, style_dim]."""
        x = self.input(expression)
        for block in self.blocks:
            x = block(x, mask)
        x = torch.cat([x, expression], dim=2)
        weight = mask[:, :, None] / mask.sum(1)[:, None, None]
        mean = (x * weight).sum(1)
        deviation = ((x - mean[:, None]).square() * weight).sum(1).add(1e-4).sqrt()
        return self.out(torch.cat([mean, deviation], dim=1))


class IdentityEncoder(nn.Module):
    """A face shape -> one identity embedding; a single vector, so no block along time."""

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(config.identity_dim, config.style_dim),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.style_dim, config.style_dim),
        )

    def forward(self, betas: Tensor) -> Tensor:
        """Args: betas [B, identity_dim]. Returns: [B, style_dim]."""
        return self.layers(betas)


class AudioEncoder(nn.Module):
    """Speech features at 50 Hz -> one vector for each motion frame at 25 fps."""

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        self.subsample = Conv(
            config.feature_dim,
            config.dim,
            3 * FEATURES_PER_FRAME,
            causal=True,
            stride=FEATURES_PER_FRAME,
        )
        self.blocks = _blocks(config, config.encoder_blocks, config.window)

    def forward(self, features: Tensor, state: State | None = None) -> Tensor:
        """Args: features [B, 2 T, D]. Returns: [B, T, dim]."""
        x = self.subsample(features, state)
        for block in self.blocks:
            x = block(x, state=state)
        return x


class ExpressionDecoder(nn.Module):
    """Speech, style and identity vectors -> expressions."""

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        self.condition = nn.Linear(2 * config.style_dim, 2 * config.dim)
        self.blocks = _blocks(config, config.decoder_blocks, config.window)
        self.out = nn.Linear(config.dim, config.expression_dim)

    def forward(self, speech: Tensor, condition: Tensor, state: State | None = None) -> Tensor:
        """Args: speech [B, T, dim]; condition [B, 2 style_dim]. Returns: [B, T, E]."""
        scale, shift = self.condition(condition)[:, None].chunk(2, dim=2)
        x = speech * (1 + scale) + shift
        for block in self.blocks:
            x = block(x, state=state)
        return self.out(x)


class Postnet(nn.Module):
    """Two convolutions over decoded expressions, added to them."""

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        self.hidden = Conv(config.expression_dim, config.dim, config.postnet_kernel, causal=True)
        self.out = Conv(config.dim, config.expression_dim, config.postnet_kernel, causal=True)

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        return x + self.out(torch.tanh(self.hidden(x, state)), state)


class ExpressionAdapter(nn.Module):
    """Speech features, a style and an identity -> expression coefficients at 25 fps.

    Buffers `mean` and `std` [E] turn z-scored network values into coefficients and back.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        self.config = config
        self.audio_encoder = AudioEncoder(config)
        self.style_encoder = StyleEncoder(config)
        self.identity_encoder = IdentityEncoder(config)
        self.decoder = ExpressionDecoder(config)
        self.postnet = Postnet(config)
        self.register_buffer("mean", torch.zeros(config.expression_dim))
        self.register_buffer("std", torch.ones(config.expression_dim))

    def encode_style(self, expression: Tensor, mask: Tensor | None = None) -> Tensor:
        """Style embedding of a reference.

        Args:
            expression: [B, T, E] coefficients, 25 fps.
            mask: [B, T] bool, True = valid; all valid by default.
        Returns:
            [B, style_dim].
        """
        if mask is None:
            mask = torch.ones(expression.shape[:2], dtype=torch.bool, device=expression.device)
        return self.style_encoder(self.normalize(expression), mask)

    def forward(
        self, features: Tensor, style: Tensor, betas: Tensor, state: State | None = None
    ) -> ExpressionOutput:
        """Expressions, `lookahead` frames behind the features.

        Args:
            features: [B, 2 T, feature_dim] at 50 Hz.
            style: [B, style_dim] from `encode_style`.
            betas: [B, identity_dim].
            state: carries the past over chunks; None for a whole sequence.
        Returns:
            T frames. Frame t belongs to motion frame t - lookahead: the first `lookahead` frames of a
            sequence precede it, and whoever calls drops them.
        Raises:
            InputError: channels or length of the features do not fit.
        """
        given = tuple(features.shape)
        if len(given) != 3 or given[2] != self.config.feature_dim or given[1] % FEATURES_PER_FRAME:
            raise InputError(
                f"features must have shape [B, {FEATURES_PER_FRAME} T, {self.config.feature_dim}] "
                f"({self.config.features}), got {list(given)}; compute them with the features that the "
                "checkpoint names"
            )
        condition = torch.cat([style, self.identity_encoder(betas)], dim=1)
        before = self.decoder(self.audio_encoder(features, state), condition, state)
        return ExpressionOutput(before, self.postnet(before, state))

    def predict(self, features: Tensor, style: Tensor, betas: Tensor) -> Tensor:
        """Coefficients for one speech of any length, in constant memory beside the result.

        Args:
            features: [2 (T + lookahead), feature_dim]: speech followed by `lookahead` motion frames of
                silence.
            style: [1, style_dim] from `encode_style`.
            betas: [1, identity_dim].
        Returns:
            [T, E] coefficients within the bounds of their space.
        """
        state, space = State(), coefficient_space(self.config.space)
        with torch.inference_mode():
            parts = [
                self(part[None], style, betas, state).after[0]
                for part in features.split(FRAMES_AT_ONCE * FEATURES_PER_FRAME)
            ]
            values = self.denormalize(torch.cat(parts)[self.config.lookahead :])
            return values.clamp(space.lower, space.upper).clone()

    def normalize(self, expression: Tensor) -> Tensor:
        """Coefficients -> z-scored network values."""
        return (expression - self.mean) / self.std

    def denormalize(self, values: Tensor) -> Tensor:
        """Z-scored network values -> coefficients, not bounded."""
        return values * self.std + self.mean
