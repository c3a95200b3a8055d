"""Spaces, rotations, the motion clip, gaze, blinks and loops."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, Slerp

from adamesh.errors import InputError
from adamesh.motion import ARKIT52, MotionClip, blinks, gaze, looping, rotation, spaces

# --- spaces -------------------------------------------------------------------------------------


def test_arkit_names_are_apples():
    assert len(set(ARKIT52)) == 52
    assert (ARKIT52[0], ARKIT52[7], ARKIT52[17], ARKIT52[51]) == (
        "eyeBlinkLeft",
        "eyeBlinkRight",
        "jawOpen",
        "tongueOut",
    )


def test_groups_part_the_face():
    assert sorted(spaces.MOUTH + spaces.UPPER_FACE) == list(range(52))
    named = {g: [ARKIT52[i] for i in getattr(spaces, g)] for g in ("EYE_BLINK", "JAW", "BROWS")}
    assert named == {
        "EYE_BLINK": ["eyeBlinkLeft", "eyeBlinkRight"],
        "JAW": ["jawForward", "jawLeft", "jawRight", "jawOpen"],
        "BROWS": [n for n in ARKIT52 if n.startswith("brow")],
    }
    assert len(spaces.LIPS) == 23
    assert len(spaces.EYE_LOOK) == 8
    assert set(spaces.JAW + spaces.LIPS) < set(spaces.MOUTH)


def test_mirror_swaps_sides_and_undoes_itself():
    weights = np.arange(52.0)
    mirrored = weights[..., spaces.MIRROR]
    assert mirrored[ARKIT52.index("jawLeft")] == ARKIT52.index("jawRight")
    assert mirrored[ARKIT52.index("mouthSmileRight")] == ARKIT52.index("mouthSmileLeft")
    assert mirrored[ARKIT52.index("jawOpen")] == ARKIT52.index("jawOpen")
    assert np.array_equal(mirrored[..., spaces.MIRROR], weights)


def test_unknown_space_lists_the_known():
    with pytest.raises(InputError, match="arkit52, flame50, flame100"):
        spaces.coefficient_space("arkit51")


# --- rotations ----------------------------------------------------------------------------------

component = st.floats(-3.0, 3.0, allow_subnormal=False)
axis_angles = st.one_of(
    arrays(np.float64, 3, elements=component),
    arrays(np.float64, 3, elements=st.sampled_from([0.0, 1e-12, -1e-7, np.pi])),
)


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """The same rotation, whatever the vector."""
    apart = Rotation.from_rotvec(a).inv() * Rotation.from_rotvec(b)
    return bool(apart.magnitude() < 1e-7)


@given(axis_angles)
def test_conversions_agree_with_scipy(r):
    reference = Rotation.from_rotvec(r)
    matrix = rotation.axis_angle_to_matrix(r)
    assert np.allclose(matrix, reference.as_matrix(), atol=1e-12)
    quat = rotation.axis_angle_to_quat(r)
    x, y, z, w = reference.as_quat()
    assert np.isclose(abs(np.dot(quat, [w, x, y, z])), 1, atol=1e-12)
    assert close(rotation.matrix_to_axis_angle(matrix), r)
    assert close(rotation.quat_to_axis_angle(-3 * quat), r)
    assert close(rotation.rot6d_to_axis_angle(2 * rotation.axis_angle_to_rot6d(r)), r)


@given(axis_angles, axis_angles)
def test_products_and_angles_agree_with_scipy(a, b):
    ra, rb = Rotation.from_rotvec(a), Rotation.from_rotvec(b)
    both = rotation.quat_multiply(rotation.axis_angle_to_quat(a), rotation.axis_angle_to_quat(b))
    assert np.allclose(rotation.quat_to_matrix(both), (ra * rb).as_matrix(), atol=1e-12)
    assert np.isclose(rotation.geodesic_angle(a, b), (ra.inv() * rb).magnitude(), atol=1e-7)


def test_slerp_agrees_with_scipy(rng):
    a, b = rng.normal(size=(2, 3))
    weights = np.linspace(0, 1, 11)
    want = Slerp([0, 1], Rotation.from_rotvec([a, b]))(weights).as_matrix()
    got = rotation.axis_angle_to_matrix(rotation.slerp(a, b, weights))
    assert np.allclose(got, want, atol=1e-12)


def test_leading_axes_are_free(rng):
    r = rng.normal(size=(2, 5, 3))
    one_by_one = [[rotation.axis_angle_to_matrix(x) for x in row] for row in r]
    assert np.allclose(rotation.axis_angle_to_matrix(r), one_by_one, rtol=0, atol=1e-15)
    back = rotation.matrix_to_axis_angle(rotation.axis_angle_to_matrix(r))
    assert close(back.reshape(-1, 3)[7], r.reshape(-1, 3)[7])


def test_a_second_turn_loses_nothing_to_the_first(rng):
    """Rotations of microradians, as between two frames, keep ten digits."""
    r = rng.normal(size=(50, 3)) * 1e-6
    assert np.allclose(rotation.quat_to_axis_angle(rotation.axis_angle_to_quat(r)), r, rtol=1e-10)


# --- the clip -----------------------------------------------------------------------------------


def make_clip(frames: int = 50, fps: float = 25.0, seed: int = 0) -> MotionClip:
    rng = np.random.default_rng(seed)
    return MotionClip(
        space="arkit52",
        fps=fps,
        expression=rng.uniform(size=(frames, 52)),
        neck_pose=rng.normal(size=(frames, 3)) * 0.2,
        head_pose=rng.normal(size=(frames, 3)) * 0.2,
        leye_pose=rng.normal(size=(frames, 3)) * 0.2,
        transl=rng.normal(size=(frames, 3)),
        betas=rng.normal(size=10),
        confidence=rng.uniform(size=frames),
        metadata={"source": "me.mp4", "residual": 0.6, "gaps": 2, "note": None, "smooth": True},
    )


def same(a: MotionClip, b: MotionClip) -> bool:
    def equal(x: object, y: object) -> bool:
        return np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y

    return all(
        equal(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(MotionClip)
    )


def test_round_trip_is_exact(tmp_path):
    clip = make_clip()
    clip.save(tmp_path / "clip.npz")
    assert same(MotionClip.load(tmp_path / "clip.npz"), clip)
    bare = MotionClip("flame50", 30, np.full((3, 50), -4.0))
    bare.save(tmp_path / "clip.npz")
    assert same(MotionClip.load(tmp_path / "clip.npz"), bare)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.npz"]


def test_the_file_needs_no_pickle(tmp_path):
    make_clip().save(tmp_path / "clip.npz")
    with np.load(tmp_path / "clip.npz", allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)


def damaged(path: Path, how: str) -> None:
    if how == "text":
        path.write_text("Timecode,BlendShapeCount\n")
    elif how == "foreign":
        np.savez(path, pose=np.zeros(3))
    elif how == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif how == "pickle":
        np.savez(path, header=np.array([{"a": 1}], dtype=object))
    elif how == "header":
        np.savez(path, header=np.array("[1, 2]"), expression=np.zeros((2, 52)))
    elif how == "other program":
        np.savez(path, header=np.array(json.dumps({"format": "x", "version": 1})))
    elif how == "lengths":
        header = {"format": "adamesh-motion", "version": 1, "space": "arkit52", "fps": 25}
        arrays_ = {"expression": np.zeros((4, 52)), "neck_pose": np.zeros((5, 3))}
        np.savez(path, header=np.array(json.dumps(header | {"metadata": {}})), **arrays_)
    elif how == "unknown array":
        make_clip().save(path)
        with np.load(path) as archive:
            content = dict(archive)
        np.savez(path, **content, fingers=np.zeros(3))


@pytest.mark.parametrize(
    "how",
    ["text", "foreign", "array", "pickle", "header", "other program", "lengths", "unknown array"],
)
def test_foreign_files_give_one_line(tmp_path, how):
    path = tmp_path / "clip.npz"
    damaged(path, how)
    with pytest.raises(InputError) as caught:
        MotionClip.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_cut_anywhere_give_one_line(tmp_path):
    make_clip().save(tmp_path / "whole.npz")
    data = (tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "cut.npz"
    for length in np.linspace(0, len(data) - 1, 60).astype(int):
        path.write_bytes(data[:length])
        with pytest.raises(InputError):
            MotionClip.load(path)


def test_a_flipped_byte_is_an_error_or_harmless(tmp_path):
    clip = make_clip()
    clip.save(tmp_path / "whole.npz")
    data = bytearray((tmp_path / "whole.npz").read_bytes())
    path = tmp_path / "flipped.npz"
    for at in np.linspace(0, len(data) - 1, 150).astype(int):
        data[at] ^= 0x55
        path.write_bytes(data)
        data[at] ^= 0x55
        try:
            loaded = MotionClip.load(path)
        except InputError:
            continue
        assert same(loaded, clip)


def test_newer_versions_are_named(tmp_path):
    header = {"format": "adamesh-motion", "version": 9, "space": "arkit52", "fps": 25}
    np.savez(tmp_path / "new.npz", header=np.array(json.dumps(header)))
    with pytest.raises(InputError, match="version 9"):
        MotionClip.load(tmp_path / "new.npz")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    clip = make_clip()
    clip.save(tmp_path / "clip.npz")

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(InputError, match=r"cannot write '.*clip.npz': disk full"):
        make_clip(seed=1).save(tmp_path / "clip.npz")
    assert same(MotionClip.load(tmp_path / "clip.npz"), clip)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.npz"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expression": np.zeros((50, 51))}, r"expression .*\[any, 52\], got \[50, 51\]"),
        ({"expression": np.zeros((0, 52))}, "at least one frame"),
        ({"neck_pose": np.zeros((49, 3))}, r"neck_pose .*\[50, 3\], got \[49, 3\]"),
        ({"neck_pose": np.zeros((0, 3))}, r"neck_pose .*got \[0, 3\]"),
        ({"confidence": np.zeros((50, 1))}, "confidence"),
        ({"confidence": np.full(50, 1.5)}, r"confidence .*0\.\.1"),
        ({"transl": np.full((50, 3), np.nan)}, "transl .*not finite"),
        ({"expression": np.full((50, 52), 1.01)}, r"0\.\.1, got 1\.01\.\.1\.01"),
        ({"expression": "smile"}, "expression .*array of numbers"),
        ({"fps": 0.0}, "frame rate"),
        ({"space": "arkit"}, "unknown coefficient space"),
        ({"metadata": {"betas": [1, 2]}}, "metadata .*'betas' is list"),
    ],
)
def test_a_wrong_clip_cannot_be_made(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(make_clip(), **change)


def test_rounding_beyond_the_bounds_is_clipped():
    clip = MotionClip("arkit52", 25, np.full((2, 52), 1 + 1e-5))
    assert clip.expression.max() == 1


def test_channels_by_name():
    clip = make_clip()
    assert np.array_equal(clip.expression_by_name("jawOpen"), clip.expression[:, 17])
    with pytest.raises(InputError, match="no channel 'jawopen'"):
        clip.expression_by_name("jawopen")


def test_resampling_follows_the_motion_at_every_time():
    """Against the functions themselves, and an independent slerp."""
    seconds, fps = 4, 100
    time = np.arange(seconds * fps) / fps
    weights = np.tile((0.5 + 0.4 * np.sin(2 * time))[:, None], (1, 52))
    turn = np.stack([0.5 * np.sin(3 * time), 0.3 * np.cos(2 * time), 0.1 * time], axis=1)
    clip = MotionClip("arkit52", fps, weights, head_pose=turn).resample(59.94)
    assert clip.duration == pytest.approx(seconds, abs=0.5 / 59.94)
    new_time = np.minimum(np.arange(clip.frames) / 59.94, time[-1])
    assert np.abs(clip.expression[:, 0] - np.interp(new_time, time, weights[:, 0])).max() < 1e-6
    want = Slerp(time, Rotation.from_rotvec(turn))(new_time)
    apart = (want.inv() * Rotation.from_rotvec(clip.head_pose)).magnitude()
    assert apart.max() < 1e-6


@pytest.mark.parametrize("fps", [30, 60, 29.97, 12.5])
def test_an_hour_does_not_drift(fps):
    hour = 3600 * 25
    weights = np.zeros((hour, 52), np.float32)
    weights[-1500:, 17] = np.linspace(0, 1, 1500)  # jawOpen rises over the last minute
    clip = MotionClip("arkit52", 25, weights).resample(fps)
    assert clip.duration == pytest.approx(3600, abs=0.5 / fps)
    half = np.argmax(clip.expression_by_name("jawOpen") >= 0.5) / fps
    assert half == pytest.approx((hour - 1500 + 749.5) / 25, abs=1 / fps)


def test_resampling_crosses_pi_the_short_way():
    turn = np.array([[0, np.pi - 0.1, 0], [0, -(np.pi - 0.1), 0]])  # 0.2 apart, through pi
    middle = MotionClip("arkit52", 1, np.zeros((2, 52)), head_pose=turn).resample(2).head_pose[1]
    assert np.linalg.norm(middle) == pytest.approx(np.pi, abs=1e-5)


def test_slices_cut_every_channel():
    clip = make_clip()
    part = clip.slice(10, 20)
    assert part.frames == 10
    assert np.array_equal(part.transl, clip.transl[10:20])
    assert np.array_equal(part.confidence, clip.confidence[10:20])
    assert np.array_equal(part.betas, clip.betas)
    for start, stop in ((5, 5), (-1, 3), (0, 51)):
        with pytest.raises(InputError, match="cannot cut"):
            clip.slice(start, stop)


# --- gaze ---------------------------------------------------------------------------------------


def look(name: str, weights: np.ndarray) -> float:
    return float(weights[..., [ARKIT52[i] for i in spaces.EYE_LOOK].index(name)])


@pytest.mark.parametrize(
    ("pose", "left", "right", "greatest"),
    [
        ([0, 0.2, 0], "eyeLookOutLeft", "eyeLookInRight", gaze.MAX_SIDE),
        ([0, -0.2, 0], "eyeLookInLeft", "eyeLookOutRight", gaze.MAX_SIDE),
        ([0.2, 0, 0], "eyeLookDownLeft", "eyeLookDownRight", gaze.MAX_DOWN),
        ([-0.2, 0, 0], "eyeLookUpLeft", "eyeLookUpRight", gaze.MAX_UP),
    ],
)
def test_both_eyes_looking_to_one_side(pose, left, right, greatest):
    weights = gaze.eye_rotation_to_look(pose, pose)
    assert look(left, weights) == pytest.approx(0.2 / greatest, abs=1e-6)
    assert look(right, weights) == pytest.approx(0.2 / greatest, abs=1e-6)
    assert np.count_nonzero(weights) == 2


def test_signs_of_the_axes():
    """+Y turns the gaze to the subject's left (+X), +X turns it down."""
    assert rotation.axis_angle_to_matrix([0, 0.1, 0])[0, 2] > 0
    assert rotation.axis_angle_to_matrix([0.1, 0, 0])[1, 2] < 0


