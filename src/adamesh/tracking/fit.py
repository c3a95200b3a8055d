"""Fits a face to 2-D landmarks: identity once per clip, expression and rigid pose per frame.

The camera is a pinhole at the origin that looks along -Z with +Y up, so an upright face that looks into
it has rotation zero. With the rigid motion (R, t), a point P of the face lies at Q = R P + t and is seen at

    u = cx + f Qx / -Qz        v = cy - f Qy / -Qz        (pixels, v downwards)

Residuals are metres on the upright image plane of `detector_bias`, less the error that the detector makes
on a head so turned. The cost is a sum over frames of half the squared residuals in units of their deviation,
landmarks that are far off counting less (Huber's weights: a hand, a microphone), plus the priors of
`FitOptions`. It is minimised by alternation, each step in closed form or a bounded coordinate descent,
batched over frames:

    pose        Gauss-Newton on a twist (6 unknowns a frame)
    expression  ridge + sparsity + smoothness over time, bounded 0..1
    identity    ridge over all frames of a subset; then what is left of each landmark, an offset on the
                face that stays the same all through the clip (where on this face the detector sees it)
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adamesh.faces import landmark_index as lm
from adamesh.faces.face import Face
from adamesh.motion.gaze import eye_rotation_to_look
from adamesh.motion.spaces import ARKIT52, EYE_BLINK, EYE_LOOK, MOUTH
from adamesh.tracking.detector_bias import upright, view_terms
from adamesh.values import Value


@dataclass(frozen=True)
class FitOptions:
    """Priors, as precisions: one over the variance that is expected."""

    # Focal length / larger image side. Detectors see the shape of a face as from afar however near the
    # camera is, so none that is fitted does better: docs/decisions/tracking.md.
    focal_ratio: float = 2.2
    noise: float = 0.0015  # m, deviation of a plain landmark; lips, eyes and brows are surer
    huber: float = 3.0  # deviations beyond which a landmark counts less
    identity_frames: int = 40  # frames, evenly spread, that identity is fitted on
    identity_rounds: int = 8
    frame_rounds: int = 2
    betas_ridge: float = 0.3
    offset_sigma: float = 0.0015  # m, of a landmark's place on a face around the average place
    expression_ridge: float = 2.0
    mouth_sparsity: float = 20.0  # one over the mean of a blendshape's exponential distribution
    upper_sparsity: float = 14.0  # brows and lids are few, and not like one another
    asymmetry_ridge: float = 20.0  # on the difference of a left and a right blendshape
    smoothness: float = 40.0  # on frame-to-frame differences, at 25 fps
    blink_smoothness: float = 2.0  # blinks last 3 to 8 frames and must stay sharp
    pose_smoothness: float = 1.0  # Whittaker's lambda on second differences of the pose
    block: int = 1500  # frames fitted at once; what a longer clip needs does not grow
    overlap: int = 25  # frames that blocks share, so that smoothness reaches over their seams


# Blendshapes that landmarks cannot show: out of the fit, and zero.
UNSEEN = ("tongueOut", "cheekPuff", "jawForward", "cheekSquintLeft", "cheekSquintRight")


FARTHEST_GAZE = 0.7  # radians from straight ahead; beyond, an iris was not seen well


@dataclass(frozen=True, eq=False, repr=False)
class FaceFit(Value):
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
        agreement: [T] 0..1, the mean of the weights that the robust fit gave to the mouth's landmarks.
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
    agreement: np.ndarray
    fitted: np.ndarray

    def frames(self, start: int, stop: int) -> "FaceFit":
        """Frames start..stop-1."""
        return replace(self, **{name: getattr(self, name)[start:stop] for name in _OF_FRAMES})

    @classmethod
    def joined(cls, parts: list["FaceFit"]) -> "FaceFit":
        """Parts of one clip, one after the other."""
        whole: dict[str, Any] = {
            name: np.concatenate([getattr(p, name) for p in parts]) for name in _OF_FRAMES
        }
        return replace(parts[0], **whole)


_OF_FRAMES = (
    *("expression", "rotation", "translation", "leye_pose", "reye_pose"),
    *("residual", "agreement", "fitted"),
)


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


_V_UP = torch.tensor([1.0, -1.0])  # pixels' v points down


@dataclass(eq=False, repr=False)
class _Camera(Value):
    focal: float
    centre: Tensor  # [2]

    def project(self, q: Tensor) -> Tensor:
        """[..., 3] camera frame -> [..., 2] pixels."""
        depth = -q[..., 2:]
        return self.centre + self.focal * torch.cat([q[..., :1], -q[..., 1:2]], -1) / depth


class FaceFitter:
    """Fits one face model to clips; holds what does not change from clip to clip."""

    def __init__(self, face: Face, bias: Tensor, options: FitOptions | None = None) -> None:
        """Args: bias: [10, 478, 2] metres, the landmark detector's error per term of `view_terms`."""
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
        self.expressiondirs = basis.expressiondirs[self.ids].float()
        self.bias = bias[:, self.ids]
        self.deviation = _deviations(self.options.noise)[self.ids]  # [L] metres
        self.precision = self.deviation.repeat_interleave(2)[:, None] ** -2  # [2 L, 1]
        self.basis = basis
        self.rigid = _rigid_modes(self.template)
        self.lips = torch.tensor([position[i] for i in lm.LIPS if i in position])
        self.no_oval = torch.tensor([int(i) not in set(lm.FACE_OVAL) for i in self.ids])
        self.free = [
            i for i, name in enumerate(ARKIT52) if name not in UNSEEN and i not in EYE_LOOK
        ]
        free_names = [ARKIT52[i] for i in self.free]
        self.blinks = torch.tensor([i in EYE_BLINK for i in self.free])
        self.prior = self._prior(free_names)
        self.sparsity = torch.tensor(
            [
                self.options.mouth_sparsity if i in MOUTH else self.options.upper_sparsity
                for i in self.free
            ]
        )
        # How each entry of the rotation's first two rows brings the blendshapes into the image plane.
        planes = torch.zeros(6, len(self.ids), 2, len(self.free))
        for row in range(2):
            for axis in range(3):
                planes[3 * row + axis, :, row] = self.expressiondirs[:, axis, self.free]
        planes = planes.flatten(1, 2).permute(1, 2, 0)  # [2 L, F, 6]
        self.planes = planes.flatten(1).T.contiguous()  # [F 6, 2 L]
        self.precise_planes = (planes.flatten(1) * self.precision).unflatten(1, (-1, 6))
        self.grams = torch.einsum("lfp,lgq->pqfg", planes, self.precise_planes)
        joints = list(face.joint_names)
        self.eyes = [joints.index("leye"), joints.index("reye")]
        self.joints_template = face.joints_template[self.eyes].float()
        self.joints_shapedirs = face.joints_shapedirs[self.eyes].float()

    def same_for_lip_pairs(self, rows: Tensor) -> Tensor:
        """[L, ...] with the two rows of every pair of inner lip landmarks replaced by their mean."""
        rows = rows.clone()
        rows[self.lip_pairs] = rows[self.lip_pairs].mean(1, keepdim=True)
        return rows

    def shape_only(self, offsets: Tensor) -> Tensor:
        """[L, 3] without what shifts, turns or scales the face as a whole: that is pose."""
        return offsets - (self.rigid @ (self.rigid.T @ offsets.flatten())).view_as(offsets)

    def _prior(self, names: list[str]) -> Tensor:
        """[F, F] ridge of the free blendshapes, with the cost of left and right differing."""
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
        camera = _Camera(o.focal_ratio * max(size), torch.tensor([size[0] / 2, size[1] / 2]))
        subset = torch.linspace(0, len(seen) - 1, min(o.identity_frames, len(seen))).round().long()
        person = _Problem(self, camera, seen[subset], smoothness=0.0)
        person.solve_identity(o.identity_rounds)
        blocks = []
        for start in range(0, len(seen), o.block):
            first, stop = max(start - o.overlap, 0), min(start + o.block, len(seen))
            last = min(stop + o.overlap, len(seen))
            block = _Problem(self, camera, seen[first:last], smoothness=fps / 25.0)
            block.betas, block.offsets = person.betas, person.offsets
            block.solve_frames(o.frame_rounds)
            blocks.append(block.result().frames(start - first, stop - first))
        return FaceFit.joined(blocks)


