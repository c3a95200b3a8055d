"""Gaze: somebody speaks to a listener, and looks away now and then; measured on a reference, and sampled.

Between jumps the eyes hold a target in the world while the head moves (the vestibulo-ocular reflex), so what
is measured and sampled is where somebody looks, and the eyeballs turn by what the head does not. The listener
is where they look most: in a video that is the camera, or who stands beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamesh.motion.events import drawn

Float = NDArray[np.float64]

JUMP = np.radians(2.0)  # between two frames at 25 fps; a faster eye has jumped
SMOOTH_FRAMES = 5  # at 25 fps, of a running median against the tracker's noise
LISTENER_SMOOTH = np.radians(
    2.0
)  # deviation that gaze directions are blurred by, to find the most frequent
AWAY = np.radians(7.0)  # from the listener; nearer, somebody looks about their face
SHORTEST_AWAY_S = 0.2  # less is noise, or lids in front of the iris
SHORTEST_FIXATION_S = 0.25
FARTHEST = np.radians(25.0)  # of an eyeball in its socket; further, people turn their heads
LARGEST_SHARE = 0.8  # of looking away; beyond, the listener is elsewhere
SHIFT = np.radians(5.0)  # smaller jumps are no gaze shifts, and carry no blinks

# Time that a saccade takes: 21 ms and 2.2 ms a degree (Carpenter, "Movements of the Eyes", 2nd ed., 1988).
SACCADE_S = 0.021
SACCADE_S_PER_RADIAN = 0.0022 * 180 / np.pi

# Of the training data's natural speakers, by `tools/measure_population.py`; they speak to a camera. Nine
# looks away say nothing of directions: all alike.
POPULATION_AWAY = 0.025
POPULATION_AWAY_S = 0.55
POPULATION_AWAY_SIZE = np.radians(8.5)
POPULATION_AWAY_SPREAD = np.radians(1.5)
PRIOR_SECONDS = 4.0  # of reference that count as much as the population
PRIOR_LOOKS = 2.0  # looks away that do


@dataclass(frozen=True)
class GazeStatistics:
    """How somebody's eyes move; the defaults are those of a calm speaker who looks at the camera.

    Attributes:
        pitch: radians, deviation of what is looked at about the listener, up and down.
        yaw: radians, the same to the sides.
        fixation: s, mean time on one target about the listener.
        away: share of the time that they look away, 0..1.
        away_s: mean duration of a look away, seconds.
        away_size: radians from the listener, mean.
        away_spread: radians, its standard deviation.
        left: share of looks away that go to the subject's left rather than up or down.
        right: the same to the right.
        up: the same up; the rest go down.
    """

    pitch: float = 0.03
    yaw: float = 0.03
    fixation: float = 1.2
    away: float = POPULATION_AWAY
    away_s: float = POPULATION_AWAY_S
    away_size: float = float(POPULATION_AWAY_SIZE)
    away_spread: float = float(POPULATION_AWAY_SPREAD)
    left: float = 0.25
    right: float = 0.25
    up: float = 0.25

    @classmethod
    def of(
        cls, head: ArrayLike, eyes: ArrayLike, fps: float, shut: NDArray[np.bool_] | None = None
    ) -> "GazeStatistics":
        """Measured on a reference; looks away are drawn towards the population, the more the fewer there are.

        Args:
            head: [T, 3] axis-angle of the head about its mean.
            eyes: [T, 3] axis-angle of the eyeballs in the head, mean of both.
            shut: [T] frames in which lids hide the eyes, see `blinks.frames_of_blinks`.
        """
        target = about_listener(head, eyes, fps, shut)
        looks = looks_away(target, fps)
        near = np.linalg.norm(target, axis=1) < AWAY
        jumps = np.linalg.norm(np.diff(target, axis=0), axis=1) * fps / 25 > JUMP
        # A jump of several frames is one jump.
        starts = int((jumps[1:] & ~jumps[:-1]).sum()) + int(jumps[:1].sum())
        seconds = len(target) / fps
        spread = target[near].std(0)
        n, weight = len(looks), PRIOR_LOOKS + len(looks)
        away = sum(look.stop - look.start for look in looks) / fps
        middles = np.array([np.median(target[look], axis=0) for look in looks]).reshape(n, 2)
        sizes = np.linalg.norm(middles, axis=1)
        size = (PRIOR_LOOKS * POPULATION_AWAY_SIZE + sizes.sum()) / weight
        variance = (
            PRIOR_LOOKS * POPULATION_AWAY_SPREAD**2 + np.square(sizes - size).sum()
        ) / weight
        sideways = np.abs(middles[:, 1]) >= np.abs(middles[:, 0])
        left, right, up = (
            float((PRIOR_LOOKS * own + which.sum()) / weight)
            for own, which in (
                (cls.left, sideways & (middles[:, 1] > 0)),
                (cls.right, sideways & (middles[:, 1] <= 0)),
                (cls.up, ~sideways & (middles[:, 0] < 0)),
            )
        )
        share = (PRIOR_SECONDS * POPULATION_AWAY + away) / (PRIOR_SECONDS + seconds)
        return cls(
            pitch=float(spread[0]),
            yaw=float(spread[1]),
            fixation=float(np.clip(seconds / (starts + 1), 0.4, 4)),
            away=float(min(share, LARGEST_SHARE)),
            away_s=float((PRIOR_LOOKS * POPULATION_AWAY_S + away) / weight),
            away_size=float(size),
            away_spread=float(np.sqrt(variance)),
            left=left,
            right=right,
            up=up,
        )


def about_listener(
    head: ArrayLike, eyes: ArrayLike, fps: float, shut: NDArray[np.bool_] | None = None
) -> Float:
    """[T, 2] radians of pitch and yaw by which somebody looks beside their most frequent target.

    Args: see `GazeStatistics.of`.
    """
    from scipy.ndimage import gaussian_filter, median_filter

    world = (np.asarray(head, np.float64) + np.asarray(eyes, np.float64))[:, :2]
    if shut is not None and shut.any() and not shut.all():
        frames = np.arange(len(world))
        for axis in range(2):
            world[shut, axis] = np.interp(frames[shut], frames[~shut], world[~shut, axis])
    world = median_filter(world, size=(max(1, round(SMOOTH_FRAMES * fps / 25)), 1), mode="nearest")
    # The densest cell of a blurred histogram, of half a degree.
    cell = LISTENER_SMOOTH / 4
    cells = np.round(world / cell).astype(int)
    first = cells.min(0)
    counts = np.zeros(cells.max(0) - first + 1)
    np.add.at(counts, tuple((cells - first).T), 1.0)
    density = gaussian_filter(counts, LISTENER_SMOOTH / cell, mode="constant")
    densest = np.array(np.unravel_index(int(density.argmax()), density.shape))
    return np.asarray(world - (first + densest) * cell)


def looks_away(target: Float, fps: float) -> list[slice]:
    """Runs of frames of `about_listener` that are further than `AWAY`, for `SHORTEST_AWAY_S` at least."""
    away = np.concatenate([[False], np.linalg.norm(target, axis=1) >= AWAY, [False]])
    edges = np.flatnonzero(away[1:] != away[:-1]).reshape(-1, 2)
    return [slice(a, b) for a, b in edges.tolist() if b - a >= SHORTEST_AWAY_S * fps]


class GazeShifts:
    """Finds gaze shifts in motion that comes frame after frame; one is known when it has ended."""

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._frame = -1  # of the last pose seen
        self._last: Float | None = None  # [2] where it looked
        self._start: tuple[float, Float] | None = None  # of a shift under way: second, [2]

    def next(self, head: ArrayLike, eyes: ArrayLike) -> list[tuple[float, float]]:
        """Second at which each shift that ends here began, and its size in radians; at least `SHIFT`.

        Args:
            head: [n, 3] axis-angle of the head.
            eyes: [n, 3] axis-angle of the eyeballs in the head, mean of both.
        """
        shifts = []
        for place in (np.asarray(head, np.float64) + np.asarray(eyes, np.float64))[:, :2]:
            if self._last is not None:
                fast = float(np.linalg.norm(place - self._last)) * self.fps / 25 > JUMP
                if fast and self._start is None:
                    self._start = self._frame / self.fps, self._last
                elif not fast and self._start is not None:
                    shifts += self.end()
            self._last, self._frame = place, self._frame + 1
        return shifts

    def end(self) -> list[tuple[float, float]]:
        """The shift that is under way, as far as it came, if there is one."""
        if self._start is None or self._last is None:
            return []
        second, place = self._start
        self._start = None
        size = float(np.linalg.norm(self._last - place))
        return [(second, size)] if size >= SHIFT else []


def gaze_shifts(head: ArrayLike, eyes: ArrayLike, fps: float) -> list[tuple[float, float]]:
    """Those of a whole clip, see `GazeShifts`."""
    finder = GazeShifts(fps)
    return finder.next(head, eyes) + finder.end()


class GazeSampler:
    """Where somebody looks, frame after frame; the eyes hold it while the head moves.

    Args:
        statistics: of the person.
        fps: frames per second.
        rng: its own, so that nothing else that is drawn changes the gaze.
    """

    def __init__(self, statistics: GazeStatistics, fps: float, rng: np.random.Generator) -> None:
        self.fps = fps
        self._targets = _targets(statistics, rng)
        _, self._now = next(self._targets)
        self._before, self._since = self._now, 0  # the target before, and the frame it was left at
        self._coming = next(self._targets)
        self._frame = 0

    def next(self, head: ArrayLike) -> np.ndarray:
        """Eyeball rotations that go with the next frames of a head that faces the listener in the mean.

        Args:
            head: [n, 3] axis-angle of the head about its mean.
        Returns:
            [n, 3] axis-angle of both eyeballs in the head, without roll.
        """
        head = np.asarray(head, np.float64)
        gaze = np.stack([self._look() for _ in head]) if len(head) else np.zeros((0, 2))
        eyes = np.clip(gaze - head[:, :2], -FARTHEST, FARTHEST)
        return np.concatenate([eyes, np.zeros((len(head), 1))], axis=1).astype(np.float32)

    def _look(self) -> Float:
        """[2] the gaze of the next frame; it jumps with the first frame after a target's second."""
        while (first := int(np.ceil(self._coming[0] * self.fps))) <= self._frame:
            self._before, self._now, self._since = self._now, self._coming[1], first
            self._coming = next(self._targets)
        way = self._now - self._before
        takes = SACCADE_S + SACCADE_S_PER_RADIAN * float(np.linalg.norm(way))
        share = min((self._frame - self._since) / self.fps / takes, 1.0)
        self._frame += 1
        return self._before + way * (share * share * (3 - 2 * share))


