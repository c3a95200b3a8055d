"""How well motion arrives on another face, in millimetres.

The surface error of a point is the distance between where the source's motion, carried over by the
registration, wants it and where the solved coefficients bring it. What the registration itself gets wrong is
not in it: that takes a pair of faces with a known correspondence, and is in the tests.
"""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from adamesh.faces import landmark_index as lm
from adamesh.faces.face import Face
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52, EYE_BLINK, EYE_LOOK, coefficient_space
from adamesh.rates import FPS
from adamesh.retargeting.articulation import Articulation
from adamesh.retargeting.registration import INNER_LOWER, INNER_UPPER
from adamesh.retargeting.retarget import Retargeter, geometric

MM = 1000.0
# Regions, in distances between the eyes from the landmarks of lips, of lid edges, of eyes and brows.
MOUTH, LIDS, UPPER_FACE = 0.5, 0.1, 0.3
CLOSED = 0.3  # mm by which the lips may be further apart than at rest and still count as closed


@dataclass(frozen=True)
class BlendshapeFigures:
    """One blendshape at full weight. Millimetres; the motion wanted, and the error of the one reached."""

    blendshape: str
    mouth_motion: float  # mean over the mouth's region
    mouth: float
    mouth_largest: float
    upper_motion: float
    upper: float
    upper_largest: float


@dataclass(frozen=True)
class LidFigures:
    """Share of the distance between the lids' edges that a full blink takes away."""

    source: float
    target: float


@dataclass(frozen=True)
class ClipFigures:
    """One clip there and back; millimetres, means over frames and the mouth's region unless said."""

    clip: str
    frames: int
    motion: float  # wanted on the target
    mouth: float  # error on the target
    mouth_p95: float
    upper: float  # error of the upper face without the lids
    back: float  # error on the source of the way back
    round_trip: float  # distance on the source of the clip and what comes back
    closed: int  # frames in which the source's lips are closed
    gap: float  # mean over these of the largest distance between the target's lips, over that at rest
    gap_p95: float
    milliseconds: float  # for ten seconds of motion, there
    milliseconds_back: float


class SurfaceError:
    """Errors of one `Retargeter` on every registered vertex of its target."""

    def __init__(self, retargeter: Retargeter) -> None:
        source, target = retargeter.source, retargeter.target
        r = retargeter.registration
        self.form = torch.from_numpy(r.form).float()
        self.source = Articulation.of(source, r.on_source())
        self.target = Articulation.of(target, r.on_target())
        self.kept = [geometric(coefficient_space(f.space)).float() for f in (source, target)]
        points = target.template.numpy(force=True)[r.vertices]
        landmarks = target.landmark_basis().template.numpy(force=True)

        def near(ids: tuple[int, ...], reach: float) -> Tensor:
            distance, _ = cKDTree(landmarks[list(ids)]).query(points)
            return torch.from_numpy(distance < reach * r.unit)

        eyes = lm.LEFT_EYE + lm.RIGHT_EYE
        self.mouth, self.lids = near(lm.LIPS, MOUTH), near(eyes, LIDS)
        self.upper = (
            near(eyes + lm.LEFT_BROW + lm.RIGHT_BROW, UPPER_FACE) & ~self.lids & ~self.mouth
        )

    def wanted(self, clip: MotionClip) -> Tensor:
        """[T, P, 3] metres."""
        return _displacement(self.source, clip, self.kept[0]) @ self.form.T

    def reached(self, clip: MotionClip) -> Tensor:
        """[T, P, 3] metres."""
        return _displacement(self.target, clip, self.kept[1])

    def __call__(self, clip: MotionClip, result: MotionClip) -> Tensor:
        """[T, P] millimetres."""
        return MM * (self.wanted(clip) - self.reached(result)).norm(dim=-1)


def _displacement(points: Articulation, clip: MotionClip, kept: Tensor) -> Tensor:
    return points.displacement(torch.tensor(clip.expression) * kept, torch.tensor(clip.jaw_pose))


