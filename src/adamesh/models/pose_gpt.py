"""PoseGPT (AdaMesh, arXiv 2310.07236, section 3.3): speech and a pose style -> codes of head motion.

A causal transformer over codes of `models.pose_vqvae`. Code k covers `frames_per_code` motion frames; it is
predicted from the codes before it and from speech up to `lookahead` feature frames into it, so that its
first frame is late by no more than the mouth is.

Of speech a few minutes of heads teach one thing that holds for strangers: heads move faster where it gets
loud, and they do so a fifth of a second before. That is a path of its own, `Tempo`: each step from code to
code has a pace, and steps whose pace is the expected one become likelier. What is said goes into the
transformer as in the paper, by a bottleneck of `speech_dim` numbers. In the shipped network it is closed, for
it learnt its minutes by heart (docs/decisions.md); a corpus of hours may open it.
"""

from collections.abc import Iterator
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
POOL = 4  # feature frames of loudness that `Tempo` takes together: 80 ms
NEAR = 0.2  # deviations of the head; steps that are smaller are alike
PATIENCE = 20.0  # codes as which a voice in general counts in the mean of what was heard: 3 s


@dataclass(frozen=True)
class PoseGPTConfig:
    """Everything that is needed to build the network again."""

    features: str = "whisper+log_mel+prosody"  # name of the speech features; prosody comes last
    feature_dim: int = 646  # their channels
    speech_dim: int = 0  # numbers that the transformer is told of what is said with each code
    codes: int = 256  # of the VQ-VAE it belongs to
    features_per_code: int = 8  # feature frames of a code: 160 ms
    past: int = 16  # feature frames of loudness before a code that its tempo depends on
    lookahead: int = 6  # feature frames of a code that are heard before it is given: 120 ms
    ahead: int = 22  # feature frames of loudness beyond that, unless it streams: 440 ms
    code_dim: int = 16  # of the VQ-VAE's latents, which the style encoder reads
    style_dim: int = 16
    dim: int = 128
    heads: int = 4
    layers: int = 6
    window: int = 64  # codes that attention looks back: 10 s, as many as training has
    dropout: float = 0.3
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
    guidance: float = 3.0  # 1: as predicted; above, what speech adds to the prediction counts more


class Tempo(nn.Module):
    """Loudness around a code -> how fast the head is expected to move in it.

    Linear, over loudness pooled to `POOL` feature frames. Buffers `mean` and `weight` [taps] are a ridge
    regression's, see `training.pose_gpt`.
    """

    mean: Tensor
    weight: Tensor

    def __init__(self, past: int, future: int, every: int) -> None:
        """Args: past, future: feature frames before and behind a code's start; every: frames of a code."""
        super().__init__()
        self.past, self.future, self.every = past, future // POOL * POOL, every
        taps = (self.past + self.future) // POOL
        self.register_buffer("mean", torch.zeros(taps))
        self.register_buffer("weight", torch.zeros(taps))

    def windows(self, loudness: Tensor) -> Tensor:
        """[B, every K] -> [B, K, taps]; beyond the ends the last value goes on."""
        codes = loudness.shape[1] // self.every
        long = F.pad(loudness[:, None], (self.past, self.future), mode="replicate")[:, 0]
        near = long.unfold(1, self.past + self.future, self.every)[:, :codes]
        return near.unflatten(2, (-1, POOL)).mean(3)

    def forward(self, loudness: Tensor) -> Tensor:
        """[B, every K] -> [B, K] in deviations of the log of speed."""
        return (self.windows(loudness) - self.mean) @ self.weight


class PoseGPT(nn.Module):
    """Speech, a style and the codes so far -> logits of the next code.

    Buffers `style_keys` [N, U, code_dim] and `style_present` [N, U] are the style matrices of training
    clips, `style_values` [N, style_dim] their embeddings: what `models.pose_style.retrieve` looks in.
    `feature_mean` and `feature_std` [D] are the scale of the features, `centroids` [U, D] the units of speech
    in that scale, `place` [codes, 3] the mean pose of each code, `pace_std` the deviation of a step's pace.
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
        self.embedding = nn.Embedding(config.codes + 1, config.dim)  # the last one: nothing yet
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

    def hear(self, features: Tensor, *, streamed: bool = False) -> Tensor:
        """What each code is told of the speech; zeros stand for no speech at all.

        Args:
            features: [B, 8 K, feature_dim] at 50 Hz, as `features.load_features` gives them.
            streamed: nothing beyond `lookahead` is heard.
        Returns:
            [B, K, 1 + speech_dim]: the tempo, and what is said.
        """
        tempo = (self.streamed_tempo if streamed else self.tempo)(features[..., LOUDNESS])
        # Of each speech about its own mean so far: a longer one begins as a shorter one.
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
        """Logits of codes.

        Args:
            before: [B, K] the code before each; `config.codes` where there is none.
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
        """[B, K] codes -> [B, K, codes] how fast a step to each code is: log, in deviations.

        From nothing all are alike.
        """
        known = before < self.config.codes
        here = self.place[before.masked_fill(~known, 0)]
        steps = torch.log(torch.cdist(here, self.place[None]) + NEAR)
        return steps / self.pace_std * known[..., None]

    def nats(self, codes: Tensor, heard: Tensor, style: Tensor, first: int) -> Tensor:
        """Mean negative log-likelihood of codes [B, K] from number `first` on; the rest as in `forward`."""
        before = F.pad(codes[:, :-1], (1, 0), value=self.config.codes)
        logits = self(before, heard, style)[:, first:]
        return F.cross_entropy(logits.flatten(0, 1), codes[:, first:].flatten())

    def units(self, features: Tensor) -> Tensor:
        """[S, D] features -> [S] the unit of speech, of the k-means clusters, that each frame belongs to."""
        return torch.cdist(
            (features - self.feature_mean) / self.feature_std, self.centroids
        ).argmin(1)

    def find_style(self, latents: Tensor, units: Tensor) -> Tensor:
        """Style of a clip that was never trained on, by its semantic-aware style matrix.

        Args:
            latents: [K, code_dim] of the VQ-VAE's encoder.
            units: [S] of `units`, several a code.
        Returns:
            [style_dim].
        """
        matrix = style_matrix(latents, units, self.config.units)
        return retrieve(matrix, self.style_keys, self.style_present, self.style_values)

    @torch.no_grad()
    def sample(
        self,
        heard: Tensor,
        style: Tensor,
        sampling: Sampling,
        generator: torch.Generator,
        *,
        prompt: Tensor,
        prompt_heard: Tensor,
    ) -> Iterator[int]:
        """Draws code after code, for as long as there is speech.

        Guidance is classifier-free guidance (arXiv 2207.12598): logits are none + guidance x (heard - none).
        A transformer that hears words runs twice for it, side by side.

        Args:
            heard: [K, 1 + speech_dim] of the speech, from `hear`.
            style: [1, style_dim].
            prompt: [P] codes of a reference that went before, P >= 0: the sequence goes on in their way.
            prompt_heard: [P, 1 + speech_dim] of the reference's own speech.
        Yields:
            K codes.
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

        before, state = heard.new_full((1, 1), self.config.codes, dtype=torch.long), START
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
    # Those before which less than top_p is gathered: at least the likeliest one.
    kept = share.cumsum(0) - share < sampling.top_p
    return int(order[torch.multinomial(share * kept, 1, generator=generator)])
