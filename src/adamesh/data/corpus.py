"""A folder of talking-face videos with a `video.csv` beside them.

The columns `path` (relative to the folder), `speaker` and `split` (`train` or `valid`) are needed; others
(licence, note, ...) are for people. Tracks lie in a folder of their own, one `.npz` a video, so that the
corpus itself is never written to.
"""

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from adamesh.errors import InputError

TABLE = "video.csv"
COLUMNS = ("path", "speaker", "split")


@dataclass(frozen=True)
class Video:
    """One row of the table."""

    name: str  # its path in the table
    path: Path  # of the media file
    speaker: str
    split: str
    track: Path  # where its MotionClip is or will be


def read_corpus(data: str | os.PathLike[str], tracks: str | os.PathLike[str]) -> list[Video]:
    """All videos of a corpus, in the table's order.

    Raises:
        InputError: no table, a column is missing, or a split is neither `train` nor `valid`.
    """
    table = Path(data) / TABLE
    if not table.is_file():
        raise InputError(
            f"'{data}' has no {TABLE}; a corpus is a folder with a {TABLE} of the columns "
            f"{', '.join(COLUMNS)}"
        )
    with table.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"'{table}' lacks the column(s) {', '.join(missing)}")
        rows = list(reader)
    videos = []
    for row in rows:
        if row["split"] not in ("train", "valid"):
            raise InputError(
                f"'{table}' has split '{row['split']}' for {row['path']}; use train or valid"
            )
        track = (Path(tracks) / row["path"]).with_suffix(".npz")
        path = Path(data) / row["path"]
        videos.append(Video(row["path"], path, row["speaker"], row["split"], track))
    return videos


def check_names(videos: list[Video], names: Iterable[str]) -> None:
    """Raises: InputError: a name is none of the videos', as after a typing error."""
    unknown = sorted(set(names) - {video.name for video in videos})
    if unknown:
        raise InputError(f"sound_delays names '{unknown[0]}', which is not a path in {TABLE}")
