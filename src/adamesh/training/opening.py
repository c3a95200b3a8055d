"""Training of the opening network, on sound whose offsets it finds itself.

Videos whose sound is late teach a late mouth, and a network that learnt it finds no offset. So offsets are
found by networks that never saw the person, over several rounds, beginning with the sound as it is; what is
known to be in time keeps the clock.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adamesh.alignment.offset import offset_of_curves, peak
from adamesh.audio.onsets import ONSET_RATE
from adamesh.checkpoints.networks import save_network
from adamesh.data.corpus import read_corpus
from adamesh.data.sequences import (
    Augmentation,
    Batch,
    Sequence,
    WindowSampler,
    load_sequences,
    with_delays,
)
from adamesh.faces.embedded import load_embedded_face
from adamesh.faces.face import Face
from adamesh.features.registry import both_ways
from adamesh.files import atomic_output
from adamesh.metrics.mouth import opening_direction
from adamesh.metrics.sync import lag_correlation
from adamesh.models.baseline import TYPICAL
from adamesh.models.opening import OpeningConfig, OpeningNetwork
from adamesh.motion.spaces import MOUTH
from adamesh.progress import Progress, no_progress, under
from adamesh.rates import FEATURES_PER_FRAME, FPS
from adamesh.training.loop import CPU, LoopConfig, optimize
from adamesh.training.splits import train_and_valid
from adamesh.training.statistics import feature_statistics, motion_deviation

FOLDS = 2  # of the people whose offsets are looked for
ONSET_LAGS = 15  # of 10 ms to either side
LIPS_SMOOTHING = 9  # of 10 ms
BLENDSHAPES_WEIGHT = (
    0.5  # of the mouth's blendshapes beside the opening: what they share is heard better
)


class OpeningTraining(LoopConfig):
    """Everything that decides the outcome of `adamesh train opening`."""

    steps: int = 600
    batch_size: int = 24
    learning_rate: float = 2e-3
    warmup: int = 60
    weight_decay: float = 0.01
    ema: float = 0.98
    rounds: int = 3  # of finding offsets
    round_steps: int = 400
    in_time: tuple[str, ...] = ()  # speakers whose sound is in time: laboratory recordings
    window: int = 64  # motion frames
    other_voices: int = 0  # altered versions of each recording's speech
    model: OpeningConfig = OpeningConfig()


def train_opening(
    config: OpeningTraining,
    data: Path,
    tracks: Path,
    folder: Path,
    *,
    progress: Progress = no_progress,
    device: torch.device = CPU,
) -> Path:
    """Trains on a corpus, whose offsets it finds itself; resumes from `folder` if a run stopped there.

    Args:
        data, tracks: the corpus and its tracks, see `data.corpus`.
    Returns:
        The checkpoint.
    """
    videos, face = read_corpus(data, tracks), load_embedded_face()
    features = both_ways(config.model.features)
    train, valid = (
        load_sequences(
            chosen,
            features,
            face,
            delays={},
            other_voices=count,
            progress=report,
        )
        for chosen, count, report in train_and_valid(
            videos, progress, other_voices=config.other_voices
        )
    )
    return fit_opening(config, train, valid, face, folder, progress=progress, device=device)


def fit_opening(
    config: OpeningTraining,
    train: list[Sequence],
    valid: list[Sequence],
    face: Face,
    folder: Path,
    *,
    progress: Progress = no_progress,
    device: torch.device = CPU,
) -> Path:
    """Finds the offsets of the training sequences, then trains on them.

    Args:
        train, valid: with the features that `config.model` names, in the coefficients of `face`.
        progress: told how far it is.
    Returns:
        The checkpoint.
    """
    config = config.model_copy(update={"model": _sized(config.model, train[0])})
    delays = _find_delays(config, train, face, folder, progress, device)
    trained = _fit(
        config, with_delays(train, delays), valid, face, folder, "training", progress, device
    )
    target = folder / "opening.safetensors"
    facts: dict[str, object] = {
        "training": config.model_dump(mode="json"),
        "delays": {name: round(delay, 3) for name, delay in delays.items() if delay},
    }
    save_network(target, trained, facts)
    return target


def _sized(model: OpeningConfig, sequence: Sequence) -> OpeningConfig:
    values = {**model.__dict__, "outputs": 1 + sequence.motion.shape[1]}
    return OpeningConfig(**values)


def _find_delays(
    config: OpeningTraining,
    train: list[Sequence],
    face: Face,
    folder: Path,
    progress: Progress = no_progress,
    device: torch.device = CPU,
) -> dict[str, float]:
    """Seconds by which each training video's sound is late, by networks that never saw the person."""
    file = folder / "delays.json"
    people = sorted({s.speaker for s in train} - set(config.in_time))
    quick = config.model_copy(update={"steps": config.round_steps})
    done: list[dict[str, float]] = json.loads(file.read_text()) if file.exists() else []
    for number in range(len(done), config.rounds):
        before = done[-1] if done else {}
        found: dict[str, float] = {}
        for fold in range(FOLDS):
            held = set(people[fold::FOLDS])
            others = with_delays([s for s in train if s.speaker not in held], before)
            stage = f"offsets {number * FOLDS + fold + 1}/{config.rounds * FOLDS}"
            place = folder / f"round{number}-fold{fold}"
            network = _fit(quick, others, [], face, place, stage, progress, device)
            for sequence in train:
                if sequence.speaker in held:
                    offset = offset_of_curves(*curves(network, face, sequence))
                    found[sequence.name] = offset.applied
        if number:  # half a step: the clock that all agree on must not swing
            found = {name: (x + before[name]) / 2 for name, x in found.items()}
        done.append(found)
        with atomic_output(file) as temporary:
            temporary.write_text(json.dumps(done))
    delays = done[-1] if done else {}
    late = _clock(config, face, train, delays)
    return {name: delay + late for name, delay in delays.items() if delay}


