"""Recordings as log-mel frames with a phone label each, and the training windows drawn from them."""

import functools
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adamesh.audio.logmel import log_mel
from adamesh.audio.voice import VoiceAugmentation, alter_voice
from adamesh.data.alignment import UNKNOWN, Phone, frame_labels
from adamesh.data.augment import FeatureAugmentation, alter_mels
from adamesh.data.speech_corpus import Utterance
from adamesh.errors import InputError
from adamesh.files import atomic_output
from adamesh.media.audio import load_audio
from adamesh.rates import SAMPLES_PER_FEATURE

COPIES = 2  # altered ones of each training recording, beside the recording itself


@dataclass(frozen=True)
class SpokenSequence:
    """One recording, as it is or altered."""

    mels: Tensor  # [S, D] float16
    labels: Tensor  # [S] int64 phone, or UNKNOWN


def prepare_features(
    utterances: list[Utterance],
    alignments: Mapping[str, tuple[Phone, ...]],
    folder: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    progress: Callable[[int, int], None],
) -> None:
    """Log-mel frames and labels of all utterances, one `.npz` each, resuming where it was stopped.

    Training recordings get `COPIES` altered copies; the same recording gets the same ones every time.
    """
    work = [
        (u, alignments.get(u.name, ()), _file(folder, u))
        for u in utterances
        if not _file(folder, u).exists()
    ]
    done = len(utterances) - len(work)
    progress(done, len(utterances))
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(_prepare_one, *item) for item in work]):
            future.result()
            done += 1
            progress(done, len(utterances))


def _file(folder: str | os.PathLike[str], utterance: Utterance) -> Path:
    return Path(folder) / f"{utterance.name}.npz"


def _prepare_one(utterance: Utterance, phones: tuple[Phone, ...], target: Path) -> None:
    torch.set_num_threads(1)
    samples = load_audio(utterance.path)
    versions = [(samples, 1.0)]
    if utterance.split == "train":
        rng = np.random.default_rng([*utterance.name.encode()])
        versions += [alter_voice(samples, VoiceAugmentation(), rng) for _ in range(COPIES)]
    arrays: dict[str, np.ndarray] = {}
    frames = -(-len(samples) // SAMPLES_PER_FEATURE)
    labels = frame_labels(phones, frames) if phones else np.full(frames, UNKNOWN)
    for i, (version, speed) in enumerate(versions):
        mels = log_mel(torch.from_numpy(version)[None])[0].half().numpy()
        at = np.rint((np.arange(len(mels)) + 0.5) * speed - 0.5).astype(int).clip(0, frames - 1)
        arrays |= {f"mels_{i}": mels, f"labels_{i}": labels[at].astype(np.int8)}
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(target) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_spoken(
    utterances: list[Utterance], folder: str | os.PathLike[str]
) -> list[list[SpokenSequence]]:
    """All versions of each utterance, the unaltered one first.

    Raises:
        InputError: an utterance was not prepared.
    """
    loaded = []
    for utterance in utterances:
        file = _file(folder, utterance)
        if not file.exists():
            raise InputError(
                f"'{folder}' lacks {utterance.name}; run `adamesh prepare` with --speech again"
            )
        with np.load(file, allow_pickle=False) as arrays:
            versions = [
                SpokenSequence(
                    torch.from_numpy(arrays[f"mels_{i}"]),
                    torch.from_numpy(arrays[f"labels_{i}"].astype(np.int64)),
                )
                for i in range(len(arrays.files) // 2)
            ]
        loaded.append(versions)
    return loaded


@dataclass
class SpeechSampler:
    """Draws windows from recordings laid end to end; the same seed and step give the same windows."""

    recordings: list[list[SpokenSequence]]
    frames: int
    augmentation: FeatureAugmentation
    seed: int

    @functools.cached_property
    def _weights(self) -> np.ndarray:
        seconds = np.array([len(versions[0].mels) for versions in self.recordings], np.float64)
        return seconds / seconds.sum()

    def draw(self, size: int, step: int) -> tuple[Tensor, Tensor]:
        """Mels [B, frames, D] float32 and labels [B, frames] of one step."""
        rng = np.random.default_rng([self.seed, step])
        mels, labels = [], []
        for _ in range(size):
            sound, phones = self._stream(rng)
            babble = self._stream(rng)[0] if rng.random() < self.augmentation.babble else None
            mels.append(alter_mels(sound, self.augmentation, rng, babble))
            labels.append(phones)
        return torch.stack(mels), torch.stack(labels)

    def _stream(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Recordings end to end until the window is full, the first from anywhere in it."""
        mels: list[Tensor] = []
        labels: list[Tensor] = []
        missing = self.frames
        while missing > 0:
            versions = self.recordings[rng.choice(len(self.recordings), p=self._weights)]
            chosen = versions[rng.integers(len(versions))]
            first = 0 if mels else int(rng.integers(max(len(chosen.mels) - 25, 1)))
            mels.append(chosen.mels[first : first + missing])
            labels.append(chosen.labels[first : first + missing])
            missing -= len(mels[-1])
        return torch.cat(mels).float(), torch.cat(labels)
