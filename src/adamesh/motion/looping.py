"""Seamless loops of a reference's head motion, of any length.

A loop jumps back from a late frame of the reference to an early one where pose and speed are alike,
and cross-fades over the jump. The pair of frames and the length of the fade are chosen by what the
eye would notice: the speed and the acceleration in the fade, against the largest of the reference
itself. Where no pair will do, as in a single turn of the head, the reference runs forth and back on
a clock that slows down towards both ends; that is never faster than the reference.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamesh.errors import InputError
from adamesh.motion.rotation import continuous_quats, relative_rotation, slerp
from adamesh.values import Value

FloatArray = NDArray[np.float32]
Float = NDArray[np.float64]

MIN_FRAMES = 8  # a third of a second at 25 fps; with less there is no motion to repeat
MAX_POINTS = 400  # frames compared for a loop point, so that a reference of an hour is no burden
TRIALS = 40  # pairs of each fade length whose seam is computed
SHORTEST = 0.5  # of the reference: no shorter part of it is repeated
FADES = (0.06, 0.12, 0.25, 0.4)  # lengths of the cross-fade, shares of the reference
MAX_FADE_FRAMES = 50  # a longer fade only averages the motion away
STILL = 1e-6  # radians per frame; a head that moves less does not move
GOOD = 0.8  # strain of a seam that nobody notices; of all such loops the longest is taken


@dataclass(frozen=True, eq=False, repr=False)
class Loop(Value):
    """Which frames of the reference each frame of an endless output shows.

    Output frame i blends the reference at `first[i]` and `second[i]`, with `weight[i]` of the
    second. The frames before `start` are played once, those from `start` on repeat. So a longer
    output begins with the shorter one.

    Attributes:
        first: [N] reference position in frames, with fraction.
        second: [N] reference position in frames, with fraction.
        weight: [N] 0..1.
        start: first frame of the repeated part.
        strain: largest speed or acceleration at the seam over the largest within the reference, for
            the rotations it was planned on; not above 1 if a good seam was found.
    """

    first: Float
    second: Float
    weight: Float
    start: int
    strain: float = 0.0

    def rotations(self, reference: ArrayLike, n_frames: int, *, first: int = 0) -> FloatArray:
        """Axis-angle [T, ..., 3] of the reference -> [n_frames, ..., 3] from frame `first` of the loop on."""
        frames = self._wrapped(np.arange(first, first + n_frames))
        return self._at(np.asarray(reference, np.float64), frames).astype(np.float32)

    def values(self, reference: ArrayLike, n_frames: int) -> FloatArray:
        """Any other channel [T, D] of the same reference -> [n_frames, D], linearly."""
        reference = np.asarray(reference, np.float64)
        frames = self._wrapped(np.arange(n_frames))
        first = _values_at(reference, self.first[frames])
        second = _values_at(reference, self.second[frames])
        return (first + (second - first) * self.weight[frames, None]).astype(np.float32)

    def _wrapped(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        period = len(self.first) - self.start
        return np.where(frames < self.start, frames, self.start + (frames - self.start) % period)

    def _at(self, reference: Float, frames: NDArray[np.int64]) -> Float:
        weight = self.weight[frames].reshape(-1, *[1] * (reference.ndim - 2))
        first = _rotations_at(reference, self.first[frames])
        return slerp(first, _rotations_at(reference, self.second[frames]), weight)


def loop_motion(rotations: ArrayLike, n_frames: int) -> FloatArray:
    """Head motion of a reference, repeated without a seam.

    Args:
        rotations: [T, 3] or [T, J, 3] axis-angle, radians.
        n_frames: length wanted, shorter or longer than the reference.
    Returns:
        [n_frames, 3] or [n_frames, J, 3].
    Raises:
        InputError: the reference is shorter than `MIN_FRAMES`.
    """
    return plan_loop(rotations).rotations(rotations, n_frames)


def plan_loop(rotations: ArrayLike) -> Loop:
    """The best loop of these rotations; `Loop.values` takes other channels along.

    Args:
        rotations: [T, 3] or [T, J, 3] axis-angle, radians.
    Raises:
        InputError: the reference is shorter than `MIN_FRAMES`.
    """
    reference = np.asarray(rotations, np.float64)
    T = len(reference)
    if T < MIN_FRAMES:
        raise InputError(
            f"cannot loop a reference of {T} frames; give one of at least {MIN_FRAMES}"
        )
    reference = reference.reshape(T, -1, 3)
    limits = _largest(reference)

    def judged(loop: Loop) -> Loop:
        return replace(loop, strain=_strain(loop, reference, limits))

    fades = [judged(loop) for loop in _cross_fades(reference)]
    good = [loop for loop in fades if loop.strain <= GOOD]
    if good:
        return max(good, key=lambda loop: (len(loop.first) - loop.start, -loop.strain))
    gentlest = min(fades, key=lambda loop: loop.strain)
    if gentlest.strain <= 1:
        return gentlest
    return min(gentlest, judged(_forth_and_back(T)), key=lambda loop: loop.strain)


def _cross_fades(reference: Float) -> Iterator[Loop]:
    """The most promising loops of each fade length, for a reference [T, J, 3]."""
    from scipy.spatial.distance import cdist

    T = len(reference)
    quats = np.stack([continuous_quats(reference[:, j]) for j in range(reference.shape[1])], axis=1)
    pose = quats.reshape(T, -1)
    speed = np.gradient(pose, axis=0)
    for fade in sorted({min(MAX_FADE_FRAMES, max(2, round(share * T))) for share in FADES}):
        # The middle of a fade lies at `late`, and at `early` of the part it fades to.
        half = fade // 2
        margin = fade - half
        points = np.unique(np.linspace(half, T - margin, MAX_POINTS).astype(np.int64))
        early, late = np.meshgrid(points, points, indexing="ij")
        period = late - early
        # A fade over a gap adds up to twice the gap over the length of the fade to the speed.
        cost = 2 / fade * cdist(pose[points], pose[points]) + cdist(speed[points], speed[points])
        cost = np.where(period >= max(fade, SHORTEST * T), cost, np.inf)
        for flat in np.argsort(cost, axis=None)[:TRIALS]:
            if np.isfinite(cost.flat[flat]):
                start = int(early.flat[flat]) + margin
                yield _cross_fade(start, int(period.flat[flat]), fade)


def _cross_fade(start: int, period: int, fade: int) -> Loop:
    """The first start + period frames; the last `fade` of them melt into those before start."""
    first = np.arange(start + period, dtype=np.float64)
    second = np.maximum(first - period, 0)
    u = np.clip((first - (start + period - fade) + 1) / (fade + 1), 0, 1)
    # Smootherstep: its speed and acceleration are zero at both ends.
    weight = u**3 * (u * (6 * u - 15) + 10)
    return Loop(first, second, weight, start)


def _forth_and_back(T: int) -> Loop:
    # So long that the clock never runs faster than the reference.
    period = int(np.ceil(np.pi * (T - 1)))
    position = (T - 1) / 2 * (1 - np.cos(2 * np.pi * np.arange(period) / period))
    return Loop(position, position, np.zeros(period), start=0)


def _strain(loop: Loop, reference: Float, limits: Float) -> float:
    """Largest speed or acceleration around the seam, in units of the reference's largest."""
    blended = np.flatnonzero(loop.weight > 0)
    before = len(loop.first) - blended[0] if len(blended) else len(loop.first) - loop.start
    around = np.arange(len(loop.first) - before - 2, len(loop.first) + 3)
    seam = loop._at(reference, loop._wrapped(np.maximum(around, 0)))
    return float(np.max(_largest(seam) / limits))


def _largest(rotations: Float) -> Float:
    """[2, J] largest angular speed and acceleration of each joint, radians per frame (squared)."""
    speed = relative_rotation(rotations[:-1], rotations[1:])
    both = [np.linalg.norm(x, axis=-1).max(axis=0) for x in (speed, np.diff(speed, axis=0))]
    return np.maximum(np.stack(both), STILL)


def _rotations_at(reference: Float, position: Float) -> Float:
    before, after, weight = _neighbours(len(reference), position)
    weight = weight.reshape(-1, *[1] * (reference.ndim - 2))
    return slerp(reference[before], reference[after], weight)


def _values_at(reference: Float, position: Float) -> Float:
    before, after, weight = _neighbours(len(reference), position)
    return reference[before] + (reference[after] - reference[before]) * weight[:, None]


def _neighbours(T: int, position: Float) -> tuple[NDArray[np.int64], NDArray[np.int64], Float]:
    before = np.floor(position).astype(np.int64)
    return before, np.minimum(before + 1, T - 1), position - before
