"""Follows the faces of a video, several at a time.

Frames are taken in small batches. Within one, a face is looked for where it was before the batch, and again
where it was in the frame before if it has moved too far for that; so what is found hardly differs from a
frame-by-frame search, and a batch is spread over the cores. All of the picture is searched for new faces once
a second, and in every batch while somebody is lost.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from adamesh.tracking.landmarker import MIN_PRESENCE, FaceLandmarker, FrameLandmarks, Region
from adamesh.values import Value

BATCH = 4  # frames
SEARCH_EVERY = 1.0  # s
MOVED = 0.04  # of a region's side that its centre may move before it is taken anew
TURNED = 0.06  # radians by which it may turn
GROWN = 0.06  # share of its side by which it may grow or shrink
SMALL = 0.1  # of the largest face's area: smaller ones are not followed
AT_ONCE = 4  # faces
REACH = 1.0  # sides of its last region from which a lost face may come back as the same person
TOO_SHORT = 0.2  # s; who is seen for less is taken for a mistake of the detector


@dataclass(eq=False, repr=False)
class Person(Value):
    """A face through a video.

    Attributes:
        landmarks: by frame number, where the face is seen: float32 [478, 3] pixels.
        region: where it was last.
    """

    region: Region
    landmarks: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def prominence(self) -> float:
        """Area times time: the sum over frames of the squared side of the face's region."""
        boxes = [np.ptp(points[:, :2], axis=0).max() for points in self.landmarks.values()]
        return float(np.square(boxes).sum())

    @property
    def seen(self) -> tuple[int, int]:
        """First and last frame."""
        return min(self.landmarks), max(self.landmarks)


def follow_people(
    landmarker: FaceLandmarker,
    frames: Iterable[np.ndarray],
    fps: float,
    progress: Callable[[int], None],
) -> tuple[list[Person], int]:
    """Finds everybody in a video.

    Args:
        frames: uint8 RGB [H, W, 3] each, taken in batches of `BATCH`.
        fps: of the frames.
        progress: called with the number of frames done; how many there are is not known here.
    Returns:
        Everybody, the most prominent first, and the number of frames.
    """
    followed: list[Person] = []  # now
    lost: list[Person] = []
    stream = iter(frames)
    start, last_search = 0, -np.inf
    with ThreadPoolExecutor(1) as reader:  # decodes the next batch meanwhile
        coming = reader.submit(_take, stream)
        while batch := coming.result():
            coming = reader.submit(_take, stream)
            due = start - last_search >= SEARCH_EVERY * fps
            if due or lost or not followed:
                last_search = start if due else last_search
                for image in batch:
                    _search(landmarker, image, followed, lost)
                    if followed:
                        break
            for person in list(followed):
                others = [other for other in followed if other is not person]
                if not _follow(landmarker, batch, start, person, others):
                    followed.remove(person)
                    lost.append(person)
            start += len(batch)
            progress(start)
    people = [p for p in followed + lost if len(p.landmarks) >= min(TOO_SHORT * fps, start)]
    return sorted(people, key=lambda person: -person.prominence), start


def _take(stream: Iterator[np.ndarray]) -> list[np.ndarray]:
    return list(islice(stream, BATCH))


def _search(
    landmarker: FaceLandmarker,
    image: np.ndarray,
    followed: list[Person],
    lost: list[Person],
) -> None:
    """Adds the new faces of a picture to those followed, people who come back among them."""
    found = [(face.region, face.area) for face in landmarker.detect(image)]
    largest = max((area for _, area in found), default=0.0)
    for region, area in found:
        if area < SMALL * largest or any(_same_place(region, p.region) for p in followed):
            continue
        if len(followed) == AT_ONCE:
            break
        (face,) = landmarker.landmarks([image], [region])
        if face.presence <= MIN_PRESENCE or any(
            _same_place(face.region, p.region) for p in followed
        ):
            continue
        person = _returned(region, followed, lost) or Person(region)
        person.region = region
        if person in lost:
            lost.remove(person)
        followed.append(person)


def _returned(region: Region, followed: list[Person], lost: list[Person]) -> Person | None:
    """Who of the lost this is: the only person there is, or whoever was last near and as large."""
    if len(lost) == 1 and not followed:
        return lost[0]
    near = [
        (distance, i)
        for i, person in enumerate(lost)
        if (distance := _distance(region, person.region)) < REACH
        and 0.6 < region.side / person.region.side < 1.6
    ]
    return lost[min(near)[1]] if near else None


def _follow(
    landmarker: FaceLandmarker,
    batch: list[np.ndarray],
    start: int,
    person: Person,
    others: list[Person],
) -> bool:
    """Finds one person in each frame of a batch; False where the face is lost at its end."""
    k, here = 0, True
    while k < len(batch):
        region = person.region
        for face in landmarker.landmarks(batch[k:], [region] * (len(batch) - k)):
            here = face.presence > MIN_PRESENCE
            if not here:
                break
            person.landmarks[start + k] = face.landmarks
            person.region = face.region
            k += 1
            if _has_moved(region, face.region):
                break
        if not here:
            again = _elsewhere(landmarker, batch[k], person, others)
            if again is None:
                k += 1
            else:
                person.region, person.landmarks[start + k] = again.region, again.landmarks
                k, here = k + 1, True
    return here


def _elsewhere(
    landmarker: FaceLandmarker, image: np.ndarray, person: Person, others: list[Person]
) -> FrameLandmarks | None:
    """Somebody who is not where he was: anywhere if he is alone, else not far from there."""
    for face in landmarker.detect(image):
        near = _distance(face.region, person.region) < REACH
        if any(_same_place(face.region, other.region) for other in others) or (others and not near):
            continue
        (found,) = landmarker.landmarks([image], [face.region])
        if found.presence > MIN_PRESENCE:
            return found
    return None


def _distance(one: Region, other: Region) -> float:
    """Of two centres, in sides of the larger region."""
    return float(np.hypot(one.x - other.x, one.y - other.y)) / max(one.side, other.side)


def _same_place(one: Region, other: Region) -> bool:
    return _distance(one, other) < 0.4


def _has_moved(before: Region, after: Region) -> bool:
    turn = np.angle(np.exp(1j * (after.angle - before.angle)))
    return (
        _distance(before, after) > MOVED
        or abs(turn) > TURNED
        or abs(np.log(after.side / before.side)) > GROWN
    )
