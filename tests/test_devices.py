"""Losses and training put their tensors where the model is: on the meta device, which refuses the CPU's."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from adamesh.data.poses import PoseBatch
from adamesh.data.sequences import Batch
from adamesh.faces import load_embedded_face
from adamesh.models.expression import ExpressionAdapter, ExpressionConfig
from adamesh.models.expression_loss import ExpressionLoss, LossWeights
from adamesh.models.opening import OpeningConfig, OpeningNetwork
from adamesh.models.pose_gpt import PoseGPT, PoseGPTConfig
from adamesh.models.pose_vqvae import PoseVQVAE, PoseVQVAEConfig
from adamesh.training import pose_gpt
from adamesh.training.loop import LoopConfig, on_device, optimize

META = torch.device("meta")
EXPRESSION = ExpressionConfig(feature_dim=6, dim=16)


def batch(frames: int = 12) -> Batch:
    """Two windows, with a look-ahead of one frame."""
    mask = torch.ones(2, frames, dtype=torch.bool)
    return Batch(
        features=torch.randn(2, 2 * (frames + 1), 6),
        motion=torch.randn(2, frames, 52),
        shut=~mask,
        activity=torch.ones(2, frames),
        mask=mask,
        reference=torch.randn(2, 20, 52),
        betas=torch.randn(2, 50),
        conditioned=torch.tensor([True, False]),
    )


def pose_batch(features: int, frames: int = 16) -> PoseBatch:
    motion, mask = torch.randn(2, frames, 3), torch.ones(2, frames, dtype=torch.bool)
    heard = torch.randn(2, 2 * frames, features)
    return PoseBatch(motion, mask, heard, motion, mask, heard)


def test_the_expression_loss_is_where_the_motion_is() -> None:
    model, given = ExpressionAdapter(EXPRESSION).to(META), on_device(batch(), META)
    style = model.encode_style(given.reference)
    output = model(given.features, style, given.betas).after_lookahead(1)
    loss = ExpressionLoss(load_embedded_face(), LossWeights(), META)
    value = loss(model, output, given.motion, given.mask, given.shut, given.activity)
    assert value.device == META


def test_unknown_activity_teaches_nothing() -> None:
    """Against the formula; frames below 0 count for nothing, and nothing is added if all are."""
    torch.manual_seed(0)
    given, model = batch(), ExpressionAdapter(EXPRESSION).eval()
    given.mask[1, 8:] = False
    loss, plain = (
        ExpressionLoss(load_embedded_face(), LossWeights(activity=x)) for x in (1.0, 0.0)
    )
    style = model.encode_style(given.reference)
    output = model(given.features, style, given.betas).after_lookahead(1)

    def added(activity: Tensor) -> Tensor:
        rest = (given.motion, given.mask, given.shut, activity)
        return loss(model, output, *rest) - plain(model, output, *rest)

    some = given.activity.clone()
    some[0, 3:] = -1.0
    said = torch.cat([output.activity[0, :3], output.activity[1, :8]])
    expected = nn.functional.softplus(-said).mean()
    torch.testing.assert_close(added(some), expected, atol=1e-5, rtol=1e-5)
    assert float(added(torch.full_like(some, -1.0)).detach()) == 0


def test_the_loss_of_pose_gpt_is_where_the_motion_is() -> None:
    config = PoseGPTConfig(feature_dim=7, codes=16, code_dim=8, style_dim=4, dim=16, units=5)
    gpt = PoseGPT(config).to(META)
    vqvae = PoseVQVAE(PoseVQVAEConfig(codes=16, code_dim=8, dim=16)).to(META)
    training = pose_gpt.PoseGPTTraining(model=config)
    assert pose_gpt._loss(gpt, vqvae, on_device(pose_batch(7), META), training).device == META


def test_predictions_are_where_the_features_are() -> None:
    """Style and identity come from elsewhere: from files."""
    adapter = ExpressionAdapter(EXPRESSION).to(META)
    features = torch.empty(20, 6, device=META)
    for result in adapter.predict(features, torch.zeros(1, 32), torch.zeros(1, 50)):
        assert result.device == META
    opening = OpeningNetwork(OpeningConfig(feature_dim=6, dim=16)).to(META)
    assert opening.opening(features).device == META


def test_training_moves_model_and_batches(tmp_path: Path) -> None:
    class SeenError(Exception):
        pass

    model = nn.Linear(3, 1)

    def loss(given: PoseBatch) -> Tensor:
        value = model(given.motion).mean()
        assert {value.device, given.mask.device, given.reference.device} == {META}
        raise SeenError

    with pytest.raises(SeenError):
        optimize(
            model, LoopConfig(steps=1), tmp_path, draw=lambda _: pose_batch(0), loss=loss,
            validate=lambda _: {}, device=META,
        )  # fmt: skip
