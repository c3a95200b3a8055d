"""Accuracy of the tracker where the truth is known, and speed of every stage."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adamesh.checkpoints.networks import load_network
from adamesh.export import export
from adamesh.faces.embedded import load_embedded_face
from adamesh.features import load_features
from adamesh.media.audio import load_audio
from adamesh.media.video import VideoWriter
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.clip import MotionClip
from adamesh.motion.rotation import axis_angle_to_matrix, matrix_to_axis_angle
from adamesh.motion.spaces import ARKIT52, MOUTH
from adamesh.pipeline.adapt import adapt_to_clip
from adamesh.pipeline.animate import animate
from adamesh.pipeline.pose import generate_pose
from adamesh.pipeline.style import default_style
from adamesh.rates import FPS, SAMPLE_RATE, frames_in
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


@dataclass(frozen=True)
class StageTime:
    """One stage of the program: the first time in this process, networks being loaded, and again."""

    stage: str
    cold_seconds: float
    warm_seconds: float


def bench_speed(speech: Path, reference: Path, folder: Path) -> list[StageTime]:
    """Seconds of each stage for one speech and one reference."""
    samples = load_audio(speech)
    style = default_style()
    frames = frames_in(len(samples))
    clip: MotionClip | None = None
    tracked: Any = None

    def features() -> None:
        load_features(model_features)(samples)

    def expression() -> None:
        model = style.personal_model(load_network(ExpressionAdapter))
        heard = torch.zeros(2 * (frames + model.config.lookahead), model.config.feature_dim)
        model.predict(heard, style.embedding[None], style.betas[None])

    def whole() -> None:
        nonlocal clip
        clip = animate(samples, style)

    def mesh() -> None:
        assert clip is not None
        load_embedded_face()(expression=torch.from_numpy(clip.expression))

    def written(name: str) -> Callable[[], object]:
        def write() -> None:
            assert clip is not None
            export(clip, folder / name, audio=(samples, SAMPLE_RATE), force=True)

        return write

    def track() -> None:
        nonlocal tracked
        tracked = track_video(reference)

    def adapt() -> None:
        adapt_to_clip(tracked.clip, load_audio(reference), reference.name)

    model_features = load_network(ExpressionAdapter).config.features
    stages: dict[str, Callable[[], object]] = {
        "decode speech": lambda: load_audio(speech),
        "speech features": features,
        "expression": expression,
        "head motion": lambda: generate_pose(style.pose, samples, frames, seed=0),
        "animate, all of it": whole,
        "mesh": mesh,
        "write .glb": written("bench.glb"),
        "write .csv": written("bench.csv"),
        "write .mp4": written("bench.mp4"),
        "track reference": track,
        "adapt to reference": adapt,
    }

    def seconds(work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return [StageTime(name, seconds(work), seconds(work)) for name, work in stages.items()]
