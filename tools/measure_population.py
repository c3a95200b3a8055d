"""Prints how training people move brows, eyes and lower lids: where the population's numbers come from.

    python tools/measure_population.py CORPUS TRACKS

One row a person who talks freely (nobody of GRID, whose sentences are read, and no actor), the median, and
for rates and shares all events in all their time. Last, of both splits, how stressed speech is about the
beginnings of raises and frowns, and how far that is from moments drawn by chance.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from adamesh.alignment import in_time
from adamesh.animation.adapt import eye_rotation
from adamesh.audio.prosody import stress
from adamesh.cli.tables import print_rows
from adamesh.data.corpus import Video, read_corpus
from adamesh.data.sound_offsets import delays
from adamesh.media.audio import load_audio
from adamesh.motion.blinks import detect_blinks, frames_of_blinks
from adamesh.motion.brows import FROWN, RAISE, detect_events, hold, remove_events
from adamesh.motion.clip import MotionClip
from adamesh.motion.head import head_rotation
from adamesh.motion.regression import regression_target
from adamesh.motion.saccades import about_listener, looks_away
from adamesh.motion.spaces import BROWS, EYE_BLINK
from adamesh.motion.squints import slope_sums
from adamesh.rates import FPS

READ_OR_PLAYED = ("grid", "crema")

Row = dict[str, Any]  # a column of the table each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("tracks", type=Path)
    arguments = parser.parse_args()
    people: dict[str, list[MotionClip]] = {}
    free = [
        video
        for video in read_corpus(arguments.corpus, arguments.tracks)
        if not video.speaker.startswith(READ_OR_PLAYED)
    ]
    for video in free:
        if video.split != "train":
            continue
        people.setdefault(video.speaker, []).append(MotionClip.load(video.track).resample(FPS))
    for title, columns in (("Raises", RAISE), ("Frowns", FROWN)):
        rows = [brow_row(name, clips, columns) for name, clips in people.items()]
        print_rows(title, rows, as_json=False)
        print(f"events a second: {total('events', rows) / total('seconds', rows):.3f}")
    eyes = [eye_row(name, clips) for name, clips in people.items()]
    print_rows("Eyes", eyes, as_json=False)
    away = sum(row["away"] * row["seconds"] for row in eyes) / total("seconds", eyes)
    print(f"share of looking away: {away:.3f}")
    late = delays(arguments.tracks)
    for split in ("train", "valid"):
        for title, columns in (("raises", RAISE), ("frowns", FROWN)):
            chosen = [video for video in free if video.split == split]
            print_timing(f"{title} of {split}", chosen, columns, late)


def total(column: str, rows: list[Row]) -> float:
    return sum(row[column] for row in rows)


def print_timing(
    title: str, videos: list[Video], columns: list[int], late: dict[str, float]
) -> None:
    """Mean stress at some lags after events begin; chance moves a clip's events together."""
    rng = np.random.default_rng(0)
    lags = np.arange(-10, 26, 5)
    found, chance = [], []
    for video in videos:
        clip = MotionClip.load(video.track).resample(FPS)
        events = detect_events(clip.expression[:, BROWS][:, columns], FPS)
        stressed = stress(in_time(load_audio(video.path), late.get(video.name, 0.0)), clip.frames)
        # Half of the rise lies before half of the size is reached.
        begun = [event.start - (event.peak - event.start) for event in events]
        for onset in np.round(begun).astype(int):
            at = onset + lags
            found.append(stressed[at.clip(0, clip.frames - 1)])
            moved = (at + rng.integers(clip.frames, size=(200, 1))) % clip.frames
            chance.append(stressed[moved])
    print(f"\n{len(found)} {title}; ms after the onset, mean stress, deviation of chance")
    print(*(f"{1000 * lag / FPS:+6.0f}" for lag in lags))
    print(*(f"{x:+6.2f}" for x in np.mean(found, axis=0)))
    print(*(f"{x:6.2f}" for x in np.mean(chance, axis=0).std(0)))


def brow_row(person: str, clips: list[MotionClip], columns: list[int]) -> Row:
    seconds = sum(clip.duration for clip in clips)
    events, between = [], []
    for clip in clips:
        actions = clip.expression[:, BROWS][:, columns]
        found = detect_events(actions, FPS)
        events += found
        between.append(remove_events(actions, found, FPS).mean(1))
    level = np.concatenate(between)
    sizes = [event.size for event in events] or [np.nan]
    durations = [(event.end - event.start) / FPS for event in events] or [np.nan]
    return dict(
        person=person,
        seconds=seconds,
        events=float(len(events)),
        rate_hz=len(events) / seconds,
        size=float(np.mean(sizes)),
        size_spread=float(np.std(sizes)),
        duration_s=float(np.mean(durations)),
        duration_spread_s=float(np.std(durations)),
        rest=float(level.mean()),
        drift=float(level.std()),
        drift_hold=float(np.mean([hold(level, FPS) for level in between])),
        # Share of browInnerUp, or of browDownLeft.
        inner=float(np.mean([event.balance[0] for event in events] or [np.nan])),
    )


def eye_row(person: str, clips: list[MotionClip]) -> Row:
    seconds = sum(clip.duration for clip in clips)
    middles, frames = [], 0
    sums = np.zeros(2)
    for clip in clips:
        shut = frames_of_blinks(clip.frames, detect_blinks(clip.expression[:, EYE_BLINK], FPS))
        target = about_listener(head_rotation(clip), eye_rotation(clip).mean(1), FPS, shut)
        looks = looks_away(target, FPS)
        middles += [np.median(target[look], axis=0) for look in looks]
        frames += sum(look.stop - look.start for look in looks)
        sums += slope_sums(regression_target(clip), FPS)
    pitch, yaw = np.degrees(np.array(middles).reshape(-1, 2)).T
    sizes, sideways = np.hypot(pitch, yaw), np.abs(yaw) >= np.abs(pitch)
    n = max(len(middles), 1)
    return dict(
        person=person,
        seconds=seconds,
        looks=float(len(middles)),
        away=frames / FPS / seconds,
        away_s=frames / FPS / n,
        away_degrees=float(sizes.mean()) if len(sizes) else np.nan,
        spread_degrees=float(sizes.std()) if len(sizes) else np.nan,
        left=float((sideways & (yaw > 0)).sum() / n),
        right=float((sideways & (yaw <= 0)).sum() / n),
        up=float((~sideways & (pitch < 0)).sum() / n),
        squint_slope=float(sums[0] / sums[1]),
    )


if __name__ == "__main__":
    main()