def _rigid_modes(points: Tensor) -> Tensor:
    """[L, 3] -> [3 L, 7]: an orthonormal basis of shifts, turns and scale."""
    x, y, z = (points - points.mean(0)).T
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    shifts = ((one, zero, zero), (zero, one, zero), (zero, zero, one))
    turns = ((zero, -z, y), (z, zero, -x), (-y, x, zero))
    modes = [torch.stack(mode, -1).flatten() for mode in (*shifts, *turns, (x, y, z))]
    return torch.linalg.qr(torch.stack(modes, 1)).Q


def _deviations(sigma: float) -> Tensor:
    """[478] metres, by how sure a landmark is: what moves in speech is small and must not be outvoted."""
    weights = torch.ones(lm.LANDMARK_COUNT)
    weights[list(lm.FACE_OVAL)] = 0.15  # the outline slides over the face when the head turns
    weights[list(lm.LIPS)] = 2.0
    weights[[*lm.INNER_LIPS_UPPER, *lm.INNER_LIPS_LOWER]] = 4.0
    weights[[*lm.LEFT_EYE, *lm.RIGHT_EYE]] = 2.0
    weights[[*lm.LEFT_BROW, *lm.RIGHT_BROW]] = 2.0
    return sigma / weights.sqrt()


@dataclass(frozen=True, eq=False, repr=False)
class _Residuals(Value):
    """What is seen less what is expected, on the upright image plane."""

    metres: Tensor  # [T, L, 2], those far off pulled in
    weight: Tensor  # [T, L] 0..1 by which they were
    to_plane: Tensor  # [T, L, 2, 3] d metres / d point in the camera's frame
    arm: Tensor  # [T, L, 3] from the head's origin to the point, camera's frame
    expected: Tensor  # [T, L, 2] metres, what the detector is expected to err
    turn: Tensor  # [T, 2, 2] of the image plane that sets the head upright
    depth: Tensor  # [T, L, 1] metres


