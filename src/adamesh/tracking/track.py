"""A reference video -> a `MotionClip` of the person in it."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adamesh.errors import InputError
from adamesh.faces.embedded import load_embedded_face
from adamesh.files import check_input
from adamesh.media.video import VideoInfo, probe, read_frames
from adamesh.motion.clip import MotionClip
from adamesh.motion.head import over_joints
from adamesh.progress import Progress, no_progress
from adamesh.tracking.detector_bias import load_bias
from adamesh.tracking.fit import UNSEEN, FaceFit, FaceFitter
from adamesh.tracking.landmarker import FaceLandmarker
from adamesh.tracking.people import Person, follow_people
from adamesh.values import Value

SMALLEST_SHARE = 0.5  # of all frames that must show a face
SHORTEST = 1.0  # s of video with a face
LARGEST = 1280  # pixels; larger pictures are scaled down to it, which costs no accuracy


@dataclass(frozen=True, eq=False, repr=False)
class TrackedVideo(Value):
    """Motion of one person in a video, with what it was found from.

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
    person: int = 1,
    landmarker: FaceLandmarker | None = None,
    progress: Progress = no_progress,
) -> TrackedVideo:
    """Tracks one person in a video.

    Args:
        path: any video that PyAV reads.
        person: 1 is the most prominent one; the others are numbered as in `list_people`.
        landmarker: reuse one over many videos to save its start-up.
        progress: told how far it is.
    Raises:
        InputError: not a readable video, no such person, or they are seen for too little of it.
    """
    path = check_input(path, "video")
    info = probe(path)
    people, frames = _people(path, info, landmarker or FaceLandmarker(), progress)
    if person > len(people) > 0:
        raise InputError(
            f"'{path}' shows {len(people)} people, there is no person {person}; "
            "`adamesh track VIDEO --list` lists them"
        )
    seen = people[person - 1].landmarks if people else {}
    landmarks, here = _fill_gaps(seen, frames, info.fps, path)
    size = (info.width, info.height)
    fit = _fitter().fit(landmarks, size, info.fps)
    return TrackedVideo(_to_clip(fit, here, info.fps, path), fit, landmarks, size)


@dataclass(frozen=True)
class PersonSeen:
    """One of the people in a video.

    Attributes:
        person: number to ask for.
        first, last: seconds of the first and the last frame with this face.
        seconds: in which it is seen.
        size: of the face, share of the picture's longer side, the median over frames.
        place: where it is in the picture, in words, at the median frame.
    """

    person: int
    first: float
    last: float
    seconds: float
    size: float
    place: str


def list_people(
    path: str | os.PathLike[str], *, progress: Progress = no_progress
) -> list[PersonSeen]:
    """Everybody in a video, the most prominent first.

    Raises:
        InputError: not a readable video, or no face in it.
    """
    path = check_input(path, "video")
    info = probe(path)
    people, frames = _people(path, info, FaceLandmarker(), progress)
    if not people:
        raise _no_face(frames, path)
    listed = []
    for number, person in enumerate(people, start=1):
        points = np.stack(list(person.landmarks.values()))[..., :2]
        middle = np.median(points.mean(1), axis=0) / (info.width, info.height)
        across = np.array(["left", "middle", "right"])[np.searchsorted([1 / 3, 2 / 3], middle[0])]
        first, last = person.seen
        listed.append(
            PersonSeen(
                person=number,
                first=first / info.fps,
                last=(last + 1) / info.fps,
                seconds=len(person.landmarks) / info.fps,
                size=float(np.median(np.ptp(points, axis=1).max(1)) / max(info.width, info.height)),
                place=str(across),
            )
        )
    return listed


def _people(
    path: Path, info: VideoInfo, landmarker: FaceLandmarker, progress: Progress
) -> tuple[list[Person], int]:
    """Everybody, the most prominent first, in pixels of the video; and the number of frames."""

    def report(done: int) -> None:
        progress("tracking", done, max(info.frames, done))

    pictures = read_frames(path, fps=info.fps, max_size=LARGEST)
    people, frames = follow_people(landmarker, pictures, info.fps, report)
    scale = np.float32(max(1.0, max(info.width, info.height) / LARGEST))
    shift = (scale - 1) / 2 * np.array([1, 1, 0], np.float32)  # (0, 0) is a pixel's middle
    for person in people:
        person.landmarks = {t: points * scale + shift for t, points in person.landmarks.items()}
    return people, frames


@functools.cache
def _fitter() -> FaceFitter:
    return FaceFitter(load_embedded_face(), load_bias())


def _no_face(frames: int, path: Path) -> InputError:
    return InputError(
        f"no face was found in any of the {frames} frames of '{path}'; "
        "give a video in which one face is large and looks towards the camera"
    )


def _fill_gaps(
    found: dict[int, np.ndarray], frames: int, fps: float, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """[T, 478, 3] landmarks with gaps interpolated, and [T] bool, True where the face was seen.

    Frames before the first and after the last face are filled with the nearest one.
    """
    if not found:
        raise _no_face(frames, path)
    here = np.array(sorted(found))
    seen = np.isin(np.arange(frames), here)
    if seen.mean() < SMALLEST_SHARE or seen.sum() < SHORTEST * fps:
        raise InputError(
            f"the face was found in {seen.sum()} of {frames} frames of '{path}' "
            f"({seen.sum() / fps:.1f} s); at least {SMALLEST_SHARE:.0%} of the frames and "
            f"{SHORTEST:.0f} s are needed: cut the video to where the face is seen"
        )
    known = np.stack([found[t] for t in here])
    times = np.arange(frames)
    after = np.clip(np.searchsorted(here, times), 0, len(here) - 1)
    before = np.clip(np.searchsorted(here, times, side="right") - 1, 0, len(here) - 1)
    span = np.maximum(here[after] - here[before], 1)
    share = np.clip((times - here[before]) / span, 0, 1)[:, None, None].astype(np.float32)
    return known[before] * (1 - share) + known[after] * share, seen


def _to_clip(fit: FaceFit, seen: np.ndarray, fps: float, path: Path) -> MotionClip:
    joints = over_joints(fit.rotation)
    # Landmarks of a head turned far are guesses; frames filled in are no evidence at all; where landmarks
    # disagree with every face, a hand or a microphone is in the way.
    turned = np.linalg.norm(fit.rotation[:, :2], axis=1)
    confidence = np.clip((np.radians(50) - turned) / np.radians(20), 0, 1)
    confidence *= np.clip(fit.agreement * 2 - 1, 0, 1) * seen
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
            "unseen_actions": " ".join(UNSEEN),
            "residual_percent": round(100.0 * float(np.median(fit.residual)), 3),
            "focal_pixels": round(float(fit.focal), 1),
        },
    )
