"""Fits a face to 2-D landmarks: identity once per clip, expression and rigid pose per frame.

The camera is a pinhole at the origin that looks along -Z with +Y up, so an upright face that looks into
it has rotation zero. With the rigid motion (R, t), a point P of the face lies at Q = R P + t and is seen at

    u = cx + f Qx / -Qz        v = cy - f Qy / -Qz        (pixels, v downwards)

All residuals are in units of the landmark noise, a share of the clip's inter-ocular distance, which makes
every prior free of resolution. The cost is a sum over frames of the weighted mean over landmarks of
|residual|^2, with weights from the landmark's kind times a robust one, plus the priors of `FitOptions`. It
is minimised by alternation, each step in closed form or a bounded coordinate descent, batched over frames:

    pose        Gauss-Newton on a twist (6 unknowns a frame)
    expression  ridge + sparsity + smoothness over time, bounded 0..1
    identity    ridge over all frames of a subset; then what is left of each landmark, an offset on the
                face that stays the same all through the clip (where on this face the detector sees it)
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adamesh.faces.face import Face
from adamesh.motion.gaze import eye_rotation_to_look
from adamesh.motion.spaces import ARKIT52, EYE_BLINK, EYE_LOOK
from adamesh.tracking import landmark_index as lm


@dataclass(frozen=True)
class FitOptions:
    """Priors, each per frame and in units of the squared landmark noise."""

    # Candidates for focal length / larger image side; the one that fits best is taken.
    focal_ratios: tuple[float, ...] = (1.0, 2.2)
    identity_frames: int = 40  # frames, evenly spread, that identity is fitted on
    identity_rounds: int = 12
    frame_rounds: int = 3
    noise: float = 0.01  # of a landmark, in inter-ocular distances; sets the scale of all priors
    betas_ridge: float = 0.3
    offset_sigma: float = 0.0015  # m, of a landmark's place on a face around the average place
    expression_ridge: float = 0.05
    expression_sparsity: float = 0.5
    asymmetry_ridge: float = 0.2  # on the difference of a left and a right action
    smoothness: float = 0.3  # on squared frame-to-frame differences, at 25 fps
    blink_smoothness: float = 0.02  # blinks last 3 to 8 frames and must stay sharp
    pose_smoothness: float = 1.0  # Whittaker's lambda on second differences of the pose
    huber: float = 4.0  # robust weight falls beyond this residual, in units of `noise`


# Actions that landmarks cannot show: out of the fit, and zero.
UNSEEN = ("tongueOut", "cheekPuff", "jawForward", "cheekSquintLeft", "cheekSquintRight")


FARTHEST_GAZE = 0.7  # radians from straight ahead; beyond, an iris was not seen well


@dataclass(frozen=True)
class FaceFit:
    """What the fit found.

    Attributes:
        betas: [K] identity.
        expression: [T, E] weights 0..1.
        rotation: [T, 3] axis-angle of the head in the camera's frame.
        translation: [T, 3] metres, camera's frame.
        leye_pose, reye_pose: [T, 3] axis-angle of the eyeballs in the head.
        focal: pixels.
        residual: [T] mean distance of fitted and seen landmarks without the face oval, in
            inter-ocular distances.
        fitted: [T, 478, 2] fitted landmarks, pixels.
    """

    betas: np.ndarray
    expression: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    leye_pose: np.ndarray
    reye_pose: np.ndarray
    focal: float
    residual: np.ndarray
    fitted: np.ndarray


def rotation_matrix(rotvec: Tensor) -> Tensor:
    """[..., 3] axis-angle -> [..., 3, 3]."""
    return torch.linalg.matrix_exp(_skew(rotvec))


def _turn_to(direction: Tensor) -> Tensor:
    """[..., 3] -> axis-angle [..., 3] of the shortest turn from +Z to it, without roll."""
    x, y, z = torch.nn.functional.normalize(direction, dim=-1).unbind(-1)
    sine = torch.hypot(x, y).clamp_min(1e-6)
    return torch.stack([-y, x, torch.zeros_like(x)], -1) * (torch.atan2(sine, z) / sine)[..., None]


def _skew(v: Tensor) -> Tensor:
    zero = torch.zeros_like(v[..., 0])
    rows = (zero, -v[..., 2], v[..., 1], v[..., 2], zero, -v[..., 0], -v[..., 1], v[..., 0], zero)
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


@dataclass
class _Camera:
    focal: float
    centre: Tensor  # [2]

    def project(self, q: Tensor) -> Tensor:
        """[..., 3] camera frame -> [..., 2] pixels."""
        depth = -q[..., 2:]
        return self.centre + self.focal * torch.cat([q[..., :1], -q[..., 1:2]], -1) / depth

    def jacobian(self, q: Tensor) -> Tensor:
        """d pixel / d q: [..., 2, 3]."""
        x, y, depth = q[..., 0], q[..., 1], -q[..., 2]
        zero = torch.zeros_like(x)
        rows = (1 / depth, zero, x / depth**2, zero, -1 / depth, -y / depth**2)
        return self.focal * torch.stack(rows, dim=-1).unflatten(-1, (2, 3))


class FaceFitter:
    """Fits one face model to clips; holds what does not change from clip to clip."""

    def __init__(
        self, face: Face, response: Tensor | None = None, options: FitOptions | None = None
    ) -> None:
        """Args: response: [478, 3, E] of the landmark detector to the face's actions, if measured."""
        self.options = options or FitOptions()
        basis = face.landmark_basis()
        seen = basis.valid.clone()
        seen[list(lm.LEFT_IRIS) + list(lm.RIGHT_IRIS)] = False  # they follow the gaze, not the face
        self.ids = torch.nonzero(seen)[:, 0]
        self.template = basis.template[self.ids].float()
        # Whether lips touch is expression, never identity: a person's lips that are closed must be closed
        # on the face with any betas. So identity moves both of a pair of inner lip landmarks alike.
        position = {int(landmark): row for row, landmark in enumerate(self.ids)}
        self.lip_pairs = torch.tensor(
            [
                [position[upper], position[lower]]
                for upper, lower in zip(lm.INNER_LIPS_UPPER, lm.INNER_LIPS_LOWER, strict=True)
                if upper in position and lower in position
            ]
        )
        self.shapedirs = self.same_for_lip_pairs(basis.shapedirs[self.ids].float())
        directions = basis.expressiondirs if response is None else basis.expressiondirs + response
        self.expressiondirs = directions[self.ids].float()
        self.basis = basis
        self.weights = _landmark_weights()[self.ids]
        self.no_oval = torch.tensor([int(i) not in set(lm.FACE_OVAL) for i in self.ids])
        self.free = [
            i for i, name in enumerate(ARKIT52) if name not in UNSEEN and i not in EYE_LOOK
        ]
        free_names = [ARKIT52[i] for i in self.free]
        self.blinks = torch.tensor([i in EYE_BLINK for i in self.free])
        self.prior = self._prior(free_names)
        joints = list(face.joint_names)
        self.eyes = [joints.index("leye"), joints.index("reye")]
        self.joints_template = face.joints_template[self.eyes].float()
        self.joints_shapedirs = face.joints_shapedirs[self.eyes].float()

    def same_for_lip_pairs(self, rows: Tensor) -> Tensor:
        """[L, ...] with the two rows of every pair of inner lip landmarks replaced by their mean."""
        rows = rows.clone()
        rows[self.lip_pairs] = rows[self.lip_pairs].mean(1, keepdim=True)
        return rows

    def _prior(self, names: list[str]) -> Tensor:
        """[F, F] ridge of the free actions, with the cost of left and right differing."""
        o = self.options
        prior = o.expression_ridge * torch.eye(len(names))
        for i, name in enumerate(names):
            if name.endswith("Left") and not name.startswith(("jaw", "mouthLeft")):
                partner = name.removesuffix("Left") + "Right"
                if partner in names:
                    j = names.index(partner)
                    difference = torch.zeros(len(names))
                    difference[i], difference[j] = 1.0, -1.0
                    prior += o.asymmetry_ridge * torch.outer(difference, difference)
        return prior

    @torch.no_grad()
    def fit(self, landmarks: np.ndarray, size: tuple[int, int], fps: float) -> FaceFit:
        """Fits a whole clip.

        Args:
            landmarks: [T, 478, 3] pixels, the detector's, no gaps.
            size: width and height of the frames, pixels.
            fps: frames per second of the landmarks, for the smoothness priors.
        """
        o = self.options
        seen = torch.from_numpy(np.ascontiguousarray(landmarks)).float()
        unit = float(np.median(lm.interocular_distance(landmarks)))
        subset = torch.linspace(0, len(seen) - 1, min(o.identity_frames, len(seen))).round().long()
        centre = torch.tensor([size[0] / 2, size[1] / 2])
        best: tuple[float, _Camera, Tensor, Tensor] | None = None
        for ratio in o.focal_ratios:
            camera = _Camera(ratio * max(size), centre)
            problem = _Problem(self, camera, seen[subset], unit, smoothness=0.0)
            cost = problem.solve_identity(o.identity_rounds // 2)
            if best is None or cost < best[0]:
                best = cost, camera, problem.betas, problem.offsets
        assert best is not None
        _, camera, betas, _ = best
        problem = _Problem(self, camera, seen[subset], unit, smoothness=0.0)
        problem.betas = betas
        problem.solve_identity(o.identity_rounds)
        clip = _Problem(self, camera, seen, unit, smoothness=fps / 25.0)
        clip.betas, clip.offsets = problem.betas, problem.offsets
        clip.solve_frames(o.frame_rounds)
        return clip.result()


def _landmark_weights() -> Tensor:
    """[478] how much a landmark counts: what moves in speech is small and must not be outvoted."""
    weights = torch.ones(478)
    weights[list(lm.FACE_OVAL)] = 0.15  # the outline slides over the face when the head turns
    weights[list(lm.LIPS)] = 2.0
    weights[[*lm.INNER_LIPS_UPPER, *lm.INNER_LIPS_LOWER]] = 4.0
    weights[[*lm.LEFT_EYE, *lm.RIGHT_EYE]] = 2.0
    return weights


class _Problem:
    """One clip, or the subset of its frames on which identity is fitted."""

    def __init__(
        self, fitter: FaceFitter, camera: _Camera, seen: Tensor, unit: float, smoothness: float
    ) -> None:
        self.f = fitter
        self.o = fitter.options
        self.camera = camera
        self.seen = seen
        self.target = seen[:, fitter.ids, :2]
        self.unit = unit * self.o.noise  # pixels
        self.smoothness = smoothness
        self.betas = torch.zeros(fitter.shapedirs.shape[-1])
        self.offsets = torch.zeros_like(fitter.template)
        self.expression = torch.zeros(len(seen), len(ARKIT52))
        self.gaze = torch.zeros(len(seen), 2, 3)
        self.rotation, self.translation = self._initial_pose()

    def _initial_pose(self) -> tuple[Tensor, Tensor]:
        """Closed form: a similarity between the neutral face and the detector's own 3-D landmarks."""
        x, y, z = self.seen[:, self.f.ids].unbind(-1)
        source = self.f.template - self.f.template.mean(0)
        cloud = torch.stack([x, -y, -z], -1)
        mean = cloud.mean(1)
        cross = torch.einsum("tli,lj->tij", cloud - mean[:, None], source)
        u, s, vt = torch.linalg.svd(cross)
        sign = torch.linalg.det(u @ vt)
        fix = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], -1)
        rotation = u @ torch.diag_embed(fix) @ vt
        scale = (s * fix).sum(-1) / source.square().sum()  # pixels per metre
        depth = self.camera.focal / scale
        centre = torch.stack(
            [
                (mean[:, 0] - self.camera.centre[0]) / scale,
                (mean[:, 1] + self.camera.centre[1]) / scale,
                -depth,
            ],
            -1,
        )
        return rotation, centre - rotation @ self.f.template.mean(0)

    def points(self) -> Tensor:
        """[T, L, 3] landmarks on the face, in its own frame."""
        f = self.f
        still = f.template + self.offsets + f.shapedirs @ self.betas
        moved = self.expression @ f.expressiondirs.permute(2, 0, 1).flatten(1)
        return still + moved.unflatten(1, still.shape)

    def _placed(self) -> tuple[Tensor, Tensor, Tensor]:
        """Camera-frame points [T, L, 3], residuals [T, L, 2] and weights [T, L]."""
        q = self.points() @ self.rotation.mT + self.translation[:, None]
        residual = (self.target - self.camera.project(q)) / self.unit
        distance = residual.norm(dim=-1)
        robust = torch.where(distance <= self.o.huber, 1.0, self.o.huber / distance.clamp_min(1e-9))
        return q, residual, robust * self.f.weights / self.f.weights.sum()

    def step_pose(self) -> None:
        """One Gauss-Newton step on a twist in the camera's frame."""
        q, residual, weight = self._placed()
        d_q = self.camera.jacobian(q) / self.unit  # [T, L, 2, 3]
        arm = q - self.translation[:, None]
        jacobian = torch.cat([d_q @ -_skew(arm), d_q], dim=-1)  # rotation, translation
        weighted = jacobian * weight[..., None, None]
        normal = torch.einsum("tlai,tlaj->tij", weighted, jacobian)
        gradient = torch.einsum("tlai,tla->ti", weighted, residual)
        # Relative damping: translation in metres and rotation in radians differ in scale.
        damping = 1e-6 * torch.diagonal(normal, dim1=1, dim2=2)
        step = torch.linalg.solve(normal + torch.diag_embed(damping + 1e-12), gradient)
        self.rotation = rotation_matrix(step[:, :3].clamp(-0.5, 0.5)) @ self.rotation
        self.translation = self.translation + step[:, 3:]

    def step_gaze(self) -> None:
        """Eyeball rotations that put the irises where they are seen, and the lids' share of them."""
        f = self.f
        centres = f.joints_template + f.joints_shapedirs @ self.betas  # [2, 3]
        for eye, ids in enumerate((lm.LEFT_IRIS, lm.RIGHT_IRIS)):
            rest = f.basis.template[list(ids)].mean(0) - f.joints_template[eye]
            radius = rest.norm()
            pixel = self.seen[:, list(ids), :2].mean(1)
            offset = (pixel - self.camera.centre) / self.camera.focal
            ray = torch.stack([offset[:, 0], -offset[:, 1], -torch.ones(len(offset))], -1)
            ray = torch.nn.functional.normalize(ray, dim=-1)
            to_eye = (self.rotation @ centres[eye]) + self.translation
            along = (ray * to_eye).sum(-1)
            miss = to_eye.square().sum(-1) - along.square()
            # The ray meets the eyeball in front, or passes it: then its nearest point is taken.
            hit = ray * (along - (radius**2 - miss).clamp_min(0).sqrt())[:, None]
            direction = (self.rotation.mT @ (hit - to_eye)[..., None])[..., 0]
            # The detector sees irises at rest lower than they are: the upper lids hide a part of them.
            turn = _turn_to(direction @ rotation_matrix(_turn_to(rest)))
            angle = turn.norm(dim=-1, keepdim=True)
            self.gaze[:, eye] = turn * (FARTHEST_GAZE / angle.clamp_min(FARTHEST_GAZE))
        looks = eye_rotation_to_look(self.gaze[:, 0].numpy(), self.gaze[:, 1].numpy())
        self.expression[:, EYE_LOOK] = torch.from_numpy(looks)

    def step_expression(self, sweeps: int) -> None:
        """Bounded ridge least squares, coupled over time, by red-black coordinate descent."""
        f, o = self.f, self.o
        chunks = [self._expression_system(s) for s in torch.arange(len(self.seen)).split(256)]
        normal = torch.cat([c[0] for c in chunks]) + f.prior
        gradient = torch.cat([c[1] for c in chunks]) - o.expression_sparsity / 2
        coupling = torch.where(f.blinks, o.blink_smoothness, o.smoothness) * self.smoothness
        x = self.expression[:, f.free]
        diagonal = torch.diagonal(normal, dim1=1, dim2=2)
        neighbours = torch.full((len(x), 1), 2.0)
        neighbours[0] = neighbours[-1] = 1.0
        frames = (slice(0, None, 2), slice(1, None, 2))
        for _ in range(sweeps):
            for part in frames:
                around = torch.zeros_like(x)
                around[1:] += x[:-1]
                around[:-1] += x[1:]
                h, g = normal[part], gradient[part] + coupling * around[part]
                d = diagonal[part] + coupling * neighbours[part]
                y = x[part].clone()
                for k in range(y.shape[1]):
                    rest = g[:, k] - (h[:, k] * y).sum(1) + diagonal[part][:, k] * y[:, k]
                    y[:, k] = (rest / d[:, k]).clamp(0.0, 1.0)
                x[part] = y
        self.expression[:, f.free] = x

    def _expression_system(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Normal matrices [t, F, F] and gradients [t, F] at weights zero, for some frames."""
        part = _slice(self, frames)
        q, residual, weight = part._placed()
        d_q = part.camera.jacobian(q) @ part.rotation[:, None] / part.unit  # [t, L, 2, 3]
        directions = part.f.expressiondirs[:, :, part.f.free]  # [L, 3, F]
        jacobian = torch.einsum("tlac,lcf->tlaf", d_q, directions) * weight.sqrt()[..., None, None]
        jacobian = jacobian.flatten(1, 2)
        target = (residual * weight.sqrt()[..., None]).flatten(1)
        target = target + (jacobian @ part.expression[:, part.f.free, None])[..., 0]
        return jacobian.mT @ jacobian, (jacobian.mT @ target[..., None])[..., 0]

    def step_identity(self) -> None:
        """Betas, then landmark offsets, over all frames at once."""
        f, o = self.f, self.o
        q, residual, weight = self._placed()
        d_q = self.camera.jacobian(q) @ self.rotation[:, None] / self.unit
        d_q = d_q * weight.sqrt()[..., None, None]
        r = residual * weight.sqrt()[..., None]
        normal_l = torch.einsum("tlai,tlaj->lij", d_q, d_q)  # [L, 3, 3]
        gradient_l = torch.einsum("tlai,tla->li", d_q, r)
        normal = torch.einsum("lik,lij,ljm->km", f.shapedirs, normal_l, f.shapedirs)
        gradient = torch.einsum("lik,li->k", f.shapedirs, gradient_l)
        ridge = o.betas_ridge * torch.eye(len(self.betas))
        step = torch.linalg.solve(normal + ridge, gradient - ridge @ self.betas)
        self.betas = self.betas + step
        # With the new betas, what is left at each landmark.
        gradient_l = gradient_l - torch.einsum("lij,ljk,k->li", normal_l, f.shapedirs, step)
        strength = f.weights / f.weights.sum() / o.offset_sigma**2
        ridge_l = strength[:, None, None] * torch.eye(3)
        offsets = self.offsets + torch.linalg.solve(
            normal_l + ridge_l, gradient_l - strength[:, None] * self.offsets
        )
        self.offsets = f.same_for_lip_pairs(offsets)

    def solve_identity(self, rounds: int) -> float:
        """Alternates all steps; the mean residual at the end, in inter-ocular distances."""
        for _ in range(4):
            self.step_pose()
        for _ in range(rounds):
            self.step_identity()
            self.step_pose()
            self.step_gaze()
            self.step_expression(sweeps=6)
            self.step_pose()
        return float(self.residual().mean())

    def solve_frames(self, rounds: int) -> None:
        """Pose and expression of every frame, at a fixed identity."""
        for _ in range(4):
            self.step_pose()
        for i in range(rounds):
            self.step_gaze()
            self.step_expression(sweeps=12)
            self.step_pose()
            self.step_pose()
            if i == rounds - 1:
                self.smooth_pose()
        self.step_gaze()
        self.step_expression(sweeps=20)

    def smooth_pose(self) -> None:
        """Whittaker smoothing (1923) of the rigid motion: no lag, since past and future weigh alike."""
        strength = self.o.pose_smoothness * self.smoothness
        if strength > 0 and len(self.seen) > 2:
            rotvec = log_rotation(self.rotation)
            self.rotation = rotation_matrix(_whittaker(rotvec, strength))
            self.translation = _whittaker(self.translation, strength)

    def residual(self) -> Tensor:
        """[T] mean landmark distance without the face oval, in inter-ocular distances of the clip."""
        _, residual, _ = self._placed()
        return self.o.noise * residual[:, self.f.no_oval].norm(dim=-1).mean(1)

    def result(self) -> FaceFit:
        fitted = self.seen[..., :2].clone()
        q, _, _ = self._placed()
        fitted[:, self.f.ids] = self.camera.project(q)
        scale = (
            self.unit
            / self.o.noise
            / torch.from_numpy(lm.interocular_distance(self.seen.numpy())).float()
        )
        return FaceFit(
            betas=self.betas.numpy(),
            expression=self.expression.clamp(0, 1).numpy(),
            rotation=log_rotation(self.rotation).numpy(),
            translation=self.translation.numpy(),
            leye_pose=self.gaze[:, 0].numpy(),
            reye_pose=self.gaze[:, 1].numpy(),
            focal=self.camera.focal,
            residual=(self.residual() * scale).numpy(),
            fitted=fitted.numpy(),
        )


def _slice(problem: _Problem, frames: Tensor) -> _Problem:
    """The same problem on some of its frames."""
    part = object.__new__(_Problem)
    part.__dict__.update(problem.__dict__)
    for name in ("seen", "target", "expression", "rotation", "translation", "gaze"):
        setattr(part, name, getattr(problem, name)[frames])
    return part


def log_rotation(matrix: Tensor) -> Tensor:
    """[T, 3, 3] -> axis-angle [T, 3], angles below pi."""
    from scipy.spatial.transform import Rotation

    return torch.from_numpy(Rotation.from_matrix(matrix.double().numpy()).as_rotvec()).float()


def _whittaker(x: Tensor, strength: float) -> Tensor:
    """argmin |y - x|^2 + strength |second difference of y|^2, along the first axis."""
    from scipy.linalg import solveh_banded

    n = len(x)
    bands = np.zeros((3, n))
    for offset, stencil in enumerate(((1.0, 4.0, 1.0), (-2.0, -2.0), (1.0,))):
        # D^T D of second differences, summed row by row of D: [1, -2, 1] over n - 2 rows.
        for shift, value in enumerate(stencil):
            bands[2 - offset, offset + shift : offset + shift + n - 2] += strength * value
    bands[2] += 1.0
    return torch.from_numpy(solveh_banded(bands, x.double().numpy())).float()
