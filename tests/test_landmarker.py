"""The face networks see what they should, where it is, whatever the frame around it.

No test needs a picture of a person: the networks take a drawn face for one.
"""

from pathlib import Path

import numpy as np
import pytest
from support.drawn_face import EYE_X, EYE_Y, MOUTH_Y, draw_face, placed, portrait, wall

from adamesh.errors import InputError
from adamesh.faces import landmark_index as index
from adamesh.faces.landmark_index import interocular_distance
from adamesh.media.video import read_frames
from adamesh.tracking import landmarker as landmarker_module
from adamesh.tracking.landmarker import DETECTOR_SIZE, MESH_SIZE, FaceLandmarker, Region


@pytest.fixture(scope="module")
def landmarker() -> FaceLandmarker:
    return FaceLandmarker()


class TestIndices:
    def test_mirror_is_an_involution_that_swaps_the_sides(self) -> None:
        mirror = np.array(index.MIRROR)
        assert (mirror[mirror] == np.arange(index.LANDMARK_COUNT)).all()
        for right, left in (
            (index.RIGHT_EYE, index.LEFT_EYE),
            (index.RIGHT_EYE_CORNERS, index.LEFT_EYE_CORNERS),
            (index.RIGHT_BROW, index.LEFT_BROW),
            (index.MOUTH_CORNERS, index.MOUTH_CORNERS[::-1]),
            (index.INNER_LIPS_UPPER, index.INNER_LIPS_UPPER[::-1]),
            (index.INNER_LIPS_LOWER, index.INNER_LIPS_LOWER[::-1]),
            (index.FACE_OVAL, index.FACE_OVAL[:1] + index.FACE_OVAL[:0:-1]),
        ):
            assert mirror[list(right)].tolist() == list(left)
        assert sorted(mirror[list(index.LIPS)]) == sorted(index.LIPS)
        assert sorted(mirror[list(index.RIGHT_IRIS)]) == sorted(index.LEFT_IRIS)

    def test_contours_are_distinct_and_closed_rings_of_neighbours(
        self, landmarker: FaceLandmarker
    ) -> None:
        """Along a contour no step is much longer than the others: no index is out of order."""
        found = landmarker.find(portrait())
        assert found is not None
        for contour in (
            index.FACE_OVAL,
            index.OUTER_LIPS,
            index.INNER_LIPS,
            index.LEFT_EYE,
            index.RIGHT_EYE,
        ):
            points = found.landmarks[list(contour), :2]
            steps = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1)
            assert len(set(contour)) == len(contour)
            assert steps.max() < 3.5 * np.median(steps)

    def test_interocular_distance(self, rng: np.random.Generator) -> None:
        landmarks = rng.normal(size=(2, index.LANDMARK_COUNT, 3))
        landmarks[:, list(index.RIGHT_EYE_CORNERS)] = [[1.0, 2.0, 3.0], [3.0, 2.0, 3.0]]
        landmarks[:, list(index.LEFT_EYE_CORNERS)] = [[4.0, 6.0, 3.0], [6.0, 6.0, 15.0]]
        np.testing.assert_allclose(interocular_distance(landmarks[..., :2]), [5.0, 5.0])
        np.testing.assert_allclose(interocular_distance(landmarks), [61**0.5] * 2)


