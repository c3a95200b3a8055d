"""Tracked clips with their speech features, and the training windows drawn from them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from adamesh.audio.onsets import ONSET_RATE, onset_strength
from adamesh.audio.voice import VoiceAugmentation, alter_voice, coloured_noise, mains_hum
from adamesh.data.corpus import Video
from adamesh.data.interpolation import interpolate
from adamesh.errors import InputError
from adamesh.faces.face import Face
from adamesh.features import SpeechFeatures
from adamesh.media.audio import load_audio
from adamesh.metrics.mouth import CLOSED, mouth_opening, opening_range
from adamesh.models.baseline import Baseline
from adamesh.motion.clip import MotionClip
from adamesh.motion.regression import regression_size, regression_target
from adamesh.motion.spaces import EYE_LOOK, MIRROR, coefficient_space
from adamesh.progress import Progress, no_progress
from adamesh.rates import (
    FEATURE_RATE,
    FEATURES_PER_FRAME,
    FPS,
    SAMPLE_RATE,
    SAMPLES_PER_FEATURE,
    SAMPLES_PER_FRAME,
)
from adamesh.retargeting import fit_to_face
from adamesh.values import Value

SPEECH_DB, PAUSE_DB = -25.0, -40.0  # of a recording's loud frames; between them nobody knows
UNKNOWN = -1.0  # activity of a frame that may be either
FEW_SECONDS = 10.0  # people with less are one person when windows are drawn
LONGEST_LEAD = 8 * FEATURE_RATE  # feature frames of silence before an altered voice
SILENCE_SECONDS = 20.0  # of each kind of silence
SILENCE = "(silence)"  # speaker of recordings in which nobody speaks
TAUGHT = "(taught)"  # speaker of recordings whose motion other networks gave


@dataclass(frozen=True, eq=False, repr=False)
class Sequence(Value):
    """One clip: speech features and the motion that belongs to them."""

    name: str
    speaker: str
    voices: tuple[Tensor, ...]  # features [S, D] float16 at 50 Hz, as recorded and altered
    motion: Tensor  # [T, E] at 25 fps, about the person's resting face, see `models.baseline`
    shut: Tensor  # [T] bool, lips are shut
    activity: Tensor  # [T] 1 somebody speaks, 0 nobody does, or UNKNOWN
    onsets: Tensor  # [4 T] at 100 Hz, how fast the recording's loudness rises
    betas: Tensor  # [K]
    baseline: Baseline
    delay: float = 0.0  # s by which the sound comes late

    def heard(self, voice: int, start: float, speed: float, count: int) -> Tensor:
        """[count, D] features from motion frame `start` on, every `speed` of them, the sound in time."""
        # Feature s lies at the middle of its 20 ms; both clocks start together.
        first = start * FEATURES_PER_FRAME + self.delay * FEATURE_RATE
        x = self.voices[voice]
        times = (first + speed * torch.arange(count)).clamp(0, len(x) - 1)
        low = int(times.min())  # only what is needed is made float32
        return interpolate(x[low : int(times.max()) + 2].float(), times - low)


def load_sequences(
    videos: list[Video],
    features: tuple[SpeechFeatures, ...],
    face: Face,
    *,
    delays: Mapping[str, float],
    other_voices: int = 0,
    progress: Progress = no_progress,
) -> list[Sequence]:
    """Sequences of all tracked videos; videos without a track are left out.

    Args:
        features: one or several ways of hearing, such as whole and streamed; each gives its own voices.
        face: whose coefficients are wanted; tracks made for another are retargeted.
        delays: seconds by which the sound of a video comes late, by its name in the corpus.
        other_voices: versions of each recording with its speech altered, see `audio.voice`.
    Raises:
        InputError: none of the videos has a track, or one lacks betas.
    """
    tracked = [video for video in videos if video.track.exists()]
    if not tracked:
        raise InputError("no video has a track yet; run `adamesh prepare` on the corpus first")
    clips = [fit_to_face(MotionClip.load(video.track).resample(FPS), face) for video in tracked]
    expressions = [torch.from_numpy(regression_target(clip)) for clip in clips]
    by_speaker = defaultdict(list)
    for video, expression in zip(tracked, expressions, strict=True):
        by_speaker[video.speaker].append(expression)
    baselines = {name: Baseline.of(face, torch.cat(group)) for name, group in by_speaker.items()}
    shut = {
        name: iter(
            shut_frames(mouth_opening(face, torch.cat(group))).split([len(x) for x in group])
        )
        for name, group in by_speaker.items()
    }
    sequences = []
    for number, (video, clip, expression) in enumerate(
        zip(tracked, clips, expressions, strict=True)
    ):
        if clip.betas is None:
            raise InputError(
                f"track '{video.track}' has no betas; give it its subject's, zeros for the average face"
            )
        samples = load_audio(video.path)
        baseline = baselines[video.speaker]
        sequences.append(
            Sequence(
                name=video.name,
                speaker=video.speaker,
                voices=load_voices(video.name, samples, features, other_voices),
                motion=baseline.remove(face.space, expression),
                shut=next(shut[video.speaker]),
                activity=speech_activity(samples, clip.frames),
                onsets=onsets(samples, clip.frames),
                betas=torch.from_numpy(clip.betas),
                baseline=baseline,
                delay=delays.get(video.name, 0.0),
            )
        )
        progress("loading", number + 1, len(tracked))
    return sequences


def shut_frames(opening: Tensor) -> Tensor:
    """[T] bool, where a person's lips are shut. Args: opening [T] of all there is of them."""
    low, high = opening_range(opening)
    return opening < low + CLOSED * (high - low)


