"""Brows as events, stress, squints."""

import dataclasses
import json

import numpy as np
import pytest

from adamesh.audio.prosody import stress
from adamesh.motion import brows
from adamesh.motion.brows import FROWN, RAISE, BrowStatistics, detect_events, sample_brows
from adamesh.motion.events import Waiting, drawn
from adamesh.motion.spaces import ARKIT52, BROWS
from adamesh.motion.squints import POPULATION_SLOPE, SMILE, SQUINT, squint_slope, squints
from adamesh.rates import SAMPLE_RATE

LIVELY = BrowStatistics(
    raises=dataclasses.replace(
        brows.POPULATION_RAISES,
        rate_hz=0.3,
        size=0.35,
        size_spread=0.1,
        duration_s=0.4,
        duration_spread_s=0.1,
        balance=(1.5, 0.9, 0.6),
    ),
    frowns=dataclasses.replace(brows.POPULATION_FROWNS, rate_hz=0.1, size=0.3, duration_s=0.5),
)
LONG = 30_000  # frames: 20 minutes


def sampled(
    stats: BrowStatistics = LIVELY, frames: int = LONG, fps: float = 25, seed: int = 0
) -> np.ndarray:
    return sample_brows(frames, fps, stats, np.zeros(frames), np.random.default_rng(seed))


def test_columns_are_the_actions_they_are_called():
    assert [ARKIT52[BROWS[i]] for i in RAISE] == [
        "browInnerUp",
        "browOuterUpLeft",
        "browOuterUpRight",
    ]
    assert [ARKIT52[BROWS[i]] for i in FROWN] == ["browDownLeft", "browDownRight"]


@pytest.mark.parametrize("fps", [25.0, 60.0])
def test_what_was_sampled_is_found_again(fps):
    found = BrowStatistics.of(sampled(frames=round(1200 * fps), fps=fps), fps)
    raises = LIVELY.raises
    assert found.raises.rate_hz == pytest.approx(raises.rate_hz, rel=0.1)
    assert found.raises.size == pytest.approx(raises.size, rel=0.1)
    assert found.raises.size_spread == pytest.approx(raises.size_spread, rel=0.2)
    assert found.raises.duration_s == pytest.approx(raises.duration_s, rel=0.1)
    assert found.raises.balance == pytest.approx(raises.balance, rel=0.1)
    assert found.raises.rest == pytest.approx(raises.rest, abs=0.01)
    # Raises swallow frowns, and frowns stand on a lowered level.
    assert found.frowns.rate_hz == pytest.approx(LIVELY.frowns.rate_hz, rel=0.3)
    assert found.frowns.size == pytest.approx(LIVELY.frowns.size, rel=0.1)
    # What of the drift would count as an event was taken out of it.
    assert found.frowns.drift == pytest.approx(LIVELY.frowns.drift, rel=0.4)


def test_what_is_made_deviates_as_much_as_what_it_was_measured_on():
    first = sampled(seed=1)
    again = sampled(BrowStatistics.of(first, 25), seed=2)
    for columns in (RAISE, FROWN):
        ratio = again[:, columns].mean(1).std() / first[:, columns].mean(1).std()
        assert ratio == pytest.approx(1, abs=0.15)


def test_brows_stay_within_bounds_whatever_the_statistics():
    wild = dataclasses.replace(
        brows.POPULATION_RAISES, size=0.9, size_spread=0.6, rate_hz=3.0, rest=0.5, drift=0.5
    )
    out = sampled(BrowStatistics(wild, dataclasses.replace(wild, balance=(1.8, 0.2))), 2000)
    assert out.min() >= 0
    assert out.max() <= 1
    assert np.isfinite(out).all()


def test_a_raised_brow_is_hardly_lowered():
    out = sampled()
    up, down = out[:, RAISE].mean(1), out[:, FROWN].mean(1)
    assert down[up > 0.25].mean() < 0.1 * down.mean()


def test_nothing_is_cut_off_by_the_end():
    bare = BrowStatistics(
        *(
            dataclasses.replace(kind, rest=0.0, drift=0.0, rate_hz=1.0)
            for kind in (LIVELY.raises, LIVELY.frowns)
        )
    )
    for seed in range(40):
        out = sampled(bare, 60, seed=seed)
        assert out[-1].max() < 0.05
        assert out[0].max() < 0.05