angle = st.floats(-0.4, 0.4, allow_subnormal=False)


@given(angle, angle, angle, angle)
def test_gaze_round_trip(left_pitch, left_yaw, right_pitch, right_yaw):
    poses = np.array([[left_pitch, left_yaw, 0.0], [right_pitch, right_yaw, 0.0]], np.float32)
    weights = gaze.eye_rotation_to_look(*poses)
    assert ((weights >= 0) & (weights <= 1)).all()
    back = gaze.look_to_eye_rotation(weights)
    assert np.abs(np.array(back) - poses).max() < 1e-5


def test_a_look_too_far_saturates_and_roll_is_ignored():
    far = gaze.eye_rotation_to_look([0, 1.2, 0], [0, 0, 0])
    assert look("eyeLookOutLeft", far) == 1
    assert not gaze.eye_rotation_to_look([0, 0, 0.5], [0, 0, -0.5]).any()


# --- blinks -------------------------------------------------------------------------------------

STATS = blinks.BlinkStatistics(
    rate_hz=0.4, duration_s=0.25, duration_spread_s=0.03, amplitude=0.8, baseline=0.1
)


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
def test_detection_recovers_what_was_sampled(fps, rng):
    frames = round(600 * fps)
    lids = 0.1 + 0.03 * gaussian_filter1d(rng.normal(size=(frames, 2)), fps / 3, axis=0) * 5
    sampled = blinks.sample_blinks(frames, fps, STATS, rng)
    track = blinks.add_blinks(lids.astype(np.float32), sampled)
    found = blinks.detect_blinks(track, fps)
    assert len(found) / 600 == pytest.approx(STATS.rate_hz, rel=0.15)
    durations = np.array([(b.end - b.start) / fps for b in found])
    assert durations.mean() == pytest.approx(STATS.duration_s, rel=0.1)
    assert np.mean([b.amplitude for b in found]) == pytest.approx(STATS.amplitude, rel=0.05)
    # Every closure of the sampler is found, and nothing else.
    peaks = np.flatnonzero(sampled.mean(axis=1) > 0.7)
    assert {int(np.abs(peaks - b.peak).min()) for b in found} == {0}
    events = 1 + np.count_nonzero(np.diff(peaks) > 0.3 * fps)
    assert abs(len(found) - events) <= 1

    measured = blinks.BlinkStatistics.of(track, fps)
    assert measured.rate_hz == pytest.approx(STATS.rate_hz, rel=0.15)
    assert measured.duration_s == pytest.approx(STATS.duration_s, rel=0.1)
    assert measured.baseline == pytest.approx(0.1, abs=0.02)

    clean = blinks.remove_blinks(track, found)
    assert blinks.detect_blinks(clean, fps) == []
    assert np.abs(clean - lids).max() < 0.25
    assert np.abs(clean - lids).mean() < 0.01