def load_voices(
    name: str, samples: np.ndarray, features: tuple[SpeechFeatures, ...], other_voices: int
) -> tuple[Tensor, ...]:
    """Features [S, D] of a sound as recorded and in other voices, on the recording's clock.

    The same ones every time for the same name. Altered ones begin anywhere in the chunks of the features.
    """
    # Silence behind the end, for models that look ahead.
    samples = np.pad(samples, (0, SAMPLE_RATE))
    voices = [extract(samples).half() for extract in features]
    rng = np.random.default_rng(list(name.encode()))
    for _ in range(other_voices):
        altered, speed = alter_voice(samples, VoiceAugmentation(), rng)
        lead = int(rng.integers(LONGEST_LEAD))
        led = np.pad(altered, (lead * SAMPLES_PER_FEATURE, 0))
        voices += [
            on_clock(extract(led)[lead:], speed, len(voices[0])).half() for extract in features
        ]
    return tuple(voices)


def on_clock(features: Tensor, speed: float, count: int) -> Tensor:
    """Features of a recording that runs `speed` times as fast -> [count, D] on its own clock."""
    return interpolate(features, (torch.arange(count) + 0.5) / speed - 0.5)


def speech_activity(samples: np.ndarray, frames: int) -> Tensor:
    """[frames] whether somebody speaks, by loudness: 1, 0, or UNKNOWN where that does not tell."""
    heard = np.zeros(frames * SAMPLES_PER_FRAME, np.float64)
    heard[: len(samples)] = samples[: len(heard)]
    power = np.square(heard.reshape(frames, -1)).mean(1)
    level = 10 * np.log10(np.maximum(power, 1e-12) / max(float(np.quantile(power, 0.95)), 1e-12))
    activity = np.full(frames, UNKNOWN, np.float32)
    activity[level > SPEECH_DB] = 1.0
    activity[level < PAUSE_DB] = 0.0
    return torch.from_numpy(activity)


