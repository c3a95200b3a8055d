"""A face model: shape, expression and joints over one mesh, posed by linear blend skinning."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adamesh.errors import InputError
from adamesh.faces.skinning import joint_transforms, rotation_matrices, skin
from adamesh.values import Value

N_LANDMARKS = 478

# The argument of `Face.forward` that turns each joint.
_POSE_OF_JOINT = {
    "root": "global_orient",
    "neck": "neck_pose",
    "head": "head_pose",
    "jaw": "jaw_pose",
    "leye": "leye_pose",
    "reye": "reye_pose",
}


@dataclass(frozen=True, eq=False, repr=False)
class FaceOutput(Value):
    """A posed face.

    Attributes:
        vertices: [B, V, 3] metres.
        joints: [B, J, 3] metres, in the order of `Face.joint_names`.
    """

    vertices: Tensor
    joints: Tensor


@dataclass(frozen=True, eq=False, repr=False)
class LandmarkBasis(Value):
    """The face at its landmarks, before skinning: linear in identity and expression.

    Attributes:
        template: [478, 3] metres.
        shapedirs: [478, 3, K] metres per unit of betas.
        expressiondirs: [478, 3, E] metres per unit of expression.
        skin_weights: [478, J].
        valid: [478] False where no surface point is known; those rows are zero.
    """

    template: Tensor
    shapedirs: Tensor
    expressiondirs: Tensor
    skin_weights: Tensor
    valid: Tensor


class Face(nn.Module):
    """Any face that is posed by shape, expression, joints and linear blend skinning.

    Everything is a buffer, so `.to()` moves and casts all of it. Lengths are metres, +Y is up, +Z
    out of the face, +X to the subject's left.

    Args:
        name: which face this is, for messages and files.
        space: name of the coefficient space of `expression`.
        expression_names: E names, or None where the components have none.
        joint_names: J names out of root, neck, head, jaw, leye, reye.
        joint_parents: J indices, a parent before its children, -1 for the root.
        template: [V, 3] the neutral, average face.
        triangles: [F, 3] int64, anticlockwise from outside.
        shapedirs: [V, 3, K] one standard deviation of each identity component.
        expressiondirs: [V, 3, E].
        joints_template: [J, 3] rest positions of the joints.
        joints_shapedirs: [J, 3, K] how identity moves them.
        skin_weights: [V, J]; rows are scaled to sum to 1.
        uv: [U, 2] texture coordinates, origin at the bottom left.
        uv_triangles: [F, 3] int64 into `uv`.
        colors: [V, 3] sRGB 0..1.
        triangle_material: [F] int64 into `material_names`.
        material_names: skin, sclera and so on.
        regions: named sets of vertices, int64.
        landmark_triangles: [478] int64 triangle of each landmark, -1 where unknown.
        landmark_barycentric: [478, 3] place in that triangle.
        posedirs: [V, 3, 9 (J - 1)] correctives, metres per entry of (R - I) of every joint but the
            root, row by row; None for a face without.
        joints_expressiondirs: [J, 3, E] how expression moves the joints; None if it does not.

    Raises:
        InputError: a shape does not fit the others.
    """

    template: Tensor
    triangles: Tensor
    shapedirs: Tensor
    expressiondirs: Tensor
    joints_template: Tensor
    joints_shapedirs: Tensor
    skin_weights: Tensor
    uv: Tensor
    uv_triangles: Tensor
    colors: Tensor
    triangle_material: Tensor
    landmark_triangles: Tensor
    landmark_barycentric: Tensor
    posedirs: Tensor | None
    joints_expressiondirs: Tensor | None

    def __init__(
        self,
        *,
        name: str,
        space: str,
        expression_names: tuple[str, ...] | None,
        joint_names: tuple[str, ...],
        joint_parents: tuple[int, ...],
        template: Tensor,
        triangles: Tensor,
        shapedirs: Tensor,
        expressiondirs: Tensor,
        joints_template: Tensor,
        joints_shapedirs: Tensor,
        skin_weights: Tensor,
        uv: Tensor,
        uv_triangles: Tensor,
        colors: Tensor,
        triangle_material: Tensor,
        material_names: tuple[str, ...],
        regions: dict[str, Tensor],
        landmark_triangles: Tensor,
        landmark_barycentric: Tensor,
        posedirs: Tensor | None = None,
        joints_expressiondirs: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.space = space
        self.expression_names = expression_names
        self.joint_names = joint_names
        self.joint_parents = joint_parents
        self.material_names = material_names
        self.region_names = tuple(regions)

        V, F, J = len(template), len(triangles), len(joint_names)
        K, E = shapedirs.shape[-1], expressiondirs.shape[-1]
        unknown = set(joint_names) - set(_POSE_OF_JOINT)
        if unknown:
            raise InputError(f"face '{name}' has unknown joints {sorted(unknown)}")
        if len(joint_parents) != J:
            raise InputError(f"face '{name}' has {J} joints but {len(joint_parents)} parents")
        if expression_names is not None and len(expression_names) != E:
            raise InputError(f"face '{name}' has {E} blendshapes but {len(expression_names)} names")

        def buffer(key: str, value: Tensor | None, *shape: int) -> None:
            if value is not None and tuple(value.shape) != shape:
                raise InputError(
                    f"face '{name}': {key} must have shape {shape}, got {tuple(value.shape)}"
                )
            self.register_buffer(key, value)

        buffer("template", template, V, 3)
        buffer("triangles", triangles, F, 3)
        buffer("shapedirs", shapedirs, V, 3, K)
        buffer("expressiondirs", expressiondirs, V, 3, E)
        buffer("joints_template", joints_template, J, 3)
        buffer("joints_shapedirs", joints_shapedirs, J, 3, K)
        buffer("skin_weights", skin_weights / skin_weights.sum(dim=1, keepdim=True), V, J)
        buffer("uv", uv, len(uv), 2)
        buffer("uv_triangles", uv_triangles, F, 3)
        buffer("colors", colors, V, 3)
        buffer("triangle_material", triangle_material, F)
        buffer("landmark_triangles", landmark_triangles, N_LANDMARKS)
        buffer("landmark_barycentric", landmark_barycentric, N_LANDMARKS, 3)
        buffer("posedirs", posedirs, V, 3, 9 * (J - 1))
        buffer("joints_expressiondirs", joints_expressiondirs, J, 3, E)
        for region, ids in regions.items():
            buffer(f"region_{region}", ids, len(ids))

    @property
    def n_vertices(self) -> int:
        return len(self.template)

    @property
    def n_betas(self) -> int:
        return self.shapedirs.shape[-1]

    @property
    def n_expression(self) -> int:
        return self.expressiondirs.shape[-1]

    @property
    def regions(self) -> dict[str, Tensor]:
        """Named sets of vertices, int64."""
        return {name: self.get_buffer(f"region_{name}") for name in self.region_names}

    def uv_split(self) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """The mesh with vertices that have one place in the UV map each, as pictures are drawn on it.

        Returns:
            [N] the vertex that each of the new ones is, [N, 2] its place in the UV map, and the triangles
            [F, 3] of the new ones.
        """
        triangles, corners = self.triangles.numpy(force=True), self.uv_triangles.numpy(force=True)
        pairs = np.stack([triangles, corners], axis=-1).reshape(-1, 2)
        unique, split = np.unique(pairs, axis=0, return_inverse=True)
        uv = self.uv.numpy(force=True).astype(np.float32)
        return unique[:, 0], uv[unique[:, 1]], split.reshape(-1, 3)

    def forward(
        self,
        betas: Tensor | None = None,
        expression: Tensor | None = None,
        neck_pose: Tensor | None = None,
        head_pose: Tensor | None = None,
        jaw_pose: Tensor | None = None,
        leye_pose: Tensor | None = None,
        reye_pose: Tensor | None = None,
        global_orient: Tensor | None = None,
        transl: Tensor | None = None,
    ) -> FaceOutput:
        """Poses the face. What is None is zero; with nothing given, B is 1 and the template comes
        out.

        Args:
            betas: [B, K] identity, in standard deviations. Of this as of all others, [1, ...]
                serves the whole batch.
            expression: [B, E].
            neck_pose, head_pose, jaw_pose, leye_pose, reye_pose: [B, 3] axis-angle about the joint
                of that name, radians, in the frame of the joint's parent.
            global_orient: [B, 3] axis-angle about the root joint.
            transl: [B, 3] metres, added last.
        Returns:
            Posed vertices and joints.
        Raises:
            InputError: a shape is wrong, or a pose is given for a joint that this face does not
                have.
        """
        poses = {
            "global_orient": global_orient,
            "neck_pose": neck_pose,
            "head_pose": head_pose,
            "jaw_pose": jaw_pose,
            "leye_pose": leye_pose,
            "reye_pose": reye_pose,
        }
        widths = {"betas": self.n_betas, "expression": self.n_expression, "transl": 3}
        given = {"betas": betas, "expression": expression, "transl": transl, **poses}
        sizes = [len(value) for value in given.values() if value is not None and value.ndim == 2]
        B = max(sizes, default=1)
        for key, value in given.items():
            width = widths.get(key, 3)
            if value is not None and tuple(value.shape) not in ((B, width), (1, width)):
                raise InputError(
                    f"{key} must have shape [{B}, {width}] for face '{self.name}', "
                    f"got {list(value.shape)}"
                )
        for joint, key in _POSE_OF_JOINT.items():
            if poses[key] is not None and joint not in self.joint_names:
                raise InputError(f"face '{self.name}' has no joint '{joint}': leave {key} out")

        vertices, joints = self.template.expand(B, -1, -1), self.joints_template.expand(B, -1, -1)
        if betas is not None:
            vertices = vertices + _blend(self.shapedirs, betas)
            joints = joints + _blend(self.joints_shapedirs, betas)
        if expression is not None:
            vertices = vertices + _blend(self.expressiondirs, expression)
            if self.joints_expressiondirs is not None:
                joints = joints + _blend(self.joints_expressiondirs, expression)
        if any(pose is not None for pose in poses.values()):
            zero = self.template.new_zeros(B, 3)
            axis_angles = [poses[_POSE_OF_JOINT[joint]] for joint in self.joint_names]
            rotations = rotation_matrices(
                torch.stack([zero if a is None else a.expand(B, 3) for a in axis_angles], dim=1)
            )
            if self.posedirs is not None:
                identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
                vertices = vertices + _blend(
                    self.posedirs, (rotations[:, 1:] - identity).flatten(1)
                )
            turned, moved = joint_transforms(rotations, joints, self.joint_parents)
            vertices = skin(vertices, self.skin_weights, turned, moved)
            joints = (turned @ joints[..., None])[..., 0] + moved
        if transl is not None:
            vertices, joints = vertices + transl[:, None], joints + transl[:, None]
        return FaceOutput(vertices, joints)

    def landmarks(self, vertices: Tensor) -> Tensor:
        """The 478 landmarks of posed vertices.

        Args:
            vertices: [B, V, 3].
        Returns:
            [B, 478, 3]; NaN where the face has no such landmark.
        Raises:
            InputError: the vertices are not those of this face.
        """
        if vertices.ndim != 3 or tuple(vertices.shape[1:]) != (self.n_vertices, 3):
            raise InputError(
                f"vertices must have shape [B, {self.n_vertices}, 3] for face '{self.name}', "
                f"got {list(vertices.shape)}"
            )
        points = self._at_landmarks(vertices.movedim(1, 0)).movedim(0, 1)
        valid = (self.landmark_triangles >= 0)[:, None]
        return torch.where(valid, points, torch.full_like(points, torch.nan))

    def landmark_basis(self) -> LandmarkBasis:
        """The landmarks as linear functions of identity and expression, before skinning."""
        valid = self.landmark_triangles >= 0

        def at(values: Tensor) -> Tensor:
            points = self._at_landmarks(values)
            return points * valid.view(-1, *[1] * (points.ndim - 1))

        return LandmarkBasis(
            template=at(self.template),
            shapedirs=at(self.shapedirs),
            expressiondirs=at(self.expressiondirs),
            skin_weights=at(self.skin_weights),
            valid=valid,
        )

    def _at_landmarks(self, values: Tensor) -> Tensor:
        """Values per vertex [V, ...] -> per landmark [478, ...]; unknown landmarks give
        anything."""
        corners = values[self.triangles[self.landmark_triangles]]  # [478, 3, ...]
        weights = self.landmark_barycentric.to(values.dtype)
        return (corners * weights.view(N_LANDMARKS, 3, *[1] * (values.ndim - 1))).sum(dim=1)

    def replace(self, **changes: Any) -> "Face":
        """A face that differs in some arguments of the constructor."""
        given = self.attributes() | self.tensors() | {"regions": self.regions}
        return Face(**given | changes)

    def without(self, *materials: str) -> "Face":
        """The face without the triangles of some materials; vertices stay, and landmarks on these go."""
        dropped = [number for number, name in enumerate(self.material_names) if name in materials]
        kept = ~torch.isin(self.triangle_material, self.triangle_material.new_tensor(dropped))
        number = torch.where(kept, kept.cumsum(0) - 1, -1)
        on = self.landmark_triangles
        return self.replace(
            triangles=self.triangles[kept],
            uv_triangles=self.uv_triangles[kept],
            triangle_material=self.triangle_material[kept],
            landmark_triangles=torch.where(on >= 0, number[on], -1),
        )

    def tensors(self) -> dict[str, Tensor]:
        """All buffers but the regions, by the name of their constructor argument."""
        return {key: value for key, value in self.named_buffers() if not key.startswith("region_")}

    def attributes(self) -> dict[str, Any]:
        """What is not a tensor, by the name of its constructor argument."""
        return {
            "name": self.name,
            "space": self.space,
            "expression_names": self.expression_names,
            "joint_names": self.joint_names,
            "joint_parents": self.joint_parents,
            "material_names": self.material_names,
        }


def _blend(directions: Tensor, coefficients: Tensor) -> Tensor:
    """[V, 3, K] and [B, K] -> [B, V, 3]."""
    return (coefficients @ directions.flatten(0, 1).T).unflatten(1, directions.shape[:2])
