"""Training of PoseGPT on the codes of a trained VQ-VAE, and the styles that are kept for retrieval."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from scipy.cluster.vq import kmeans2
from torch import Tensor

from adamesh.checkpoints.networks import fingerprint, save_network
from adamesh.data.poses import PoseAugmentation, PoseBatch, PoseSampler, PoseSequence
from adamesh.models.pose_gpt import PoseGPT, PoseGPTConfig
from adamesh.models.pose_style import style_matrix
from adamesh.models.pose_vqvae import PoseVQVAE
from adamesh.motion.head import MIRROR_AXES, deviation
from adamesh.rates import FEATURES_PER_FRAME, FPS
from adamesh.training.loop import LoopConfig, optimize
from adamesh.training.statistics import balanced_scale

IGNORED = -100  # code of frames beyond a clip's end
UNIT_FRAMES = 40_000  # feature frames that the k-means units are made from
STYLE_SECONDS = 10.0  # of motion in a style that is kept: as much as a reference has
MOST_STYLES = 8  # of a speaker, before mirroring


class PoseGPTTraining(LoopConfig):
    """Everything that decides the outcome of `adamesh train pose-gpt`."""

    steps: int = 2000
    weight_decay: float = 0.1
    ema: float = 0.995
    other_voices: int = 2  # altered versions of each recording's speech
    window: int = 256  # motion frames
    drop_style: float = 0.1  # share of windows without a style
    drop_speech: float = 0.1  # share of windows without speech: what codes of a reference come with
    drop_code: float = 0.1  # share of past codes that are blanked, so that speech must be heard
    model: PoseGPTConfig = PoseGPTConfig()
    augmentation: PoseAugmentation = PoseAugmentation()


def _codes(vqvae: PoseVQVAE, motion: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Latents [B, K, D], codes [B, K] (`IGNORED` where not all frames are valid) and their mask [B, K]."""
    n = vqvae.config.frames_per_code
    with torch.no_grad():
        latents = vqvae.encode(motion)
        codes = vqvae.codes(latents)
    valid = mask.unflatten(1, (-1, n)).all(2)
    return latents, codes.masked_fill(~valid, IGNORED), valid


def _loss(model: PoseGPT, vqvae: PoseVQVAE, batch: PoseBatch, config: PoseGPTTraining) -> Tensor:
    _, codes, _ = _codes(vqvae, batch.motion, batch.mask)
    latents, _, valid = _codes(vqvae, batch.reference, batch.reference_mask)
    kept = torch.rand(len(codes), 1) >= config.drop_style
    style = model.encode_style(latents, valid) * kept
    nothing = model.config.codes
    before = F.pad(codes[:, :-1], (1, 0), value=nothing)
    blank = (before == IGNORED) | (torch.rand(before.shape) < config.drop_code)
    before = before.masked_fill(blank, nothing)
    spoken = torch.rand(len(codes), 1, 1) >= config.drop_speech
    logits = model(before, model.heard(batch.features) * spoken, style)
    return F.cross_entropy(logits.flatten(0, 1), codes.flatten(), ignore_index=IGNORED)


