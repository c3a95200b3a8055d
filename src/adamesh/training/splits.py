"""The two splits of a corpus, as most recipes load them."""

from collections.abc import Iterator

from adamesh.data.corpus import Video, of_split
from adamesh.progress import Progress, under


def train_and_valid(
    videos: list[Video], progress: Progress, *, other_voices: int = 0
) -> Iterator[tuple[list[Video], int, Progress]]:
    """Of each split its videos, how many other voices each gets, and the progress of loading it."""
    for split, count in (("train", other_voices), ("valid", 0)):
        yield of_split(videos, split), count, under(f"load {split}", progress)
