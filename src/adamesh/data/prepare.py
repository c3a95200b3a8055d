"""Tracks every video of a corpus, over processes, resuming where it was stopped."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

from adamesh.data.corpus import Video
from adamesh.errors import InputError


@functools.cache
def _landmarker() -> Any:
    """One a process: loading the networks costs more than tracking a short clip."""
    from adamesh.tracking.landmarker import FaceLandmarker

    return FaceLandmarker(threads=1)


def _track(video: Video) -> str | None:
    """Tracks one video to its file; the reason where that cannot be done."""
    import torch

    from adamesh.tracking.track import track_video

    torch.set_num_threads(1)
    try:
        clip = track_video(video.path, landmarker=_landmarker()).clip
    except InputError as error:
        return str(error)
    video.track.parent.mkdir(parents=True, exist_ok=True)
    clip.save(video.track)
    return None


def prepare(
    videos: list[Video], *, jobs: int | None = None, progress: Callable[[int, int], None]
) -> list[str]:
    """Tracks all videos that have no track yet.

    Args:
        videos: of `read_corpus`.
        jobs: processes; one for each core by default.
        progress: called with videos done and videos in all.
    Returns:
        One line for each video that could not be tracked.
    """
    waiting = [video for video in videos if not video.track.exists()]
    done = len(videos) - len(waiting)
    progress(done, len(videos))
    problems = []
    # Spawned, not forked: a fork of a process with running threads may hang.
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(_track, video) for video in waiting]):
            problem = future.result()
            if problem is not None:
                problems.append(problem)
            done += 1
            progress(done, len(videos))
    return sorted(problems)
