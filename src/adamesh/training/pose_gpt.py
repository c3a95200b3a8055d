"""Training of PoseGPT on the codes of a trained VQ-VAE, and the styles that are kept for retrieval."""

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from scipy.cluster.vq import kmeans2
from torch import Tensor

from adamesh.checkpoints.networks import fingerprint, save_network
from adamesh.data.corpus import read_corpus
from adamesh.data.poses import PoseAugmentation, PoseBatch, PoseSampler, PoseSequence, load_poses
from adamesh.data.sound_offsets import delays
from adamesh.features import load_features
from adamesh.models.pose_gpt import LOUDNESS, PoseGPT, PoseGPTConfig
from adamesh.models.pose_style import style_matrix
from adamesh.models.pose_vqvae import PoseVQVAE
from adamesh.motion.head import MIRROR_AXES, deviation
from adamesh.progress import Progress, no_progress
from adamesh.rates import FEATURES_PER_FRAME, FPS
from adamesh.training.loop import CPU, LoopConfig, optimize
from adamesh.training.splits import train_and_valid
from adamesh.training.statistics import balanced_scale
from adamesh.values import Value

IGNORED = -100  # code of frames beyond a clip's end
UNIT_FRAMES = 40_000  # feature frames that the k-means units are made from
STYLE_SECONDS = 10.0  # of motion in a style that is kept: as much as a reference has
MOST_STYLES = 8  # of a speaker, before mirroring
STILL = 0.01  # deviations a frame: heads that move less are alike
LEAST_LOUDNESS = 0.05  # deviation of a channel that is not silence
TEMPO_PRIOR = 1000.0  # of the ridge regression on loudness
NEW = 0.5  # of what loudness tells of a step, the share that the codes before it do not


class PoseGPTTraining(LoopConfig):
    """Everything that decides the outcome of `adamesh train pose-gpt`."""

    steps: int = 2000
    weight_decay: float = 0.1
    ema: float = 0.995
    other_voices: int = 2  # altered versions of each recording's speech
    window: int = 128  # motion frames, behind as many of a reference
    drop_style: float = 0.1  # share of windows without a style
    drop_speech: float = 0.2  # share of windows without speech, which guidance compares with
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
    """Cross-entropy of a stretch of motion behind another of the same person, as `sample` has it.

    The style is of the first stretch, so no code that is asked for is in it.
    """
    nothing, rows = model.config.codes, len(batch.motion)
    latents, shown, valid = _codes(vqvae, batch.reference, batch.reference_mask)
    _, wanted, _ = _codes(vqvae, batch.motion, batch.mask)
    device = batch.motion.device
    kept = torch.rand(rows, 1, device=device) >= config.drop_style
    style = model.encode_style(latents, valid) * kept
    before = F.pad(torch.cat([shown, wanted], 1)[:, :-1], (1, 0), value=nothing)
    blank = (before == IGNORED) | (torch.rand(before.shape, device=device) < config.drop_code)
    before = before.masked_fill(blank, nothing)
    heard = torch.cat([model.hear(batch.reference_features), model.hear(batch.features)], dim=1)
    spoken = torch.rand(rows, 1, 1, device=device) >= config.drop_speech
    logits = model(before, heard * spoken, style)
    judged = logits[:, shown.shape[1] :]
    return F.cross_entropy(judged.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED)


def _fit_tempo(model: PoseGPT, vqvae: PoseVQVAE, sequences: list[PoseSequence]) -> None:
    """The pose of each code, and what of a head's speed loudness tells: ridge regressions over all clips."""
    n, per_code = vqvae.config.frames_per_code, model.config.features_per_code
    wanted, codes, poses, loudness = [], [], [], []
    for sequence in sequences:
        k = len(sequence.motion) // n
        motion = sequence.motion[: k * n]
        speed = F.pad(motion.diff(dim=0).norm(dim=1), (1, 0)).view(k, n).mean(1)
        pace = torch.log(speed + STILL)
        wanted.append((pace - pace.mean()) / pace.std())
        poses.append(motion.view(k, n, -1).mean(1))
        with torch.no_grad():
            codes.append(vqvae.codes(vqvae.encode(motion[None]))[0])
        heard = sequence.voices[0][: k * per_code, LOUDNESS].float()
        loudness.append(F.pad(heard, (0, k * per_code - len(heard)), value=float(heard[-1])))
    target, code = torch.cat(wanted), torch.cat(codes)
    count = torch.bincount(code, minlength=model.config.codes)[:, None]
    total = torch.zeros_like(model.place).index_add_(0, code, torch.cat(poses))
    model.place.copy_(total / count.clamp_min(1))
    model.pace_std.fill_(1.0)
    model.pace_std.copy_(
        torch.cat([model.pace(x[None, :-1])[0].gather(1, x[1:, None])[:, 0] for x in codes]).std()
    )
    speakers = [s.speaker for s, x in zip(sequences, wanted, strict=True) for _ in x]
    for tempo in (model.tempo, model.streamed_tempo):
        rows = torch.cat([tempo.windows(x[None])[0] for x in loudness])
        mean, scale = rows.mean(0), rows.std(0) + LEAST_LOUDNESS
        x = (rows - mean) / scale
        weight, r = _ridge(x, target, speakers)
        # As large as what is expected of a speaker who was not seen, less what past codes have told.
        size = NEW * max(r, 0.0) / (x @ weight).std().clamp_min(1e-6)
        tempo.mean.copy_(mean)
        tempo.weight.copy_(size * weight / scale)


