"""`Retargeter`: a clip made for one face becomes a clip for another."""

import functools
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from adamesh.errors import InputError
from adamesh.faces import Face, load_embedded_face
from adamesh.faces import landmark_index as lm
from adamesh.faces.library import load_named_face
from adamesh.motion.clip import MotionClip
from adamesh.motion.gaze import eye_rotation_to_look
from adamesh.motion.head import for_joints, over_joints
from adamesh.motion.spaces import EYE_BLINK, EYE_LOOK, CoefficientSpace, coefficient_space
from adamesh.retargeting.articulation import Articulation, SurfacePoints
from adamesh.retargeting.registration import INNER_LOWER, INNER_UPPER, Registration, register
from adamesh.retargeting.solver import Solver

POINTS = 400  # of the surface that the solver sees
DENSE = 0.3  # distance between such points at the lips, over that far from them
FAR_FROM_LIPS = 0.5  # distances between the eyes; from there on points are as sparse as they get
FRAMES_AT_ONCE = 500  # so that an hour takes no more memory than 20 seconds
IDENTITY_RIDGE = 0.02  # mm^2 per squared standard deviation of a component


class Retargeter:
    """Maps motion between two faces with landmark embeddings; see `retargeter`, which keeps them.

    Lids and gaze go by names and joints, not by geometry: FLAME's components move no lid, and what they
    would do instead of a blink is a grimace. So from `arkit52` blinks stay behind unless the target has them,
    and to `arkit52` eyeLook* weights come from the eyeballs.

    Args:
        source: the face that the clips are made for.
        target: the face that they are wanted for; any shape, mesh and coefficient space.
    Raises:
        InputError: a face lacks landmarks.
    """

    def __init__(self, source: Face, target: Face) -> None:
        self.source, self.target = source, target
        self.registration = register(source, target)
        seen = self.registration.only(_spread(target, self.registration))
        self._form = torch.from_numpy(seen.form).float()
        self._from = seen.on_source().joined(_inner_lips(source))
        self._to = seen.on_target().joined(_inner_lips(target))
        self._moved = Articulation.of(source, self._from)
        space = coefficient_space(target.space)
        self._solver = Solver(
            Articulation.of(target, self._to), len(INNER_UPPER), space, geometric(space)
        )
        self._kept = geometric(coefficient_space(source.space)).float()

    def retarget(self, clip: MotionClip) -> MotionClip:
        """The same performance for the target; each frame by itself, without lag.

        Returns:
            A clip in the target's space, whose metadata names the target as `face`. Its betas are the
            target's nearest to the person, None if the clip has none.
        Raises:
            InputError: the clip is not in the space of the source.
        """
        if clip.space != self.source.space:
            raise InputError(
                f"the clip is in '{clip.space}', face '{self.source.name}' in '{self.source.space}'; "
                "name the face that the clip was made for"
            )
        weights = torch.tensor(clip.expression) * self._kept
        jaw = torch.tensor(clip.jaw_pose)
        solved = [
            self._solver(self._moved.displacement(*part) @ self._form.T)
            for part in zip(*(x.split(FRAMES_AT_ONCE) for x in (weights, jaw)), strict=True)
        ]
        expression, jaw_pose = (torch.cat(parts).numpy() for parts in zip(*solved, strict=True))
        if self.target.space == "arkit52":
            expression[:, EYE_LOOK] = eye_rotation_to_look(clip.leye_pose, clip.reye_pose)
            if self.source.space == "arkit52":
                expression[:, EYE_BLINK] = clip.expression[:, EYE_BLINK]
        neck_pose, head_pose = for_joints(self.target.joint_names, clip.neck_pose, clip.head_pose)
        if "head" in self.target.joint_names and "head" not in self.source.joint_names:
            neck_pose, head_pose = over_joints(neck_pose).swapaxes(0, 1)
        return replace(
            clip,
            space=self.target.space,
            expression=expression,
            jaw_pose=jaw_pose,
            neck_pose=neck_pose,
            head_pose=head_pose,
            betas=None if clip.betas is None else self.betas(clip.betas),
            metadata={**clip.metadata, "face": self.target.name},
        )

    def betas(self, betas: NDArray[np.float32]) -> NDArray[np.float32]:
        """[K] identity that differs from the target's average face as `betas` do from the source's."""
        if len(betas) > self.source.n_betas:
            raise InputError(
                f"the clip has {len(betas)} betas, face '{self.source.name}' {self.source.n_betas}; name the "
                "face that the clip was made for"
            )
        return betas @ self._identity[: len(betas)].numpy()

    @functools.cached_property
    def _identity(self) -> Tensor:
        """[K of the source, K of the target], by ridge least squares."""

        def rows(directions: Tensor) -> Tensor:
            return torch.tensordot(self._solver.weights, directions, 1).flatten(0, 1)

        wanted = rows(self._form @ self._from.of(self.source.shapedirs.float()))
        reached = rows(self._to.of(self.target.shapedirs.float()))
        normal = reached.T @ reached + IDENTITY_RIDGE * torch.eye(reached.shape[1])
        return torch.linalg.solve(normal, reached.T @ wanted).T


@functools.lru_cache(maxsize=8)
def retargeter(source: Face, target: Face) -> Retargeter:
    """The `Retargeter` of two faces, set up once in a process."""
    return Retargeter(source, target)


def fit_to_face(clip: MotionClip, face: Face, *, made_for: Face | None = None) -> MotionClip:
    """A clip for `face`: as it is where it speaks the face's coefficients already, retargeted where not.

    Args:
        made_for: the face that the clip was made for. Default: the one that its metadata name, and for
            `arkit52`, whose blendshapes mean the same on every face, the embedded one.
    Raises:
        InputError: the clip doesn't tell what face it was made for, or a face lacks landmarks.
    """
    arkit = clip.space == "arkit52"
    named = None if arkit else clip.metadata.get("face")
    if made_for is None and named not in (None, face.name):
        made_for = load_named_face(str(named))
    if made_for is None and arkit:
        made_for = load_embedded_face()
    if clip.space == "flame50" and (made_for or face).space == "flame100":
        # FLAME's components are sorted by size: these are the first half.
        wider = np.pad(clip.expression, ((0, 0), (0, 50)))
        clip = replace(clip, space="flame100", expression=wider)
    if clip.space == face.space and (arkit or made_for is None or made_for.name == face.name):
        return clip
    if made_for is None:
        raise InputError(
            f"the clip is in '{clip.space}' and does not tell of which face, so it cannot be put on "
            f"'{face.name}' ('{face.space}'); name the face it was made for "
            "(--made-for; `adamesh face import` adds one)"
        )
    return retargeter(made_for, face).retarget(clip)


def geometric(space: CoefficientSpace) -> Tensor:
    """[E] bool: the channels that geometry decides, which are all but those of the lids."""
    free = torch.ones(len(space.channels), dtype=torch.bool)
    if space.name == "arkit52":
        free[EYE_BLINK + EYE_LOOK] = False
    return free


def _inner_lips(face: Face) -> SurfacePoints:
    """Where the lips touch: the points of the upper one, then those of the lower."""
    ids = [*INNER_UPPER, *INNER_LOWER]
    corners = face.triangles[face.landmark_triangles[ids]]
    return SurfacePoints(corners, face.landmark_barycentric[ids].float())


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
