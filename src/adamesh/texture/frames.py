"""The frames of a video that show a face best, from as many sides as there are."""

import os

import numpy as np
from numpy.typing import NDArray

from adamesh.errors import InputError
from adamesh.media.video import read_frames
from adamesh.motion.spaces import ARKIT52, EYE_BLINK
from adamesh.progress import Progress, no_progress
from adamesh.tracking.track import TrackedVideo

SURE = 0.5  # least confidence of the tracker
JAW_OPEN = ARKIT52.index("jawOpen")
# Radians of the head's turning that an open mouth and closed eyes are worth: they show other skin.
MOUTH_WORTH, BLINK_WORTH = 0.3, 0.1


def choose_frames(
    tracked: TrackedVideo,
    video: str | os.PathLike[str],
    count: int,
    progress: Progress = no_progress,
) -> dict[int, NDArray[np.uint8]]:
    """The sharpest frame of each of `count` groups of frames that look alike.

    Args:
        tracked: what `track_video` found in `video`.
        count: groups; a short video has fewer.
        progress: told how far it is.
    Returns:
        [H, W, 3] sRGB by the number of the frame.
    Raises:
        InputError: the face is nowhere seen well.
    """
    clip = tracked.clip
    assert clip.confidence is not None
    sure = np.flatnonzero(clip.confidence >= SURE)
    if not len(sure):
        raise InputError(
            f"the face in '{video}' is never seen well enough for a texture: "
            "give a video that shows it from the front, with nothing before it"
        )
    looks = np.column_stack(
        [
            tracked.fit.rotation[sure, :2],
            MOUTH_WORTH * clip.expression[sure, JAW_OPEN],
            BLINK_WORTH * clip.expression[sure][:, EYE_BLINK].mean(1),
        ]
    )
    group = dict(zip(sure.tolist(), _groups(looks, count).tolist(), strict=True))
    best: dict[int, tuple[float, int, NDArray[np.uint8]]] = {}
    for t, frame in enumerate(read_frames(video, fps=clip.fps)):
        if t in group:
            sharp = _sharpness(frame, tracked.landmarks[t, :, :2])
            if group[t] not in best or sharp > best[group[t]][0]:
                best[group[t]] = sharp, t, frame
        progress("painting", min(t + 1, clip.frames), clip.frames)
    return {t: frame for _, t, frame in sorted(best.values(), key=lambda entry: entry[1])}


def _groups(looks: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """[N, D] -> [N] number of the nearest of `count` centres, each the farthest from those before."""
    distance = np.full(len(looks), np.inf)
    nearest = np.zeros(len(looks), np.int64)
    centre = int(np.argmin(np.linalg.norm(looks - np.median(looks, axis=0), axis=1)))
    for number in range(min(count, len(looks))):
        away = np.linalg.norm(looks - looks[centre], axis=1)
        nearest[away < distance] = number
        distance = np.minimum(distance, away)
        centre = int(np.argmax(distance))
    return nearest


def _sharpness(frame: NDArray[np.uint8], points: NDArray[np.floating]) -> float:
    """Mean square of the differences of neighbouring pixels, in the box around points [L, 2]."""
    height, width = frame.shape[:2]
    left, top = np.clip(points.min(0).astype(int), 0, (width - 2, height - 2))
    right, bottom = np.clip(points.max(0).astype(int), (left + 2, top + 2), (width, height))
    face = frame[top:bottom, left:right, 1].astype(np.float32)
    return float(np.square(np.diff(face, axis=0)).mean() + np.square(np.diff(face, axis=1)).mean())