def sample_gaze(
    head: ArrayLike, fps: float, statistics: GazeStatistics, rng: np.random.Generator
) -> np.ndarray:
    """`GazeSampler` for a whole clip."""
    return GazeSampler(statistics, fps, rng).next(head)


def _targets(statistics: GazeStatistics, rng: np.random.Generator) -> Iterator[tuple[float, Float]]:
    """The second at which the eyes turn to each target, in order, and the target [2]; without end."""
    yield 0.0, _near(statistics, rng)
    second, until = 0.0, _listening(statistics, rng)
    while True:
        # The next fixation on the listener, or the one look away that ends a spell with them.
        second = min(second + _lasting(statistics.fixation, rng), until)
        if second < until:
            yield second, _near(statistics, rng)
            continue
        yield second, _far(statistics, rng)
        second += _lasting(statistics.away_s, rng)
        until = second + _listening(statistics, rng)
        yield second, _near(statistics, rng)


def _lasting(mean: float, rng: np.random.Generator) -> float:
    """Fixations last a quarter of a second at least; how much longer is a matter of chance."""
    return SHORTEST_FIXATION_S + float(rng.exponential(max(mean - SHORTEST_FIXATION_S, 0.05)))


def _listening(statistics: GazeStatistics, rng: np.random.Generator) -> float:
    """Time with the listener until the next look away, so that these have their share."""
    if statistics.away <= 0:
        return np.inf
    return _lasting(statistics.away_s * (1 - statistics.away) / statistics.away, rng)


def _near(statistics: GazeStatistics, rng: np.random.Generator) -> Float:
    """[2] a target about the listener."""
    target = rng.normal(size=2) * (statistics.pitch, statistics.yaw)
    return np.asarray(target * min(1.0, 0.9 * AWAY / max(float(np.linalg.norm(target)), 1e-9)))


def _far(statistics: GazeStatistics, rng: np.random.Generator) -> Float:
    """[2] a target away from the listener, within 45 degrees of its direction."""
    size = drawn(statistics.away_size, statistics.away_spread, float(AWAY), float(rng.normal()))
    shares = np.array([statistics.left, statistics.up, statistics.right, 0.0])
    shares[3] = max(0.0, 1 - shares.sum())
    # Counted from the subject's left, upwards.
    angle = (rng.choice(4, p=shares / shares.sum()) + rng.uniform(-0.5, 0.5)) * np.pi / 2
    return np.array([-np.sin(angle), np.cos(angle)]) * min(size, float(FARTHEST))