def test_frames_without_a_blink_are_left_alone(rng):
    lids = rng.uniform(0.05, 0.15, size=(500, 2)).astype(np.float32)
    assert blinks.detect_blinks(lids, 25) == []
    assert np.array_equal(blinks.remove_blinks(lids, []), lids)


def test_closed_eyes_and_half_seen_blinks_are_no_blinks():
    lids = np.zeros((200, 2), np.float32)
    lids[50:80] = 1  # asleep for 1.2 s
    lids[:2] = 1  # cut off by the start
    assert blinks.detect_blinks(lids, 25) == []


def test_lids_close_faster_than_they_open_and_together():
    closures = blinks.sample_blinks(15_000, 250, STATS, np.random.default_rng(5))
    found = blinks.detect_blinks(closures, 250)
    closing = np.mean([b.peak - b.start for b in found])
    opening = np.mean([b.end - b.peak for b in found])
    assert 1.5 < opening / closing < 2.5
    left, right = (blinks.detect_blinks(closures[:, [eye, eye]], 250) for eye in (0, 1))
    lags = [abs(a.peak - b.peak) / 250 for a, b in zip(left, right, strict=True)]
    assert 0 < max(lags) < 0.03


def test_the_lids_meet_at_every_frame_rate():
    whole = dataclasses.replace(STATS, amplitude=1.0)
    for fps in (24, 25, 30):
        closures = blinks.sample_blinks(60 * fps, fps, whole, np.random.default_rng(2))
        found = blinks.detect_blinks(closures, fps)
        assert len(found) > 10
        assert min(b.amplitude for b in found) > 0.9


