"""Head motions in their own units with the speech that goes with them, and the training windows."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from adamesh.alignment import in_time
from adamesh.data.corpus import Video
from adamesh.data.interpolation import interpolate
from adamesh.data.sequences import load_voices
from adamesh.errors import InputError
from adamesh.features import SpeechFeatures
from adamesh.media.audio import load_audio
from adamesh.motion.clip import MotionClip
from adamesh.motion.head import MIRROR_AXES, deviation, head_rotation
from adamesh.progress import Progress, no_progress
from adamesh.rates import FEATURES_PER_FRAME, FPS
from adamesh.values import Value

MOST_SECONDS = 90.0  # of one speaker count: nobody outweighs the others by minutes alone
# Of a clip that teaches: what a still head does in its own units is its tracker's noise.
FEWEST_SECONDS, LEAST_DEGREES = 6.0, 1.0


@dataclass(frozen=True, eq=False, repr=False)
class PoseSequence(Value):
    """One clip."""

    name: str
    speaker: str
    motion: Tensor  # [T, 3] at 25 fps, about the clip's mean, over the speaker's deviation
    deviation: np.ndarray  # [3] radians, of all the speaker's clips
    voices: tuple[Tensor, ...]  # features [S, D] float16 at 50 Hz, as recorded and in other voices


def load_poses(
    videos: list[Video],
    features: SpeechFeatures | None = None,
    *,
    delays: Mapping[str, float] | None = None,
    other_voices: int = 0,
    progress: Progress = no_progress,
) -> list[PoseSequence]:
    """Head motions of all tracked videos in which a head moves; videos without a track are left out.

    A head moves if its rotation deviates from the mean by `LEAST_DEGREES` in `FEWEST_SECONDS` at least.

    Args:
        features: of the speech; without, no sequence has voices.
        delays: seconds by which the sound of a video comes late, by its name in the corpus.
    Raises:
        InputError: none of the videos has a track, or no head moves in any.
    """
    tracked = [video for video in videos if video.track.exists()]
    if not tracked:
        raise InputError("no video has a track yet; run `adamesh prepare` on the corpus first")
    moving = []
    for video in tracked:
        rotation = head_rotation(MotionClip.load(video.track).resample(FPS))
        if len(rotation) >= FEWEST_SECONDS * FPS and _degrees(rotation) >= LEAST_DEGREES:
            moving.append((video, rotation))
    if not moving:
        raise InputError(
            f"in none of {len(tracked)} videos a head moves by {LEAST_DEGREES:.0f} degree (standard "
            f"deviation) for {FEWEST_SECONDS:.0f} s; give videos of people who talk freely"
        )
    by_speaker = defaultdict(list)
    for video, rotation in moving:
        by_speaker[video.speaker].append(rotation)
    deviations = {speaker: deviation(*group) for speaker, group in by_speaker.items()}
    sequences = []
    for number, (video, rotation) in enumerate(moving):
        voices: tuple[Tensor, ...] = ()
        if features is not None:
            heard = in_time(load_audio(video.path), (delays or {}).get(video.name, 0.0))
            voices = load_voices(video.name, heard, (features,), other_voices)
        own = deviations[video.speaker]
        motion = torch.from_numpy(rotation / own)
        sequences.append(PoseSequence(video.name, video.speaker, motion, own, voices))
        progress("loading", number + 1, len(moving))
    return sequences


def _degrees(rotation: np.ndarray) -> float:
    """Deviation from the mean pose on all axes together."""
    return float(np.degrees(np.linalg.norm(rotation.std(0))))


@dataclass(frozen=True)
class PoseAugmentation:
    """Ranges of what training does to head motion; zero or one switches a part off."""

    mirror: float = 0.5  # share of windows with left and right exchanged
    scale: float = 0.25  # deviation of the log of a factor on each axis
    speed: float = 1.25  # motion and speech up to this much faster or slower


@dataclass(eq=False, repr=False)
class PoseBatch(Value):
    """Windows of one step."""

    motion: Tensor  # [B, T, 3] own units, zero where not valid
    mask: Tensor  # [B, T] bool, True = valid
    features: Tensor  # [B, 2 T, D], D = 0 without speech
    reference: Tensor  # [B, T, 3] another stretch of the same speaker, altered alike
    reference_mask: Tensor  # [B, T] bool
    reference_features: Tensor  # [B, 2 T, D]


@dataclass(eq=False, repr=False)
class PoseSampler(Value):
    """Draws training windows; the same seed and step give the same windows."""

    sequences: list[PoseSequence]
    frames: int
    augmentation: PoseAugmentation
    seed: int
    groups: list[list[PoseSequence]] = field(init=False)
    weights: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        by_speaker = defaultdict(list)
        for sequence in self.sequences:
            by_speaker[sequence.speaker].append(sequence)
        self.groups = list(by_speaker.values())
        seconds = [sum(len(s.motion) for s in group) / FPS for group in self.groups]
        share = np.sqrt(np.minimum(seconds, MOST_SECONDS))
        self.weights = share / share.sum()

    def draw(self, size: int, step: int) -> PoseBatch:
        """The windows of one step."""
        rng = np.random.default_rng([self.seed, step])
        chosen = rng.choice(len(self.groups), size=size, p=self.weights)
        rows = [self._window(self.groups[i], rng) for i in chosen]
        return PoseBatch(*(torch.stack(column) for column in zip(*rows, strict=True)))

    def _window(self, group: list[PoseSequence], rng: np.random.Generator) -> tuple[Tensor, ...]:
        a = self.augmentation
        speed = float(np.exp(rng.uniform(-1, 1) * np.log(a.speed)))
        factor = np.exp(rng.normal(0, a.scale, 3)) if a.scale else np.ones(3)
        if rng.random() < a.mirror:
            factor = factor * MIRROR_AXES
        motion, mask, features = self._cut(group, speed, rng)
        reference, reference_mask, heard = self._cut(group, speed, rng)
        alter = torch.from_numpy(factor).float()
        return motion * alter, mask, features, reference * alter, reference_mask, heard

    def _cut(
        self, group: list[PoseSequence], speed: float, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Motion [T, 3], mask [T] and features [2 T, D] of a stretch of one of the clips."""
        lengths = np.array([len(s.motion) for s in group], np.float64)
        sequence = group[rng.choice(len(group), p=lengths / lengths.sum())]
        start = rng.uniform(0, max(len(sequence.motion) - self.frames * speed, 0))
        times = start + speed * torch.arange(self.frames)
        mask = times <= len(sequence.motion) - 1
        motion = interpolate(sequence.motion, times) * mask[:, None]
        if not sequence.voices:
            return motion, mask, torch.zeros(FEATURES_PER_FRAME * self.frames, 0)
        voice = sequence.voices[rng.integers(len(sequence.voices))]
        first, count = start * FEATURES_PER_FRAME, FEATURES_PER_FRAME * self.frames
        ticks = (first + speed * torch.arange(count)).clamp(0, len(voice) - 1)
        low = int(ticks.min())  # only what is needed is made float32
        part = voice[low : int(ticks.max()) + 2].float()
        return motion, mask, interpolate(part, ticks - low)
