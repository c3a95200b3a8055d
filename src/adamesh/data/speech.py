"""A folder of speech recordings with a `speech.csv` beside them.

The columns `path` (relative to the folder), `speaker` and `split` (`train` or `valid`) are needed; others
(licence, text, ...) are for people.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adamesh.data.table import read_table

TABLE = "speech.csv"
COLUMNS = ("path", "speaker", "split")


@dataclass(frozen=True)
class Recording:
    """One row of the table."""

    name: str  # its path in the table
    path: Path
    speaker: str
    split: str


def read_speech(data: str | os.PathLike[str]) -> list[Recording]:
    """All recordings of a corpus, in the table's order.

    Raises:
        InputError: no table, a column is missing, or a split is neither `train` nor `valid`.
    """
    return [
        Recording(row["path"], Path(data) / row["path"], row["speaker"], row["split"])
        for row in read_table(data, TABLE, COLUMNS)
    ]


def spread(recordings: list[Recording], count: int, *, seed: int) -> list[Recording]:
    """At most `count` of them, as many of each speaker as of any other while they last."""
    rng = np.random.default_rng(seed)
    waiting: dict[str, list[Recording]] = {}
    for i in rng.permutation(len(recordings)):
        waiting.setdefault(recordings[i].speaker, []).append(recordings[i])
    chosen: list[Recording] = []
    while waiting and len(chosen) < count:
        for speaker in list(waiting):
            chosen.append(waiting[speaker].pop())
            if not waiting[speaker]:
                del waiting[speaker]
    return chosen[:count]
