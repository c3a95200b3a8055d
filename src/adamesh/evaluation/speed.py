"""Seconds that every stage takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from adamesh.animation.adapt import adapt_to_clip
from adamesh.animation.animator import animate
from adamesh.animation.pose import generate_pose
from adamesh.animation.style import default_style
from adamesh.checkpoints.networks import load_network
from adamesh.export import OutputOptions, export
from adamesh.faces.embedded import load_embedded_face
from adamesh.features import load_features
from adamesh.media.audio import load_audio
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.clip import MotionClip
from adamesh.rates import SAMPLE_RATE, frames_in
from adamesh.tracking.track import track_video


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
        model = style.adapted_model(load_network(ExpressionAdapter))
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
            export(clip, folder / name, OutputOptions(force=True), audio=(samples, SAMPLE_RATE))

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
