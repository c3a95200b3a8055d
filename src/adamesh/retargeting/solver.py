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

from adamesh.faces.skinning import rotation_matrices
from adamesh.motion.spaces import CoefficientSpace
from adamesh.retargeting.articulation import Articulation

LIP_WEIGHT = 4.0
RIDGE = 0.01  # mm^2 per squared standard deviation of a component without bounds
JAW_RIDGE = (
    0.0,
    50.0,
    400.0,
)  # mm^2 per rad^2 about x, y, z: jaws open, shift a little, never roll
BOUNDED_RIDGE = 0.01  # mm^2 per squared weight
BOUNDED_SPARSITY = 0.03  # mm^2 per weight: of two blendshapes that cancel, neither is used
MOST_STEPS = 8  # of Gauss-Newton
MOST_BOUNDED_STEPS = 3000  # of projected gradients
CLOSE = 1e-4  # radians, standard deviations; a smaller step ends the iteration
BOUNDED_CLOSE = 1e-6
MM = 1000.0

# Derivatives of a rotation matrix by the angle about x, y and z, at no rotation.
_TURNS = torch.linalg.cross(torch.eye(3)[:, None], torch.eye(3)[None], dim=-1).mT


class Solver:
    """Solves for one face; what doesn't change from clip to clip is computed once.

    Attributes:
        weights: [R, P] rows of the cost, in millimetres, per metre of the points' displacements.

    Args:
        points: those whose displacement is wanted; behind them those of the upper lip, then as many of the
            lower.
        lip_pairs: how many the upper lip has.
        space: of the face. If its jaw turns, expression has no bounds.
        free: [E] bool, which channels may be used; the others stay zero.
    """

    def __init__(
        self, points: Articulation, lip_pairs: int, space: CoefficientSpace, free: Tensor
    ) -> None:
        self.space = space
        self.free = free
        surface = len(points.arm) - 2 * lip_pairs
        of_surface, of_lip = MM / surface**0.5, MM * (LIP_WEIGHT / lip_pairs) ** 0.5
        # Points -> rows, whose squares the cost adds up.
        self.weights = torch.block_diag(
            of_surface * torch.eye(surface),
            torch.cat([of_lip * torch.eye(lip_pairs), -of_lip * torch.eye(lip_pairs)], dim=1),
        )
        self._rows = points.mixed(self.weights)
        d, a = self._rows.directions, self._rows.arm_directions
        # The derivative by expression is D + (R - I) A: its square is a polynomial in R - I.
        self._still = torch.einsum("pie,pif->ef", d, d)
        mixed = torch.einsum("pie,pjf->ijef", d, a)
        self._linear = (mixed + mixed.mT).flatten(0, 1).flatten(1)
        self._square = torch.einsum("pje,pkf->jkef", a, a).flatten(0, 1).flatten(1)

    def __call__(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Args: wanted [T, P, 3] metres. Returns: expression [T, E] and jaw_pose [T, 3]."""
        target = self.weights @ wanted
        return self._turning(target) if self.space.jaw_turns else self._bounded(target)

    def _turning(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Gauss-Newton over expression and jaw rotation together. Args: target [T, rows, 3]."""
        T, E = len(target), len(self.free)
        has_jaw = bool(self._rows.arm.any())
        free = torch.cat([self.free, torch.tensor([has_jaw] * 3)])
        prior = torch.cat([torch.full((E,), RIDGE), torch.tensor(JAW_RIDGE)])
        x = target.new_zeros(T, E + 3)
        for _ in range(MOST_STEPS):
            normal, gradient = self._normal_equations(x[:, :E], x[:, E:], target)
            normal = (normal + torch.diag(prior))[:, free][..., free]
            step = torch.linalg.solve(normal, (gradient - prior * x)[:, free])
            x[:, free] += step
            if step.abs().max() < CLOSE:
                break
        return x[:, :E], x[:, E:]

    def _normal_equations(
        self, expression: Tensor, jaw_pose: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """J^T J [T, E + 3, E + 3] and J^T r [T, E + 3].

        The derivative by the jaw is that by a further turn of it, which has the same zeros as the one by
        the three numbers of its axis-angle vector.
        """
        rows, E = self._rows, expression.shape[1]
        rotation = rotation_matrices(jaw_pose)
        turn = rotation - torch.eye(3)
        residual = target - rows.displacement(expression, jaw_pose)
        by_turn = _TURNS @ rotation[:, None]  # [T, 3, 3, 3]
        entries = by_turn.flatten(2).flatten(0, 1)  # [3 T, 9]
        arm = rows.moved_arm(expression, turn.flatten(1))
        corrective = (entries @ rows.correctives.flatten(0, 1).T).unflatten(0, (-1, 3))
        turned = (entries @ rows.arm_correctives.flatten(0, 1).T).unflatten(0, (-1, 3))
        shape = (*corrective.shape[:2], *rows.arm.shape)
        by_jaw = corrective.view(shape) + turned.view(shape) @ turn.mT[:, None]
        by_jaw = by_jaw + arm[:, None] @ by_turn.mT  # [T, 3, rows, 3]

        def by_expression(values: Tensor) -> Tensor:
            """(D + (R - I) A)^T values: [T, k, rows, 3] -> [T, k, E]."""
            turned_back = values @ turn[:, None]
            return values.flatten(2) @ rows.directions.flatten(0, 1) + turned_back.flatten(
                2
            ) @ rows.arm_directions.flatten(0, 1)

        normal = target.new_empty(len(target), E + 3, E + 3)
        square = (turn.mT @ turn).flatten(1)
        polynomial = turn.flatten(1) @ self._linear + square @ self._square
        normal[:, :E, :E] = self._still + polynomial.unflatten(1, (E, E))
        normal[:, E:, :E] = by_expression(by_jaw)
        normal[:, :E, E:] = normal[:, E:, :E].mT
        flat = by_jaw.flatten(2)
        normal[:, E:, E:] = flat @ flat.mT
        gradient = torch.cat(
            [
                by_expression(residual[:, None])[:, 0],
                (flat @ residual.flatten(1)[..., None])[..., 0],
            ],
            dim=1,
        )
        return normal, gradient

    def _bounded(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Accelerated projected gradients (Beck and Teboulle 2009), restarted where they would climb.

        Restarts: O'Donoghue and Candes, Found. Comput. Math. 15, 2015.
        """
        normal = self._still[self.free][:, self.free]
        normal = normal + BOUNDED_RIDGE * torch.eye(len(normal))
        gradient = target.flatten(1) @ self._rows.directions.flatten(0, 1)[:, self.free]
        gradient = gradient - BOUNDED_SPARSITY / 2
        # In units in which all channels weigh alike, so that small ones don't crawl.
        unit = torch.diagonal(normal).sqrt()
        normal, gradient = normal / unit / unit[:, None], gradient / unit
        lower, upper = self.space.lower * unit, self.space.upper * unit
        rate = 1 / torch.linalg.matrix_norm(normal, 2)
        x = ahead = torch.zeros_like(gradient)
        momentum = x.new_ones(len(x), 1)
        for _ in range(MOST_BOUNDED_STEPS):
            better = (ahead + rate * (gradient - ahead @ normal)).clamp(lower, upper)
            climbs = ((ahead - better) * (better - x)).sum(1, keepdim=True) > 0
            momentum = torch.where(climbs, 1.0, momentum)
            faster = (1 + (1 + 4 * momentum**2).sqrt()) / 2
            step = better - x
            x, ahead, momentum = better, better + (momentum - 1) / faster * step, faster
            if (step / unit).abs().max() < BOUNDED_CLOSE:
                break
        expression = target.new_zeros(len(target), len(self.free))
        expression[:, self.free] = (x / unit).clamp(self.space.lower, self.space.upper)
        return expression, target.new_zeros(len(target), 3)