def _ridge(x: Tensor, target: Tensor, speakers: list[str]) -> tuple[Tensor, float]:
    """Weights of a ridge regression, and the correlation it has on speakers that it has not seen."""

    def solved(chosen: Tensor) -> Tensor:
        seen = x[chosen]
        prior = TEMPO_PRIOR * torch.eye(x.shape[1])
        return torch.linalg.solve(seen.T @ seen + prior, seen.T @ target[chosen])

    predicted = torch.zeros_like(target)
    for speaker in sorted(set(speakers)):
        theirs = torch.tensor([other == speaker for other in speakers])
        predicted[theirs] = x[theirs] @ solved(~theirs)
    r = float(torch.corrcoef(torch.stack([predicted, target]))[0, 1])
    return solved(torch.ones(len(x), dtype=torch.bool)), r if r == r else 0.0


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


@dataclass(frozen=True, eq=False, repr=False)
class _Piece(Value):
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
    """Mean negative log-likelihood of a code, in nats: of the second half of each clip, behind the first.

    Style and prompt are the first half's.

    Returns:
        `right`: with the clip's own speech, `streamed`: as a stream hears it, `wrong`: with another
        clip's, `none`: without any.
    """
    device, n = vqvae.codebook.device, vqvae.config.frames_per_code
    per_code = n * FEATURES_PER_FRAME
    totals = dict.fromkeys(("right", "streamed", "wrong", "none"), 0.0)
    count = 0
    for i, sequence in enumerate(sequences):
        half = len(sequence.motion) // n // 2
        k = 2 * half
        other = sequences[(i + 1) % len(sequences)].voices[0].to(device).float()
        with torch.inference_mode():
            latents = vqvae.encode(sequence.motion[None, : k * n].to(device))
            codes = vqvae.codes(latents)
            style = model.encode_style(latents[:, :half])
            own = sequence.voices[0].to(device).float()
            own = F.pad(own, (0, 0, 0, max(k * per_code - len(own), 0)))[None, : k * per_code]
            another = other.repeat(-(-k * per_code // len(other)), 1)[None, : k * per_code]
            right, wrong = model.hear(own), model.hear(another)
            ways = {
                "right": right,
                "streamed": model.hear(own, streamed=True),
                "wrong": torch.cat([right[:, :half], wrong[:, half:]], 1),
                "none": torch.zeros_like(right),
            }
            for name, heard in ways.items():
                totals[name] += half * float(model.nats(codes, heard, style, half))
        count += half
    return {name: total / count for name, total in totals.items()}


def train_pose_gpt(
    config: PoseGPTTraining,
    vqvae: PoseVQVAE,
    data: Path,
    tracks: Path,
    folder: Path,
    *,
    progress: Progress = no_progress,
    device: torch.device = CPU,
) -> Path:
    """Trains on a corpus, resuming from `folder` if a run stopped there.

    Args:
        vqvae: whose codes it predicts.
        data, tracks: the corpus and its tracks, see `data.corpus`.
    Returns:
        The checkpoint.
    """
    videos, late = read_corpus(data, tracks), delays(tracks)
    train, valid = (
        load_poses(
            chosen,
            load_features(config.model.features),
            delays=late,
            other_voices=count,
            progress=report,
        )
        for chosen, count, report in train_and_valid(
            videos, progress, other_voices=config.other_voices
        )
    )
    return fit_pose_gpt(config, vqvae, train, valid, folder, progress=progress, device=device)


def fit_pose_gpt(
    config: PoseGPTTraining,
    vqvae: PoseVQVAE,
    train: list[PoseSequence],
    valid: list[PoseSequence],
    folder: Path,
    *,
    progress: Progress = no_progress,
    device: torch.device = CPU,
) -> Path:
    """Trains on sequences; see `loop.optimize`.

    Args:
        train, valid: with the features that `config.model` names.
    Returns:
        The checkpoint: averaged weights and the training styles with their matrices.
    """
    torch.manual_seed(config.seed)
    model = PoseGPT(config.model)
    _fit_units(model, train, config.seed)
    _fit_tempo(model, vqvae, train)
    pieces = _style_pieces(model, train, vqvae.config.frames_per_code)
    model = _with_styles(model, len(pieces), fingerprint(vqvae))
    sampler = PoseSampler(train, config.window, config.augmentation, config.seed)
    vqvae.to(device)
    trained = optimize(
        model,
        config,
        folder,
        draw=lambda step: sampler.draw(config.batch_size, step),
        loss=lambda batch: _loss(model, vqvae, batch, config),
        validate=lambda averaged: code_figures(averaged, vqvae, valid),
        progress=progress,
        device=device,
    )
    vqvae.cpu()
    assert isinstance(trained, PoseGPT)
    _keep_styles(trained, vqvae, pieces)
    target = folder / "pose-gpt.safetensors"
    facts: dict[str, object] = {
        "training": config.model_dump(mode="json"),
        "figures": {name: round(x, 4) for name, x in code_figures(trained, vqvae, valid).items()},
    }
    save_network(target, trained, facts)
    return target
