"""`Retargeter`: a clip made for one face becomes a clip for another."""

import functools
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from adamesh.errors import InputError
from adamesh.faces.face import Face
from adamesh.motion.clip import MotionClip
from adamesh.motion.gaze import eye_rotation_to_look
from adamesh.motion.head import over_joints
from adamesh.motion.rotation import axis_angle_to_quat, quat_multiply, quat_to_axis_angle
from adamesh.motion.spaces import EYE_BLINK, EYE_LOOK, CoefficientSpace, coefficient_space
from adamesh.retargeting.articulation import Articulation
from adamesh.retargeting.registration import Registration, register
from adamesh.retargeting.solver import Solver
from adamesh.tracking import landmark_index as lm

POINTS = 400  # of the surface that the solver sees; they lie three times as dense at the lips
DENSE = 0.3
FAR_FROM_LIPS = 0.5  # in distances between the eyes; from there on points are as sparse as they get


class Retargeter:
    """Maps motion between two faces with landmark embeddings; the set-up takes about a second, once.

    Args:
        source: the face that the clips are made for.
        target: the face that they are wanted for; any shape, mesh and coefficient space.
    Raises:
        InputError: a face lacks landmarks.
    """

    def __init__(self, source: Face, target: Face) -> None:
        self.source, self.target = source, target
        self.registration = register(source, target)
        chosen = _spread(target, self.registration)
        r = self.registration
        self._form = torch.from_numpy(r.form).float()
        from_lips, to_lips = (_lips(face) for face in (source, target))
        self._from = Articulation.of(
            source,
            torch.cat([torch.from_numpy(r.corners[chosen]), from_lips[0]]),
            torch.cat([torch.from_numpy(r.barycentric[chosen]), from_lips[1].double()]).float(),
        )
        vertices = torch.from_numpy(r.vertices[chosen])[:, None].expand(-1, 3)
        alone = torch.tensor([1.0, 0.0, 0.0]).expand(len(vertices), 3)
        to = Articulation.of(
            target, torch.cat([vertices, to_lips[0]]), torch.cat([alone, to_lips[1]])
        )
        space = coefficient_space(target.space)
        self._solver = Solver(to, len(lm.INNER_LIPS_UPPER), space, _geometric(space))
        self._kept = _geometric(coefficient_space(source.space)).float()

    def wanted(self, clip: MotionClip) -> Tensor:
        """[T, P, 3] metres, displacement of the target's points that the clip asks for."""
        expression, jaw_pose = (torch.tensor(x) for x in (clip.expression, clip.jaw_pose))
        moved = self._from.displacement(expression * self._kept, jaw_pose)
        return moved @ self._form.T

    def retarget(self, clip: MotionClip) -> MotionClip:
        """The same performance for the target; each frame by itself, without lag."""
        if clip.space != self.source.space:
            raise InputError(
                f"the clip is in '{clip.space}', the face '{self.source.name}' that it should come from "
                f"in '{self.source.space}'; name the face that the clip was made for"
            )
        expression, jaw_pose = (x.numpy() for x in self._solver(self.wanted(clip)))
        if self.target.space == "arkit52":
            expression[:, EYE_LOOK] = eye_rotation_to_look(clip.leye_pose, clip.reye_pose)
            if self.source.space == "arkit52":
                expression[:, EYE_BLINK] = clip.expression[:, EYE_BLINK]
        neck, head = _over_joints_of(self.target, clip.neck_pose, clip.head_pose)
        return replace(
            clip,
            space=self.target.space,
            expression=expression,
            jaw_pose=jaw_pose,
            neck_pose=neck,
            head_pose=head,
            betas=None,
            metadata={**clip.metadata, "face": self.target.name},
        )


def _geometric(space: CoefficientSpace) -> Tensor:
    """[E] bool: channels that geometry decides. Lids go by names and gaze: FLAME's basis moves none."""
    free = torch.ones(len(space.channels), dtype=torch.bool)
    if space.name == "arkit52":
        free[EYE_BLINK + EYE_LOOK] = False
    return free


def _over_joints_of(
    face: Face, neck_pose: NDArray[np.float32], head_pose: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Neck and head rotations [T, 3] that turn the face's head as far as those given."""
    if "head" in face.joint_names and head_pose.any():
        return neck_pose, head_pose
    total = quat_to_axis_angle(
        quat_multiply(axis_angle_to_quat(neck_pose), axis_angle_to_quat(head_pose))
    ).astype(np.float32)
    if "head" in face.joint_names:
        joints = over_joints(total)
        return joints[:, 0], joints[:, 1]
    return total, np.zeros_like(total)


def _lips(face: Face) -> tuple[Tensor, Tensor]:
    """Corners [2 L, 3] and barycentric [2 L, 3] of the inner edges, the upper lip's first."""
    ids = [*lm.INNER_LIPS_UPPER, *lm.INNER_LIPS_LOWER]
    return face.triangles[face.landmark_triangles[ids]], face.landmark_barycentric[ids].float()


def _spread(target: Face, registration: Registration) -> NDArray[np.int64]:
    """At most `POINTS` of the registered points, each the farthest from those before it.

    All weigh alike in the solution, so their density says how much a part of the face counts.
    """
    points = target.template.numpy(force=True)[registration.vertices]
    lips = target.landmark_basis().template.numpy(force=True)[list(lm.LIPS)]
    to_lips, _ = cKDTree(lips).query(points)
    share = np.minimum(to_lips / (FAR_FROM_LIPS * registration.unit), 1)
    spacing = DENSE + (1 - DENSE) * share
    chosen = [int(to_lips.argmin())]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < min(POINTS, len(points)):
        nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int((nearest / spacing).argmax()))
    return np.array(chosen)
