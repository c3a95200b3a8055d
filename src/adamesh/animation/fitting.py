"""Fitting MoLoRA to what a reference shows.

Ten seconds are little: whatever is free follows them into their noise. So the branches have a prior, the
base model, and where the answer can be computed it is not searched for: on the last layer the branches that
a ridge regression wants are known in closed form. `descend` is the search by gradient over the branches of
all layers, as in the paper; `docs/decisions/adaptation.md` has both side by side.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adamesh.faces import Face
from adamesh.models.baseline import Baseline
from adamesh.models.expression import ExpressionAdapter
from adamesh.models.expression_loss import ExpressionLoss, LossWeights
from adamesh.motion.spaces import UPPER_FACE
from adamesh.nn.molora import Branch, adaptable_layers, adapted_layers, attach, parameter_groups
from adamesh.rates import FPS
from adamesh.values import Value

LAST_LAYER = "decoder.out"
PRIOR = 1000.0  # frames' worth of belief in the base model
SHORT = 10.0  # s; in shorter references it is believed the more
FOLDS = 5
SMALLEST_STATE = 1e-3  # deviation of a hidden state that counts as still


@dataclass(frozen=True, eq=False, repr=False)
class Shown(Value):
    """What a reference shows, as training has it of every clip: see `data.sequences.Sequence`."""

    features: Tensor  # [2 (T + lookahead), D] of its speech
    motion: Tensor  # [T, E] about the resting face
    baseline: Baseline
    shut: Tensor  # [T] bool
    activity: Tensor  # [T]
    betas: Tensor  # [K]


def solve(
    model: ExpressionAdapter, shown: Shown, embedding: Tensor, branches: tuple[Branch, ...]
) -> Tensor:
    """Attaches branches to the model's last layer, as a ridge regression wants them.

    The layer's weight W0 [E, D] becomes W0 + dW with the dW that minimises

        |h dW' - (shown - predicted)|^2 + PRIOR |dW s|^2

    over frames, h [T, D] being what the layer is given and s [D] the deviation of h: the mean of the
    posterior whose prior is the base model. Of it as much is kept as the ranks of the branches allow, by its
    largest effects on the motion.

    Args:
        embedding: [style_dim] that the model is given.
    Returns:
        [T, E] motion as it is predicted for frames that a model was not fitted to: each fifth of the
        reference by the fit to the other four.
    """
    frames = len(shown.motion)
    hidden, predicted = _last_layer(model, shown, embedding)
    scale = hidden.std(0) + SMALLEST_STATE
    x, missing = hidden / scale, (shown.motion - predicted) / model.std
    if model.config.space == "arkit52":
        missing[:, UPPER_FACE] = 0.0  # speech tells little of it: what is not heard is not fitted
    strength = PRIOR * max(1.0, SHORT * FPS / frames)
    unit = torch.eye(x.shape[1])

    def ridge(chosen: Tensor) -> Tensor:
        seen, wanted = x[chosen], missing[chosen]
        return torch.linalg.solve(seen.T @ seen + strength * unit, seen.T @ wanted)

    whole = ridge(torch.ones(frames, dtype=torch.bool))
    # Reduced-rank regression: of the motion that is added, its principal directions.
    effects = (x @ whole) * model.std
    rank = min(sum(branch.rank for branch in branches), *whole.shape)
    directions = torch.linalg.svd(effects, full_matrices=False).Vh[:rank].T
    change = ((whole * model.std) @ directions @ directions.T / model.std) / scale[:, None]
    fold = torch.arange(frames) * FOLDS // frames
    unseen = predicted.clone()
    for i in range(FOLDS):
        unseen[fold == i] += (x[fold == i] @ ridge(fold != i)) * model.std
    attach(model, branches, seed=0, layers=[LAST_LAYER])
    adapted_layers(model)[LAST_LAYER].set_change(change.T)
    return unseen


def _last_layer(model: ExpressionAdapter, shown: Shown, embedding: Tensor) -> tuple[Tensor, Tensor]:
    """[T, D] what the last layer is given, and [T, E] what the model makes of it."""
    given: list[Tensor] = []
    layer = model.get_submodule(LAST_LAYER)
    handle = layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0][0]))
    try:
        predicted, _ = model.predict(shown.features, embedding[None], shown.betas[None])
    finally:
        handle.remove()
    # Clones are ordinary tensors, what inference mode made is not.
    return torch.cat(given)[model.config.lookahead :].clone(), predicted


@dataclass(frozen=True)
class Descent:
    """How `descend` goes; `branches` None trains every weight itself."""

    branches: tuple[Branch, ...] | None
    convolutions: bool = True  # have branches, or linear layers alone
    steps: int = 50
    learning_rate: float = 1e-4  # of a training without branches
    weight_decay: float = 0.01
    loss: LossWeights = LossWeights()  # noqa: RUF009, it is frozen
    seed: int = 0


def descend(model: ExpressionAdapter, face: Face, shown: Shown, options: Descent) -> None:
    """Optimises branches on `model`, or all of it, on a reference, by gradient.

    Whether anybody speaks is left to the base model: ten seconds do not teach pauses.
    """
    activity = {f"activity.{name}" for name, _ in model.activity.named_parameters()}
    if options.branches is None:
        model.requires_grad_(True)
        chosen = [p for name, p in model.named_parameters() if name not in activity]
        groups: list[dict[str, object]] = [{"params": chosen, "lr": options.learning_rate}]
    else:
        layers = [name for name in adaptable_layers(model) if name != "activity"]
        if not options.convolutions:
            layers = [n for n in layers if isinstance(model.get_submodule(n), nn.Linear)]
        attach(model, options.branches, seed=options.seed, layers=layers)
        groups = parameter_groups(model, options.branches)
    optimizer = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=options.steps,
        pct_start=0.2,
        cycle_momentum=False,
    )
    loss_function = ExpressionLoss(face, options.loss)
    wanted, shut, speaks, betas = (
        x[None] for x in (shown.motion, shown.shut, shown.activity, shown.betas)
    )
    mask = torch.ones(wanted.shape[:2], dtype=torch.bool)
    random_state = torch.random.get_rng_state()
    torch.manual_seed(options.seed)
    model.train()
    for _ in range(options.steps):
        style = model.encode_style(wanted)
        output = model(shown.features[None], style, betas).after_lookahead(model.config.lookahead)
        value = loss_function(model, output, wanted, mask, shut, speaks)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    torch.random.set_rng_state(random_state)  # the caller's own randomness goes on as if untouched
