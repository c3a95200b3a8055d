"""Tracked clips with their speech features, and the training windows drawn from them."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from adamesh.audio.voice import VoiceAugmentation, alter_voice
from adamesh.data.corpus import Video
from adamesh.data.interpolation import interpolate
from adamesh.errors import InputError
from adamesh.faces.face import Face
from adamesh.features import SpeechFeatures
from adamesh.media.audio import load_audio
from adamesh.motion.clip import MotionClip
from adamesh.motion.regression import regression_target
from adamesh.motion.spaces import EYE_LOOK, MIRROR, coefficient_space
from adamesh.rates import FEATURES_PER_FRAME, FPS, SAMPLE_RATE
from adamesh.retargeting import fit_to_face


@dataclass(frozen=True)
class Sequence:
    """One clip: speech features and the expression that belongs to them."""

    name: str
    speaker: str
    voices: tuple[Tensor, ...]  # features [S, D] at 50 Hz, as recorded and in other voices
    expression: Tensor  # [T, D] at 25 fps, see `motion.regression`
    betas: Tensor  # [K]


def load_sequences(
    videos: list[Video],
    features: SpeechFeatures,
    *,
    sound_delays: Mapping[str, float],
    other_voices: int = 0,
    face: Face | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Sequence]:
    """Sequences of all tracked videos; videos without a track are left out.

    Args:
        sound_delays: seconds by which the sound of a video comes late, by its name in the corpus.
        other_voices: versions of each recording with its speech altered, see `audio.voice`.
        face: whose coefficients are wanted; tracks made for another are retargeted. Default: the tracks' own.
    Raises:
        InputError: none of the videos has a track.
    """
    sequences = []
    for number, video in enumerate(videos):
        if video.track.exists():
            delay = sound_delays.get(video.name, 0.0)
            sequences.append(load_sequence(video, features, delay, other_voices, face))
        if progress is not None:
            progress(number + 1, len(videos))
    if not sequences:
        raise InputError("no video has a track yet; run `adamesh prepare` on the corpus first")
    return sequences


def load_sequence(
    video: Video,
    features: SpeechFeatures,
    sound_delay: float = 0.0,
    other_voices: int = 0,
    face: Face | None = None,
) -> Sequence:
    """One tracked video as a training sequence; `sound_delay` seconds of late sound are made up for."""
    clip = MotionClip.load(video.track).resample(FPS)
    clip = clip if face is None else fit_to_face(clip, face)
    heard = load_sound(video, sound_delay)
    if clip.betas is None:
        raise InputError(
            f"track '{video.track}' has no betas; give it those of its subject, zeros for the average face"
        )
    return Sequence(
        name=str(video.track.stem),
        speaker=video.speaker,
        voices=load_voices(video, heard, features, other_voices),
        expression=torch.from_numpy(regression_target(clip)),
        betas=torch.from_numpy(clip.betas),
    )


def load_sound(video: Video, delay: float) -> np.ndarray:
    """[N] the sound of a video that comes `delay` seconds late, moved to its lips."""
    return load_audio(video.path)[round(delay * SAMPLE_RATE) :]


def load_voices(
    video: Video, heard: np.ndarray, features: SpeechFeatures, other_voices: int
) -> tuple[Tensor, ...]:
    """Features [S, D] of a video's sound as recorded and in other voices, the same ones every time."""
    versions = [heard, *in_other_voices(heard, other_voices, seed=list(video.name.encode()))]
    # Silence behind the end, for models that look ahead.
    return tuple(features(np.pad(version, (0, SAMPLE_RATE))) for version in versions)


def in_other_voices(samples: np.ndarray, count: int, *, seed: int | list[int]) -> list[np.ndarray]:
    """`samples` altered `count` times, with every word at its time."""
    rng = np.random.default_rng(seed)
    same_time = VoiceAugmentation(tempo=1.0)
    return [alter_voice(samples, same_time, rng)[0] for _ in range(count)]


@dataclass(frozen=True)
class Augmentation:
    """Ranges of what training does to its windows; zero or one switches a part off.

    Components without bounds and names, as FLAME's, are not mirrored, whatever `mirror` says.
    """

    speed: float = 1.2  # speech and motion up to this much faster or slower
    style_gain: float = 0.3  # deviation of the log amplitude of every action
    style_offset: float = 0.06  # deviation of a shift of every action's resting value
    mirror: float = 0.5  # share of windows with left and right exchanged
    drop_condition: float = 0.1  # share of windows without style and identity


