"""Training of the pose VQ-VAE: rotations in, the same rotations out through the codebook."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from vector_quantize_pytorch import VectorQuantize

from adamesh.checkpoints.networks import save_network
from adamesh.data.corpus import read_corpus
from adamesh.data.poses import PoseAugmentation, PoseBatch, PoseSampler, PoseSequence, load_poses
from adamesh.models.pose_vqvae import PoseVQVAE, PoseVQVAEConfig
from adamesh.progress import Progress, no_progress
from adamesh.training.loop import CPU, LoopConfig, optimize
from adamesh.training.splits import train_and_valid


class PoseVQVAETraining(LoopConfig):
    """Everything that decides the outcome of `adamesh train pose-vqvae`."""

    steps: int = 3000
    weight_decay: float = 0.01
    ema: float = 0.99
    window: int = 64  # motion frames
    velocity_weight: float = 2.0  # on frame-to-frame differences
    commitment: float = 0.25  # pull of the latents towards their codes
    codebook_decay: float = 0.95  # of the moving averages that codes are
    model: PoseVQVAEConfig = PoseVQVAEConfig()
    augmentation: PoseAugmentation = PoseAugmentation()


class _Quantised(nn.Module):
    """The network with the quantiser that fills its codebook."""

    def __init__(self, config: PoseVQVAETraining) -> None:
        super().__init__()
        self.network = PoseVQVAE(config.model)
        self.quantizer = VectorQuantize(
            dim=config.model.code_dim,
            codebook_size=config.model.codes,
            decay=config.codebook_decay,
            commitment_weight=config.commitment,
            kmeans_init=True,
            threshold_ema_dead_code=1,  # codes that hardly anything uses start again elsewhere
        )

    def forward(self, motion: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, 3] and its mask [B, T] -> what came out, and the commitment loss."""
        valid = mask.unflatten(1, (-1, self.network.config.frames_per_code)).all(2)
        latents, _, commitment = self.quantizer(self.network.encode(motion), mask=valid)
        return self.network.decode(latents), commitment.sum()

    def finished(self) -> PoseVQVAE:
        self.network.codebook.copy_(self.quantizer.codebook)
        return self.network


def reconstruction(model: PoseVQVAE, sequences: list[PoseSequence]) -> dict[str, float]:
    """What is lost between motion and codes.

    Returns:
        `degrees`: mean over frames of the angle between a pose and its reconstruction; `share`: the same
        over the mean angle from the mean pose, scale-free; `perplexity`: of the codes, how many are in
        effective use; `used`: share of the codebook that occurs at all.
    """
    lost, moved, used = [], [], []
    n = model.config.frames_per_code
    for sequence in sequences:
        motion = sequence.motion[: len(sequence.motion) // n * n].to(model.codebook.device)
        if not len(motion):
            continue
        with torch.inference_mode():
            codes = model.codes(model.encode(motion[None]))
            again = model.motion(codes)[0]
        scale = torch.from_numpy(np.degrees(sequence.deviation)).to(motion.device)
        lost.append(((again - motion) * scale).norm(dim=1))
        moved.append((motion * scale).norm(dim=1))
        used.append(codes[0])
    counts = torch.bincount(torch.cat(used), minlength=model.config.codes).float()
    share = counts / counts.sum()
    mean_lost = float(torch.cat(lost).mean())
    return {
        "degrees": mean_lost,
        "share": mean_lost / float(torch.cat(moved).mean()),
        "perplexity": float((-(share * share.clamp_min(1e-9).log()).sum()).exp()),
        "used": float((counts > 0).float().mean()),
    }


def train_pose_vqvae(
    config: PoseVQVAETraining,
    data: Path,
    tracks: Path,
    folder: Path,
    *,
    progress: Progress = no_progress,
    device: torch.device = CPU,
) -> Path:
    """Trains on a corpus, resuming from `folder` if a run stopped there.

    Args:
        data, tracks: the corpus and its tracks, see `data.corpus`.
    Returns:
        The checkpoint.
    """
    videos = read_corpus(data, tracks)
    train, valid = (
        load_poses(chosen, progress=report)
        for chosen, _, report in train_and_valid(videos, progress)
    )
    return fit_pose_vqvae(config, train, valid, folder, progress=progress, device=device)


def fit_pose_vqvae(
    config: PoseVQVAETraining,
    train: list[PoseSequence],
    valid: list[PoseSequence],
    folder: Path,
    *,
    progress: Progress = no_progress,
    device: torch.device = CPU,
) -> Path:
    """Trains on sequences; see `loop.optimize`.

    Returns:
        The checkpoint.
    """
    torch.manual_seed(config.seed)
    model = _Quantised(config)
    sampler = PoseSampler(train, config.window, config.augmentation, config.seed)

    def loss(batch: PoseBatch) -> Tensor:
        again, commitment = model(batch.motion, batch.mask)
        valid_frames = batch.mask[:, :, None].float()
        error = F.smooth_l1_loss(again, batch.motion, reduction="none", beta=0.2)
        speed_error = (again.diff(dim=1) - batch.motion.diff(dim=1)).abs()
        return (
            (error * valid_frames).sum() / valid_frames.sum()
            + config.velocity_weight
            * (speed_error * valid_frames[:, 1:]).sum()
            / valid_frames[:, 1:].sum()
            + commitment
        )

    trained = optimize(
        model,
        config,
        folder,
        draw=lambda step: sampler.draw(config.batch_size, step),
        loss=loss,
        validate=lambda averaged: reconstruction(averaged.finished(), valid),
        progress=progress,
        device=device,
    )
    assert isinstance(trained, _Quantised)
    network = trained.finished()
    target = folder / "pose-vqvae.safetensors"
    figures = {name: round(value, 4) for name, value in reconstruction(network, valid).items()}
    save_network(
        target, network, {"training": config.model_dump(mode="json"), "reconstruction": figures}
    )
    return target
