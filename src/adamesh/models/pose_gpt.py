"""PoseGPT (AdaMesh, arXiv 2310.07236, section 3.3): speech and a pose style -> codes of head motion.

A causal transformer over codes of `models.pose_vqvae`. Code k covers `frames_per_code` motion frames; it is
predicted from the codes before it and from speech up to `lookahead` feature frames into it, so that in a
stream the head is no later than the mouth.

Speech acts on the codes in two ways. One is loudness: heads move faster when speech gets louder, a fifth of a
second before it does, and this holds for people who were not trained on. `Tempo` predicts from loudness how
fast the head moves; each step from code to code has a pace, and faster steps get higher logits when a higher
speed is predicted. The other is the content, which enters the transformer as in the paper, through a
bottleneck of `speech_dim` numbers. The shipped network has `speech_dim` 0: trained on minutes of video, this
path memorised the clips (docs/decisions/head-motion.md). With hours of video it may be worth opening.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adamesh.models.pose_style import retrieve, style_matrix
from adamesh.models.pose_vqvae import AXES
from adamesh.nn.conformer import Conv
from adamesh.nn.state import START, Past, State
from adamesh.nn.transformer import TransformerBlock

LOUDNESS = -6  # channel of the features: the first of `audio.prosody.CHANNELS`, which come last
POOL = 4  # feature frames of loudness whose mean is one input of `Tempo`: 80 ms
NEAR = 0.2  # deviations of the head, added to the size of steps before the logarithm
PATIENCE = 20.0  # codes, 3 s: weight of the training voices' mean in the running mean of the tempo


@dataclass(frozen=True)
class PoseGPTConfig:
    """Everything that is needed to build the network again."""

    features: str = "whisper+log_mel+prosody"  # name of the speech features; prosody comes last
    feature_dim: int = 646  # their channels
    speech_dim: int = 0  # numbers that the transformer gets of the content of speech at each code
    codes: int = 256  # of the VQ-VAE
    features_per_code: int = 8  # feature frames of a code: 160 ms
    past: int = 16  # feature frames of loudness before a code that its tempo depends on
    lookahead: int = 6  # feature frames of a code that are read before it is predicted: 120 ms
    ahead: int = 22  # feature frames of loudness read beyond that, unless it streams: 440 ms
    code_dim: int = 16  # of the VQ-VAE's latents, which the style encoder reads
    style_dim: int = 16
    dim: int = 128
    heads: int = 4
    layers: int = 6
    window: int = 64  # codes that attention looks back: 10 s, as long as the training windows
    dropout: float = 0.3
    units: int = 512  # of speech: rows of the style matrices
    styles: int = 0  # training styles kept for retrieval; set by training
    vqvae: str = ""  # fingerprint of the VQ-VAE that the codes belong to; set by training


@dataclass(frozen=True)
class Sampling:
    """How a code is drawn from the predicted distribution."""

    temperature: float = 1.0  # above 1: livelier, below: calmer; 0 takes the likeliest code
    top_p: float = (
        0.95  # share of the probability that is drawn from; the least likely codes are left out
    )
    guidance: float = 3.0  # 1: as predicted; above 1 speech has more influence, below 1 less


class Tempo(nn.Module):
    """Loudness around a code -> how fast the head is expected to move during it.

    A linear map of loudness, averaged over `POOL` feature frames. The buffers `mean` and `weight` [taps] come
    from a ridge regression, see `training.pose_gpt`.
    """

    mean: Tensor
    weight: Tensor

    def __init__(self, past: int, future: int, every: int) -> None:
        """Args: past, future: feature frames before and after a code's start; every: of a code."""
        super().__init__()
        self.past, self.future, self.every = past, future // POOL * POOL, every
        taps = (self.past + self.future) // POOL
        self.register_buffer("mean", torch.zeros(taps))
        self.register_buffer("weight", torch.zeros(taps))

    def windows(self, loudness: Tensor) -> Tensor:
        """[B, every K] loudness -> [B, K, taps] of each code; the first and last values are repeated."""
        codes = loudness.shape[1] // self.every
        long = F.pad(loudness[:, None], (self.past, self.future), mode="replicate")[:, 0]
        near = long.unfold(1, self.past + self.future, self.every)[:, :codes]
        return near.unflatten(2, (-1, POOL)).mean(3)

    def forward(self, loudness: Tensor) -> Tensor:
        """[B, every K] loudness -> [B, K] expected log of speed, in deviations of it."""
        return (self.windows(loudness) - self.mean) @ self.weight


