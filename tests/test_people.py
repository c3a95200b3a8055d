"""Several faces are followed through gaps and cuts, and nobody becomes somebody else."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from support.drawn_face import EYE_Y, draw_face, placed, portrait, wall

from adamesh.errors import InputError
from adamesh.faces import landmark_index as index
from adamesh.media.video import VideoWriter
from adamesh.tracking.landmarker import FaceLandmarker
from adamesh.tracking.people import BATCH, Person, follow_people
from adamesh.tracking.track import list_people, track_video

FPS = 25


@pytest.fixture(scope="module")
def landmarker() -> FaceLandmarker:
    return FaceLandmarker()


def follow(landmarker: FaceLandmarker, frames: Iterable[np.ndarray]) -> list[Person]:
    people, _ = follow_people(landmarker, frames, FPS, lambda _: None)
    return people


def places(person: Person, frames: int) -> list[float | None]:
    """The face's middle along x in each frame."""
    found = [person.landmarks.get(t) for t in range(frames)]
    return [None if points is None else float(points[:, 0].mean()) for points in found]


def test_follows_a_moving_face(landmarker: FaceLandmarker) -> None:
    path = [(110 + 3 * k, 128 + k, 0.8, 0.04 * k) for k in range(12)]
    (person,) = follow(landmarker, (portrait(*place) for place in path))
    assert list(person.landmarks) == list(range(12))
    for place, points in zip(path, person.landmarks.values(), strict=True):
        middle = points[[index.RIGHT_IRIS[0], index.LEFT_IRIS[0]], :2].mean(0)
        assert np.linalg.norm(middle - placed(*place, 0, EYE_Y)) < 1.5


def test_batches_hardly_differ_from_frame_by_frame(landmarker: FaceLandmarker) -> None:
    path = [(110 + 2 * k, 128, 0.8, 0.01 * k) for k in range(3 * BATCH)]
    frames = [portrait(*place) for place in path]
    (person,) = follow(landmarker, frames)
    face = landmarker.find(frames[0])
    for t, frame in enumerate(frames):
        assert face is not None
        (face,) = landmarker.landmarks([frame], [face.region])
        error = np.linalg.norm((face.landmarks - person.landmarks[t])[:, :2], axis=1)
        assert error.mean() < 0.025 * index.interocular_distance(face.landmarks)


def test_gaps_and_cuts(landmarker: FaceLandmarker) -> None:
    """In frames without a face there is none; after them, and after a cut, it is found at once."""
    left, right = draw_face(wall(256, 512), 110, 128), draw_face(wall(256, 512), 400, 128)
    empty = wall(256, 512)
    (person,) = follow(landmarker, [left, empty, empty, right, left, *[empty] * 8, *[right] * 3])
    x = places(person, 16)
    assert x[1:3] == [None, None]
    assert x[5:13] == [None] * 8
    assert [x[0], *x[3:5], *x[13:]] == pytest.approx([110, 400, 110, 400, 400, 400], abs=10)


def test_two_people_stay_two(landmarker: FaceLandmarker) -> None:
    """One comes later and larger, the other leaves and comes back where he was."""
    first = draw_face(wall(300, 600), 120, 150, 0.8)
    both = draw_face(first, 430, 150, 1.2)
    second = draw_face(wall(300, 600), 430, 150, 1.2)
    frames = [*[first] * 4, *[both] * 30, *[second] * 30, *[both] * 12]
    larger, smaller = follow(landmarker, frames)
    # New faces are looked for once a second.
    assert min(larger.landmarks) <= FPS + BATCH
    assert max(larger.landmarks) == 75
    assert np.mean([p[:, 0].mean() for p in larger.landmarks.values()]) == pytest.approx(430, abs=9)
    assert np.ptp([p[:, 0].mean() for p in smaller.landmarks.values()]) < 5
    seen = np.isin(np.arange(76), list(smaller.landmarks))
    assert seen[:34].all()
    assert not seen[34:64].any()
    assert seen[-4:].all()


def test_a_face_far_smaller_than_the_largest_is_not_followed(landmarker: FaceLandmarker) -> None:
    crowd = draw_face(draw_face(wall(400, 800), 250, 200, 1.5), 650, 200, 0.4)
    assert len(follow(landmarker, [crowd] * 6)) == 1


@pytest.fixture(scope="module")
def interview(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people; the one on the right is nearer."""
    path = tmp_path_factory.mktemp("interview") / "interview.mp4"
    nearer = draw_face(wall(300, 600), 430, 150, 1.2)
    with VideoWriter(path, FPS, 600, 300) as video:
        for k in range(32):
            video.write(draw_face(nearer, 120 + 0.3 * k, 150, 0.8))
    return path


def test_list(interview: Path) -> None:
    near, far = list_people(interview)
    assert (near.person, near.place, far.person, far.place) == (1, "right", 2, "left")
    assert near.size == pytest.approx(1.5 * far.size, rel=0.1)
    assert (near.first, near.seconds) == (0, pytest.approx(32 / FPS))


def test_a_person_is_chosen_by_number(interview: Path) -> None:
    near, far = (track_video(interview, person=n).landmarks[:, :, 0].mean() for n in (1, 2))
    assert (near, far) == (pytest.approx(430, abs=9), pytest.approx(125, abs=9))
    with pytest.raises(InputError, match=r"shows 2 people, there is no person 3; .*--list"):
        track_video(interview, person=3)
