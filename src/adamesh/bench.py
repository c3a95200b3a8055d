"""Accuracy of the tracker where the truth is known, and speed of every stage."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adamesh.checkpoints.networks import load_network
from adamesh.export import export
from adamesh.faces.embedded import load_embedded_face
from adamesh.media.audio import load_audio
from adamesh.media.video import VideoWriter
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.rotation import axis_angle_to_matrix, matrix_to_axis_angle
from adamesh.motion.spaces import ARKIT52, MOUTH
from adamesh.pipeline.adapt import adapt_to_clip
from adamesh.pipeline.animate import animate
from adamesh.pipeline.style import default_style
from adamesh.rates import FPS, SAMPLE_RATE
from adamesh.tracking.synthetic import SyntheticClip, synthetic_clip
from adamesh.tracking.track import track_video


@dataclass(frozen=True)
class SyntheticFigures:
    """One rendered clip, tracked."""

    rotation_deg: float  # mean geodesic error
    mouth_error: float  # mean absolute error over mouth actions and frames
    zero_error: float  # the same of predicting zero
    mean_error: float  # the same of predicting each action's true mean
    jaw_correlation: float
    residual_percent: float  # of the inter-ocular distance, without the face oval


def bench_synthetic(seed: int, folder: Path) -> SyntheticFigures:
    """Renders a clip with known motion to a video in `folder`, tracks it and compares."""
    face = load_embedded_face()
    truth = synthetic_clip(face, seed)
    path = folder / f"synthetic-{seed}.mp4"
    width, height = truth.camera.size
    with VideoWriter(path, FPS, width, height) as writer:
        for frame in truth.frames(face, np.random.default_rng(seed)):
            writer.write(frame)
    return _compare(truth, path)


def _compare(truth: SyntheticClip, path: Path) -> SyntheticFigures:
    tracked = track_video(path)
    relative = np.swapaxes(truth.rotation, 1, 2) @ axis_angle_to_matrix(tracked.fit.rotation)
    angle = np.linalg.norm(matrix_to_axis_angle(relative), axis=1)
    wanted, found = truth.expression[:, MOUTH], tracked.clip.expression[:, MOUTH]
    jaw = ARKIT52.index("jawOpen")
    jaws = np.corrcoef(truth.expression[:, jaw], tracked.clip.expression[:, jaw])
    return SyntheticFigures(
        rotation_deg=float(np.degrees(angle).mean()),
        mouth_error=float(np.abs(found - wanted).mean()),
        zero_error=float(np.abs(wanted).mean()),
        mean_error=float(np.abs(wanted - wanted.mean(0)).mean()),
        jaw_correlation=float(jaws[0, 1]),
        residual_percent=tracked.residual_percent,
    )


@dataclass(frozen=True)
class VideoFigures:
    """One real video, tracked."""

    name: str
    frames: int
    residual_percent: float
    p95_percent: float
    fps: float  # frames tracked per second, decoding and fitting included


def bench_videos(
    paths: list[Path], progress: Callable[[int, int], None] | None = None
) -> list[VideoFigures]:
    """Residual and speed on real videos; the first is tracked once before to warm up."""
    track_video(paths[0])
    figures = []
    for i, path in enumerate(paths):
        start = time.perf_counter()
        tracked = track_video(path)
        seconds = time.perf_counter() - start
        residual = 100.0 * tracked.fit.residual
        figures.append(
            VideoFigures(
                name=f"{path.parent.name}/{path.name}",
                frames=tracked.clip.frames,
                residual_percent=float(np.median(residual)),
                p95_percent=float(np.percentile(residual, 95)),
                fps=tracked.clip.frames / seconds,
            )
        )
        if progress is not None:
            progress(i + 1, len(paths))
    return figures


def bench_speed(speech: Path, reference: Path, folder: Path) -> dict[str, float]:
    """Seconds of each stage for one speech and one reference, warm."""
    times: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> object:
        start = time.perf_counter()
        result = work()
        times[name] = time.perf_counter() - start
        return result

    model = load_network(ExpressionAdapter)
    style = default_style()
    samples = load_audio(speech)
    animate(samples, style, model=model)  # warm
    times["speech, duration"] = len(samples) / SAMPLE_RATE
    timed("speech, decode", lambda: load_audio(speech))
    clip = animate(samples, style, model=model)
    timed("animate", lambda: animate(samples, style, model=model))
    timed("write .glb", lambda: export(clip, folder / "bench.glb"))
    timed("write .mp4", lambda: export(clip, folder / "bench.mp4", audio=(samples, SAMPLE_RATE)))
    tracked = track_video(reference)
    times["reference, duration"] = tracked.clip.duration
    timed("reference, track", lambda: track_video(reference))
    sound = load_audio(reference)
    timed(
        "reference, adapt", lambda: adapt_to_clip(tracked.clip, sound, reference.name, model=model)
    )
    return times