@dataclass
class Batch:
    """Windows of one step; lengths are those of `features` and `expression`."""

    features: Tensor  # [B, 2 (T + lookahead), D]
    expression: Tensor  # [B, T, E]
    mask: Tensor  # [B, T] bool, True = valid
    reference: Tensor  # [B, R, E] another stretch of the same person
    betas: Tensor  # [B, K]
    conditioned: Tensor  # [B] bool, False = style and identity are withheld


@dataclass
class WindowSampler:
    """Draws training windows; the same seed and step give the same windows.

    `space` is the coefficient space of the sequences.
    """

    sequences: list[Sequence]
    frames: int
    lookahead: int
    reference_frames: int
    augmentation: Augmentation
    seed: int
    space: str = "arkit52"
    by_speaker: dict[str, list[Sequence]] = field(init=False)
    weights: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.by_speaker = defaultdict(list)
        for sequence in self.sequences:
            self.by_speaker[sequence.speaker].append(sequence)
        # A square root between fair to people and fair to minutes: one speaker has most of the data.
        minutes = [sum(len(s.expression) for s in group) for group in self.by_speaker.values()]
        self.weights = np.sqrt(minutes) / np.sqrt(minutes).sum()

    def draw(self, size: int, step: int) -> Batch:
        """The windows of one step."""
        rng = np.random.default_rng([self.seed, step])
        groups = list(self.by_speaker.values())
        chosen = rng.choice(len(groups), size=size, p=self.weights)
        rows = [self._window(groups[i], rng) for i in chosen]
        return Batch(*(torch.stack(column) for column in zip(*rows, strict=True)))

    def _window(self, group: list[Sequence], rng: np.random.Generator) -> tuple[Tensor, ...]:
        a = self.augmentation
        lengths = np.array([len(s.expression) for s in group])
        sequence = group[rng.choice(len(group), p=lengths / lengths.sum())]
        speed = float(np.exp(rng.uniform(-1, 1) * np.log(a.speed)))
        needed = self.frames * speed
        start = rng.uniform(0, max(len(sequence.expression) - needed, 0))
        times = start + speed * torch.arange(self.frames)
        mask = times <= len(sequence.expression) - 1
        motion = interpolate(sequence.expression, times)
        ticks = (self.frames + self.lookahead) * FEATURES_PER_FRAME
        # Feature s lies at the middle of its 20 ms; both clocks start together.
        feature_times = (start * FEATURES_PER_FRAME) + speed * torch.arange(ticks)
        voice = sequence.voices[rng.integers(len(sequence.voices))]
        features = interpolate(voice, feature_times)
        reference = self._reference(group, sequence, rng)
        motion, reference = self._alter_style(motion, reference, rng)
        conditioned = torch.tensor(rng.random() >= a.drop_condition)
        return features, motion, mask, reference, sequence.betas, conditioned

    def _reference(
        self, group: list[Sequence], target: Sequence, rng: np.random.Generator
    ) -> Tensor:
        """[R, E] stretches of the person's other clips, or of the same one where there is no other."""
        others = [s for s in group if s is not target] or [target]
        parts: list[Tensor] = []
        while (missing := self.reference_frames - sum(map(len, parts))) > 0:
            source = others[rng.integers(len(others))].expression
            start = int(rng.integers(max(len(source) - missing, 0) + 1))
            parts.append(source[start : start + missing])
        return torch.cat(parts)

    def _alter_style(
        self, motion: Tensor, reference: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Another way of moving, the same for the window and the reference that shows it."""
        a, space = self.augmentation, coefficient_space(self.space)
        actions = self.space == "arkit52"
        if rng.random() < a.mirror and actions:
            motion, reference = motion[:, MIRROR], reference[:, MIRROR]
        size = motion.shape[1]
        pair = np.stack([rng.normal(size=size), rng.normal(size=size)])
        if actions:
            # Left and right mostly change together: faces are nearly symmetric.
            own, both = 0.35, 0.94
            pair = own * pair + both * 0.5**0.5 * (pair + pair[:, MIRROR])
            pair[1] = np.maximum(pair[1], 0)
        gain_n, offset_n = pair
        overall = rng.normal(0, a.style_gain / 2)
        gain = torch.from_numpy(np.exp(a.style_gain * gain_n + overall)).float()
        offset = torch.from_numpy(a.style_offset * offset_n).float()
        if actions:
            offset[EYE_LOOK] = 0.0
        offset[len(space.channels) :] = 0.0  # a jaw rests where it rests

        def alter(x: Tensor) -> Tensor:
            return (x * gain + offset).clamp(space.lower, space.upper)

        return alter(motion), alter(reference)