def test_same_seed_same_brows():
    first, again, other = (sampled(frames=1000, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_raises_go_where_the_stress_is_and_keep_their_rate():
    """Stressed seconds take turns with others; a raise begins `STRESS_LEAD_S` before."""
    high = np.arange(LONG) // 25 % 2 == 1
    lead = round(brows.STRESS_LEAD_S * 25)
    half = 25 * brows.ONSET_SHARE * LIVELY.raises.duration_s  # of the rise
    begun, peaks = [], []
    for seed in range(4):
        stress = np.where(high, 1.0, -1.0)
        out = sample_brows(LONG, 25, LIVELY, stress, np.random.default_rng(seed))
        begun += [round(event.start - half) + lead for event in detect_events(out[:, RAISE], 25)]
        peaks += [event.peak for event in detect_events(out[:, FROWN], 25)]
    share = high[np.array(begun).clip(0, LONG - 1)].mean()
    k = np.exp(2 * brows.STRESS_GAIN)
    assert share == pytest.approx(k / (1 + k), abs=0.04)
    assert len(begun) / (4 * LONG / 25) == pytest.approx(LIVELY.raises.rate_hz, rel=0.1)
    assert high[peaks].mean() == pytest.approx(0.5, abs=0.07)


def test_sustained_noise_is_no_event(rng):
    still = 0.05 + 0.02 * rng.normal(size=(2000, 3))
    assert detect_events(np.clip(still, 0, 1).astype(np.float32), 25) == []
    lifted = np.full((2000, 3), 0.4, np.float32)  # brows that are held up are no raise
    assert detect_events(lifted, 25) == []
    lifted[:50] = 0.9  # cut off by the start
    assert detect_events(lifted, 25) == []


def test_removed_events_leave_the_level():
    bare = BrowStatistics(dataclasses.replace(LIVELY.raises, rest=0.03, drift=0.0))
    track = sampled(bare, 5000)[:, RAISE]
    events = detect_events(track, 25)
    level = brows.remove_events(track, events, 25).mean(1)
    assert len(events) > 30
    assert level.mean() == pytest.approx(0.03, abs=0.005)
    assert level.max() < 0.12


def test_a_short_reference_says_little_and_a_long_one_almost_all():
    """Whoever holds still for three seconds may raise a brow; who does for ten minutes hardly will."""
    short = BrowStatistics.of(np.zeros((75, 5), np.float32), 25)
    population = brows.POPULATION_RAISES
    assert 0.5 * population.rate_hz < short.raises.rate_hz < population.rate_hz
    assert short.raises.size == pytest.approx(population.size)
    assert short.raises.balance == pytest.approx(population.balance)
    long = BrowStatistics.of(np.zeros((15_000, 5), np.float32), 25)
    assert long.raises.rate_hz < 0.1 * population.rate_hz
    assert long.frowns.rest < 0.1 * brows.POPULATION_FROWNS.rest


def test_a_scowl_of_the_trackers_is_mostly_forgotten():
    """Brows that lie low are taken for lowered ones in all frames of a clip."""
    low = np.zeros((250, 5), np.float32)
    low[:, FROWN] = 0.3
    low[:, RAISE[0]] = 0.3
    found = BrowStatistics.of(low, 25)
    assert found.frowns.rest < 0.12
    assert found.raises.rest < 0.05


def test_statistics_go_through_json():
    found = BrowStatistics.of(sampled(frames=2000), 25)
    again = BrowStatistics.from_json(json.loads(json.dumps(dataclasses.asdict(found))))
    assert again == found


def test_drift_has_the_mean_and_the_deviation_it_is_asked_for(monkeypatch):
    """Before what would count as an event is cut off."""
    monkeypatch.setattr(brows, "DRIFT_SHARE", np.inf)
    for mean, deviation in ((0.05, 0.02), (0.03, 0.05), (0.1, 0.1)):
        stats = dataclasses.replace(brows.POPULATION_FROWNS, rest=mean, drift=deviation)
        level = brows._Drift(stats, 25, np.random.default_rng(0)).next(200_000)
        assert level.min() >= 0
        assert level.mean() == pytest.approx(mean, rel=0.05)
        assert level.std() == pytest.approx(deviation, rel=0.05)


# --- events -------------------------------------------------------------------------------------


def test_events_come_as_often_as_the_rate_says(rng):
    """Waiting times at a steady rate are exponential; three times the rate, three times as many events."""
    waiting = Waiting(25, rng)
    onsets = [waiting.onset(frame, 0.5 if frame % 1000 < 500 else 1.5) for frame in range(200_000)]
    seconds = np.array([onset for onset in onsets if onset is not None])
    assert len(seconds) == pytest.approx(8000, rel=0.05)
    assert (seconds % 40 < 20).mean() == pytest.approx(0.25, abs=0.02)
    steady = Waiting(25, rng)
    onsets = [steady.onset(frame, 2.0) for frame in range(100_000)]
    gaps = np.diff([onset for onset in onsets if onset is not None])
    assert gaps.mean() == pytest.approx(0.5, rel=0.03)
    assert gaps.std() == pytest.approx(0.5, rel=0.05)
    assert (gaps > 1.0).mean() == pytest.approx(np.exp(-2), rel=0.1)


def test_nothing_begins_while_the_rate_is_zero_or_before_it_is_free(rng):
    waiting = Waiting(25, rng)
    for start in range(0, 40_000, 200):
        waiting.rest_until(start / 25 + 1.01)
        for frame in range(start, start + 200):
            onset = waiting.onset(frame, 0.0 if frame % 200 < 60 else 5.0)
            assert onset is None or frame % 200 >= 60
            assert onset is None or frame - 1e-6 <= onset * 25 < frame + 1
            assert onset is None or onset >= start / 25 + 1.01


def test_sizes_have_their_mean_and_spread(rng):
    sizes = np.array([drawn(0.3, 0.1, 0.1, x) for x in rng.normal(size=50_000)])
    assert sizes.min() > 0.1
    assert sizes.mean() == pytest.approx(0.3, rel=0.02)
    assert sizes.std() == pytest.approx(0.1, rel=0.05)


# --- stress -------------------------------------------------------------------------------------


def tone(hertz: float, loud: float, seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (loud * sum(np.sin(2 * np.pi * n * hertz * t) / n for n in range(1, 6))).astype(
        np.float32
    )


def test_what_is_louder_or_higher_is_stressed():
    plain = tone(120, 0.1, 2)
    begin = tone(120, 0.3, 0.5)  # loudness is over the loudest so far
    for accent in (tone(120, 0.3, 0.5), tone(160, 0.1, 0.5)):
        found = stress(np.concatenate([begin, plain, accent, plain]), 125)
        assert abs(found.mean()) < 1e-6
        assert found.std() == pytest.approx(1)
        assert 60 <= 25 + int(found[25:].argmax()) <= 77
        assert found[64:74].mean() > 1


def test_silence_is_not_stressed_and_as_many_frames_are_given_as_asked():
    assert not stress(np.zeros(SAMPLE_RATE, np.float32), 30).any()
    assert stress(tone(120, 0.1, 1), 40).shape == (40,)


# --- squints ------------------------------------------------------------------------------------


def smiling(slope: float, rng: np.random.Generator) -> np.ndarray:
    expression = np.zeros((2000, 52), np.float32)
    smile = 0.3 + 0.2 * np.sin(np.arange(2000) / 20)
    expression[:, SMILE] = smile[:, None]
    expression[:, SQUINT] = 0.1 + slope * smile[:, None] + 0.01 * rng.normal(size=(2000, 1))
    return expression


def test_the_slope_of_squints_is_found_and_put_on(rng):
    expression = smiling(0.4, rng)
    slope = squint_slope(expression, 25)
    assert slope == pytest.approx(0.4, rel=0.1)
    rest = np.zeros(52, np.float32)
    rest[SMILE], rest[SQUINT] = 0.3, 0.22
    made = squints(expression, rest, slope, 25)
    assert np.corrcoef(made[:, 0], expression[:, SQUINT[0]])[0, 1] > 0.95
    assert np.abs(made - expression[:, SQUINT]).mean() < 0.02
    # What the network said of the lids does not count.
    expression[:, SQUINT] = 0.9
    assert np.array_equal(squints(expression, rest, slope, 25), made)


def test_nobody_opens_their_eyes_by_smiling_and_a_still_mouth_tells_nothing(rng):
    assert squint_slope(smiling(-0.3, rng), 25) == 0
    assert squint_slope(np.zeros((250, 52), np.float32), 25) == pytest.approx(POPULATION_SLOPE)
