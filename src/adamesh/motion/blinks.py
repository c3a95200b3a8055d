"""Blinks are events: found, taken out, and put back with the person's own rate and shape.

A regression onto frames with blinks in them learns their mean, which is a lid that hangs a little
and never closes. So blinks leave the targets, and come back as what they are: rare, short and
complete.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamesh.motion.events import Waiting
from adamesh.values import Value

FloatArray = NDArray[np.float32]

# What is known of people in general. Rate: 17 a minute at rest, 26 in conversation (Bentivoglio et
# al., Movement Disorders 12(6), 1997), with a spread between people about half as large as the rate
# itself. Duration: 0.1 to 0.4 s; VanderWerf et al., J. Neurophysiology 89(5), 2003, measured 0.33 s
# with the slow last part of the opening, which lies below LEVEL here.
POPULATION_RATE_HZ = 20 / 60
POPULATION_DURATION_S = 0.27
POPULATION_DURATION_SPREAD_S = 0.06
POPULATION_AMPLITUDE = 0.9  # of a whole closure

# How much the population counts: as much as a reference that shows this many blinks. For the rate
# this is a Gamma(4, 12 s) prior: mean 20 a minute, standard deviation 10 a minute.
PRIOR_BLINKS = 4.0
PRIOR_SECONDS = PRIOR_BLINKS / POPULATION_RATE_HZ

MIN_AMPLITUDE = 0.2  # smaller closures are lids that move with gaze and smiles
MIN_DURATION_S = 0.06
MAX_DURATION_S = 0.6  # longer closures are closed eyes or a look down, and stay in the motion
BASELINE_WINDOW_S = 1.5  # lids seen over this long; a blink fills far less than half of it
REFRACTORY_S = 0.5  # no blink starts sooner after the end of the one before
CLOSING_SHARE = 0.35  # of the duration; lids close about twice as fast as they open
LEVEL = 0.1  # of the amplitude; a blink lasts while it is above this
EYE_LAG_S = 0.005  # spread of one eye behind the other, too short to see but not nothing
EYE_AMPLITUDE_SPREAD = 0.02

# Blinks go with gaze shifts. Evinger et al., Exp. Brain Research 100(2), 1994: the closing muscle is active
# in 97 % of shifts of more than 33 degrees, from about their beginning. Below, we let the share grow in
# proportion; of the shifts in our tracks 0.07 more than chance gives go with blinks at 8 to 18 degrees.
SURE_SHIFT = np.radians(33.0)
SURE_SHARE = 0.97
SHIFTS_AHEAD_S = 1.1  # so long before a tied blink no other begins
KNOWN_S = 10.0  # of usual motion that count as seen before a clip begins, in its running rates
TIED_SHARE = 0.8  # of a person's blinks at most: some come while the eyes hold still


@dataclass(frozen=True)
class Blink:
    """One closure of both lids.

    Attributes:
        start: frame, with fraction, at which the closure rises above a tenth of its amplitude.
        peak: frame of the largest closure.
        end: frame, with fraction, at which it is back below a tenth.
        amplitude: closure at the peak over the lid level around it, 0..1, mean of both eyes.
    """

    start: float
    peak: int
    end: float
    amplitude: float


@dataclass(frozen=True)
class BlinkStatistics:
    """How somebody blinks.

    Attributes:
        rate_hz: blinks per second.
        duration_s: mean duration, seconds.
        duration_spread_s: its standard deviation, seconds.
        amplitude: mean closure, 0..1.
        baseline: eyeBlink weight of the lids between blinks, 0..1.
    """

    rate_hz: float = POPULATION_RATE_HZ
    duration_s: float = POPULATION_DURATION_S
    duration_spread_s: float = POPULATION_DURATION_SPREAD_S
    amplitude: float = POPULATION_AMPLITUDE
    baseline: float = 0.0

    @classmethod
    def of(cls, eye_blink: FloatArray, fps: float) -> "BlinkStatistics":
        """Measured on a reference, and drawn towards the population the more, the shorter it is.

        Posterior means: the population counts as `PRIOR_BLINKS` blinks in `PRIOR_SECONDS`, so after
            12 s the person has half of the say, after two minutes nine tenths.

        Args:
            eye_blink: [T, 2] weights of eyeBlinkLeft and eyeBlinkRight.
            fps: frames per second.
        """
        blinks = detect_blinks(eye_blink, fps)
        durations = np.array([(b.end - b.start) / fps for b in blinks])
        n = len(blinks)
        weight = PRIOR_BLINKS + n
        duration = (PRIOR_BLINKS * POPULATION_DURATION_S + durations.sum()) / weight
        variance = (
            PRIOR_BLINKS * POPULATION_DURATION_SPREAD_S**2 + np.sum((durations - duration) ** 2)
        ) / weight
        amplitude = (
            PRIOR_BLINKS * POPULATION_AMPLITUDE + sum(b.amplitude for b in blinks)
        ) / weight
        return cls(
            rate_hz=weight / (PRIOR_SECONDS + len(eye_blink) / fps),
            duration_s=float(duration),
            duration_spread_s=float(np.sqrt(variance)),
            amplitude=float(amplitude),
            baseline=float(np.median(remove_blinks(eye_blink, blinks))),
        )


def detect_blinks(eye_blink: FloatArray, fps: float) -> list[Blink]:
    """Blinks of both eyes, in order.

    Args:
        eye_blink: [T, 2] weights of eyeBlinkLeft and eyeBlinkRight.
        fps: frames per second.
    Returns:
        Closures of at least `MIN_AMPLITUDE` that lasted `MIN_DURATION_S` to `MAX_DURATION_S`. A
        blink cut off by either end of the track does not count.
    """
    from scipy.ndimage import median_filter
    from scipy.signal import find_peaks

    lids = np.asarray(eye_blink, np.float64).mean(axis=1)
    window = max(3, round(BASELINE_WINDOW_S * fps))
    closure = lids - median_filter(lids, size=window, mode="nearest")
    # A peak must stand out from the dips beside it, or noise on a closed lid would count twice.
    peaks, _ = find_peaks(closure, height=MIN_AMPLITUDE, prominence=MIN_AMPLITUDE)

    blinks: list[Blink] = []
    for peak in peaks:
        level = LEVEL * closure[peak]
        start = _crossing(closure, int(peak), -1, level)
        end = _crossing(closure, int(peak), +1, level)
        if start is None or end is None:
            continue
        if not MIN_DURATION_S <= (end - start) / fps <= MAX_DURATION_S:
            continue
        if blinks and start < blinks[-1].end:  # a double peak over one closure
            continue
        blinks.append(Blink(start, int(peak), end, float(min(closure[peak], 1.0))))
    return blinks


def frames_of_blinks(n_frames: int, blinks: Sequence[Blink]) -> NDArray[np.bool_]:
    """[n_frames] whether a frame lies under a blink."""
    covered = np.zeros(n_frames, bool)
    for blink in blinks:
        # A frame more on either side: the tenth of the amplitude below LEVEL.
        first = max(0, int(np.floor(blink.start)) - 1)
        last = min(n_frames - 1, int(np.ceil(blink.end)) + 1)
        covered[first + 1 : last] = True
    return covered


def remove_blinks(eye_blink: FloatArray, blinks: Sequence[Blink]) -> FloatArray:
    """The lids [T, 2] as they would have moved without these blinks.

    Under a blink each lid goes straight from its level before to its level after.
    """
    out = np.array(eye_blink, np.float32)
    frames = np.arange(len(out))
    covered = frames_of_blinks(len(out), blinks)
    if covered.any() and not covered.all():
        for eye in range(out.shape[1]):
            out[covered, eye] = np.interp(frames[covered], frames[~covered], out[~covered, eye])
    return out


class BlinkSampler:
    """Blinks as a person might make them, frame after frame.

    Large gaze shifts carry blinks; the others come by chance, as many as the person's rate leaves. Waiting
    times are a refractory time plus an exponential one, so the mean rate is that of `stats` (to at most about
    60 a minute). Closing takes a third of the time, opening the rest.

    Args:
        stats: of the person.
        fps: frames per second.
        rng: its own, so that nothing else that is drawn changes the blinks.
        end: number of frames of the whole clip, where that is known: no blink is cut off by it.
    """

    def __init__(
        self, stats: BlinkStatistics, fps: float, rng: np.random.Generator, end: int | None = None
    ) -> None:
        self.stats, self.fps, self.end = stats, fps, end
        # Shifts are known before the frames they come in: one generator would be drawn from in another order.
        self._rng, self._tie_rng = rng.spawn(2)
        self._waiting = Waiting(fps, self._rng)
        self._shortest = stats.duration_s + REFRACTORY_S
        self._tied: deque[float] = deque()  # seconds of those to come, and of those just past
        self._tied_past = 0
        self._last_tied = -np.inf
        self._shares = 0.0  # of all shifts so far
        self._open = 0.0  # s in which others could begin
        self._frame = 0
        self._closing: list[_Closure] = []

    def next(self, n: int, shifts: Sequence[tuple[float, float]] = ()) -> FloatArray:
        """Closures [n, 2] of the next frames, left and right, 0..1 over the lid level; for `add_blinks`.

        Args:
            shifts: second and size in radians of gaze shifts that were not given before, in order, see
                `saccades.GazeShifts`; all those that begin up to `SHIFTS_AHEAD_S` after these frames.
        """
        out = np.zeros((n, 2))
        if self.stats.rate_hz <= 0:
            return out.astype(np.float32)
        for second, size in shifts:
            self._tie(second, size)
        frames = np.arange(self._frame, self._frame + n)
        for frame in frames.tolist():
            onset = self._onset(frame)
            if onset is not None:
                self._closing.append(_closure(onset, self.fps, self.stats, self._rng))
        for closure in self._closing:
            if self.end is None or closure.peak + closure.opening <= self.end / self.fps:
                out = np.maximum(out, closure.at(frames, self.fps))
        self._frame += n
        self._closing = [c for c in self._closing if c.last(self.fps) >= self._frame]
        return out.astype(np.float32)

    def _tie(self, second: float, size: float) -> None:
        """Whether a blink begins with a shift."""
        share = SURE_SHARE * min(size / SURE_SHIFT, 1.0)
        self._shares += share
        # Somebody who blinks less than they look about has not a blink for every shift.
        known = second + KNOWN_S
        usual = self._shares + KNOWN_S * TIED_SHARE * self.stats.rate_hz
        enough = min(1.0, TIED_SHARE * self.stats.rate_hz * known / usual)
        wanted = self._tie_rng.random() < enough * share
        if wanted and second >= self._last_tied + self._shortest:
            self._tied.append(second)
            self._last_tied = second

    def _onset(self, frame: int) -> float | None:
        """The second at which a blink begins in a frame, if one does."""
        second = frame / self.fps
        while self._tied and self._tied[0] <= second - self._shortest:
            self._tied.popleft()
        onset = next((t for t in self._tied if second <= t < second + 1 / self.fps), None)
        if onset is not None:
            self._tied_past += 1
        near = (t for t in self._tied if abs(t - second) < self._shortest)
        if next(near, None) is not None:  # others wait: they would run into a tied one
            self._waiting.onset(frame, 0.0)
            return onset
        self._open += 1 / self.fps
        known = second + KNOWN_S
        left = self.stats.rate_hz - self._tied_past / known
        open_share = (self._open + KNOWN_S) / known
        rate = 1 / max(open_share / left - self._shortest, 0.1) if left > 0 else 0.0
        onset = self._waiting.onset(frame, rate)
        if onset is not None:
            self._waiting.rest_until(onset + self._shortest)
        return onset


def sample_blinks(
    n_frames: int,
    fps: float,
    stats: BlinkStatistics,
    rng: np.random.Generator,
    shifts: Sequence[tuple[float, float]] = (),
) -> FloatArray:
    """`BlinkSampler` for a whole clip: closures [n_frames, 2]."""
    return BlinkSampler(stats, fps, rng, end=n_frames).next(n_frames, shifts)


@dataclass(frozen=True, eq=False, repr=False)
class _Closure(Value):
    """One blink of both eyes; times in seconds."""

    first: int  # frame
    peak: float
    closing: float
    opening: float
    amplitude: NDArray[np.float64]  # [2]
    lag: NDArray[np.float64]  # [2]

    def last(self, fps: float) -> int:
        """The frame after which it is over."""
        return int((self.peak + self.opening + 5 * EYE_LAG_S) * fps) + 1

    def at(self, frames: NDArray[np.int64], fps: float) -> NDArray[np.float64]:
        """[n, 2] at frames [n]."""
        since = frames[:, None] / fps - self.peak - self.lag
        phase = np.where(since < 0, 1 + since / self.closing, 1 - since / self.opening)
        closed = self.amplitude * np.sin(np.pi / 2 * np.clip(phase, 0, 1)) ** 2
        return closed * (frames >= self.first)[:, None]


def _closure(
    onset: float, fps: float, stats: BlinkStatistics, rng: np.random.Generator
) -> _Closure:
    """A blink that begins at second `onset`."""
    # 10 % to 10 % of a raised cosine is this share of its whole length.
    visible = 1 - 2 / np.pi * np.arcsin(np.sqrt(LEVEL))
    duration = np.clip(
        rng.normal(stats.duration_s, stats.duration_spread_s),
        max(2 / fps, MIN_DURATION_S),
        0.8 * MAX_DURATION_S,
    )
    amplitude = np.clip(stats.amplitude * (1 + EYE_AMPLITUDE_SPREAD * rng.normal(size=2)), 0, 1)
    lag = EYE_LAG_S * rng.normal(size=2)
    closing = CLOSING_SHARE * duration / visible
    opening = (1 - CLOSING_SHARE) * duration / visible
    # The peak falls on a frame: between two frames at 25 fps it would be seen half closed.
    peak = np.ceil((onset + closing) * fps) / fps
    return _Closure(int(onset * fps), float(peak), closing, opening, amplitude, lag)


def add_blinks(eye_blink: FloatArray, closures: FloatArray) -> FloatArray:
    """Lids [T, 2] with the closures of `sample_blinks` put on top, never past closed."""
    return np.clip(eye_blink + closures, 0.0, 1.0).astype(np.float32)


def _crossing(closure: NDArray[np.float64], peak: int, step: int, level: float) -> float | None:
    """Frame, with fraction, at which `closure` falls to `level` on one side of a peak."""
    i = peak
    while closure[i] > level:
        i += step
        if not 0 <= i < len(closure):
            return None
    above, below = closure[i - step], closure[i]
    return float(i - step * (level - below) / (above - below))
