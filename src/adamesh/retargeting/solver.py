"""Coefficients of a face that move its surface as wanted, frame by frame.

The cost of a frame, in square millimetres, is

    mean over points |d - d'|^2  +  LIP_WEIGHT * mean over lip pairs |(d_u - d_l) - (d'_u - d'_l)|^2  +  prior

where d are the displacements reached, d' those wanted, and u and l the points of the upper and the lower lip
that touch in a closed mouth. The second part is why lips that close on one face close on the other: a
millimetre that both lips are off is not seen, a millimetre between them is.

No frame knows of another, so nothing lags and a clip may be cut anywhere.
"""

import torch
from torch import Tensor

from adamesh.motion.spaces import CoefficientSpace
from adamesh.retargeting.articulation import Articulation

LIP_WEIGHT = 4.0
RIDGE = 0.01  # mm^2 per squared standard deviation of a component without bounds
JAW_RIDGE = (0.0, 50.0, 400.0)  # mm^2 per rad^2 about x, y, z: jaws open, shift a little, never roll
BOUNDED_RIDGE = 0.01  # mm^2 per squared weight
BOUNDED_SPARSITY = 0.01  # mm^2 per weight: of two actions that cancel, neither is used
ITERATIONS = 8
FRAMES_AT_ONCE = 64
CLOSE = 1e-4  # radians and standard deviations; a smaller step ends the iteration
SWEEPS = 300
MM = 1000.0


class Solver:
    """Solves for one face; what doesn't change from clip to clip is computed once.

    Args:
        points: the points whose displacement is wanted, then the L of the upper lip, then the L of the lower.
        lip_pairs: L.
        space: of the face. Without bounds, the jaw turns; with bounds, actions move it.
        free: [E] bool, which channels may be used; the others stay zero.
    """

    def __init__(
        self, points: Articulation, lip_pairs: int, space: CoefficientSpace, free: Tensor
    ) -> None:
        self.points = points
        self.lip_pairs = lip_pairs
        self.space = space
        self.free = free
        self.surface = len(points.rest) - 2 * lip_pairs

    def __call__(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Args: wanted [T, P, 3] metres. Returns: expression [T, E] and jaw_pose [T, 3]."""
        parts = wanted.split(FRAMES_AT_ONCE)
        solve = self._turning if self.space.jaw_turns else self._bounded
        expression, jaw_pose = zip(*(solve(part) for part in parts), strict=True)
        return torch.cat(expression), torch.cat(jaw_pose)

    def _rows(self, values: Tensor) -> Tensor:
        """[T, P, 3, ...] metres of displacement -> [T, rows, ...] millimetres, weighted as in the cost."""
        face, upper, lower = values.split([self.surface, self.lip_pairs, self.lip_pairs], dim=1)
        scaled = (
            face * (MM / self.surface**0.5),
            (upper - lower) * (MM * (LIP_WEIGHT / self.lip_pairs) ** 0.5),
        )
        return torch.cat(scaled, dim=1).flatten(1, 2)

    def _turning(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Gauss-Newton over expression and jaw rotation together."""
        T, E = len(wanted), self.points.directions.shape[-1]
        prior = torch.cat([torch.full((E,), RIDGE), torch.tensor(JAW_RIDGE)]).to(wanted)
        free = torch.cat([self.free, self.free.new_tensor([bool(self.points.jaw_weights.any())] * 3)])
        x = wanted.new_zeros(T, E + 3)
        target = self._rows(wanted)
        for _ in range(ITERATIONS):
            moved, derivatives = self.points.linearized(x[:, :E], x[:, E:])
            jacobian = self._rows(derivatives)[..., free]
            residual = target - self._rows(moved)
            normal = jacobian.mT @ jacobian + torch.diag(prior[free])
            gradient = (jacobian.mT @ residual[..., None])[..., 0] - (prior * x)[:, free]
            step = torch.linalg.solve(normal + 1e-9 * torch.eye(len(normal[0])), gradient)
            x[:, free] += step
            if step.abs().max() < CLOSE:
                break
        return x[:, :E], x[:, E:]

    def _bounded(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinate descent within the bounds of the space."""
        rows = self._rows(self.points.directions[None, ..., self.free])[0]
        normal = rows.T @ rows + BOUNDED_RIDGE * torch.eye(rows.shape[1])
        gradient = self._rows(wanted) @ rows - BOUNDED_SPARSITY / 2
        x = torch.zeros_like(gradient).T.contiguous()  # [F, T]
        gradient = gradient.T.contiguous()
        for _ in range(SWEEPS):
            largest = 0.0
            for k, row in enumerate(normal):
                better = x[k] + (gradient[k] - row @ x) / row[k]
                better = better.clamp(self.space.lower, self.space.upper)
                largest = max(largest, float((better - x[k]).abs().max()))
                x[k] = better
            if largest < CLOSE:
                break
        expression = wanted.new_zeros(len(wanted), len(self.free))
        expression[:, self.free] = x.T
        return expression, wanted.new_zeros(len(wanted), 3)