def _fit_units(model: PoseGPT, sequences: list[PoseSequence], seed: int) -> None:
    """Scale of the features, and their k-means clusters, of frames that are spread evenly over people."""
    by_speaker = defaultdict(list)
    for sequence in sequences:
        by_speaker[sequence.speaker].append(sequence.voices[0].float())
    each = UNIT_FRAMES // len(by_speaker)
    points = []
    for voices in by_speaker.values():
        frames = torch.cat(voices)
        points.append(frames[:: -(-len(frames) // each)])
    mean, spread = balanced_scale(points)
    model.feature_mean.copy_(mean)
    model.feature_std.copy_(spread)
    scaled = (torch.cat(points) - model.feature_mean) / model.feature_std
    centroids, _ = kmeans2(
        scaled.double().numpy(),
        model.config.units,
        minit="points",
        rng=seed,
        iter=20,
    )
    model.centroids.copy_(torch.from_numpy(centroids))


def _with_styles(model: PoseGPT, styles: int, vqvae: str) -> PoseGPT:
    """The same network with room for training styles, and the name of the VQ-VAE it belongs to."""
    larger = PoseGPT(replace(model.config, styles=styles, vqvae=vqvae))
    state = {k: v for k, v in model.state_dict().items() if not k.startswith("style_")}
    larger.load_state_dict(state, strict=False)
    return larger


@dataclass(frozen=True)
class _Piece:
    """About `STYLE_SECONDS` of one speaker's motion, from one clip or several short ones."""

    motions: list[Tensor]  # each [T, 3], T a multiple of the VQ-VAE's frames
    units: list[Tensor]  # each [2 T]


def _style_pieces(
    model: PoseGPT, sequences: list[PoseSequence], frames_per_code: int
) -> list[_Piece]:
    """The training styles: at most `MOST_STYLES` of a speaker, evenly spread, and each one mirrored."""
    wanted = int(STYLE_SECONDS * FPS) // frames_per_code * frames_per_code
    by_speaker = defaultdict(list)
    for sequence in sequences:
        by_speaker[sequence.speaker].append(sequence)
    pieces = []
    for group in by_speaker.values():
        found = [_Piece([], [])]
        for sequence in group:
            for start in range(0, len(sequence.motion), wanted):
                if sum(map(len, found[-1].motions)) >= wanted:
                    found.append(_Piece([], []))
                stop = min(start + wanted, len(sequence.motion))
                stop -= (stop - start) % frames_per_code
                found[-1].motions.append(sequence.motion[start:stop])
                ticks = slice(FEATURES_PER_FRAME * start, FEATURES_PER_FRAME * stop)
                units = model.units(sequence.voices[0].float())[ticks]
                found[-1].units.append(_filled(units, ticks.stop - ticks.start))
        if len(found) > 1 and sum(map(len, found[-1].motions)) < wanted / 2:
            found.pop()
        pieces += found[:: -(-len(found) // MOST_STYLES)]
    mirror = torch.from_numpy(MIRROR_AXES)
    mirrored = [_Piece([motion * mirror for motion in p.motions], p.units) for p in pieces]
    return pieces + mirrored


def _filled(units: Tensor, length: int) -> Tensor:
    """Sound may end a little before the picture: its last unit goes on."""
    return F.pad(units, (0, length - len(units)), value=int(units[-1]) if len(units) else 0)


def _keep_styles(model: PoseGPT, vqvae: PoseVQVAE, pieces: list[_Piece]) -> None:
    for i, piece in enumerate(pieces):
        # In the units of the piece itself, as a reference of that length is.
        motions = [motion - motion.mean(0) for motion in piece.motions if len(motion)]
        own = torch.from_numpy(deviation(*(motion.numpy() for motion in motions), smallest=0.1))
        with torch.no_grad():
            latents = torch.cat([vqvae.encode((motion / own)[None])[0] for motion in motions])
            value = model.encode_style(latents[None])[0]
        matrix = style_matrix(latents, torch.cat(piece.units), model.config.units)
        model.style_keys[i] = matrix.mean
        model.style_present[i] = matrix.present
        model.style_values[i] = value


def code_figures(
    model: PoseGPT, vqvae: PoseVQVAE, sequences: list[PoseSequence]
) -> dict[str, float]:
    """Mean negative log-likelihood of a code, in nats, with the right speech and with another clip's."""
    right, wrong, total = 0.0, 0.0, 0
    n = vqvae.config.frames_per_code
    per_code = n * FEATURES_PER_FRAME
    for i, sequence in enumerate(sequences):
        k = len(sequence.motion) // n
        other = sequences[(i + 1) % len(sequences)].voices[0]
        with torch.inference_mode():
            latents = vqvae.encode(sequence.motion[None, : k * n])
            codes = vqvae.codes(latents)
            style = model.encode_style(latents)
            before = F.pad(codes[:, :-1], (1, 0), value=model.config.codes)
            for name, voice in (("right", sequence.voices[0]), ("wrong", other)):
                repeated = voice.float().repeat(-(-k * per_code // len(voice)), 1)[: k * per_code]
                logits = model(before, model.heard(repeated)[None], style)
                value = float(F.cross_entropy(logits[0], codes[0], reduction="sum"))
                if name == "right":
                    right += value
                else:
                    wrong += value
        total += k
    return {"nats": right / total, "nats with wrong speech": wrong / total}


def train_pose_gpt(
    config: PoseGPTTraining,
    vqvae: PoseVQVAE,
    train: list[PoseSequence],
    valid: list[PoseSequence],
    folder: Path,
    *,
    progress: Callable[[int, int, float], None],
) -> Path:
    """Trains, resuming from `folder` if a run stopped there; see `loop.optimize`.

    Args:
        train, valid: with the features that `config.model` names.
    Returns:
        The checkpoint: averaged weights and the training styles with their matrices.
    """
    torch.manual_seed(config.seed)
    model = PoseGPT(config.model)
    _fit_units(model, train, config.seed)
    pieces = _style_pieces(model, train, vqvae.config.frames_per_code)
    model = _with_styles(model, len(pieces), fingerprint(vqvae))
    sampler = PoseSampler(train, config.window, config.augmentation, config.seed)
    trained = optimize(
        model,
        config,
        folder,
        draw=lambda step: sampler.draw(config.batch_size, step),
        loss=lambda batch: _loss(model, vqvae, batch, config),
        validate=lambda averaged: code_figures(averaged, vqvae, valid),
        progress=progress,
    )
    assert isinstance(trained, PoseGPT)
    _keep_styles(trained, vqvae, pieces)
    target = folder / "pose-gpt.safetensors"
    facts: dict[str, object] = {
        "training": config.model_dump(mode="json"),
        "figures": {name: round(x, 4) for name, x in code_figures(trained, vqvae, valid).items()},
    }
    save_network(target, trained, facts)
    return target
