"""Head motion for speech: a reference -> a pose style, and a pose style plus speech -> rotations."""

from collections import deque
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from adamesh.checkpoints.networks import fingerprint, load_network
from adamesh.errors import InputError
from adamesh.features import features_for_frames, load_features
from adamesh.metrics.head import speed
from adamesh.models.pose_gpt import PoseGPT, Sampling
from adamesh.models.pose_vqvae import PoseVQVAE
from adamesh.motion.head import deviation
from adamesh.nn.state import START
from adamesh.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from adamesh.values import Value

PROMPT = (
    32  # codes of a reference that a generated motion goes on from: its last 5 s, as in training
)
CODES_AT_ONCE = 256  # that are turned into motion together: 41 s
GAIN_SECONDS = 20.0  # of generated motion that the amplitude is measured on
LARGEST_GAIN = 2.0
LARGEST_PACE = 1.3  # speed of generated motion over the reference's
FARTHEST = 4.0  # deviations from the mean pose that no motion goes beyond


@dataclass(frozen=True)
class PoseAdapter:
    """The two networks that belong together."""

    vqvae: PoseVQVAE
    gpt: PoseGPT

    @property
    def device(self) -> torch.device:
        """That both networks are on; styles and motion are on the CPU."""
        return self.vqvae.codebook.device

    @cached_property
    def fingerprint(self) -> str:
        """Of both networks: a pose style belongs to one pair."""
        return fingerprint(self.vqvae)[:8] + fingerprint(self.gpt)[:8]


@cache
def load_pose_adapter() -> PoseAdapter:
    """The shipped one, loaded once.

    Raises:
        InputError: its two files were not trained together.
    """
    adapter = PoseAdapter(load_network(PoseVQVAE), load_network(PoseGPT))
    if adapter.gpt.config.vqvae != fingerprint(adapter.vqvae):
        raise InputError(
            f"PoseGPT was trained on the codes of VQ-VAE {adapter.gpt.config.vqvae}, this is "
            f"{fingerprint(adapter.vqvae)}; take both checkpoints from the same training"
        )
    return adapter


@dataclass(frozen=True, eq=False, repr=False)
class PoseStyle(Value):
    """How somebody moves the head.

    Attributes:
        base: fingerprint of the pose adapter it belongs to.
        embedding: [style_dim], retrieved by the style matrix.
        codes: [P] the reference's own last codes, which a generated motion goes on from.
        heard: [P, 1 + speech_dim] what PoseGPT was told of the speech that goes with them.
        deviation: [3] radians, of the reference on each axis.
        gain: [3] what generated motion is multiplied by to move as far as the reference.
    """

    base: str
    embedding: Tensor
    codes: Tensor
    heard: Tensor
    deviation: np.ndarray
    gain: np.ndarray


def learn_pose(
    rotation: np.ndarray, samples: np.ndarray, adapter: PoseAdapter | None = None
) -> PoseStyle:
    """The pose style of a reference; nothing is fine-tuned.

    Args:
        rotation: [T, 3] axis-angle of the head about its mean, 25 fps.
        samples: [N] the speech that goes with it.
    """
    adapter = adapter or load_pose_adapter()
    vqvae, gpt = adapter.vqvae, adapter.gpt
    frames = len(rotation) // vqvae.config.frames_per_code * vqvae.config.frames_per_code
    own = deviation(rotation)
    motion = torch.from_numpy(rotation[:frames] / own).float().to(adapter.device)
    with torch.no_grad():
        latents = vqvae.encode(motion[None])[0]
        codes = vqvae.codes(latents)
    heard = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
    heard[: len(samples)] = samples[: len(heard)]
    spoken = load_features(gpt.config.features)(heard).to(adapter.device)
    with torch.no_grad():
        told = gpt.hear(spoken[None])[0]
    style = PoseStyle(
        base=adapter.fingerprint,
        embedding=gpt.find_style(latents, gpt.units(spoken)).cpu(),
        codes=codes[-PROMPT:].cpu(),
        heard=told[-PROMPT:].cpu(),
        deviation=own,
        gain=np.ones(3, np.float32),
    )
    # How far the generated motion swings depends on the style; the reference's own speech tells.
    longer = np.resize(heard, int(GAIN_SECONDS * SAMPLE_RATE))
    trial = generate_pose(style, longer, int(GAIN_SECONDS * FPS), seed=0, adapter=adapter)
    gain = np.clip(own / deviation(trial), 0.5, LARGEST_GAIN)
    # Somebody who turned slowly and far must not swing as far at a talker's pace.
    pace = speed(gain * trial, FPS) / max(speed(rotation, FPS), 1e-6)
    return replace(style, gain=(gain * min(1.0, LARGEST_PACE / max(pace, 1e-6))).astype(np.float32))


