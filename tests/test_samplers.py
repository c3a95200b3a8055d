"""What is sampled comes out the same however it is asked for, and nothing that is sampled changes another."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from adamesh.motion.blinks import SHIFTS_AHEAD_S, BlinkSampler, BlinkStatistics
from adamesh.motion.brows import POPULATION_FROWNS, POPULATION_RAISES, BrowSampler, BrowStatistics
from adamesh.motion.looping import plan_loop
from adamesh.motion.saccades import GazeSampler, GazeShifts, GazeStatistics, gaze_shifts

FRAMES = 1500
LIVELY = BrowStatistics(
    dataclasses.replace(POPULATION_RAISES, rate_hz=0.5, drift=0.05),
    dataclasses.replace(POPULATION_FROWNS, rate_hz=0.3, drift=0.05),
)
AWAY = GazeStatistics(away=0.3)


def head() -> np.ndarray:
    steps = np.random.default_rng(1).normal(size=(FRAMES, 3))
    return np.cumsum(steps, axis=0) * 1e-3


def gaze(cuts: list[slice]) -> np.ndarray:
    sampler = GazeSampler(AWAY, 25, np.random.default_rng(0))
    return np.concatenate([sampler.next(head()[cut]) for cut in cuts])


def brows(cuts: list[slice]) -> np.ndarray:
    stress = np.random.default_rng(2).normal(size=FRAMES)
    sampler = BrowSampler(LIVELY, 25, np.random.default_rng(0))
    return np.concatenate([sampler.next(stress[cut]) for cut in cuts])


def given(
    shifts: list[tuple[float, float]], cuts: list[slice]
) -> Iterator[list[tuple[float, float]]]:
    """Those that have to be known for each cut, once."""
    waiting = list(shifts)
    for cut in cuts:
        known = [s for s in waiting if s[0] < cut.stop / 25 + SHIFTS_AHEAD_S]
        waiting = waiting[len(known) :]
        yield known


def blinks(cuts: list[slice]) -> np.ndarray:
    shifts = gaze_shifts(head(), gaze([slice(0, FRAMES)]), 25)
    assert len(shifts) > 5
    sampler = BlinkSampler(BlinkStatistics(), 25, np.random.default_rng(0))
    parts = zip(cuts, given(shifts, cuts), strict=True)
    return np.concatenate([sampler.next(cut.stop - cut.start, known) for cut, known in parts])


def loop(cuts: list[slice]) -> np.ndarray:
    turns = 0.1 * np.sin(np.arange(200)[:, None] / (11, 17, 23))
    found = plan_loop(turns)
    return np.concatenate(
        [found.rotations(turns, cut.stop - cut.start, first=cut.start) for cut in cuts]
    )


def cuts(*edges: int) -> list[slice]:
    whole = [0, *edges, FRAMES]
    return [slice(a, b) for a, b in itertools.pairwise(whole)]


@pytest.mark.parametrize("sampled", [gaze, brows, blinks, loop])
def test_whole_is_cut(sampled: Callable[[list[slice]], np.ndarray]) -> None:
    whole = sampled(cuts())
    assert len(whole) == FRAMES
    assert whole.std() > 0.01
    rng = np.random.default_rng(3)
    for edges in (range(1, FRAMES), range(4, FRAMES, 4), np.unique(rng.integers(1, FRAMES, 40))):
        # Sums of another length may be rounded elsewhere.
        np.testing.assert_allclose(sampled(cuts(*map(int, edges))), whole, rtol=0, atol=1e-12)


def test_shifts_are_found_in_pieces() -> None:
    eyes = gaze([slice(0, FRAMES)])
    finder, found = GazeShifts(25), []
    for i in range(0, FRAMES, 7):
        found += finder.next(head()[i : i + 7], eyes[i : i + 7])
    assert found + finder.end() == gaze_shifts(head(), eyes, 25)


def test_blinks_look_no_further_ahead_than_they_say() -> None:
    """What shifts come later changes nothing before."""
    shifts = [(float(second), 0.6) for second in range(3, 60, 4)]
    change = 30.0
    later = [(second, size if second < change else 0.1) for second, size in shifts]
    one, two = (
        BlinkSampler(BlinkStatistics(), 25, np.random.default_rng(0)).next(FRAMES, known)
        for known in (shifts, later)
    )
    same = int((change - SHIFTS_AHEAD_S) * 25)
    np.testing.assert_array_equal(one[:same], two[:same])
    assert not np.array_equal(one, two)


def test_brows_do_not_look_ahead() -> None:
    """Beyond the lead of the stress, which the caller gives."""
    stress = np.zeros(FRAMES)
    later = np.where(np.arange(FRAMES) < 700, 0.0, 2.0)
    one, two = (
        BrowSampler(LIVELY, 25, np.random.default_rng(0)).next(given) for given in (stress, later)
    )
    np.testing.assert_array_equal(one[:700], two[:700])
    assert not np.array_equal(one, two)


def test_nothing_is_cut_off_by_an_end_that_is_known() -> None:
    often = dataclasses.replace(BlinkStatistics(), rate_hz=0.9)
    for seed in range(60):
        sampler = BlinkSampler(often, 25, np.random.default_rng(seed), end=50)
        parts = [sampler.next(5) for _ in range(10)]
        assert parts[-1][-1].max() < 0.2  # about to be open
