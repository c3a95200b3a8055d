"""A reference video -> a `MotionClip` of the person in it."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adamesh.errors import InputError
from adamesh.faces.embedded import load_embedded_face
from adamesh.files import check_input
from adamesh.media.video import probe, read_frames
from adamesh.motion.clip import MotionClip
from adamesh.motion.head import over_joints
from adamesh.tracking.fit import FaceFit, FaceFitter
from adamesh.tracking.landmarker import FaceLandmarker
from adamesh.tracking.response import load_response

SMALLEST_SHARE = 0.5  # of all frames that must show a face
SHORTEST = 1.0  # s of video with a face

Progress = Callable[[int, int], None]  # done, total


@dataclass(frozen=True)
class TrackedVideo:
    """Motion of the most prominent face of a video, with what it was found from.

    Attributes:
        clip: motion at the video's own frame rate; `head_pose` after `neck_pose` is the head's rotation
            as the camera sees it.
        fit: the fit in the camera's frame.
        landmarks: [T, 478, 3] pixels, gaps filled.
        size: width and height of the frames, pixels.
    """

    clip: MotionClip
    fit: FaceFit
    landmarks: np.ndarray
    size: tuple[int, int]

    @property
    def residual_percent(self) -> float:
        """Median over frames of the landmark residual without the face oval, % of inter-ocular distance."""
        return 100.0 * float(np.median(self.fit.residual))


def track_video(
    path: str | os.PathLike[str],
    *,
    landmarker: FaceLandmarker | None = None,
    progress: Progress | None = None,
) -> TrackedVideo:
    """Tracks the most prominent face of a video.

    Args:
        path: any video that PyAV reads.
        landmarker: reuse one over many videos to save its start-up.
        progress: called with frames done and frames in all.
    Raises:
        InputError: not a readable video, or too little of it shows a face.
    """
    path = check_input(path, "video")
    info = probe(path)
    landmarker = landmarker or FaceLandmarker()
    found = []
    size = (0, 0)

    def frames():  # type: ignore[no-untyped-def]
        nonlocal size
        for frame in read_frames(path, fps=info.fps):
            size = (frame.shape[1], frame.shape[0])
            yield frame

    for result in landmarker.track(frames()):
        found.append(None if result is None else result.landmarks)
        if progress is not None:
            progress(len(found), max(info.frames, len(found)))
    landmarks, seen = _fill_gaps(found, info.fps, path)
    fit = _fitter().fit(landmarks, size, info.fps)
    return TrackedVideo(_to_clip(fit, seen, info.fps, path), fit, landmarks, size)


@functools.cache
def _fitter() -> FaceFitter:
    return FaceFitter(load_embedded_face(), load_response())


def _fill_gaps(
    found: list[np.ndarray | None], fps: float, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """[T, 478, 3] landmarks with gaps interpolated, and [T] bool, True where a face was seen.

    Frames before the first and after the last face are filled with the nearest one.
    """
    seen = np.array([landmarks is not None for landmarks in found], dtype=bool)
    if not seen.any():
        raise InputError(
            f"no face was found in any of the {len(found)} frames of '{path}'; "
            "give a video in which one face is large and looks towards the camera"
        )
    if seen.mean() < SMALLEST_SHARE or seen.sum() < SHORTEST * fps:
        raise InputError(
            f"a face was found in {seen.sum()} of {len(found)} frames of '{path}' "
            f"({seen.sum() / fps:.1f} s); at least {SMALLEST_SHARE:.0%} of the frames and "
            f"{SHORTEST:.0f} s are needed: cut the video to where the face is seen"
        )
    here = np.flatnonzero(seen)
    known = np.stack([landmarks for landmarks in found if landmarks is not None])
    times = np.arange(len(found))
    after = np.clip(np.searchsorted(here, times), 0, len(here) - 1)
    before = np.clip(np.searchsorted(here, times, side="right") - 1, 0, len(here) - 1)
    span = np.maximum(here[after] - here[before], 1)
    share = np.clip((times - here[before]) / span, 0, 1)[:, None, None].astype(np.float32)
    return known[before] * (1 - share) + known[after] * share, seen


def _to_clip(fit: FaceFit, seen: np.ndarray, fps: float, path: Path) -> MotionClip:
    joints = over_joints(fit.rotation)
    # Landmarks of a head turned beyond 45 degrees are guesses; frames filled in are no evidence at all.
    turned = np.linalg.norm(fit.rotation[:, :2], axis=1)
    confidence = np.clip((np.radians(60) - turned) / np.radians(15), 0, 1)
    confidence *= np.clip(2 - fit.residual / 0.05, 0, 1) * seen
    return MotionClip(
        space="arkit52",
        fps=fps,
        expression=fit.expression.astype(np.float32),
        neck_pose=joints[:, 0],
        head_pose=joints[:, 1],
        jaw_pose=np.zeros_like(joints[:, 0]),
        leye_pose=fit.leye_pose.astype(np.float32),
        reye_pose=fit.reye_pose.astype(np.float32),
        betas=fit.betas.astype(np.float32),
        confidence=confidence.astype(np.float32),
        metadata={
            "source": path.name,
            "residual_percent": round(100.0 * float(np.median(fit.residual)), 3),
            "focal_pixels": round(float(fit.focal), 1),
        },
    )