class PoseStream:
    """Head motion in somebody's style, code by code, for speech that comes in.

    Args:
        style: of the person.
        seed: the same gives the same motion, however the speech is cut.
        sampling: how codes are drawn.
        adapter: that the style belongs to; the shipped one by default.
    Raises:
        InputError: the style belongs to another pose adapter.
    """

    def __init__(
        self,
        style: PoseStyle,
        *,
        seed: int,
        sampling: Sampling | None = None,
        adapter: PoseAdapter | None = None,
    ) -> None:
        self.adapter = adapter or load_pose_adapter()
        if self.adapter.fingerprint != style.base:
            raise InputError(
                f"the style's head motion was made for pose adapter {style.base}, this is "
                f"{self.adapter.fingerprint}; run `adamesh adapt` on its video again"
            )
        self._style, device = style, self.adapter.device
        self._waiting: deque[Tensor] = deque()
        prompt = style.codes.to(device)
        self._codes = self.adapter.gpt.sample(
            iter(self._waiting.popleft, None),
            style.embedding[None].to(device),
            sampling or Sampling(),
            torch.Generator().manual_seed(seed),
            prompt=prompt,
            prompt_heard=style.heard.to(device),
        )
        # The prompt runs through the decoder too: motion begins where the reference was, not at rest.
        with torch.no_grad():
            _, self._state = self.adapter.vqvae.step(prompt[None], START)

    def next(self, heard: Tensor) -> np.ndarray:
        """[K frames_per_code, 3] axis-angle of the head about its mean pose, 25 fps.

        Args:
            heard: [K, 1 + speech_dim] of the speech for the next codes, from `PoseGPT.hear`.
        """
        self._waiting.extend(heard)
        codes = torch.tensor([next(self._codes) for _ in heard], device=heard.device)
        with torch.no_grad():
            motion, self._state = self.adapter.vqvae.step(codes[None], self._state)
        own = motion[0].cpu().numpy() * self._style.gain
        return (FARTHEST * np.tanh(own / FARTHEST) * self._style.deviation).astype(np.float32)


def generate_pose(
    style: PoseStyle,
    samples: np.ndarray,
    frames: int,
    *,
    seed: int,
    streamed: bool = False,
    sampling: Sampling | None = None,
    adapter: PoseAdapter | None = None,
) -> np.ndarray:
    """`PoseStream` for a whole speech.

    Args:
        samples: [N] of the speech.
        frames: T, motion frames wanted.
        streamed: hear as a stream does: less than half a second ahead.
    Returns:
        [T, 3] axis-angle of the head about its mean pose, 25 fps.
    Raises:
        InputError: the style belongs to another pose adapter.
    """
    stream = PoseStream(style, seed=seed, sampling=sampling, adapter=adapter)
    gpt, n = stream.adapter.gpt, stream.adapter.vqvae.config.frames_per_code
    count = -(-frames // n)
    features = features_for_frames(load_features(gpt.config.features), samples, count * n)
    with torch.no_grad():
        heard = gpt.hear(features[None].to(stream.adapter.device), streamed=streamed)[0]
    return np.concatenate([stream.next(part) for part in heard.split(CODES_AT_ONCE)])[:frames]