def _clock(
    config: OpeningTraining, face: Face, train: list[Sequence], delays: dict[str, float]
) -> float:
    """Seconds that are missing from all delays, by when sounds begin after lips part.

    Networks that learn from one another's people agree on who is later than whom; how late all of them are
    hardly shows in what they agree on. Lips that part and the sound that this lets out tell, whoever speaks:
    over all clips together, their lag is the mean one of the speakers whose sound is in time.
    """
    if not config.in_time or not any(delays.values()):
        return 0.0
    others = [s for s in train if delays.get(s.name)]
    kept = [[s for s in train if s.speaker == name] for name in config.in_time]
    clock = np.mean([_onset_lag(face, group) for group in kept if group])
    return _onset_lag(face, with_delays(others, delays)) - float(clock)


def _onset_lag(face: Face, sequences: list[Sequence]) -> float:
    """Seconds from lips that part to sounds that begin, over and above the sequences' delays."""
    _, direction = opening_direction(face)
    window = np.hanning(LIPS_SMOOTHING) / np.hanning(LIPS_SMOOTHING).sum()
    lags = np.arange(-ONSET_LAGS, ONSET_LAGS + 1)
    total = np.zeros(len(lags))
    for sequence in sequences:
        opening = (sequence.motion @ direction).numpy()
        count = len(sequence.onsets)
        fine = np.interp(np.arange(count) * FPS / ONSET_RATE, np.arange(len(opening)), opening)
        speed = np.convolve(np.diff(fine, prepend=fine[0]), window, "same")
        parting = np.maximum(speed, 0)
        late = lags + ONSET_RATE * sequence.delay
        total += len(opening) * lag_correlation(sequence.onsets.numpy(), parting, late)
    return peak(total, lags / ONSET_RATE)


def curves(
    network: OpeningNetwork, face: Face, sequence: Sequence
) -> tuple[np.ndarray, np.ndarray]:
    """The opening that is heard, with the sound as it is, and the one that is seen, [T] each."""
    frames = len(sequence.motion)
    heard = sequence.voices[0][: frames * FEATURES_PER_FRAME].float()
    _, direction = opening_direction(face)
    return network.opening(heard).numpy(), (sequence.motion @ direction).numpy()


def _fit(
    config: OpeningTraining,
    train: list[Sequence],
    valid: list[Sequence],
    face: Face,
    folder: Path,
    stage: str,
    progress: Progress = no_progress,
    device: torch.device = CPU,
) -> OpeningNetwork:
    torch.manual_seed(config.seed)
    network = OpeningNetwork(config.model)
    mean, deviation = feature_statistics(train)
    network.feature_mean.copy_(mean)
    network.feature_std.copy_(deviation)
    plain = Augmentation(style_gain=0.0, drop_condition=1.0, mirror=0.0, speed=1.0)
    sampler = WindowSampler(train, config.window, 0, 2, plain, config.seed, face.space)
    direction = 1000.0 * opening_direction(face)[1].to(device) / TYPICAL
    blendshapes = MOUTH if face.space == "arkit52" else list(range(train[0].motion.shape[1]))
    scale = motion_deviation(train)[blendshapes].to(device)

    def loss(batch: Batch) -> Tensor:
        given = network(batch.features)
        valid_frames = batch.mask[:, :, None].float()
        wanted = torch.cat(
            [(batch.motion @ direction)[..., None], batch.motion[..., blendshapes] / scale], dim=2
        )
        chosen = torch.cat([given[..., :1], given[..., 1:][..., blendshapes]], dim=2)
        error = ((chosen - wanted).abs() * valid_frames).sum((0, 1)) / valid_frames.sum()
        return error[0] + BLENDSHAPES_WEIGHT * error[1:].mean()

    def validate(averaged: OpeningNetwork) -> dict[str, float]:
        offsets = [offset_of_curves(*curves(averaged, face, s)) for s in valid]
        best = [offset.correlation for offset in offsets]
        return {"median of best correlations": float(np.median(best))} if best else {}

    trained = optimize(
        network,
        config,
        folder,
        draw=lambda step: sampler.draw(config.batch_size, step),
        loss=loss,
        validate=validate,
        progress=under(stage, progress),
        device=device,
    )
    assert isinstance(trained, OpeningNetwork)
    return trained
