"""Where the landmark detector errs when a head turns.

A detector regresses whole faces from pictures; on a head that turns, its landmarks slide over the surface,
most on the far side. On renders of the embedded head, where every landmark's place is known, that is measured
once:

    seen - true = bias(view) + what the blendshapes do to it + what the person does to it + noise

in metres on the upright image plane: the plane through the landmark that faces the camera, turned so that
the head has no roll, x to the right of the image and y up. Only the first part is taken over to the fit; it
helps on real faces as on renders. What blendshapes do to a detector on renders does not carry over to real
faces: docs/decisions/tracking.md.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from adamesh.faces.landmark_index import LANDMARK_COUNT
from adamesh.values import Value

RIDGE = 1.0  # on the regression, in observations of each term


@dataclass(frozen=True, eq=False, repr=False)
class Observed(Value):
    """Frames of one person with known truth.

    Attributes:
        seen: [T, 478, 2] pixels, the detector's.
        true: [T, 478, 3] pixels and depth in metres, of the surface points.
        rotation: [T, 3, 3] of the head as the camera sees it.
        expression: [T, E].
        focal: pixels.
    """

    seen: np.ndarray
    true: np.ndarray
    rotation: np.ndarray
    expression: np.ndarray
    focal: float


def upright(rotation: Tensor) -> tuple[Tensor, Tensor]:
    """Takes the roll out of a head's rotation.

    Args:
        rotation: [T, 3, 3] of the head as the camera sees it.
    Returns:
        [T, 2, 2] the turn of the image plane that sets the head's up axis upright, and the rotation
        [T, 3, 3] that is left.
    """
    up = torch.nn.functional.normalize(rotation[:, :2, 1], dim=-1)
    turn = torch.stack([up[:, 1], -up[:, 0], up[:, 0], up[:, 1]], -1).unflatten(-1, (2, 2))
    return turn, torch.cat([turn @ rotation[:, :2], rotation[:, 2:]], 1)


def view_terms(rotation: Tensor) -> Tensor:
    """[T, 3, 3] without roll -> [T, 10]: the cubic polynomials of where the face looks."""
    x, y = rotation[:, 0, 2], rotation[:, 1, 2]
    one = torch.ones_like(x)
    terms = (one, x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3)
    return torch.stack(terms, -1)


def fit_bias(people: Iterable[Observed]) -> Tensor:
    """Regresses the detector's errors on view and blendshapes.

    Terms and errors are taken about each person's mean, so that a person's own constant error is in
    none of them but the constant.

    Returns:
        [10, 478, 2] metres per term of `view_terms`.
    """
    features, errors, means = [], [], []
    for person in people:
        turn, rotation = upright(torch.from_numpy(person.rotation).double())
        pixels = torch.from_numpy(person.seen - person.true[..., :2]).double()
        metres = pixels * torch.from_numpy(person.true[..., 2:]).double() / person.focal
        metres = metres * torch.tensor([1.0, -1.0]).double()
        error = (metres @ turn.mT).flatten(1)
        blendshapes = torch.from_numpy(person.expression).double()
        terms = torch.cat([view_terms(rotation)[:, 1:], blendshapes], 1)
        features.append(terms - terms.mean(0))
        errors.append(error - error.mean(0))
        means.append((terms.mean(0), error.mean(0)))
    x, y = torch.cat(features), torch.cat(errors)
    ridge = RIDGE * torch.eye(x.shape[1]).double()
    weights = torch.linalg.solve(x.T @ x + ridge, x.T @ y)
    constant = torch.stack([error - terms @ weights for terms, error in means]).mean(0)
    of_view = torch.cat([constant[None], weights[: -blendshapes.shape[1]]])
    return of_view.unflatten(1, (LANDMARK_COUNT, 2)).float()


@functools.cache
def load_bias() -> Tensor:
    """[10, 478, 2] as measured by `tools/build_detector_bias.py`, metres per term of `view_terms`."""
    path = resources.files("adamesh") / "assets" / "detector_bias.safetensors"
    with resources.as_file(path) as file:
        return load_file(file)["bias"].float()