def test_blinks_keep_apart():
    busy = dataclasses.replace(STATS, rate_hz=5.0)
    closures = blinks.sample_blinks(5000, 25, busy, np.random.default_rng(3))
    found = blinks.detect_blinks(closures, 25)
    assert min(b.start - a.end for a, b in itertools.pairwise(found)) > 0.3 * 25


def test_same_seed_same_blinks():
    first, again, other = (
        blinks.sample_blinks(1000, 25, STATS, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_large_gaze_shifts_carry_blinks_and_the_rate_stays():
    shifts = [(2.0 + 4 * i, np.radians(33.0 if i % 2 else 6.0)) for i in range(200)]
    closures = blinks.sample_blinks(20_100, 25, STATS, np.random.default_rng(4), shifts)
    found = blinks.detect_blinks(closures, 25)
    assert len(found) / 804 == pytest.approx(STATS.rate_hz, rel=0.1)
    starts = np.array([b.start / 25 for b in found])
    tied = [bool((np.abs(starts - second) < 0.08).any()) for second, _ in shifts]
    assert np.mean(tied[1::2]) > 0.9
    assert 0.08 < np.mean(tied[::2]) < 0.4
    # Somebody who hardly blinks does not blink at every shift.
    seldom = dataclasses.replace(STATS, rate_hz=0.05)
    closures = blinks.sample_blinks(20_100, 25, seldom, np.random.default_rng(4), shifts)
    assert len(blinks.detect_blinks(closures, 25)) / 804 == pytest.approx(0.05, rel=0.35)


def test_a_short_reference_says_little_and_a_long_one_almost_all():
    """Nobody blinks in three seconds; that does not make them somebody who never does."""
    short = blinks.BlinkStatistics.of(np.zeros((75, 2), np.float32), 25)
    assert 0.5 * blinks.POPULATION_RATE_HZ < short.rate_hz < blinks.POPULATION_RATE_HZ
    assert short.duration_s == pytest.approx(blinks.POPULATION_DURATION_S)
    long = blinks.BlinkStatistics.of(np.zeros((15_000, 2), np.float32), 25)
    assert long.rate_hz < 0.1 * blinks.POPULATION_RATE_HZ


# --- loops --------------------------------------------------------------------------------------


def wander(frames: int, width: float, seed: int, joints: int | None = None) -> np.ndarray:
    """Head motion: noise smoothed over `width` frames, with a standard deviation of 0.15 rad."""
    noise = np.random.default_rng(seed).normal(size=(frames + 200, 3 * (joints or 1)))
    smooth = gaussian_filter1d(noise, width, axis=0)[100:-100]
    smooth *= 0.15 / smooth.std()
    return smooth if joints is None else smooth.reshape(frames, joints, 3)


def fastest(rotations: np.ndarray) -> tuple[float, float]:
    """Largest angular speed and acceleration, by scipy."""
    turns = Rotation.from_rotvec(rotations)
    speed = (turns[:-1].inv() * turns[1:]).as_rotvec()
    return tuple(np.linalg.norm(x, axis=1).max() for x in (speed, np.diff(speed, axis=0)))


@pytest.mark.parametrize("frames", [25, 60, 250, 1000])
@pytest.mark.parametrize("width", [3, 8])
@pytest.mark.parametrize("seed", range(4))
def test_no_seam_is_livelier_than_the_reference(frames, width, seed):
    reference = wander(frames, width, seed)
    looped = looping.loop_motion(reference, 4 * frames + 300)
    speed, acceleration = fastest(reference)
    got_speed, got_acceleration = fastest(looped)
    assert got_speed <= speed * 1.001
    assert got_acceleration <= acceleration * 1.001


def test_a_long_reference_loops_most_of_itself_forwards():
    reference = wander(250, 5, 1)
    plan = looping.plan_loop(reference)
    assert len(plan.first) - plan.start >= 125
    assert (np.diff(plan.first) == 1).all()  # never backwards
    assert np.allclose(plan.rotations(reference, 100), reference[:100], atol=1e-6)


def test_a_single_turn_of_the_head_comes_back():
    """No two frames are alike: forth and back, never faster than the reference."""
    reference = np.zeros((25, 3))
    reference[:, 1] = np.linspace(-0.3, 0.3, 25)
    looped = looping.loop_motion(reference, 500)
    assert fastest(looped)[0] <= fastest(reference)[0] * 1.001
    assert np.ptp(looped[:, 1]) > 0.55


def test_an_hour_keeps_looping_and_begins_like_a_minute():
    reference = wander(250, 8, 3)
    hour = looping.loop_motion(reference, 90_000)
    assert np.allclose(hour[:1500], looping.loop_motion(reference, 1500), rtol=0, atol=1e-12)
    assert hour[-5000:].std(axis=0) == pytest.approx(reference.std(axis=0), rel=0.5)
    plan = looping.plan_loop(reference)
    period = len(plan.first) - plan.start
    assert np.array_equal(hour[-period:], hour[-2 * period : -period])


def test_several_joints_and_other_channels_stay_together():
    reference = wander(200, 6, 4, joints=2)
    plan = looping.plan_loop(reference)
    looped = plan.rotations(reference, 900)
    assert looped.shape == (900, 2, 3)
    for joint in range(2):
        alone = plan.rotations(reference[:, joint], 900)
        assert np.allclose(looped[:, joint], alone, rtol=0, atol=1e-12)
        assert fastest(looped[:, joint])[0] <= fastest(reference[:, joint])[0] * 1.001
    # A clock carried along shows which frames are played.
    clock = plan.values(np.arange(200.0)[:, None], 900)[:, 0]
    plain = plan.weight[plan._wrapped(np.arange(900))] == 0
    assert np.allclose(looped[plain], reference[clock[plain].astype(int)], atol=1e-6)


def test_a_still_head_stays_still_and_too_little_is_refused():
    assert not looping.loop_motion(np.zeros((30, 3)), 200).any()
    with pytest.raises(InputError, match="at least 8"):
        looping.loop_motion(np.zeros((7, 3)), 100)
