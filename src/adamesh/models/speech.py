"""The compact speech encoder: log-mel in, phonetic features on the same 50 Hz clock out.

Causal Conformer blocks behind one shift: the network reads `lookahead` feature frames of speech before it
gives its first frame. The features are a bottleneck in front of phone classifiers, one for the phone of the
frame itself and one for each of `ahead`, so that they hold what is said and what comes next, and little of
who says it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adamesh.nn.conformer import ConformerBlock, Conv, State

FRAMES_AT_ONCE = (
    300  # feature frames that `encode` computes together: attention is dense within them
)


@dataclass(frozen=True)
class SpeechEncoderConfig:
    """Everything that is needed to build the network again."""

    mel_dim: int = 128  # channels of the log-mel frames
    dim: int = 256
    heads: int = 4
    kernel: int = 11  # frames, of the depthwise convolutions
    window: int = 75  # frames that attention looks back: 1.5 s
    blocks: int = 6
    feature_dim: int = 128  # of the bottleneck
    phones: int = 40
    ahead: tuple[int, ...] = (0, 4)  # frames from now of the phones that are told apart
    units: int = 512  # k-means clusters of the features
    lookahead: int = 3  # frames: 60 ms
    dropout: float = 0.1


class SpeechEncoder(nn.Module):
    """Log-mel frames -> phonetic features and phones.

    Buffers `mean` and `std` [mel_dim] normalise the input; `centroids` [units, feature_dim] are the
    k-means units, zero until they are set.
    """

    mean: Tensor
    std: Tensor
    centroids: Tensor

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.input = Conv(config.mel_dim, config.dim, 3, causal=True)
        self.blocks = nn.ModuleList(
            ConformerBlock(
                config.dim,
                config.heads,
                config.kernel,
                window=config.window,
                dropout=config.dropout,
            )
            for _ in range(config.blocks)
        )
        self.bottleneck = nn.Linear(config.dim, config.feature_dim)
        self.classifiers = nn.ModuleList(
            nn.Linear(config.feature_dim, config.phones) for _ in config.ahead
        )
        self.register_buffer("mean", torch.zeros(config.mel_dim))
        self.register_buffer("std", torch.ones(config.mel_dim))
        self.register_buffer("centroids", torch.zeros(config.units, config.feature_dim))

    def forward(self, mels: Tensor, state: State | None = None) -> Tensor:
        """Features, `lookahead` frames behind the mels.

        Args:
            mels: [B, S, mel_dim] of `audio.logmel`.
            state: carries the past over chunks; None for a whole sequence.
        Returns:
            [B, S, feature_dim]. Frame s belongs to mel frame s - lookahead: the first `lookahead` frames of
            a sequence precede it, and whoever calls drops them.
        """
        x = self.input((mels - self.mean) / self.std, state)
        for block in self.blocks:
            x = block(x, state=state)
        return torch.tanh(self.bottleneck(x))

    def phones(self, features: Tensor) -> list[Tensor]:
        """[..., feature_dim] -> logits [..., phones], one for each of `config.ahead`."""
        return [classifier(features) for classifier in self.classifiers]

    def encode(self, mels: Tensor) -> Tensor:
        """Features of one recording of any length, in constant memory beside the result.

        Args:
            mels: [S + lookahead, mel_dim]: speech followed by `lookahead` frames of silence or more speech.
        Returns:
            [S, feature_dim], within -1..1.
        """
        state = State()
        with torch.no_grad():  # not inference mode: other networks are trained on the features
            parts = [self(part[None], state)[0] for part in mels.split(FRAMES_AT_ONCE)]
            return torch.cat(parts)[self.config.lookahead :]

    def units(self, features: Tensor) -> Tensor:
        """[S, feature_dim] -> [S] index of the nearest centroid."""
        return torch.cdist(features, self.centroids).argmin(1)


@torch.no_grad()
def likeliest_phones(model: SpeechEncoder, mels: Tensor) -> Tensor:
    """The likeliest phone of each frame of one recording, silence following it.

    Args:
        mels: [S, mel_dim].
    Returns:
        [S] int64.
    """
    silence = mels.amin().expand(model.config.lookahead, model.config.mel_dim)
    return model.phones(model.encode(torch.cat([mels, silence])))[0].argmax(1)