class TestFind:
    @pytest.mark.parametrize(
        ("x", "y", "scale", "angle"),
        [(128, 128, 1, 0), (100, 140, 0.7, 0), (128, 128, 0.9, 0.4), (140, 120, 0.8, -0.5)],
    )
    def test_landmarks_lie_where_the_face_was_drawn(
        self, landmarker: FaceLandmarker, x: float, y: float, scale: float, angle: float
    ) -> None:
        found = landmarker.find(portrait(x, y, scale, angle))
        assert found is not None
        assert found.presence > 0.95
        assert found.landmarks.dtype == np.float32
        for ids, u, v, tolerance in (
            (index.RIGHT_IRIS, -EYE_X, EYE_Y, 1.0),  # the subject's right is left in the image
            (index.LEFT_IRIS, EYE_X, EYE_Y, 1.0),
            (index.INNER_LIPS, 0, MOUTH_Y, 2.5),
        ):
            middle = found.landmarks[list(ids), :2].mean(0)
            expected = placed(x, y, scale, angle, u, v)
            assert np.linalg.norm(middle - expected) < tolerance * scale

    def test_a_mirrored_image_gives_mirrored_landmarks(self, landmarker: FaceLandmarker) -> None:
        image = portrait(angle=0.15)
        seen = landmarker.find(image)
        mirrored = landmarker.find(np.ascontiguousarray(image[:, ::-1]))
        assert seen is not None
        assert mirrored is not None
        back = mirrored.landmarks[list(index.MIRROR)] * (-1, 1, 1) + (image.shape[1] - 1, 0, 0)
        distance = np.linalg.norm(back - seen.landmarks, axis=1)
        # a mix-up of two points of the lids or lips would show: the net itself is off by less
        assert distance.mean() < 0.03 * interocular_distance(seen.landmarks)

    @pytest.mark.parametrize("size", [(360, 640), (640, 360), (1080, 1920)])
    def test_small_faces_in_large_frames(
        self, landmarker: FaceLandmarker, size: tuple[int, int]
    ) -> None:
        """Too small for the detector's view of the whole frame, and in a corner of it."""
        height, width = size
        scale = max(size) * 0.06 / 105
        x, y = width - 90 * scale, height - 110 * scale
        found = landmarker.find(draw_face(wall(height, width), x, y, scale))
        assert found is not None
        iris = found.landmarks[index.LEFT_IRIS[0], :2]
        assert np.linalg.norm(iris - placed(x, y, scale, 0, EYE_X, EYE_Y)) < 3 * scale + 1

    def test_no_face(self, landmarker: FaceLandmarker, rng: np.random.Generator) -> None:
        for image in (wall(), rng.integers(0, 256, (200, 300, 3), np.uint8), wall(1, 1)):
            assert landmarker.detect(image) == []
            assert landmarker.find(image) is None

    def test_the_largest_face_comes_first(self, landmarker: FaceLandmarker) -> None:
        image = draw_face(draw_face(wall(300, 600), 120, 150, 0.8), 450, 150, 1.0)
        first, second = landmarker.detect(image)
        assert abs(first.box.mean(0)[0] - 450) < 20
        assert abs(second.box.mean(0)[0] - 120) < 20
        assert first.area > second.area
        assert first.keypoints[0, 0] < first.keypoints[1, 0]

    def test_a_batch_equals_single_calls(self, landmarker: FaceLandmarker) -> None:
        images = [portrait(), portrait(100, 120, 0.7), draw_face(wall(200, 400), 300, 90, 0.6)]
        regions = [landmarker.detect(image)[0].region for image in images]
        batch = landmarker.landmarks(images, regions)
        for image, region, found in zip(images, regions, batch, strict=True):
            (single,) = landmarker.landmarks([image], [region])
            np.testing.assert_allclose(found.landmarks, single.landmarks, atol=2e-3)
        assert landmarker.landmarks([], []) == []

    @pytest.mark.parametrize(
        "image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3))]
    )
    def test_other_arrays_are_refused(self, landmarker: FaceLandmarker, image: np.ndarray) -> None:
        with pytest.raises(InputError, match=r"must be uint8 RGB \[H, W, 3\], got"):
            landmarker.detect(image)


