"""Brows move in events: raises and frowns, found in a track, and sampled for new speech.

Speech does not tell when brows move, so a regression keeps them still. What can be known of a person is how
often they raise and knit their brows, how far, for how long and with which blendshapes; what speech adds is
that raises come with what is stressed. Between events brows rest, and drift a little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adamesh.motion.events import Waiting, drawn
from adamesh.motion.spaces import ARKIT52, BROWS

FloatArray = NDArray[np.float32]
Float = NDArray[np.float64]


def _columns(*names: str) -> list[int]:
    return [BROWS.index(ARKIT52.index(name)) for name in names]


RAISE = _columns("browInnerUp", "browOuterUpLeft", "browOuterUpRight")  # columns of `BROWS`
FROWN = _columns("browDownLeft", "browDownRight")

SMOOTH_S = 0.04  # deviation of a Gaussian against the tracker's noise
LEVEL_WINDOW_S = 8.0  # the level between events is seen over this long, as ...
LEVEL_PERCENTILE = 30  # ... what brows are below for this share of it: raises may last for seconds
MIN_SIZE = 0.1  # mean over the blendshapes; smaller ones are noise and drift
MIN_DURATION_S = 0.12  # at half the size
MIN_DIP = 0.5  # of an event's size, between it and the next; else they are one
REFRACTORY_S = 0.3  # no event starts sooner after the end of the one before

ONSET_S = 0.4  # longest rise of an event, however long it lasts
ONSET_SHARE = (
    0.44  # of the duration, as seen: where the peak lies between both halves, 0.44 for 74 raises
)
# What of the drift would count as an event is cut off: at this share of the smallest event over a level that
# follows it up slowly and down fast, as the level that events are measured from does.
DRIFT_SHARE = 0.8
RISE_S, FALL_S = 8.0, 0.5
KNOWN_S = 10.0  # of average stress that count as heard before a clip begins
CORRELATION = 0.7  # of log size and log duration within a person: larger events last longer

# How raises go with stress, see `audio.prosody.stress`: 0.4 s after a raise begins it is 0.33 deviations
# above its mean for 31 raises of training people (chance: +-0.18) and 0.40 for 42 of validation people
# (+-0.16); by `tools/measure_population.py`. A Gaussian weighted by exp(k x) has mean k. Frowns go with
# nothing that was tried.
STRESS_GAIN = 0.36
STRESS_LEAD_S = 0.4

# How much the population counts. People differ in their rates as much as the rates themselves (a Gamma
# prior of shape 1.5), less in sizes and durations. A tracker cannot tell brows that lie low from a scowl, and
# decides anew for every clip: of what brings ten people's lowered brows out of the mean in their first 10 s,
# a sixth is left in the rest of their video.
PRIOR_RATE_EVENTS = 1.5
PRIOR_EVENTS = 1.5
PRIOR_REST_SECONDS = 30.0
PRIOR_DRIFT_SECONDS = 10.0


@dataclass(frozen=True)
class Event:
    """One raise or one frown.

    Attributes:
        start: frame, with fraction, at which half the size is reached.
        peak: frame of the largest.
        end: frame, with fraction, at which it is back at half the size.
        size: at the peak over the level around it, mean over the blendshapes.
        balance: each blendshape at the peak, over their mean.
    """

    start: float
    peak: int
    end: float
    size: float
    balance: tuple[float, ...]


@dataclass(frozen=True)
class EventStatistics:
    """Events of one kind, and the level they rise from; all weights are means over the kind's blendshapes.

    Attributes:
        rate_hz: events per second.
        size: mean at the peak over the level.
        size_spread: its standard deviation.
        duration_s: mean time above half the size.
        duration_spread_s: its standard deviation.
        rest: mean level between events.
        drift: standard deviation of that level.
        drift_hold: correlation of that level with itself a second later, 0..1.
        balance: each blendshape over their mean, in the order of `RAISE` or `FROWN`.
    """

    rate_hz: float
    size: float
    size_spread: float
    duration_s: float
    duration_spread_s: float
    rest: float
    drift: float
    drift_hold: float
    balance: tuple[float, ...]


# Medians over the seven natural speakers of the training data (Barack Obama, Ted Lieu, Alexandria
# Ocasio-Cortez, Amy Klobuchar, Katie Hill, Joe Biden, Eric Swalwell), by `tools/measure_population.py`.
# Rates are of all their events in all their time; both sides are alike.
POPULATION_RAISES = EventStatistics(
    rate_hz=0.16,
    size=0.30,
    size_spread=0.10,
    duration_s=0.55,
    duration_spread_s=0.27,
    rest=0.007,
    drift=0.016,
    drift_hold=0.05,
    balance=(1.7, 0.65, 0.65),
)
POPULATION_FROWNS = EventStatistics(
    rate_hz=0.21,
    size=0.15,
    size_spread=0.05,
    duration_s=0.60,
    duration_spread_s=0.23,
    rest=0.024,
    drift=0.031,
    drift_hold=0.1,
    balance=(1.0, 1.0),
)


@dataclass(frozen=True)
class BrowStatistics:
    """How somebody moves their brows."""

    raises: EventStatistics = POPULATION_RAISES
    frowns: EventStatistics = POPULATION_FROWNS

    @classmethod
    def of(cls, brows: FloatArray, fps: float) -> "BrowStatistics":
        """Measured on a reference, and drawn towards the population the more, the less it shows.

        Args:
            brows: [T, 5] weights of `BROWS`.
            fps: frames per second.
        """
        kinds = ((RAISE, POPULATION_RAISES), (FROWN, POPULATION_FROWNS))
        return cls(*(_posterior(brows[:, columns], fps, prior) for columns, prior in kinds))

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "BrowStatistics":
        """What `dataclasses.asdict` and JSON made of one."""
        kinds = {
            name: EventStatistics(**{**values, "balance": tuple(values["balance"])})
            for name, values in content.items()
        }
        return cls(**kinds)


def _posterior(blendshapes: FloatArray, fps: float, prior: EventStatistics) -> EventStatistics:
    """Posterior means of one kind; `blendshapes` [T, A]."""
    events = detect_events(blendshapes, fps)
    between = remove_events(blendshapes, events, fps).mean(1)
    n, seconds = len(events), len(blendshapes) / fps
    weight = PRIOR_EVENTS + n

    def mean(prior_mean: float, values: Sequence[float]) -> float:
        return float((PRIOR_EVENTS * prior_mean + sum(values)) / weight)

    def spread(prior_spread: float, middle: float, values: Sequence[float]) -> float:
        squares = float(np.sum((np.array(values) - middle) ** 2))
        return float(np.sqrt((PRIOR_EVENTS * prior_spread**2 + squares) / weight))

    sizes = [event.size for event in events]
    durations = [(event.end - event.start) / fps for event in events]
    size, duration = mean(prior.size, sizes), mean(prior.duration_s, durations)
    rest_known, drift_known = (
        seconds / (prior_seconds + seconds)
        for prior_seconds in (PRIOR_REST_SECONDS, PRIOR_DRIFT_SECONDS)
    )
    return EventStatistics(
        rate_hz=(PRIOR_RATE_EVENTS + n) / (PRIOR_RATE_EVENTS / prior.rate_hz + seconds),
        size=size,
        size_spread=spread(prior.size_spread, size, sizes),
        duration_s=duration,
        duration_spread_s=spread(prior.duration_spread_s, duration, durations),
        rest=float(rest_known * between.mean() + (1 - rest_known) * prior.rest),
        drift=float(drift_known * between.std() + (1 - drift_known) * prior.drift),
        drift_hold=drift_known * hold(between, fps) + (1 - drift_known) * prior.drift_hold,
        balance=tuple(
            mean(own, [event.balance[i] for event in events]) for i, own in enumerate(prior.balance)
        ),
    )


def detect_events(blendshapes: FloatArray, fps: float) -> list[Event]:
    """Events in blendshapes [T, A] that move together, in order.

    Returns:
        Those of at least `MIN_SIZE` and `MIN_DURATION_S`. One cut off by either end of the track does not
        count.
    """
    from scipy.ndimage import gaussian_filter1d, percentile_filter
    from scipy.signal import find_peaks

    smooth = gaussian_filter1d(np.asarray(blendshapes, np.float64), SMOOTH_S * fps, axis=0)
    level = smooth.mean(1)
    window = max(3, round(LEVEL_WINDOW_S * fps))
    over = level - percentile_filter(level, LEVEL_PERCENTILE, size=window, mode="reflect")
    peaks, found = find_peaks(over, height=MIN_SIZE, prominence=MIN_DIP * MIN_SIZE)
    events: list[Event] = []
    for peak, prominence in zip(peaks, found["prominences"], strict=True):
        if prominence < MIN_DIP * over[peak]:
            continue
        start, end = (_half(over, int(peak), step) for step in (-1, +1))
        if start is None or end is None or (end - start) / fps < MIN_DURATION_S:
            continue
        balance = smooth[peak] / level[peak]
        events.append(Event(start, int(peak), end, float(over[peak]), tuple(balance.tolist())))
    return events


def remove_events(blendshapes: FloatArray, events: Sequence[Event], fps: float) -> FloatArray:
    """Blendshapes [T, A] as they would have moved without these events, straight from before to after.

    An event reaches as far beyond its halves as a raised cosine does, and `SMOOTH_S` more.
    """
    out = np.array(blendshapes, np.float32)
    frames = np.arange(len(out))
    covered = np.zeros(len(out), bool)
    for event in events:
        beyond = (event.end - event.start) / 2 + 2 * SMOOTH_S * fps
        covered[max(0, int(event.start - beyond)) : int(event.end + beyond) + 1] = True
    if covered.any() and not covered.all():
        for i in range(out.shape[1]):
            out[covered, i] = np.interp(frames[covered], frames[~covered], out[~covered, i])
    return out


def hold(level: FloatArray, fps: float) -> float:
    """Correlation of a level [T] with itself a second later, 0..1."""
    second = round(fps)
    if len(level) < 2 * second:
        return 0.0
    about = np.asarray(level, np.float64) - level.mean()
    return float(np.clip(about[second:] @ about[:-second] / max(about @ about, 1e-9), 0, 1))


def _half(over: Float, peak: int, step: int) -> float | None:
    """Frame, with fraction, at which half the size at a peak is passed on one side of it."""
    i, half = peak, over[peak] / 2
    while over[i] > half:
        i += step
        if not 0 <= i < len(over):
            return None
    return float(i - step * (half - over[i]) / (over[i - step] - over[i]))


class BrowSampler:
    """Brows of a person who says something, frame after frame.

    Args:
        stats: of the person.
        fps: frames per second.
        rng: its own, so that nothing else that is drawn changes the brows.
        end: number of frames of the whole clip, where that is known: no event is cut off by it.
    """

    def __init__(
        self, stats: BrowStatistics, fps: float, rng: np.random.Generator, end: int | None = None
    ) -> None:
        self.stats, self.fps = stats, fps
        raises, frowns = rng.spawn(2)
        self._raises = _EventSampler(stats.raises, fps, raises, end)
        self._frowns = _EventSampler(stats.frowns, fps, frowns, end)
        self._heard, self._total = KNOWN_S * fps, KNOWN_S * fps * np.exp(STRESS_GAIN**2 / 2)

    def next(self, stress: Float) -> FloatArray:
        """[n, 5] weights of `BROWS`, 0..1, of the next frames.

        Args:
            stress: [n] of what is said `STRESS_LEAD_S` after each frame, see `audio.prosody.stress`.
        """
        likelier = np.exp(STRESS_GAIN * np.asarray(stress, np.float64))
        heard = self._heard + 1 + np.arange(len(likelier))
        total = self._total + np.cumsum(likelier)
        self._heard, self._total = self._heard + len(likelier), self._total + likelier.sum()
        raised = self._raises.next(likelier * heard / total)
        # A brow that is up is not down.
        knit = np.maximum(self._frowns.next(np.ones(len(likelier))) - raised, 0)
        out = np.zeros((len(likelier), len(BROWS)))
        out[:, RAISE] = raised[:, None] * self.stats.raises.balance
        out[:, FROWN] = knit[:, None] * self.stats.frowns.balance
        return np.clip(out, 0, 1).astype(np.float32)


def sample_brows(
    frames: int, fps: float, stats: BrowStatistics, stress: Float, rng: np.random.Generator
) -> FloatArray:
    """`BrowSampler` for a whole clip of T frames, with the stress [T] of what is said at each."""
    ahead = np.minimum(np.arange(frames) + round(STRESS_LEAD_S * fps), frames - 1)
    return BrowSampler(stats, fps, rng, end=frames).next(np.asarray(stress)[ahead])


@dataclass(frozen=True)
class _Rise:
    """One event while it is made; times in seconds."""

    onset: float
    rise: float
    fall: float
    size: float

    @property
    def end(self) -> float:
        return self.onset + self.rise + self.fall


class _EventSampler:
    """The level of one kind: drift, and events on top."""

    def __init__(
        self, stats: EventStatistics, fps: float, rng: np.random.Generator, end: int | None
    ) -> None:
        self.stats, self.fps, self.end = stats, fps, end
        self._rng, drift_rng = rng.spawn(2)
        self._drift = _Drift(stats, fps, drift_rng)
        self._waiting = Waiting(fps, self._rng)
        self._frame = 0
        self._events: list[_Rise] = []

    def next(self, likelier: Float) -> Float:
        """[n] level of the next frames. Args: likelier [n]: factor on how often events begin."""
        # From first to last an event takes twice the time that it is above half its size.
        free = 1 / self.stats.rate_hz - 2 * self.stats.duration_s - REFRACTORY_S
        rate = 1 / max(free, 0.1)
        level = self._drift.next(len(likelier))
        frames = np.arange(self._frame, self._frame + len(likelier))
        for frame, factor in zip(frames.tolist(), likelier.tolist(), strict=True):
            onset = self._waiting.onset(frame, rate * factor)
            if onset is not None:
                event = self._draw(onset)
                self._waiting.rest_until(event.end + REFRACTORY_S)
                if self.end is None or event.end <= self.end / self.fps:
                    self._events.append(event)
        for event in self._events:
            since = frames / self.fps - event.onset - event.rise
            phase = np.where(since < 0, 1 + since / event.rise, 1 - since / event.fall)
            level += event.size * np.sin(np.pi / 2 * np.clip(phase, 0, 1)) ** 2
        self._frame += len(likelier)
        self._events = [e for e in self._events if e.end * self.fps >= self._frame]
        return level

    def _draw(self, onset: float) -> _Rise:
        stats = self.stats
        first, second = self._rng.normal(size=2)
        second = CORRELATION * first + np.sqrt(1 - CORRELATION**2) * second
        least = min(MIN_SIZE, stats.size / 2)  # a style that was made calm has smaller ones
        size = drawn(stats.size, stats.size_spread, least, first)
        duration = drawn(stats.duration_s, stats.duration_spread_s, MIN_DURATION_S, second)
        rise = min(ONSET_S, 2 * ONSET_SHARE * duration)
        return _Rise(onset, rise, 2 * duration - rise, size)


class _Drift:
    """The level between events: a slow Gaussian cut off at zero, where people's brows often are."""

    def __init__(self, stats: EventStatistics, fps: float, rng: np.random.Generator) -> None:
        self.fps, self._rng = fps, rng
        self._keep = float(np.clip(stats.drift_hold, 0.01, 0.99)) ** (1 / fps)
        self._middle, self._deviation = _before_cut(stats.rest, stats.drift)
        self._last: float | None = None
        self._low = stats.rest

    def next(self, n: int) -> Float:
        """[n] level of the next frames."""
        level = np.zeros(n)
        slow, fast = (float(np.exp(-1 / (seconds * self.fps))) for seconds in (RISE_S, FALL_S))
        for i, noise in enumerate(self._rng.normal(size=n).tolist()):
            if self._last is None:
                self._last = noise
            else:
                self._last = self._keep * self._last + np.sqrt(1 - self._keep**2) * noise
            most = self._low + DRIFT_SHARE * MIN_SIZE
            level[i] = min(max(self._middle + self._deviation * self._last, 0.0), most)
            keep = slow if level[i] > self._low else fast
            self._low = keep * self._low + (1 - keep) * level[i]
        return level


def _before_cut(mean: float, deviation: float) -> tuple[float, float]:
    """Mean and deviation of the Gaussian that has these once what is below zero is set to zero."""
    from scipy.stats import norm

    if mean <= 0 or deviation <= 0:
        return max(mean, 0.0), 0.0
    middle = np.linspace(5, -1.5, 300)  # in deviations
    cut_mean = middle * norm.cdf(middle) + norm.pdf(middle)
    cut_square = (middle**2 + 1) * norm.cdf(middle) + middle * norm.pdf(middle)
    ratio = np.sqrt(cut_square / cut_mean**2 - 1)
    place = float(np.interp(deviation / mean, ratio, middle))
    wide = mean / float(np.interp(place, middle[::-1], cut_mean[::-1]))
    return place * wide, wide
