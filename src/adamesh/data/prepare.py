"""Tracks every video of a corpus, over processes, resuming where it was stopped."""

import functools
from typing import Any

from adamesh import parallel
from adamesh.data.corpus import Video
from adamesh.errors import InputError
from adamesh.progress import Progress, no_progress


@functools.cache
def _landmarker() -> Any:
    """One a process: loading the networks costs more than tracking a short clip."""
    from adamesh.tracking.landmarker import FaceLandmarker

    return FaceLandmarker(threads=1)


def _track(video: Video) -> str | None:
    """Tracks one video to its file; the reason where that cannot be done."""
    from adamesh.tracking.track import track_video

    try:
        clip = track_video(video.path, landmarker=_landmarker()).clip
    except InputError as error:
        return str(error)
    video.track.parent.mkdir(parents=True, exist_ok=True)
    clip.save(video.track)
    return None


def prepare(
    videos: list[Video], *, jobs: int | None = None, progress: Progress = no_progress
) -> list[str]:
    """Tracks all videos that have no track yet.

    Args:
        videos: of `read_corpus`.
        jobs: processes; one for each core by default.
        progress: told of videos done.
    Returns:
        One line for each video that could not be tracked.
    Raises:
        InputError: a process died.
    """
    waiting = [video for video in videos if not video.track.exists()]
    done = len(videos) - len(waiting)
    progress("tracking", done, len(videos))
    problems = []
    for _, problem in parallel.map(_track, waiting, jobs=jobs):
        if problem is not None:
            problems.append(problem)
        done += 1
        progress("tracking", done, len(videos))
    return sorted(problems)