class PoseGPT(nn.Module):
    """Speech, a style and the codes so far -> logits of the next code.

    Buffers, all set by `training.pose_gpt`:
        feature_mean, feature_std: [D] by which features are z-scored.
        centroids: [U, D] of the units of speech, z-scored.
        place: [codes, 3] mean pose of each code, in own units.
        pace_std: [] deviation of the pace of steps.
        style_keys, style_present: [N, U, code_dim] and [N, U] style matrices of the training clips, which
            `models.pose_style.retrieve` searches.
        style_values: [N, style_dim] their style embeddings.
    """

    feature_mean: Tensor
    feature_std: Tensor
    centroids: Tensor
    place: Tensor
    pace_std: Tensor

    style_keys: Tensor
    style_present: Tensor
    style_values: Tensor

    def __init__(self, config: PoseGPTConfig) -> None:
        super().__init__()
        self.config = config
        n = config.features_per_code
        self.style = nn.Sequential(
            nn.Linear(2 * config.code_dim, config.style_dim), nn.LayerNorm(config.style_dim)
        )
        self.embedding = nn.Embedding(config.codes + 1, config.dim)  # the last one: no code before
        if config.speech_dim:
            self.words = Conv(config.feature_dim, config.speech_dim, 2 * n, causal=True, stride=n)
            self.told = nn.Linear(config.speech_dim, config.dim)
        self.tempo = Tempo(config.past, config.lookahead + config.ahead, n)
        self.streamed_tempo = Tempo(config.past, config.lookahead, n)
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
        self.register_buffer("place", torch.zeros(config.codes, AXES))
        self.register_buffer("pace_std", torch.ones(()))
        styles = config.styles
        self.register_buffer("style_keys", torch.zeros(styles, config.units, config.code_dim))
        self.register_buffer("style_present", torch.zeros(styles, config.units))
        self.register_buffer("style_values", torch.zeros(styles, config.style_dim))

    def encode_style(self, latents: Tensor, mask: Tensor | None = None) -> Tensor:
        """The style embedding of a motion, from the mean and deviation of its VQ-VAE latents.

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

    def hear(self, features: Tensor, *, streamed: bool = False) -> Tensor:
        """What PoseGPT gets of the speech at each code. Zeros in its place mean that there is no speech.

        Args:
            features: [B, 8 K, feature_dim] at 50 Hz, as `features.load_features` gives them.
            streamed: read no more than `lookahead` ahead.
        Returns:
            [B, K, 1 + speech_dim]: the tempo, then the content.
        """
        tempo = (self.streamed_tempo if streamed else self.tempo)(features[..., LOUDNESS])
        # Relative to the mean so far and not of the whole speech, so that speech yet to come has no effect.
        heard = torch.arange(1, tempo.shape[1] + 1, device=tempo.device)
        tempo = tempo - tempo.cumsum(1) / (heard + PATIENCE)
        if not self.config.speech_dim:
            return tempo[..., None]
        scaled = (features - self.feature_mean) / self.feature_std
        late = self.config.features_per_code - self.config.lookahead
        scaled = F.pad(scaled, (0, 0, late, 0))[:, : features.shape[1]]
        return torch.cat([tempo[..., None], torch.tanh(self.words(scaled))], dim=2)

    def forward(
        self, before: Tensor, heard: Tensor, style: Tensor, past: Past | None = None
    ) -> Tensor:
        """Logits of each code of a sequence or of its next codes.

        Args:
            before: [B, K] int64 the code before each; `config.codes` if there is none.
            heard: [B, K, 1 + speech_dim] from `hear`.
            style: [B, style_dim].
            past: of the codes before, see `step`; None for a whole sequence.
        Returns:
            [B, K, codes].
        """
        x = self.embedding(before) + self.condition(style)[:, None]
        if self.config.speech_dim:
            x = x + self.told(heard[..., 1:])
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, past)
        return self.out(self.norm(x)) + heard[..., :1] * self.pace(before)

    def step(
        self, before: Tensor, heard: Tensor, style: Tensor, state: State
    ) -> tuple[Tensor, State]:
        """`forward` for the next codes of a sequence.

        Args:
            state: that the step before returned; `START` at the beginning.
        Returns:
            [B, K, codes] logits, and the state: [B, P, 2 dim] keys and values of each layer, P grows from 0
            to window - 1.
        """
        past = Past(state)
        return self(before, heard, style, past), past.state

    def pace(self, before: Tensor) -> Tensor:
        """How fast the head moves in a step from a code to each of the codes.

        Args:
            before: [B, K] codes, as in `forward`.
        Returns:
            [B, K, codes] log of the distance, in deviations; 0 if there is no code before.
        """
        known = before < self.config.codes
        here = self.place[before.masked_fill(~known, 0)]
        steps = torch.log(torch.cdist(here, self.place[None]) + NEAR)
        return steps / self.pace_std * known[..., None]

    def nats(self, codes: Tensor, heard: Tensor, style: Tensor, first: int) -> Tensor:
        """Mean negative log-likelihood, in nats, of codes [B, K] from code `first` on; see `forward`."""
        before = F.pad(codes[:, :-1], (1, 0), value=self.config.codes)
        logits = self(before, heard, style)[:, first:]
        return F.cross_entropy(logits.flatten(0, 1), codes[:, first:].flatten())

    def units(self, features: Tensor) -> Tensor:
        """[S, D] features -> [S] int64 unit of speech of each frame: the nearest of `centroids`."""
        return torch.cdist(
            (features - self.feature_mean) / self.feature_std, self.centroids
        ).argmin(1)

    def find_style(self, latents: Tensor, units: Tensor) -> Tensor:
        """The style embedding of a clip that was not trained on, retrieved by its pose style matrix.

        Args:
            latents: [K, code_dim] of `PoseVQVAE.encode`.
            units: [S] of `units`; S // K of them belong to each latent.
        Returns:
            [style_dim].
        """
        matrix = style_matrix(latents, units, self.config.units)
        return retrieve(matrix, self.style_keys, self.style_present, self.style_values)

    @torch.no_grad()
    def sample(
        self,
        heard: Iterable[Tensor],
        style: Tensor,
        sampling: Sampling,
        generator: torch.Generator,
        *,
        prompt: Tensor,
        prompt_heard: Tensor,
    ) -> Iterator[int]:
        """Draws one code after another, for as long as there is speech.

        Guidance is classifier-free guidance (arXiv 2207.12598): logits are none + guidance x (heard - none),
        where `none` are those without speech. With a `speech_dim` the transformer runs on both in a batch of
        two; without one, speech acts through the tempo alone, whose term in the logits is linear.

        Args:
            heard: [1 + speech_dim] of the speech for each code, from `hear`; asked for one by one.
            style: [1, style_dim].
            prompt: [P] codes of a reference, P >= 0, which the sequence continues.
            prompt_heard: [P, 1 + speech_dim] of the speech of the reference.
        Yields:
            A code for each.
        """
        rows = 2 if self.config.speech_dim and sampling.guidance != 1 else 1

        def guided(before: Tensor, now: Tensor, state: State) -> tuple[Tensor, State]:
            if rows == 1:
                now = torch.cat([sampling.guidance * now[:, :1], now[:, 1:]], dim=1)
                logits, state = self.step(before, now[None], style, state)
                return logits[0, -1], state
            both = torch.stack([now, torch.zeros_like(now)])
            logits, state = self.step(before.expand(2, -1), both, style.expand(2, -1), state)
            return logits[1, -1].lerp(logits[0, -1], sampling.guidance), state

        before, state = style.new_full((1, 1), self.config.codes, dtype=torch.long), START
        if len(prompt):
            _, state = guided(torch.cat([before[0], prompt[:-1]])[None], prompt_heard, state)
            before = prompt[-1].view(1, 1)
        for now in heard:
            logits, state = guided(before, now[None], state)
            code = draw(logits, sampling, generator)
            yield code
            before = torch.full_like(before, code)


def draw(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """One index from [N] logits by temperature and top-p (nucleus sampling, arXiv 1904.09751).

    Drawn on the CPU, so that a seed means the same on every device.
    """
    logits = logits.cpu()
    if sampling.temperature == 0:
        return int(logits.argmax())
    share, order = (logits / sampling.temperature).softmax(0).sort(descending=True)
    # Codes are kept as long as the likelier ones sum to less than top_p: at least one of them.
    kept = share.cumsum(0) - share < sampling.top_p
    return int(order[torch.multinomial(share * kept, 1, generator=generator)])
