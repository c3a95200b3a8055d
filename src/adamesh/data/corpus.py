"""A folder of talking-face videos with a `video.csv` beside them.

The columns `path` (relative to the folder), `speaker` and `split` (`train` or `valid`) are needed; others
(licence, note, ...) are for people. Tracks lie in a folder of their own, one `.npz` a video, so that the
corpus itself is never written to.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from adamesh.data.table import read_table

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
    videos = []
    for row in read_table(data, TABLE, COLUMNS):
        track = (Path(tracks) / row["path"]).with_suffix(".npz")
        path = Path(data) / row["path"]
        videos.append(Video(row["path"], path, row["speaker"], row["split"], track))
    return videos


def of_split(videos: list[Video], split: str) -> list[Video]:
    """Those of one split."""
    return [video for video in videos if video.split == split]
