"""Accuracy of the tracker on rendered clips with known motion, residual and speed on real videos."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from adamesh.evaluation.synthetic import SyntheticClip, silent_clip, synthetic_clip
from adamesh.faces.embedded import load_embedded_face
from adamesh.metrics.mouth import mouth_opening
from adamesh.motion.rotation import axis_angle_to_matrix, matrix_to_axis_angle
from adamesh.motion.spaces import ARKIT52, MOUTH
from adamesh.progress import Progress, no_progress
from adamesh.rates import FPS
from adamesh.tracking.detector_bias import load_bias
from adamesh.tracking.fit import UNSEEN, FaceFit, FaceFitter
from adamesh.tracking.landmarker import FaceLandmarker
from adamesh.tracking.track import TrackedVideo, track_video

SEEN_MOUTH = [i for i in MOUTH if ARKIT52[i] not in UNSEEN]


@dataclass(frozen=True)
class Accuracy:
    """Of one fit, beside the truth. Errors of blendshapes are means over frames and blendshapes.

    Attributes:
        rotation_deg: mean angle between true and found rotation of the head.
        below_zero: % by which the error of the mouth blendshapes that can be seen is below that of
            predicting zero.
        below_mean: the same beside predicting each blendshape's true mean.
        below_mean_all: the same with the blendshapes that are declared unseen, which are found as zero.
        aperture_mm: mean error of the inner lips' distance on the face with betas = 0.
    """

    rotation_deg: float
    below_zero: float
    below_mean: float
    below_mean_all: float
    aperture_mm: float


@dataclass(frozen=True)
class SyntheticFigures(Accuracy):
    """One rendered clip, tracked; what begins with `floor` is of a detector that makes no error."""

    floor_rotation_deg: float
    floor_below_zero: float
    floor_below_mean: float
    floor_aperture_mm: float
    residual_percent: float  # of the inter-ocular distance, without the face oval
    yaw_deg: float  # the head's largest


def bench_synthetic(seed: int, folder: Path) -> SyntheticFigures:
    """Renders a clip with known motion to a video in `folder`, tracks it and compares."""
    face = load_embedded_face()
    truth = synthetic_clip(face, seed)
    path = folder / f"{seed}.mp4"
    truth.write(face, path)
    tracked = track_video(path)
    fitter = FaceFitter(face, torch.zeros_like(load_bias()))
    floor = fitter.fit(perfect_landmarks(truth), truth.camera.size, FPS)
    exact = _accuracy(truth, floor)
    return SyntheticFigures(
        **asdict(_accuracy(truth, tracked.fit)),
        floor_rotation_deg=exact.rotation_deg,
        floor_below_zero=exact.below_zero,
        floor_below_mean=exact.below_mean,
        floor_aperture_mm=exact.aperture_mm,
        residual_percent=tracked.residual_percent,
        yaw_deg=float(np.degrees(np.abs(np.arcsin(truth.rotation[:, 0, 2])).max())),
    )


def perfect_landmarks(truth: SyntheticClip) -> np.ndarray:
    """[T, 478, 3] what a detector without any error would say of a clip, pixels."""
    points = truth.camera.project(load_embedded_face().landmarks(truth.vertices).numpy())
    middle = points[..., 2:].mean(1, keepdims=True)
    points[..., 2:] = (points[..., 2:] - middle) * truth.camera.focal / middle
    return points.astype(np.float32)


def _accuracy(truth: SyntheticClip, fit: FaceFit) -> Accuracy:
    relative = np.swapaxes(truth.rotation, 1, 2) @ axis_angle_to_matrix(fit.rotation)
    angle = np.linalg.norm(matrix_to_axis_angle(relative), axis=1)

    def below(blendshapes: list[int], constant: np.ndarray) -> float:
        wanted = truth.expression[:, blendshapes]
        error = np.abs(fit.expression[:, blendshapes] - wanted).mean()
        return 100 * float(1 - error / np.abs(constant[blendshapes] - wanted).mean())

    face = load_embedded_face()
    known, found = (
        mouth_opening(face, torch.from_numpy(np.asarray(x, np.float32)))
        for x in (truth.expression, fit.expression)
    )
    mean = truth.expression.mean(0)
    return Accuracy(
        rotation_deg=float(np.degrees(angle).mean()),
        below_zero=below(SEEN_MOUTH, np.zeros_like(mean)),
        below_mean=below(SEEN_MOUTH, mean),
        below_mean_all=below(list(MOUTH), mean),
        aperture_mm=1000 * float((known - found).abs().mean()),
    )


@dataclass(frozen=True)
class SilenceFigures:
    """A rendered person who does not move, tracked: deviation over time, mean over channels.

    Attributes:
        blendshapes: of the mouth blendshapes.
        aperture_mm: of the inner lips' distance.
        rotation_deg: of the head's rotation.
    """

    seed: int
    blendshapes: float
    aperture_mm: float
    rotation_deg: float


def bench_silence(seed: int, folder: Path) -> SilenceFigures:
    """Renders somebody who does nothing and measures how much the tracker says they move."""
    face = load_embedded_face()
    path = folder / f"silence-{seed}.mp4"
    silent_clip(face, seed).write(face, path)
    fit = track_video(path).fit
    opening = mouth_opening(face, torch.from_numpy(fit.expression))
    return SilenceFigures(
        seed=seed,
        blendshapes=float(fit.expression[:, MOUTH].std(0).mean()),
        aperture_mm=1000 * float(opening.std()),
        rotation_deg=float(np.degrees(fit.rotation.std(0)).mean()),
    )


@dataclass(frozen=True)
class VideoFigures:
    """One real video, tracked."""

    name: str
    frames: int
    residual_percent: float
    p95_percent: float
    fps: float  # frames tracked per second, decoding and fitting included


def bench_videos(paths: list[Path], progress: Progress = no_progress) -> list[VideoFigures]:
    """Residual and speed on real videos; the first is tracked once before to warm up."""
    landmarker = FaceLandmarker()
    track_video(paths[0], landmarker=landmarker)
    figures = []
    for i, path in enumerate(paths):
        start = time.perf_counter()
        tracked = track_video(path, landmarker=landmarker)
        figures.append(_video_figures(path, tracked, time.perf_counter() - start))
        progress("tracking", i + 1, len(paths))
    return figures


def _video_figures(path: Path, tracked: TrackedVideo, seconds: float) -> VideoFigures:
    residual = 100.0 * tracked.fit.residual
    return VideoFigures(
        name=f"{path.parent.name}/{path.name}",
        frames=tracked.clip.frames,
        residual_percent=float(np.median(residual)),
        p95_percent=float(np.percentile(residual, 95)),
        fps=tracked.clip.frames / seconds,
    )
