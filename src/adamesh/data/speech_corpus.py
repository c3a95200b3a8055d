"""A folder of speech recordings with a `speech.csv` beside them.

The columns `path` (relative to the folder), `corpus`, `speaker`, `split` (`train` or `valid`) and `text`
(empty where nobody wrote it down) are needed; others are for people.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from adamesh.data import corpus as videos
from adamesh.data.table import read_table

TABLE = "speech.csv"
COLUMNS = ("path", "corpus", "speaker", "split", "text")

# GRID's file names spell their sentences (Cooke et al. 2006).
_GRID = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    dict(
        zip(
            "z123456789",
            ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
            strict=True,
        )
    ),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)  # fmt: skip


@dataclass(frozen=True)
class Utterance:
    """One row of the table."""

    name: str  # its path in the table
    path: Path
    corpus: str  # a name that ends in `-de` marks German
    speaker: str
    split: str
    text: str


def read_speech_corpus(data: str | os.PathLike[str]) -> list[Utterance]:
    """All utterances of a corpus, in the table's order.

    Raises:
        InputError: no table, a column is missing, or a split is neither `train` nor `valid`.
    """
    return [
        Utterance(
            row["path"],
            Path(data) / row["path"],
            row["corpus"],
            row["speaker"],
            row["split"],
            row["text"],
        )
        for row in read_table(data, TABLE, COLUMNS)
    ]


def read_all_speech(data: str | os.PathLike[str]) -> list[Utterance]:
    """The recordings of a speech corpus, then the sentences of its GRID videos where it has any."""
    utterances = read_speech_corpus(data)
    if (Path(data) / videos.TABLE).is_file():
        utterances += grid_utterances(videos.read_corpus(data, data))
    return utterances


def grid_utterances(rows: list[videos.Video]) -> list[Utterance]:
    """The videos of a corpus that are named as GRID names them, with their sentences, all as `valid`.

    The encoder is not trained on them: they show how it does on unseen speakers and a grammar.
    """
    found = []
    for video in rows:
        stem = video.path.stem
        fits = re.fullmatch(r"[blps][bgrw][abiw][a-vx-z][z1-9][anps]", stem)
        if fits and video.speaker.startswith("grid"):
            text = " ".join(words[letter] for words, letter in zip(_GRID, stem, strict=True))
            found.append(Utterance(video.name, video.path, "grid", video.speaker, "valid", text))
    return found
