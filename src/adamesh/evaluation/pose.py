"""Figures of generated head motion on people it was never trained on, beside the looped reference."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import spearmanr

from adamesh.animation.pose import generate_pose, learn_pose, load_pose_adapter
from adamesh.audio.prosody import CHANNELS, prosody
from adamesh.errors import InputError
from adamesh.evaluation.columns import column
from adamesh.evaluation.sync import REFERENCE, SHORTEST_REST, Person, joined
from adamesh.features import features_for_frames, load_features
from adamesh.metrics.head import (
    follows,
    frechet_degrees,
    range_degrees,
    short_motions,
    speed,
    std_degrees,
    still_share,
)
from adamesh.motion.head import deviation, head_rotation
from adamesh.motion.looping import loop_motion
from adamesh.progress import Progress, no_progress
from adamesh.rates import FEATURES_PER_FRAME, FPS, SAMPLE_RATE, SAMPLES_PER_FRAME

RUN_SECONDS = 60.0
RUNS = 60
SEEDS = 3  # of each person's figures
FROZEN = 0.1  # share of the reference's deviation below which 10 s are frozen
FARTHEST = np.radians(60)  # from the mean pose; beyond it, or in 10 s ...
FASTEST = 3.0  # times as fast as the reference, a motion has exploded
CLOSE = 0.3  # of the reference's deviation, by which a generated one may differ
WAYS = ("seen", "generated", "streamed", "looped", "another's loop")


@dataclass(frozen=True)
class HeadFigures:
    """One motion."""

    std_degrees: tuple[float, float, float] = column("deviation", ".1f")  # pitch, yaw, roll
    range_degrees: tuple[float, float, float] = column("range", ".1f")
    speed: float = column("pace", ".1f")  # degrees a second
    still: float = column("still", ".2f")  # share of frames
    follows: float = column("follows speech", ".2f")  # speed against loudness
    follows_wrong: float = column("wrong speech", ".2f")  # and against another person's
    distance: float = column("distance", ".2f")  # degrees, Fréchet, of short motions to the rest's


@dataclass(frozen=True)
class PersonHead:
    """One person: the rest of their video as seen, and what their first 10 s make of its speech."""

    name: str
    seconds: float  # of the rest
    ways: dict[str, HeadFigures]  # by `WAYS`
    closeness: float  # deviation of the generated motion over the reference's, all axes together
    nats: dict[str, float]  # of a code of the rest, by what the network is told


@dataclass(frozen=True)
class PoseFigures:
    """All people, and many long runs."""

    people: list[PersonHead]
    rank_correlation: float  # over people and axes, of generated and seen deviation
    runs: int
    frozen: int
    exploding: int


def evaluate_pose(people: list[Person], *, progress: Progress = no_progress) -> PoseFigures:
    """Everybody with `SHORTEST_REST` beside 10 s, which are the reference; the speech is the rest's.

    Speech shorter than `RUN_SECONDS` is repeated. The looped motion repeats the same 10 s, another's loop
    those of the next person.
    """
    split = int(REFERENCE * FPS)
    # Each clip about its own mean: people sit differently in each.
    heads = [
        (person, np.concatenate([head_rotation(clip) for clip in person.clips]), joined(person)[1])
        for person in people
    ]
    heads = [head for head in heads if len(head[1]) - split >= SHORTEST_REST * FPS]
    if len(heads) < 2:
        raise InputError(
            f"{len(heads)} people have {REFERENCE + SHORTEST_REST:.0f} s of tracked video; for figures "
            "beside another person two are needed"
        )
    rows, frozen, exploding = [], 0, 0
    frames = int(RUN_SECONDS * FPS)
    runs = max(SEEDS, -(-RUNS // len(heads)))
    for i, (person, rotation, speech) in enumerate(heads):
        other_rotation, other_speech = heads[(i + 1) % len(heads)][1:]
        reference, rest = (x - x.mean(0) for x in (rotation[:split], rotation[split:]))
        said = speech[split * SAMPLES_PER_FRAME :]
        style = learn_pose(reference, speech[: split * SAMPLES_PER_FRAME])
        long = np.resize(said, int(RUN_SECONDS * SAMPLE_RATE))
        motions = [generate_pose(style, long, frames, seed=seed) for seed in range(runs)]
        streamed = [generate_pose(style, long, frames, seed=s, streamed=True) for s in range(SEEDS)]
        pace = speed(reference, FPS)
        for motion in motions:
            frozen += _is_frozen(motion / style.deviation)
            exploding += _explodes(motion, pace)
        wrong = other_speech[split * SAMPLES_PER_FRAME :]
        loops = [
            loop_motion(x[:split] - x[:split].mean(0), frames) for x in (rotation, other_rotation)
        ]
        ways = (
            _figures([rest], said, np.resize(wrong, len(said)), rest),
            *(
                _figures(made, long, np.resize(wrong, len(long)), rest)
                for made in (motions[:SEEDS], streamed, loops[:1], loops[1:])
            ),
        )
        sizes = [np.linalg.norm(x.std(0)) for x in (np.concatenate(motions[:SEEDS]), reference)]
        rows.append(
            PersonHead(
                name=person.name,
                seconds=len(rest) / FPS,
                ways=dict(zip(WAYS, ways, strict=True)),
                closeness=float(sizes[0] / sizes[1]),
                nats=_nats(rotation, speech, other_speech, split),
            )
        )
        progress("people", i + 1, len(heads))
    seen, generated = (
        [axis for row in rows for axis in row.ways[way].std_degrees]
        for way in ("seen", "generated")
    )
    rank = float(spearmanr(seen, generated).statistic)
    return PoseFigures(rows, rank, runs * len(heads), frozen, exploding)


def _is_frozen(scaled: np.ndarray) -> bool:
    windows = scaled[: len(scaled) // 250 * 250].reshape(-1, 250, 3)
    return bool((windows.std(1).max(1) < FROZEN).any())


def _explodes(motion: np.ndarray, pace: float) -> bool:
    windows = motion[: len(motion) // 250 * 250].reshape(-1, 250, 3)
    fastest = max(speed(part, FPS) for part in windows)
    return bool(np.linalg.norm(motion, axis=1).max() > FARTHEST or fastest > FASTEST * pace)


def _loudness(speech: np.ndarray, frames: int) -> np.ndarray:
    """[frames] of a speech; silence follows a shorter one."""
    fitted = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
    fitted[: len(speech)] = speech[: len(fitted)]
    return prosody(fitted)[:, CHANNELS.index("loudness")].reshape(frames, -1).mean(1)


def _nats(
    rotation: np.ndarray, speech: np.ndarray, other_speech: np.ndarray, split: int
) -> dict[str, float]:
    """Mean negative log-likelihood of the codes of the rest, behind those of the reference.

    Speech: the right one, as a stream hears it, another person's, none; all with the retrieved style. Styles,
    with the right speech: the reference's own embedding, that retrieved with units shuffled in time, the mean
    of those that are kept, and the mean over eight of them taken at random.
    """
    adapter = load_pose_adapter()
    vqvae, gpt = adapter.vqvae, adapter.gpt
    n = vqvae.config.frames_per_code
    codes_in_all, first = len(rotation) // n, split // n
    motion = rotation[: codes_in_all * n]
    own = motion[:split] - motion[:split].mean(0)
    scaled = torch.from_numpy((motion - motion[:split].mean(0)) / deviation(own)).float()[None]
    load = load_features(gpt.config.features)
    features, wrong = (
        features_for_frames(load, np.resize(x, len(speech)), codes_in_all * n)[None]
        for x in (speech, other_speech)
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        latents = vqvae.encode(scaled)
        codes = vqvae.codes(latents)
        units = gpt.units(features[0, : split * FEATURES_PER_FRAME])
        right, another = gpt.hear(features), gpt.hear(wrong)
        another = torch.cat([right[:, :first], another[:, first:]], dim=1)

        def found(units: torch.Tensor) -> torch.Tensor:
            return gpt.find_style(latents[0, :first], units)[None]

        def nats(heard: torch.Tensor, style: torch.Tensor) -> float:
            return float(gpt.nats(codes, heard, style, first))

        retrieved = found(units)
        drawn = torch.randperm(len(gpt.style_values), generator=generator)[:8]
        shuffled = units[torch.randperm(len(units), generator=generator)]
        return {
            "right": nats(right, retrieved),
            "streamed": nats(gpt.hear(features, streamed=True), retrieved),
            "wrong": nats(another, retrieved),
            "none": nats(torch.zeros_like(right), retrieved),
            "own style": nats(right, gpt.encode_style(latents[:, :first])),
            "shuffled units": nats(right, found(shuffled)),
            "mean style": nats(right, gpt.style_values.mean(0)[None]),
            "random style": float(np.mean([nats(right, gpt.style_values[i][None]) for i in drawn])),
        }


def _figures(
    motions: list[np.ndarray], speech: np.ndarray, other: np.ndarray, seen: np.ndarray
) -> HeadFigures:
    """Means over motions [T, 3] of the same length.

    Args:
        speech, other: their own and another person's, as long.
        seen: [R, 3] motion of the person.
    """
    right, wrong = (_loudness(x, len(motions[0])) for x in (speech, other))
    own = short_motions(seen, FPS)

    def axes(measure: Callable[[np.ndarray], tuple[float, ...]]) -> tuple[float, float, float]:
        pitch, yaw, roll = np.mean([measure(motion) for motion in motions], axis=0).tolist()
        return pitch, yaw, roll

    def mean(measure: Callable[[np.ndarray], float]) -> float:
        return float(np.mean([measure(motion) for motion in motions]))

    return HeadFigures(
        std_degrees=axes(std_degrees),
        range_degrees=axes(range_degrees),
        speed=mean(lambda motion: speed(motion, FPS)),
        still=mean(lambda motion: still_share(motion, FPS)),
        follows=mean(lambda motion: follows(motion, right, FPS)),
        follows_wrong=mean(lambda motion: follows(motion, wrong, FPS)),
        distance=mean(lambda motion: frechet_degrees(short_motions(motion, FPS), own)),
    )
