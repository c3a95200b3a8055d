"""Points of a face that move with its expression and its jaw, as seen from the head."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from adamesh.faces.face import Face
from adamesh.faces.skinning import rotation_matrices
from adamesh.values import Value


@dataclass(frozen=True, eq=False, repr=False)
class SurfacePoints(Value):
    """Points in triangles: `corners` [P, 3] vertices, and `shares` [P, 3] of each."""

    corners: Tensor
    shares: Tensor

    @classmethod
    def at_vertices(cls, vertices: Tensor) -> "SurfacePoints":
        """Vertices [P] as points."""
        alone = torch.tensor([1.0, 0.0, 0.0])
        return cls(vertices[:, None].expand(-1, 3), alone.expand(len(vertices), 3))

    def joined(self, other: "SurfacePoints") -> "SurfacePoints":
        """These points, and behind them the others."""
        return SurfacePoints(
            torch.cat([self.corners, other.corners]), torch.cat([self.shares, other.shares])
        )

    def of(self, values: Tensor) -> Tensor:
        """[V, ...] at the vertices of a face -> [P, ...] at the points."""
        shares = self.shares.to(values).view(*self.shares.shape, *[1] * (values.ndim - 1))
        return (values[self.corners] * shares).sum(1)


@dataclass(frozen=True, eq=False, repr=False)
class Articulation(Value):
    """P points of the surface, or weighted sums of such, with all joints but the jaw at rest.

    Skinning then moves a vertex x of skin weight w, whose jaw joint lies at j, by w (R - I)(x - j). Here
    w (x - j) is called its arm. Expression e and the entries m of R - I move vertices and arms linearly, so

        displacement = D e + C m + (R - I)(a + A e + B m)

    for a vertex, a point in a triangle, and any other sum of vertices alike.

    Attributes:
        directions: D, [P, 3, E] metres per unit of expression.
        correctives: C, [P, 3, 9].
        arm: a, [P, 3] metres; zero for a face whose jaw is no joint.
        arm_directions: A, [P, 3, E].
        arm_correctives: B, [P, 3, 9].
    """

    directions: Tensor
    correctives: Tensor
    arm: Tensor
    arm_directions: Tensor
    arm_correctives: Tensor

    @classmethod
    def of(cls, face: Face, points: SurfacePoints) -> "Articulation":
        """The points of a face."""
        directions = face.expressiondirs.float()
        correctives = directions.new_zeros(face.n_vertices, 3, 9)
        weights, from_joint = directions.new_zeros(face.n_vertices, 1), face.template.float()
        by_expression = directions
        if "jaw" in face.joint_names:
            jaw = face.joint_names.index("jaw")
            weights = face.skin_weights[:, jaw, None].float()
            from_joint = from_joint - face.joints_template[jaw].float()
            if face.joints_expressiondirs is not None:
                by_expression = directions - face.joints_expressiondirs[jaw].float()
            if face.posedirs is not None:  # the root has none, so the jaw's begin a joint earlier
                correctives = face.posedirs[..., 9 * (jaw - 1) : 9 * jaw].float()
        return cls(
            points.of(directions),
            points.of(correctives),
            points.of(weights * from_joint),
            points.of(weights[..., None] * by_expression),
            points.of(weights[..., None] * correctives),
        )

    def mixed(self, weights: Tensor) -> "Articulation":
        """Weighted sums of the points. Args: weights [R, P]."""
        values = (getattr(self, field.name) for field in fields(self))
        return Articulation(*(torch.tensordot(weights, value, 1) for value in values))

    def displacement(self, expression: Tensor, jaw_pose: Tensor) -> Tensor:
        """[T, P, 3] metres from rest. Args: expression [T, E]; jaw_pose [T, 3] axis-angle."""
        turn = rotation_matrices(jaw_pose) - torch.eye(3)
        entries = turn.flatten(1)
        straight = _times(self.directions, expression) + _times(self.correctives, entries)
        return straight + self.moved_arm(expression, entries) @ turn.mT

    def moved_arm(self, expression: Tensor, entries: Tensor) -> Tensor:
        """[T, P, 3] a + A e + B m. Args: entries [T, 9] of R - I, row by row."""
        moved = _times(self.arm_directions, expression) + _times(self.arm_correctives, entries)
        return self.arm + moved


def _times(directions: Tensor, coefficients: Tensor) -> Tensor:
    """[P, 3, N] and [T, N] -> [T, P, 3]."""
    return (coefficients @ directions.flatten(0, 1).T).unflatten(1, directions.shape[:2])