class PairFigures:
    """Figures of one `arkit52` face and another face, both ways."""

    def __init__(self, source: Face, target: Face) -> None:
        self.there, self.back = Retargeter(source, target), Retargeter(target, source)

    @cached_property
    def _errors(self) -> tuple[SurfaceError, SurfaceError]:
        return SurfaceError(self.there), SurfaceError(self.back)

    def blendshapes(self) -> list[BlendshapeFigures]:
        """Each blendshape alone at full weight; the two that need an open jaw with it."""
        chosen = [i for i in range(len(ARKIT52)) if i not in EYE_BLINK + EYE_LOOK]
        weights = np.eye(len(ARKIT52), dtype=np.float32)[chosen]
        names = [ARKIT52[i] for i in chosen]
        jaw = ARKIT52.index("jawOpen")
        for name in ("mouthClose", "tongueOut"):
            weights[names.index(name), jaw] = 1.0
            names[names.index(name)] += " + jawOpen"
        clip = MotionClip("arkit52", FPS, weights)
        there, _ = self._errors
        motion = MM * there.wanted(clip).norm(dim=-1)
        error = there(clip, self.there.retarget(clip))

        def mean(values: Tensor, region: Tensor) -> list[float]:
            return values[:, region].mean(1).tolist()

        def largest(region: Tensor) -> list[float]:
            return error[:, region].amax(1).tolist()

        columns = (
            names,
            *(mean(motion, there.mouth), mean(error, there.mouth), largest(there.mouth)),
            *(mean(motion, there.upper), mean(error, there.upper), largest(there.upper)),
        )
        return [BlendshapeFigures(*row) for row in zip(*columns, strict=True)]

    def lid_closure(self) -> LidFigures:
        """What two full eyeBlink weights do."""
        weights = np.zeros((1, len(ARKIT52)), np.float32)
        weights[:, EYE_BLINK] = 1.0
        clip = MotionClip("arkit52", FPS, weights)
        result = self.there.retarget(clip)
        return LidFigures(_closure(self.there.source, clip), _closure(self.there.target, result))

    def clip(self, name: str, clip: MotionClip) -> ClipFigures:
        """A real clip there and back."""
        there, back = self._errors
        started = time.perf_counter()
        result = self.there.retarget(clip)
        arrived = time.perf_counter()
        returned = self.back.retarget(result)
        ended = time.perf_counter()
        ten_seconds = 1000 * 10 / clip.duration
        error, home = there(clip, result), back.reached(clip) - back.reached(returned)
        closed = _opening(self.there.source, clip) < CLOSED
        gap = _opening(self.there.target, result)[closed].clamp_min(0)
        return ClipFigures(
            clip=name,
            frames=clip.frames,
            motion=float(MM * there.wanted(clip)[:, there.mouth].norm(dim=-1).mean()),
            mouth=float(error[:, there.mouth].mean()),
            mouth_p95=float(np.percentile(error[:, there.mouth], 95)),
            upper=float(error[:, there.upper].mean()),
            back=float(back(result, returned)[:, back.mouth].mean()),
            round_trip=float(MM * home[:, back.mouth].norm(dim=-1).mean()),
            closed=int(closed.sum()),
            gap=float(gap.mean()) if len(gap) else 0.0,
            gap_p95=float(np.percentile(gap, 95)) if len(gap) else 0.0,
            milliseconds=ten_seconds * (arrived - started),
            milliseconds_back=ten_seconds * (ended - arrived),
        )


def _landmarks(face: Face, clip: MotionClip) -> Tensor:
    """[T, 478, 3] metres, of the face with a still head."""
    poses = {"jaw_pose": torch.tensor(clip.jaw_pose)} if "jaw" in face.joint_names else {}
    vertices = face(expression=torch.tensor(clip.expression), **poses).vertices
    return face.landmarks(vertices)


def _opening(face: Face, clip: MotionClip) -> Tensor:
    """[T] mm by which the inner lips, where they are furthest apart, are further apart than at rest."""
    at_rest = MotionClip(clip.space, clip.fps, np.zeros_like(clip.expression[:1]))
    upper, lower = list(INNER_UPPER), list(INNER_LOWER)

    def height(shown: MotionClip) -> Tensor:
        points = _landmarks(face, shown)
        return (points[:, upper] - points[:, lower])[..., 1]

    return MM * (height(clip) - height(at_rest)).amax(1)


def _closure(face: Face, clip: MotionClip) -> float:
    at_rest = MotionClip(clip.space, clip.fps, np.zeros_like(clip.expression))

    def height(shown: MotionClip) -> Tensor:
        points = _landmarks(face, shown)[0]
        gaps = [
            (points[list(eye[9:])] - points[list(eye[7:0:-1])])[:, 1].mean()
            for eye in (lm.LEFT_EYE, lm.RIGHT_EYE)
        ]
        return torch.stack(gaps).mean()

    return float(1 - height(clip) / height(at_rest))