def onsets(samples: np.ndarray, frames: int) -> Tensor:
    """[4 frames] see `audio.onsets`."""
    return torch.from_numpy(onset_strength(samples, frames * ONSET_RATE // FPS))


def silences(features: tuple[SpeechFeatures, ...], face: Face, *, seed: int) -> list[Sequence]:
    """Recordings in which nobody speaks and lips rest: digital silence, noise and hum from -75 to -25 dB."""
    rng = np.random.default_rng(seed)
    count = int(SILENCE_SECONDS * SAMPLE_RATE)
    sounds = [np.zeros(count)]
    for level in np.linspace(-75, -25, 6):
        for sound in (coloured_noise, mains_hum):
            sounds.append(10 ** (level / 20) * sound(count, rng))
    frames, size = int(SILENCE_SECONDS * FPS), regression_size(face.space)
    still = torch.zeros(frames, size)
    return [
        Sequence(
            name=f"{SILENCE} {i}",
            speaker=SILENCE,
            voices=tuple(extract(x.astype(np.float32)).half() for extract in features),
            motion=still,
            shut=torch.ones(frames, dtype=torch.bool),
            activity=torch.zeros(frames),
            onsets=onsets(np.zeros(1), frames),
            betas=torch.zeros(face.n_betas),
            baseline=Baseline(torch.zeros(size), 1.0),
        )
        for i, x in enumerate(sounds)
    ]


@dataclass(frozen=True)
class Augmentation:
    """Ranges of what training does to motion and its clock; zero or one switches a part off."""

    speed: float = 1.15  # motion and speech up to this much faster or slower
    style_gain: float = 0.2  # deviation of the log of a factor on each blendshape
    mirror: float = 0.5  # share of windows with left and right exchanged
    drop_condition: float = 0.5  # share without style and identity, as for strangers


@dataclass(eq=False, repr=False)
class Batch(Value):
    """Windows of one step; lengths are those of `features` and `motion`."""

    features: Tensor  # [B, 2 (T + lookahead), D]
    motion: Tensor  # [B, T, E]
    shut: Tensor  # [B, T] bool
    activity: Tensor  # [B, T]
    mask: Tensor  # [B, T] bool, True = valid
    reference: Tensor  # [B, R, E] another stretch of the same person
    betas: Tensor  # [B, K]
    conditioned: Tensor  # [B] bool, False = style and identity are withheld


@dataclass(eq=False, repr=False)
class WindowSampler(Value):
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
    shares: Mapping[str, float] = field(default_factory=dict)  # of windows, of SILENCE and TAUGHT
    groups: list[list[Sequence]] = field(init=False)
    weights: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        by_speaker = defaultdict(list)
        for sequence in self.sequences:
            by_speaker[sequence.speaker].append(sequence)
        apart = {name: by_speaker.pop(name) for name in self.shares if name in by_speaker}
        groups, few = [], []
        for group in by_speaker.values():
            if sum(len(s.motion) for s in group) < FEW_SECONDS * FPS:
                few += group
            else:
                groups.append(group)
        if few:
            groups.append(few)
        # A fourth root, near to fair to people: one speaker may have most of the minutes.
        share = np.array([sum(len(s.motion) for s in group) for group in groups]) ** 0.25
        given = [self.shares[name] for name in apart]
        self.groups = [*groups, *apart.values()]
        self.weights = np.array([*(1 - sum(given)) * share / share.sum(), *given])

    def draw(self, size: int, step: int) -> Batch:
        """The windows of one step."""
        rng = np.random.default_rng([self.seed, step])
        chosen = rng.choice(len(self.groups), size=size, p=self.weights)
        rows = [self._window(self.groups[i], rng) for i in chosen]
        return Batch(*(torch.stack(column) for column in zip(*rows, strict=True)))

    def _window(self, group: list[Sequence], rng: np.random.Generator) -> tuple[Tensor, ...]:
        a = self.augmentation
        lengths = np.array([len(s.motion) for s in group])
        sequence = group[rng.choice(len(group), p=lengths / lengths.sum())]
        speed = float(np.exp(rng.uniform(-1, 1) * np.log(a.speed)))
        start = rng.uniform(0, max(len(sequence.motion) - self.frames * speed, 0))
        times = start + speed * torch.arange(self.frames)
        mask = times <= len(sequence.motion) - 1
        motion = interpolate(sequence.motion, times)
        nearest = times.round().long().clamp_max(len(sequence.motion) - 1)
        ticks = (self.frames + self.lookahead) * FEATURES_PER_FRAME
        features = sequence.heard(int(rng.integers(len(sequence.voices))), start, speed, ticks)
        end = start + speed * self.frames
        reference = self._reference(group, sequence, (int(start), int(end) + 1), rng)
        conditioned = reference is not None and rng.random() >= a.drop_condition
        if reference is None or not conditioned:
            reference = torch.zeros(self.reference_frames, motion.shape[1])
        motion, reference = self._alter_style(motion, reference, conditioned, rng)
        return (
            features,
            motion,
            sequence.shut[nearest],
            sequence.activity[nearest],
            mask,
            reference,
            sequence.betas,
            torch.tensor(conditioned),
        )

    def _reference(
        self,
        group: list[Sequence],
        target: Sequence,
        window: tuple[int, int],
        rng: np.random.Generator,
    ) -> Tensor | None:
        """[R, E] stretches of the person's other clips, or of the same one outside the window.

        None where the person shows nothing else: a style that has seen its own target is no style.
        """
        if target.speaker in self.shares:
            return None
        others = [s.motion for s in group if s is not target and s.speaker == target.speaker]
        if not others:
            start, end = window
            others = [part for part in (target.motion[:start], target.motion[end:]) if len(part)]
        if sum(map(len, others)) < self.reference_frames // 2:
            return None
        parts: list[Tensor] = []
        while (missing := self.reference_frames - sum(map(len, parts))) > 0:
            source = others[rng.integers(len(others))]
            start = int(rng.integers(max(len(source) - missing, 0) + 1))
            parts.append(source[start : start + missing])
        return torch.cat(parts)

    def _alter_style(
        self, motion: Tensor, reference: Tensor, conditioned: bool, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Another way of moving, the same for the window and the reference that shows it.

        Mirrored always; altered in size only where the reference is read: it would be noise otherwise.
        """
        a = self.augmentation
        arkit = self.space == "arkit52"
        if rng.random() < a.mirror and arkit:
            motion, reference = motion[:, MIRROR], reference[:, MIRROR]
        if not conditioned:
            return motion, reference
        gain = rng.normal(size=motion.shape[1])
        if arkit:
            # Left and right mostly change together: faces are nearly symmetric.
            own, both = 0.35, 0.94
            gain = own * gain + both * 0.5**0.5 * (gain + gain[MIRROR])
        factor = torch.from_numpy(np.exp(a.style_gain * gain)).float()
        if arkit:
            factor[EYE_LOOK] = 0.0
        factor[len(coefficient_space(self.space).channels) :] = 1.0  # a jaw has one way to turn
        return motion * factor, reference * factor


def with_delays(sequences: list[Sequence], delays: Mapping[str, float]) -> list[Sequence]:
    """The same sequences with their sound late by what `delays` says of their names."""
    return [replace(s, delay=delays.get(s.name, s.delay)) for s in sequences]
