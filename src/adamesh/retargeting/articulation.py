"""Points of a face that move with its expression and its jaw, as seen from the head."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from adamesh.faces.face import Face
from adamesh.faces.skinning import rotation_matrices

JAW = "jaw"


@dataclass(frozen=True)
class Articulation:
    """P surface points, all joints but the jaw at rest. A point in a triangle has the mean of its corners.

    A point x of the face at rest moves to x + w (R - I)(x - j): skinning with all joints but the jaw at
    rest, w being the jaw's skin weight, R its rotation and j its place.

    Attributes:
        rest: [P, 3] metres.
        directions: [P, 3, E] metres per unit of expression.
        jaw_weights: [P]; zero for a face without a jaw joint.
        jaw: [3] metres, rest position of the jaw joint.
        posedirs: [P, 3, 9] metres per entry of R - I; zero for a face without.
    """

    rest: Tensor
    directions: Tensor
    jaw_weights: Tensor
    jaw: Tensor
    posedirs: Tensor

    @classmethod
    def of(cls, face: Face, corners: Tensor, barycentric: Tensor) -> "Articulation":
        """Args: corners [P, C] vertices; barycentric [P, C] their shares in each point."""

        def at(values: Tensor) -> Tensor:
            shares = barycentric.to(values).view(*barycentric.shape, *[1] * (values.ndim - 1))
            return (values[corners] * shares).sum(1)

        rest = at(face.template)
        weights, jaw, posedirs = rest.new_zeros(len(rest)), rest.new_zeros(3), None
        if JAW in face.joint_names:
            joint = face.joint_names.index(JAW)
            weights, jaw = at(face.skin_weights)[:, joint], face.joints_template[joint]
            if face.posedirs is not None:  # the root has none, so joint j's block is the one before
                posedirs = at(face.posedirs[..., 9 * (joint - 1) : 9 * joint])
        if posedirs is None:
            posedirs = rest.new_zeros(len(rest), 3, 9)
        return cls(rest, at(face.expressiondirs), weights, jaw, posedirs)

    def displacement(self, expression: Tensor, jaw_pose: Tensor) -> Tensor:
        """[T, P, 3] metres from rest. Args: expression [T, E]; jaw_pose [T, 3] axis-angle."""
        return self._turned(expression, jaw_pose)[0]

    def linearized(self, expression: Tensor, jaw_pose: Tensor) -> tuple[Tensor, Tensor]:
        """Displacement [T, P, 3] and its derivatives [T, P, 3, E + 3] by expression and jaw pose."""
        moved, turn, arm = self._turned(expression, jaw_pose)
        weighted = self.jaw_weights[:, None, None] * self.directions
        by_expression = self.directions + torch.einsum("tij,pje->tpie", turn, weighted)
        by_angle = torch.func.vmap(torch.func.jacfwd(rotation_matrices))(jaw_pose)  # [T, 3, 3, 3]
        corrective = torch.einsum("pin,tnk->tpik", self.posedirs, by_angle.flatten(1, 2))
        by_jaw = self.jaw_weights[:, None, None] * torch.einsum("tijk,tpj->tpik", by_angle, arm)
        by_jaw = by_jaw + corrective + self.jaw_weights[:, None, None] * (turn[:, None] @ corrective)
        return moved, torch.cat([by_expression, by_jaw], dim=-1)

    def _turned(self, expression: Tensor, jaw_pose: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Displacement [T, P, 3], R - I [T, 3, 3], and x - j [T, P, 3]."""
        turn = rotation_matrices(jaw_pose) - torch.eye(3).to(jaw_pose)
        blended = (expression @ self.directions.flatten(0, 1).T).unflatten(1, self.rest.shape)
        blended = blended + (turn.flatten(1) @ self.posedirs.flatten(0, 1).T).view_as(blended)
        arm = self.rest + blended - self.jaw
        return blended + self.jaw_weights[:, None] * (arm @ turn.mT), turn, arm

    def carried(self, form: Tensor) -> "Articulation":
        """The same with displacements multiplied by `form` [3, 3]; exact where the jaw is at rest."""
        return replace(self, directions=torch.einsum("ij,pje->pie", form, self.directions))
