"""When the rows of a table were: what its cells say of time, the rate of the rows, and the frames they are.

A file says the time in timecodes (SMPTE ST 12-1, drop-frame among them), in clock times with milliseconds, in
numbers of some unit, in dates, or in frame numbers. Rows are then put on an even clock: jitter below a frame
is no motion, a whole frame that is missing is a gap, and a camera without a steady rate is resampled.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adamesh.errors import InputError, listed, notice
from adamesh.formats.rate import FASTEST, SLOWEST
from adamesh.values import Value

Float = NDArray[np.float64]

NTSC = 1000 / 1001
RATES = (12, 15, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)
EXISTING = tuple(
    sorted([*RATES, *(NTSC * rate for rate in RATES if not rate % 24 or not rate % 30)])
)
DROPPED = {30: 2, 60: 4, 120: 8}  # numbers a minute of a drop-frame timecode, but for every tenth
NEAR = 0.005  # of a rate: an existing one so near is meant
ALIKE = 0.05  # of a rate that rows without a steady one are resampled at
MISSING = 0.75  # frames by which rows come late for good, from which on one is missing
SETTLED = 5  # rows whose median tells whether it is for good
LARGEST_CODE = 240  # frames of a second; a larger three-digit number is milliseconds
DAY = 86_400.0  # s
MOST_FILLED = 1.0  # frames that may be filled in, for each row

_TIMECODE = re.compile(r"(\d{1,3})[:;](\d{1,2})[:;](\d{1,2})(?:([:;.,])(\d{1,9})(\.\d{1,9})?)?")
_MINUTES = re.compile(r"(\d{1,4}):(\d{1,2})(?:[.,](\d{1,9}))?")
_UNITS = {"ms": 1e-3, "milli": 1e-3, "us": 1e-6, "micro": 1e-6, "ns": 1e-9, "nano": 1e-9}


@dataclass(frozen=True, eq=False, repr=False)
class Frames(Value):
    """Rows on an even clock.

    Attributes:
        fps: frames per second.
        place: [T] frame of each row, from 0 on, rising, with fractions where rows have no steady rate.
        count: of all frames.
    """

    fps: float
    place: Float
    count: int

    def fill(self, values: Float) -> Float:
        """[T, N] of the rows -> [count, N] of the frames, linearly between rows."""
        if len(self.place) == self.count and not np.any(self.place % 1):
            return values
        frames = np.arange(self.count)
        return np.stack([np.interp(frames, self.place, column) for column in values.T], axis=1)

    def seen(self) -> NDArray[np.float32] | None:
        """[count] 1 where a row tells of a frame, 0 where it was filled in; None where all are told."""
        frames = np.arange(self.count)
        after = np.searchsorted(self.place, frames).clip(max=len(self.place) - 1)
        before = (after - 1).clip(min=0)
        gap = self.place[after] - self.place[before]
        exact = np.isclose(self.place[after], frames, atol=1e-6)
        told = exact | (gap < 1 + MISSING)
        return None if told.all() else told.astype(np.float32)


def read_seconds(path: Path, name: str, cells: Sequence[object]) -> Float:
    """[T] seconds, from any start, of a column of times.

    Args:
        name: of the column, which may tell the unit.
    Raises:
        InputError: a cell is no time, or numbers count frames.
    """
    texts = [str(cell).strip() for cell in cells]
    if any(":" in text or ";" in text for text in texts):
        if all("T" in text or "-" in text or "/" in text for text in texts):
            return _dates(path, texts)
        return _clock_times(path, texts)
    return _in_seconds(path, name, _numbers(path, name, texts))


def place_rows(path: Path, seconds: Float) -> tuple[NDArray[np.int64], Frames]:
    """The rows to take, in the order of time, and the frames they are.

    Raises:
        InputError: the times stand still, or most of the frames are missing.
    """
    seconds = _past_midnight(seconds)
    if len(seconds) < 2 or np.ptp(seconds) == 0:
        raise InputError(f"the times of '{path}' stand still; give the frame rate with --fps")
    if (np.diff(seconds) == 0).mean() > 0.3:
        return np.arange(len(seconds)), _from_whole_units(path, seconds)
    if _was_set(seconds):
        notice(
            f"the clock of '{path}' was set while it was recorded; its rows are taken as they come"
        )
        back = int(np.diff(seconds).argmin())
        step = float(np.median(np.diff(seconds)))
        seconds = seconds.copy()
        seconds[back + 1 :] += seconds[back] + step - seconds[back + 1]
    order = _in_order(path, seconds)
    seconds = seconds[order] - seconds[order[0]]
    return order, _checked(path, _frames(seconds))


def place_numbers(path: Path, numbers: Float, fps: float) -> tuple[NDArray[np.int64], Frames]:
    """As `place_rows`, by the number of each row's frame at `fps`.

    Raises:
        InputError: a number is no whole one, or most of the frames are missing.
    """
    if np.any(numbers % 1):
        raise InputError(f"the frame numbers of '{path}' must be whole, got {numbers.min():g} ...")
    order = _in_order(path, numbers)
    place = numbers[order] - numbers[order[0]]
    stride = int(np.gcd.reduce(np.diff(place).astype(np.int64))) if len(place) > 1 else 1
    if stride > 1:
        notice(
            f"'{path}' has one of {stride} frames of {fps:g} fps: a clip of {fps / stride:g} fps"
        )
    place = place / max(stride, 1)
    frames = Frames(fps / max(stride, 1), place, int(place[-1]) + 1)
    return order, _checked(path, frames, "cut it where it stops")


def _was_set(seconds: Float) -> bool:
    """Whether a clock went back once, to times that it had shown, or to before the first of them."""
    steps = np.diff(seconds)
    if (steps < 0).sum() != 1:
        return False
    after = seconds[int(steps.argmin()) + 1 :]
    sorted_steps = np.diff(np.sort(seconds))
    crowded = (sorted_steps < 0.5 * np.median(np.abs(steps))).mean()
    return bool(after[0] < seconds[0] or crowded > 0.1)


def _frames(seconds: Float) -> Frames:
    """Of rising times from 0 on."""
    steps = np.diff(seconds)
    typical = float(np.median(steps))
    lag = max(min(30, len(seconds) // 3), 1)
    estimates = [
        1 / float(steps[steps < (1 + MISSING) * typical].mean()),
        lag / float(np.median(seconds[lag:] - seconds[:-lag])),
    ]
    best: tuple[float, Frames] | None = None
    for rate in _candidates(estimates):
        place, strain = _even(seconds * rate)
        jitter = seconds * rate - place
        # A rate that is made up needs a better reason than an existing one.
        cost = float(np.std(jitter)) + (0.02 if rate not in EXISTING else 0.0)
        if strain < MISSING and (best is None or cost < best[0]):
            best = cost, Frames(rate, place, int(place[-1]) + 1)
    if best is not None:
        return best[1]
    # No steady rate: frames are read between the rows, where they were.
    mean = (len(seconds) - 1) / float(seconds[-1])
    near = min(EXISTING, key=lambda rate: abs(rate - mean))
    rate = float(near if abs(near - mean) < ALIKE * mean else round(mean, 2))
    place = seconds * rate
    return Frames(rate, place, int(place[-1] + 1e-6) + 1)


def _candidates(estimates: Sequence[float]) -> list[float]:
    """Rates that the rows may have: those that exist first."""
    near = [
        float(rate)
        for rate in EXISTING
        if any(abs(rate - found) < 4 * NEAR * found for found in estimates)
    ]
    return [*near, *(float(f"{found:.6g}") for found in estimates)]


def _even(frames: Float) -> tuple[Float, float]:
    """Whole places for times in frames, from 0 on, and how far rows lie from them for good.

    A row is one frame behind the one before it, unless from it on all come later by a frame or more.
    """
    from scipy.ndimage import median_filter

    late = frames - np.arange(len(frames))
    size = min(SETTLED, len(late))
    usual = median_filter(late, size=size, origin=-(size // 2), mode="nearest")
    # A row that is missing right behind the first must not move the first.
    base = float(usual[0] if usual[0] - late[0] <= MISSING else late[0])
    missing, strain = 0, 0.0
    place = np.arange(len(frames), dtype=np.float64)
    for i, (now, for_good) in enumerate(
        zip((late - base).tolist(), (usual - base).tolist(), strict=True)
    ):
        # What comes later is no fault of this row.
        late_now = min(now, for_good) if for_good > missing else for_good
        if late_now - missing > MISSING or (for_good - missing > MISSING and now - missing > 0.5):
            missing += round(late_now - missing)
        strain = max(strain, abs(late_now - missing))
        place[i] += missing
    return place, strain


def _in_order(path: Path, times: Float) -> NDArray[np.int64]:
    """The rows sorted, without those that tell of a time again."""
    order = np.argsort(times, kind="stable")
    if np.any(np.diff(times) < 0):
        notice(f"the rows of '{path}' are not in the order of time; they are sorted")
    kept = np.concatenate([[True], np.diff(times[order]) > 0])
    if not kept.all():
        again = int((~kept).sum())
        notice(f"{again} rows of '{path}' tell of a time that another has; the first is taken")
    return order[kept]


def _checked(
    path: Path,
    frames: Frames,
    advice: str = "cut it where it stops, or give --fps to take its rows one after another",
) -> Frames:
    """Frames of a rate that tracks have, and most of which are there."""
    if not SLOWEST <= frames.fps <= FASTEST:
        raise InputError(
            f"the times of '{path}' give {frames.fps:g} frames a second, expected "
            f"{SLOWEST:g}..{FASTEST:g}; give the frame rate with --fps"
        )
    if frames.count > (1 + MOST_FILLED) * len(frames.place):
        raise InputError(
            f"'{path}' has {len(frames.place)} rows for the {frames.count} frames of its times; "
            f"{advice}"
        )
    return frames


def _from_whole_units(path: Path, seconds: Float) -> Frames:
    """Of times that were cut to a coarse unit, such as whole seconds: the rows that whole units hold tell."""
    times, counts = np.unique(seconds, return_counts=True)
    if len(times) < 4:
        raise InputError(
            f"the times of '{path}' are too coarse to tell its frame rate; give it with --fps"
        )
    unit = float(np.median(np.diff(times)))
    mean = float(np.mean(counts[1:-1])) / unit
    near = min(EXISTING, key=lambda rate: abs(rate - mean))
    rate = float(near if abs(near - mean) * unit <= 1 else mean)
    notice(
        f"the times of '{path}' are in steps of {unit:g} s; its rows are taken as even, {rate:g} fps"
    )
    return Frames(rate, np.arange(len(seconds), dtype=np.float64), len(seconds))


def _past_midnight(seconds: Float) -> Float:
    """Clock times that go on after midnight."""
    falls = np.concatenate([[0.0], np.diff(seconds)]) < -DAY / 2
    return seconds + DAY * np.cumsum(falls)


def _clock_times(path: Path, texts: Sequence[str]) -> Float:
    whole, part, separators, digits = [], [], set(), set()
    for number, text in enumerate(texts, start=2):
        match = _TIMECODE.fullmatch(text)
        short = None if match else _MINUTES.fullmatch(text)
        if match is not None:
            hours, minutes, seconds = (int(x) for x in match.groups()[:3])
            separator, fraction, behind = match.groups()[3:]
        elif short is not None:
            hours, minutes, seconds = 0, int(short[1]), int(short[2])
            separator, fraction, behind = (".", short[3], None) if short[3] else (None, None, None)
        else:
            raise InputError(
                f"row {number} of '{path}' has the timecode '{listed([text])}', expected "
                "HH:MM:SS:FF.sub; give the frame rate with --fps to do without timecodes"
            )
        whole.append(3600 * hours + 60 * minutes + seconds)
        separators.add(separator)
        digits.add(len(fraction or ""))
        counted = separator in (":", ";") or behind is not None
        part.append((counted, fraction or "0", float(behind or 0)))
    seconds_of_day = np.array(whole, np.float64)
    if not any(counted for counted, _, _ in part):
        return seconds_of_day + [float(f"0.{fraction}") for _, fraction, _ in part]
    numbers = np.array([int(fraction) for _, fraction, _ in part], np.float64)
    if digits == {3} and numbers.max() >= LARGEST_CODE:
        return seconds_of_day + numbers / 1000
    behind_frames = np.array([behind for _, _, behind in part])
    return _timecodes(path, seconds_of_day, numbers, behind_frames, ";" in separators)


def _timecodes(path: Path, whole: Float, number: Float, behind: Float, semicolon: bool) -> Float:
    """Seconds of timecodes: whole seconds, number of the frame in each, and the part of a frame behind it."""
    if len(np.unique(whole)) < (2 if number[0] + behind[0] < 1 else 3):
        raise InputError(
            f"'{path}' is too short to tell its frame rate; give it with --fps, e.g. 60, "
            "which is the default of Live Link Face"
        )
    nominal = _nominal(number)
    minutes = whole // 60
    dropped = DROPPED.get(nominal) if semicolon else None
    if dropped is not None:
        gone = (whole % 60 == 0) & (number < dropped) & (minutes % 10 != 0)
        if not gone.any():
            counted = nominal * whole + number - dropped * (minutes - minutes // 10)
            return np.asarray((counted + behind) / (NTSC * nominal))
    return np.asarray(whole + (number + behind) / nominal)


def _nominal(number: Float) -> int:
    """How many frames a timecode counts in a second, by the numbers that occur."""
    steps = np.diff(number)
    stride = max(round(float(np.median(steps[steps > 0]))) if (steps > 0).any() else 1, 1)
    nominal = int(-(-(number.max() + 1) // stride) * stride)
    # The last frame of a second may be missing throughout.
    return nominal + 1 if nominal not in RATES and nominal + 1 in RATES else nominal


def _dates(path: Path, texts: Sequence[str]) -> Float:
    seconds = []
    for number, text in enumerate(texts, start=2):
        try:
            seconds.append(datetime.fromisoformat(text.replace("/", "-")).timestamp())
        except ValueError as error:
            raise InputError(
                f"row {number} of '{path}' has the date '{listed([text])}', expected one as "
                "2025-01-31T12:00:00.040; give the frame rate with --fps to do without"
            ) from error
    return np.array(seconds)


def _numbers(path: Path, name: str, texts: Sequence[str]) -> Float:
    try:
        values = np.array([float(text) for text in texts])
    except ValueError as error:
        raise InputError(
            f"column '{listed([name])}' of '{path}' has a cell that is no time; give the frame rate "
            "with --fps to do without"
        ) from error
    if not np.isfinite(values).all():
        raise InputError(f"column '{listed([name])}' of '{path}' has a time that is not finite")
    return values


def _in_seconds(path: Path, name: str, values: Float) -> Float:
    """Numbers of a unit that the column's name tells, or the size of their steps."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    for word in words:
        for start, unit in _UNITS.items():
            if word == start or (len(start) > 2 and word.startswith(start)):
                return values * unit
    steps = np.abs(np.diff(values))
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    for unit in (1.0, 1e-3, 1e-6, 1e-9, DAY):
        if not step or 1 / FASTEST <= step * unit < 1 / SLOWEST:
            return values * unit
    raise InputError(
        f"column '{listed([name])}' of '{path}' holds no times in a known unit (steps of {step:g}); "
        "give the frame rate with --fps to do without"
    )