def slow_crop(image: np.ndarray, region: Region, size: int, padding: str) -> np.ndarray:
    """The crop, pixel by pixel: bilinear at positions rounded to 1/32, values rounded half up."""
    height, width = image.shape[:2]

    def pixel(x: int, y: int) -> np.ndarray:
        if padding == "zeros" and not (0 <= x < width and 0 <= y < height):
            return np.zeros(3)
        return image[min(max(y, 0), height - 1), min(max(x, 0), width - 1)].astype(float)

    result = np.zeros((3, size, size))
    for i in range(size):
        for j in range(size):
            x, y = np.rint(32 * region.to_pixels(np.array([j, i]) / size)) / 32
            left, top = int(np.floor(x)), int(np.floor(y))
            fx, fy = x - left, y - top
            upper = (1 - fx) * pixel(left, top) + fx * pixel(left + 1, top)
            lower = (1 - fx) * pixel(left, top + 1) + fx * pixel(left + 1, top + 1)
            result[:, i, j] = np.floor((1 - fy) * upper + fy * lower + 0.5)
    return result


@pytest.mark.parametrize("padding", ["border", "zeros"])
@pytest.mark.parametrize(
    "region",
    [
        Region(20, 15, 18, 0.3),
        Region(3, 28, 30, -0.7),  # over the edge
        Region(200, 200, 30),  # outside
        Region(20, 15, 400, 1.0),
        Region(20, 15, 0),
    ],
)
def test_crop_equals_the_slow_one(rng: np.random.Generator, region: Region, padding: str) -> None:
    image = rng.integers(0, 256, (30, 40, 3), np.uint8)
    fast = landmarker_module._crop(image, region, 24, padding)
    difference = np.abs(fast - slow_crop(image, region, 24, padding))
    assert difference.max() <= 1  # where float32 falls on the other side of a rounding
    assert (difference > 0).mean() < 0.01


def test_networks_are_the_ones_that_were_converted(landmarker: FaceLandmarker) -> None:
    """Their answers to a fixed pattern, noted when their parity with MediaPipe was measured."""
    k = np.arange(3 * MESH_SIZE * MESH_SIZE).reshape(1, 3, MESH_SIZE, MESH_SIZE)
    pattern = (k * 7919 % 256).astype(np.float32)
    landmarks, presence = landmarker._mesh.run(["landmarks", "presence"], {"image": pattern})
    points, scores = landmarker._detector.run(
        ["points", "scores"],
        {"image": np.ascontiguousarray(pattern[..., :DETECTOR_SIZE, :DETECTOR_SIZE])},
    )
    expected = {  # a point of the face, of an eye, of the lips, of the irises
        152: (0.508149, 0.821913, 0.005569),
        33: (0.318571, 0.364823, 0.025234),
        0: (0.486659, 0.614600, -0.061069),
        468: (0.370706, 0.336684, 0.009488),
        473: (0.654433, 0.373778, 0.029465),
    }
    np.testing.assert_allclose(landmarks[0, list(expected)], list(expected.values()), atol=1e-4)
    np.testing.assert_allclose(presence, [1.7434e-05], rtol=0.01)
    np.testing.assert_allclose(points[0, 500, :2], [(0.5302, 0.8594), (0.7695, 1.0987)], atol=1e-3)
    assert scores[0].argmax() == 629
    assert scores[0].max() == pytest.approx(0.26066, abs=1e-3)


@pytest.mark.shared_data
@pytest.mark.parametrize("clip", ["grid_s1/bbas1s.mp4", "tedlieu/pose_source2.mp4"])
def test_parity_with_mediapipe(landmarker: FaceLandmarker, shared_data: Path, clip: str) -> None:
    """Every frame as a photograph, against MediaPipe 0.10.21."""
    path = shared_data.parent / "facemesh" / "parity.npz"
    if not path.exists():
        pytest.skip("needs facemesh/parity.npz beside the folder that ADAMESH_DATA names")
    reference = np.load(path)[f"{clip}|static"]
    frames = read_frames(shared_data / "video" / clip)
    for frame, expected in zip(frames, reference, strict=False):
        found = landmarker.find(frame)
        assert found is not None
        error = np.linalg.norm(found.landmarks - expected, axis=1)
        assert error.max() < 0.001 * interocular_distance(expected)
