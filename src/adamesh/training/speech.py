"""Training of the compact speech encoder: which phone is heard, at every frame and a little ahead."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from scipy.cluster.vq import kmeans2
from torch import Tensor

from adamesh.checkpoints.networks import save_network
from adamesh.data.alignment import UNKNOWN
from adamesh.data.augment import FeatureAugmentation
from adamesh.data.speech_sequences import SpeechSampler, SpokenSequence
from adamesh.models.speech import SpeechEncoder, SpeechEncoderConfig, likeliest_phones
from adamesh.training.loop import LoopConfig, optimize

VALIDATION_RECORDINGS = 40  # of a corpus, while training; all of them at its end
UNIT_FRAMES = 100_000  # feature frames that the k-means units are made from


class SpeechTraining(LoopConfig):
    """Everything that decides the outcome of `adamesh train speech`."""

    window: int = 200  # feature frames: 4 s
    label_smoothing: float = 0.05
    model: SpeechEncoderConfig = SpeechEncoderConfig()
    augmentation: FeatureAugmentation = FeatureAugmentation()


def phone_loss(
    model: SpeechEncoder, mels: Tensor, labels: Tensor, *, label_smoothing: float
) -> Tensor:
    """Mean cross-entropy over the classifiers. Args: mels [B, S, D]; labels [B, S]."""
    late = model.config.lookahead
    features = model(mels)[:, late:].float()
    losses = []
    for ahead, logits in zip(model.config.ahead, model.phones(features), strict=True):
        wanted = labels[:, ahead : labels.shape[1] - late]
        given = logits[:, : wanted.shape[1]]
        losses.append(
            F.cross_entropy(
                given.flatten(0, 1).float(),
                wanted.flatten(),
                ignore_index=UNKNOWN,
                label_smoothing=label_smoothing,
            )
        )
    return torch.stack(losses).mean()


def phone_accuracy(model: SpeechEncoder, recordings: list[SpokenSequence]) -> float:
    """Share of the labelled frames whose phone is the likeliest one."""
    right = total = 0
    for recording in recordings:
        known = recording.labels != UNKNOWN
        best = likeliest_phones(model, recording.mels.float())
        right += int((best == recording.labels)[known].sum())
        total += int(known.sum())
    return right / max(total, 1)


def train_speech(
    config: SpeechTraining,
    train: list[list[SpokenSequence]],
    valid: Mapping[str, list[SpokenSequence]],
    folder: Path,
    *,
    progress: Callable[[int, int, float], None],
) -> Path:
    """Trains, resuming from `folder` if a run stopped there; see `loop.optimize`.

    Args:
        train: all versions of each recording.
        valid: recordings by corpus, for the figures.
    Returns:
        The checkpoint: averaged weights, k-means units of the features, the config.
    """
    torch.manual_seed(config.seed)
    model = SpeechEncoder(config.model)
    some = torch.cat([versions[0].mels for versions in train[:: len(train) // 500 + 1]]).float()
    model.mean.copy_(some.mean(0))
    model.std.copy_(some.std(0))
    sampler = SpeechSampler(train, config.window, config.augmentation, config.seed)

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        return phone_loss(model, *batch, label_smoothing=config.label_smoothing)

    def validate(averaged: SpeechEncoder) -> dict[str, float]:
        some = {c: group[:: len(group) // VALIDATION_RECORDINGS + 1] for c, group in valid.items()}
        return {corpus: phone_accuracy(averaged, group) for corpus, group in some.items()}

    trained = optimize(
        model,
        config,
        folder,
        draw=lambda step: sampler.draw(config.batch_size, step),
        loss=loss,
        validate=validate,
        progress=progress,
    )
    assert isinstance(trained, SpeechEncoder)
    trained.centroids.copy_(_units(trained, train, config.seed))
    target = folder / "speech.safetensors"
    figures = {corpus: round(phone_accuracy(trained, group), 4) for corpus, group in valid.items()}
    facts: dict[str, object] = {
        "training": config.model_dump(mode="json"),
        "phone accuracy": figures,
    }
    save_network(target, trained, facts)
    return target


def _units(model: SpeechEncoder, train: list[list[SpokenSequence]], seed: int) -> Tensor:
    """[units, feature_dim] centroids of features of evenly spread recordings."""
    features: list[Tensor] = []
    stride = max(sum(len(versions[0].mels) for versions in train) // UNIT_FRAMES, 1)
    for versions in train[::stride]:
        features.append(model.encode(versions[0].mels.float()))
    points = torch.cat(features)
    # Silence is a third of the recordings and needs no third of the units.
    silent = model.phones(points)[0].argmax(1) == 0
    keep = ~silent | (torch.arange(len(points)) % 10 == 0)
    centroids, _ = kmeans2(
        points[keep].double().numpy(), model.config.units, minit="points", rng=seed, iter=20
    )
    return torch.from_numpy(centroids).float()
