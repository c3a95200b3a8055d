"""Figures of the speech encoder on speakers it was never trained on."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from adamesh.checkpoints.networks import load_network
from adamesh.data.alignment import LIP_SHAPES, PHONES, UNKNOWN
from adamesh.data.speech_corpus import read_all_speech
from adamesh.data.speech_sequences import load_spoken
from adamesh.models.speech import SpeechEncoder, likeliest_phones
from adamesh.rates import FEATURE_RATE

CLOSED = 1  # of LIP_SHAPES


@dataclass(frozen=True)
class CorpusFigures:
    """One corpus's validation recordings that have a transcript."""

    corpus: str
    minutes: float
    phones: float  # share of the labelled frames with the right phone
    lip_shapes: float  # share with a phone that lips make alike
    closed_found: float  # share of the frames of b, p and m that are taken for one of these
    chance: float  # share of the commonest phone
    times_real_time: float


class _Row(NamedTuple):
    """One recording."""

    found: np.ndarray  # [S] likeliest phones of the labelled frames
    wanted: np.ndarray  # [S]
    seconds: float
    taken: float  # s of computing


def evaluate_speech(
    data: str | os.PathLike[str],
    prepared: str | os.PathLike[str],
    *,
    progress: Callable[[int, int], None],
) -> list[CorpusFigures]:
    """Frame-level accuracy by corpus.

    Args:
        data: the speech corpus.
        prepared: folder of `adamesh prepare --speech`.
    """
    model = load_network(SpeechEncoder)
    shape = np.zeros(len(PHONES), np.int64)
    for i, phones in enumerate(LIP_SHAPES):
        shape[[PHONES.index(phone) for phone in phones]] = i
    spoken = [u for u in read_all_speech(data) if u.split == "valid" and u.text]
    by_corpus: dict[str, list[_Row]] = {}
    for number, utterance in enumerate(spoken):
        recording = load_spoken([utterance], prepared)[0][0]
        start = time.perf_counter()
        best = likeliest_phones(model, recording.mels.float())
        seconds = time.perf_counter() - start
        known = recording.labels != UNKNOWN
        if known.any():
            row = _Row(
                best[known].numpy(),
                recording.labels[known].numpy(),
                len(recording.mels) / FEATURE_RATE,
                seconds,
            )
            by_corpus.setdefault(utterance.corpus, []).append(row)
        progress(number + 1, len(spoken))
    figures = []
    for corpus, rows in by_corpus.items():
        found = np.concatenate([row.found for row in rows])
        wanted = np.concatenate([row.wanted for row in rows])
        closed = shape[wanted] == CLOSED
        spoken_seconds = sum(row.seconds for row in rows)
        figures.append(
            CorpusFigures(
                corpus=corpus,
                minutes=spoken_seconds / 60,
                phones=float((found == wanted).mean()),
                lip_shapes=float((shape[found] == shape[wanted]).mean()),
                closed_found=float((shape[found[closed]] == CLOSED).mean()),
                chance=float(np.bincount(wanted).max() / len(wanted)),
                times_real_time=spoken_seconds / sum(row.taken for row in rows),
            )
        )
    return figures
