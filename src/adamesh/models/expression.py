"""The expression adapter (AdaMesh, arXiv 2310.07236, section 3.2).

An audio encoder, a style encoder and an identity encoder feed an expression decoder with a postnet.

All layers over time are causal except those of the style encoder, which sees a whole reference. The network
looks ahead by a single shift: it reads `lookahead` motion frames of speech before its first output. So it can
stream as it is, and its total look-ahead is `lookahead` plus that of the speech features.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adamesh.errors import InputError
from adamesh.nn.conformer import ConformerBlock, Conv
from adamesh.nn.state import START, Past, State
from adamesh.rates import FEATURES_PER_FRAME
from adamesh.values import Value

FRAMES_AT_ONCE = 200  # motion frames in a chunk of `predict`; attention is dense within a chunk


@dataclass(frozen=True)
class ExpressionConfig:
    """Everything that is needed to build the network again."""

    space: str = "arkit52"  # coefficient space of the motion
    face: str = "embedded"  # name of the face that the coefficients belong to
    features: str = "whisper+log_mel"  # name of the speech features
    feature_dim: int = 640  # their channels
    expression_dim: int = 52  # coefficients of the space, plus 3 if the jaw turns by its joint
    identity_dim: int = 50  # betas
    dim: int = 192
    heads: int = 4
    convs: int = 3  # dense convolutions over speech, before the audio encoder's blocks
    conv_kernel: int = 5  # frames, of these
    kernel: int = 7  # frames, of the depthwise convolutions
    window: int = 25  # frames that attention looks back: 1 s
    encoder_blocks: int = 1
    decoder_blocks: int = 1
    style_blocks: int = 1
    style_dim: int = 32
    postnet_kernel: int = 5
    lookahead: int = 1  # motion frames of speech read ahead: 40 ms
    dropout: float = 0.2
    feature_dropout: float = 0.1  # of the speech features


@dataclass(eq=False, repr=False)
class ExpressionOutput(Value):
    """What the network predicts for each frame.

    Attributes:
        before, after: [B, T, E] z-scored motion about the resting face, before and after the postnet.
        activity: [B, T] logit that somebody speaks.
    """

    before: Tensor
    after: Tensor
    activity: Tensor

    def after_lookahead(self, frames: int) -> "ExpressionOutput":
        """Without the first frames, which come before the motion."""
        return ExpressionOutput(
            self.before[:, frames:], self.after[:, frames:], self.activity[:, frames:]
        )


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
        # Mean and deviation of the reference itself go straight into the embedding: a person's usual face
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
    """A face shape -> one identity embedding."""

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

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        self.register_buffer("feature_mean", torch.zeros(config.feature_dim))
        self.register_buffer("feature_std", torch.ones(config.feature_dim))
        self.dropout = nn.Dropout(config.feature_dropout)
        self.subsample = Conv(
            config.feature_dim,
            config.dim,
            FEATURES_PER_FRAME,
            causal=True,
            stride=FEATURES_PER_FRAME,
        )
        self.convs = nn.ModuleList(
            Conv(config.dim, config.dim, config.conv_kernel, causal=True)
            for _ in range(config.convs)
        )
        self.conv_dropout = nn.Dropout(config.dropout)
        self.blocks = _blocks(config, config.encoder_blocks, config.window)

    def forward(self, features: Tensor, past: Past | None = None) -> Tensor:
        """Args: features [B, 2 T, D]. Returns: [B, T, dim]."""
        x = self.dropout((features - self.feature_mean) / self.feature_std)
        x = self.subsample(x, past)
        for conv in self.convs:
            x = x + self.conv_dropout(F.gelu(conv(x, past)))
        for block in self.blocks:
            x = block(x, past=past)
        return x


class ExpressionDecoder(nn.Module):
    """Speech, style and identity vectors -> expressions."""

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        self.condition = nn.Linear(2 * config.style_dim, 2 * config.dim)
        self.blocks = _blocks(config, config.decoder_blocks, config.window)
        self.out = nn.Linear(config.dim, config.expression_dim)

    def forward(self, speech: Tensor, condition: Tensor, past: Past | None = None) -> Tensor:
        """Args: speech [B, T, dim]; condition [B, 2 style_dim]. Returns: [B, T, E]."""
        scale, shift = self.condition(condition)[:, None].chunk(2, dim=2)
        x = speech * (1 + scale) + shift
        for block in self.blocks:
            x = block(x, past=past)
        return self.out(x)


class Postnet(nn.Module):
    """Two convolutions over decoded expressions, added to them."""

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        self.hidden = Conv(config.expression_dim, config.dim, config.postnet_kernel, causal=True)
        self.out = Conv(config.dim, config.expression_dim, config.postnet_kernel, causal=True)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        return x + self.out(torch.tanh(self.hidden(x, past)), past)


class ExpressionAdapter(nn.Module):
    """Speech features, a style and an identity -> motion about a resting face at 25 fps, and speech activity.

    The motion is relative to the person's resting face and of a standard size, as speech tells neither; see
    `models.baseline`. Multiplying by the buffer `std` [E] turns z-scored values into coefficients.
    """

    std: Tensor

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        self.config = config
        self.audio_encoder = AudioEncoder(config)
        self.style_encoder = StyleEncoder(config)
        self.identity_encoder = IdentityEncoder(config)
        self.decoder = ExpressionDecoder(config)
        self.postnet = Postnet(config)
        self.activity = nn.Linear(config.dim, 1)
        self.register_buffer("std", torch.ones(config.expression_dim))

    def encode_style(self, expression: Tensor, mask: Tensor | None = None) -> Tensor:
        """Style embedding of a reference.

        Args:
            expression: [B, T, E] coefficients about the resting face, 25 fps.
            mask: [B, T] bool, True = valid; all valid by default.
        Returns:
            [B, style_dim].
        """
        if mask is None:
            mask = torch.ones(expression.shape[:2], dtype=torch.bool, device=expression.device)
        return self.style_encoder(expression / self.std, mask)

    def forward(
        self, features: Tensor, style: Tensor, betas: Tensor, past: Past | None = None
    ) -> ExpressionOutput:
        """Expressions, `lookahead` frames behind the features.

        Args:
            features: [B, 2 T, feature_dim] at 50 Hz.
            style: [B, style_dim] from `encode_style`.
            betas: [B, identity_dim].
            past: of the chunks before, see `step`; None for a whole sequence.
        Returns:
            T frames. Frame t belongs to motion frame t - lookahead, so the caller drops the first
            `lookahead` frames of a sequence.
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
        speech = self.audio_encoder(features, past)
        before = self.decoder(speech, condition, past)
        return ExpressionOutput(before, self.postnet(before, past), self.activity(speech)[..., 0])

    def step(
        self, features: Tensor, style: Tensor, betas: Tensor, state: State
    ) -> tuple[ExpressionOutput, State]:
        """`forward` for the next chunk of a sequence.

        Args:
            state: that the chunk before returned; `START` at the beginning.
        Returns:
            The chunk's frames, and the state, in this order: [B, conv_kernel - 1, dim] of each of `convs`;
            of each block of the audio encoder, then of the decoder, [B, P, 2 dim] keys and values, where P
            grows from 0 to window - 1, and [B, kernel - 1, dim] of its convolution; of the postnet
            [B, postnet_kernel - 1, expression_dim] and [B, postnet_kernel - 1, dim].
        """
        past = Past(state)
        return self(features, style, betas, past), past.state

    def predict(self, features: Tensor, style: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Motion for one speech of any length, in chunks: beside the result it takes constant memory.

        It is computed on the device of the network and returned on that of the features.

        Args:
            features: [2 (T + lookahead), feature_dim]: speech followed by `lookahead` motion frames of
                silence.
            style: [1, style_dim] from `encode_style`.
            betas: [1, identity_dim].
        Returns:
            [T, E] coefficients about the resting face, not bounded, and [T] probability of speech.
        """
        here, there = self.std.device, features.device
        state, late, motions, activities = START, self.config.lookahead, [], []
        with torch.inference_mode():
            style, betas = style.to(here), betas.to(here)
            for chunk in features.split(FRAMES_AT_ONCE * FEATURES_PER_FRAME):
                part, state = self.step(chunk[None].to(here), style, betas, state)
                motions.append((part.after[0] * self.std).to(there))
                activities.append(part.activity[0].sigmoid().to(there))
            # Clones are ordinary tensors, what inference mode made is not.
            return torch.cat(motions)[late:].clone(), torch.cat(activities)[late:].clone()