class _Problem:
    """One clip, or the subset of its frames on which identity is fitted."""

    def __init__(
        self, fitter: FaceFitter, camera: _Camera, seen: Tensor, smoothness: float
    ) -> None:
        self.f = fitter
        self.o = fitter.options
        self.camera = camera
        self.seen = seen
        self.target = seen[:, fitter.ids, :2]
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

    def placed(self) -> Tensor:
        """[T, L, 3] landmarks on the face, in the camera's frame."""
        return self.points() @ self.rotation.mT + self.translation[:, None]

    def residuals(self) -> _Residuals:
        f = self.f
        q = self.placed()
        turn, level = upright(self.rotation)
        depth = -q[..., 2:]
        metres = (self.target - self.camera.project(q)) * (depth / self.camera.focal) * _V_UP
        expected = torch.einsum("tp,pld->tld", view_terms(level), f.bias)
        metres = metres @ turn.mT - expected
        limit = self.o.huber * f.deviation / metres.norm(dim=-1).clamp_min(1e-9)
        weight = limit.clamp_max(1.0)
        tilt = torch.cat(
            [torch.eye(2).expand(*q.shape[:2], 2, 2), (q[..., :2] / depth)[..., None]], -1
        )
        return _Residuals(
            metres=metres * weight[..., None],
            weight=weight,
            to_plane=turn[:, None] @ tilt,
            arm=q - self.translation[:, None],
            expected=expected,
            turn=turn,
            depth=depth,
        )

    def _pose_system(self, r: _Residuals) -> tuple[Tensor, Tensor, Tensor]:
        """Of a twist in the camera's frame: weighted Jacobian [T, 2 L, 6], normal matrix, gradient."""
        jacobian = torch.cat([r.to_plane @ -_skew(r.arm), r.to_plane], dim=-1).flatten(1, 2)
        precise = jacobian * self.f.precision
        normal = jacobian.mT @ precise
        # Relative damping: translation in metres and rotation in radians differ in scale.
        damping = 1e-6 * torch.diagonal(normal, dim1=1, dim2=2)
        gradient = precise.mT @ r.metres.flatten(1)[..., None]
        return precise, normal + torch.diag_embed(damping), gradient

    def step_pose(self) -> None:
        """One Gauss-Newton step on the twist."""
        _, normal, gradient = self._pose_system(self.residuals())
        step = torch.linalg.solve(normal, gradient)[..., 0]
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
        """Bounded ridge least squares, coupled over time, by red-black coordinate descent.

        The pose is eliminated: it follows each expression as suits it best. Otherwise an open jaw and a nod
        creep towards their balance over dozens of alternations.
        """
        f, o, r = self.f, self.o, self.residuals()
        # One line of sight for the whole face, the mean over its landmarks.
        entries = (r.to_plane.mean(1) @ self.rotation).flatten(1)  # [T, 6]
        pairs = (entries[:, :, None] * entries[:, None]).flatten(1)
        normal = (pairs @ f.grams.flatten(2).flatten(0, 1)).unflatten(1, f.grams.shape[2:])
        along = (r.metres.flatten(1) @ f.precise_planes.flatten(1)).unflatten(1, (-1, 6))
        gradient = (along * entries[:, None]).sum(-1)

        precise, pose_normal, pose_gradient = self._pose_system(r)
        mixed = (f.planes @ precise).unflatten(1, (-1, 6))  # [T, F, 6, 6]
        mixed = (mixed * entries[:, None, :, None]).sum(2)
        carried = torch.linalg.solve(pose_normal, torch.cat([mixed.mT, pose_gradient], 2))
        normal = normal - mixed @ carried[..., :-1]
        gradient = gradient - (mixed @ carried[..., -1:])[..., 0]
        x = self.expression[:, f.free]
        gradient = gradient + (normal @ x[..., None])[..., 0] - f.sparsity
        normal = normal + f.prior
        coupling = torch.where(f.blinks, o.blink_smoothness, o.smoothness) * self.smoothness
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

    def step_identity(self) -> None:
        """Betas, then landmark offsets, over all frames at once."""
        f, o = self.f, self.o
        r = self.residuals()
        # Here noise counts as independent; a person's own constant error is much of what is sought.
        weight = f.deviation**-2 / len(f.ids)
        to_plane = r.to_plane @ self.rotation[:, None]  # [T, L, 2, 3]
        normal_l = torch.einsum("tlai,tlaj->lij", to_plane, to_plane) * weight[:, None, None]
        gradient_l = torch.einsum("tlai,tla->li", to_plane, r.metres) * weight[:, None]
        normal = torch.einsum("lik,lij,ljm->km", f.shapedirs, normal_l, f.shapedirs)
        gradient = torch.einsum("lik,li->k", f.shapedirs, gradient_l)
        ridge = o.betas_ridge * torch.eye(len(self.betas))
        step = torch.linalg.solve(normal + ridge, gradient - ridge @ self.betas)
        self.betas = self.betas + step
        # With the new betas, what is left at each landmark.
        gradient_l = gradient_l - torch.einsum("lij,ljk,k->li", normal_l, f.shapedirs, step)
        strength = 1 / len(f.ids) / o.offset_sigma**2
        offsets = self.offsets + torch.linalg.solve(
            normal_l + strength * torch.eye(3), gradient_l - strength * self.offsets
        )
        self.offsets = f.same_for_lip_pairs(f.shape_only(offsets))

    def solve_identity(self, rounds: int) -> None:
        """Alternates all steps."""
        for _ in range(4):
            self.step_pose()
        for _ in range(rounds):
            self.step_identity()
            self.step_pose()
            self.step_gaze()
            self.step_expression(sweeps=4)
        self.step_identity()

    def solve_frames(self, rounds: int) -> None:
        """Pose and expression of every frame, at a fixed identity."""
        for _ in range(3):
            self.step_pose()
        for _ in range(rounds):
            self.step_gaze()
            self.step_expression(sweeps=6)
            self.step_pose()
        self.smooth_pose()
        self.step_gaze()
        self.step_expression(sweeps=12)

    def smooth_pose(self) -> None:
        """Whittaker smoothing (1923) of the rigid motion: no lag, since past and future weigh alike."""
        strength = self.o.pose_smoothness * self.smoothness
        if strength > 0 and len(self.seen) > 2:
            rotvec = log_rotation(self.rotation)
            self.rotation = rotation_matrix(_whittaker(rotvec, strength))
            self.translation = _whittaker(self.translation, strength)

    def result(self) -> FaceFit:
        fitted = self.seen[..., :2].clone()
        # Where a detector with the known faults is expected to see the face.
        seen = self.residuals()
        away = seen.expected @ seen.turn * _V_UP * self.camera.focal / seen.depth
        fitted[:, self.f.ids] = self.camera.project(self.placed()) + away
        distance = (fitted - self.seen[..., :2])[:, self.f.ids[self.f.no_oval]].norm(dim=-1)
        iod = torch.from_numpy(lm.interocular_distance(self.seen.numpy()))
        return FaceFit(
            betas=self.betas.numpy(),
            expression=self.expression.clamp(0, 1).numpy(),
            rotation=log_rotation(self.rotation).numpy(),
            translation=self.translation.numpy(),
            leye_pose=self.gaze[:, 0].numpy(),
            reye_pose=self.gaze[:, 1].numpy(),
            focal=self.camera.focal,
            residual=(distance.mean(1) / iod).numpy(),
            agreement=seen.weight[:, self.f.lips].mean(1).numpy(),
            fitted=fitted.numpy(),
        )


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
