"""Known motion through a known camera comes back out of the tracker, and the right way round."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from adamesh.errors import InputError
from adamesh.faces import Face, load_embedded_face
from adamesh.media.video import VideoWriter, probe, read_frames
from adamesh.motion.gaze import look_to_eye_rotation
from adamesh.motion.spaces import ARKIT52, EYE_LOOK, MIRROR
from adamesh.rates import FPS, SAMPLE_RATE
from adamesh.render.camera import Camera
from adamesh.tracking import landmark_index as lm
from adamesh.tracking.fit import FaceFit, FaceFitter, _Camera, _whittaker
from adamesh.tracking.landmarker import FrameLandmarks
from adamesh.tracking.overlay import write_overlay
from adamesh.tracking.synthetic import synthetic_clip
from adamesh.tracking.track import TrackedVideo, track_video

SIZE = (256, 256)  # pixels
FRAMES = 36
MIDDLE = FRAMES // 2


@pytest.fixture(scope="module")
def face() -> Face:
    return load_embedded_face()


@pytest.fixture(scope="module")
def fitter(face: Face) -> FaceFitter:
    """Without the detector's response, since here no detector sees the face."""
    return FaceFitter(face)


def landmarks_of(face: Face, vertices: torch.Tensor, camera: Camera) -> np.ndarray:
    """What a perfect detector says of posed vertices [T, V, 3]: [T, 478, 3] pixels."""
    points = camera.project(face.landmarks(vertices).numpy())
    depth = points[..., 2]
    middle = depth.mean(1, keepdims=True)
    points[..., 2] = (depth - middle) * camera.focal / middle
    return points.astype(np.float32)


def seen(face: Face, turns: np.ndarray | None = None, **weights: float) -> np.ndarray:
    """[T, 478, 3] landmarks of the average face that makes each of these actions, once.

    Eyes turn as their eyeLook weights say.
    """
    expression = np.zeros((FRAMES, len(ARKIT52)), np.float32)
    bump = np.exp(-0.5 * ((np.arange(FRAMES) - MIDDLE) / 4) ** 2)
    for name, weight in weights.items():
        expression[:, ARKIT52.index(name)] = weight * bump
    leye, reye = (torch.from_numpy(x) for x in look_to_eye_rotation(expression[:, EYE_LOOK]))
    head = np.zeros((FRAMES, 3)) if turns is None else turns
    posed = face(
        expression=torch.from_numpy(expression),
        head_pose=torch.from_numpy(head).float(),
        leye_pose=leye,
        reye_pose=reye,
    )
    camera = Camera.looking_at([0, 0.01, 0.05], size=SIZE, height=0.3, distance=0.6)
    return landmarks_of(face, posed.vertices, camera)


def mirrored(landmarks: np.ndarray) -> np.ndarray:
    """The same video with left and right exchanged."""
    swapped = landmarks[:, list(lm.MIRROR)].copy()
    swapped[..., 0] = SIZE[0] - swapped[..., 0]
    return swapped


def column(fit: FaceFit, name: str) -> np.ndarray:
    return fit.expression[:, ARKIT52.index(name)]


@pytest.fixture(scope="module", params=[0, 1, 2])
def performance(face: Face, fitter: FaceFitter, request: pytest.FixtureRequest):
    truth = synthetic_clip(face, request.param, frames=125)
    landmarks = landmarks_of(face, truth.vertices, truth.camera)
    return truth, fitter.fit(landmarks, truth.camera.size, FPS)


class TestPerfectCorrespondences:
    """People outside the identity basis who make every action; no noise."""

    def test_rotation(self, performance) -> None:
        truth, fit = performance
        error = Rotation.from_rotvec(fit.rotation).inv() * Rotation.from_matrix(truth.rotation)
        degrees = np.degrees(error.magnitude())
        assert degrees.mean() < 3

    @pytest.mark.parametrize(
        ("name", "least"),
        [
            ("jawOpen", 0.93),
            ("eyeBlinkLeft", 0.88),
            ("eyeBlinkRight", 0.88),
            ("mouthSmileLeft", 0.85),
        ],
    )
    def test_actions(self, performance, name: str, least: float) -> None:
        truth, fit = performance
        known, found = truth.expression[:, ARKIT52.index(name)], column(fit, name)
        assert np.corrcoef(known, found)[0, 1] > least
        assert 0.5 < found.std() / known.std() < 1.6

    def test_residual(self, performance) -> None:
        assert np.median(performance[1].residual) < 0.01

    def test_bounds(self, performance) -> None:
        _, fit = performance
        assert fit.expression.min() >= 0
        assert fit.expression.max() <= 1


class TestSides:
    def test_smile(self, face: Face, fitter: FaceFitter) -> None:
        landmarks = seen(face, mouthSmileLeft=0.8)
        fit = fitter.fit(landmarks, SIZE, FPS)
        assert column(fit, "mouthSmileLeft").max() > 0.4
        assert column(fit, "mouthSmileLeft").max() > 3 * column(fit, "mouthSmileRight").max()

    @pytest.mark.parametrize("action", ["eyeBlinkRight", "browOuterUpLeft", "mouthLeft"])
    def test_one_sided_actions(self, face: Face, fitter: FaceFitter, action: str) -> None:
        fit = fitter.fit(seen(face, **{action: 0.8}), SIZE, FPS)
        other = ARKIT52[MIRROR[ARKIT52.index(action)]]
        assert column(fit, action).max() > 0.3
        assert column(fit, action).max() > 3 * column(fit, other).max()

    def test_a_mirrored_video_gives_the_mirrored_performance(
        self, face: Face, fitter: FaceFitter
    ) -> None:
        turns = np.zeros((FRAMES, 3))
        turns[:, 1] = np.linspace(0, 0.2, FRAMES)
        landmarks = seen(
            face, turns=turns, mouthSmileLeft=0.7, jawOpen=0.5, eyeBlinkRight=0.8, jawLeft=0.4
        )
        a, b = fitter.fit(landmarks, SIZE, FPS), fitter.fit(mirrored(landmarks), SIZE, FPS)
        np.testing.assert_allclose(a.expression[:, MIRROR], b.expression, atol=0.05)
        np.testing.assert_allclose(a.rotation * [1, -1, -1], b.rotation, atol=0.02)
        assert a.rotation[-1, 1] > 0.15  # +Y: to the subject's left

    def test_eyes_at_rest_look_ahead(self, face: Face, fitter: FaceFitter) -> None:
        fit = fitter.fit(seen(face), SIZE, FPS)
        for pose in (fit.leye_pose, fit.reye_pose):
            assert np.abs(pose).max() < np.radians(2)

    @pytest.mark.parametrize(
        ("weights", "axis", "sign"),
        [
            ({"eyeLookOutLeft": 0.6, "eyeLookInRight": 0.6}, 1, 1),
            ({"eyeLookInLeft": 0.6, "eyeLookOutRight": 0.6}, 1, -1),
            ({"eyeLookDownLeft": 0.6, "eyeLookDownRight": 0.6}, 0, 1),
            ({"eyeLookUpLeft": 0.6, "eyeLookUpRight": 0.6}, 0, -1),
        ],
        ids=["left", "right", "down", "up"],
    )
    def test_gaze(
        self, face: Face, fitter: FaceFitter, weights: dict[str, float], axis: int, sign: int
    ) -> None:
        fit = fitter.fit(seen(face, **weights), SIZE, FPS)
        for pose in (fit.leye_pose, fit.reye_pose):
            assert sign * (pose[MIDDLE] - pose[0])[axis] > np.radians(8)
        for name in weights:
            assert column(fit, name)[MIDDLE] > column(fit, name)[0] + 0.2


def test_resolution_does_not_matter(face: Face, fitter: FaceFitter) -> None:
    landmarks = seen(face, jawOpen=0.6, mouthSmileLeft=0.4)
    small = fitter.fit(landmarks, SIZE, FPS)
    large = fitter.fit(3 * landmarks, (3 * SIZE[0], 3 * SIZE[1]), FPS)
    np.testing.assert_allclose(small.expression, large.expression, atol=0.01)
    np.testing.assert_allclose(small.translation, large.translation, atol=0.001)
    assert large.focal == pytest.approx(3 * small.focal)


def test_smoothing_solves_its_equation() -> None:
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    second = np.diff(np.eye(40), n=2, axis=0)
    dense = np.linalg.solve(np.eye(40) + 7.0 * second.T @ second, x.double().numpy())
    np.testing.assert_allclose(_whittaker(x, 7.0).numpy(), dense, atol=1e-5)


def test_smoothing_keeps_steady_motion() -> None:
    line = torch.arange(30.0)[:, None] * torch.tensor([[0.1, -0.2]]) + 3
    torch.testing.assert_close(_whittaker(line, 100.0), line, atol=1e-4, rtol=0)


def test_camera_jacobian() -> None:
    camera = _Camera(focal=300.0, centre=torch.tensor([128.0, 96.0], dtype=torch.float64))
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(6, 3, generator=generator, dtype=torch.float64) * 0.1
    points -= torch.tensor([0, 0, 0.7], dtype=torch.float64)
    for point in points:
        slow = torch.autograd.functional.jacobian(camera.project, point)
        torch.testing.assert_close(camera.jacobian(point), slow)


@dataclass
class Detector:
    """Says of frame t what it was told, whatever is in the picture."""

    answers: list[np.ndarray | None]

    def track(self, frames: Iterable[np.ndarray]) -> Iterator[FrameLandmarks | None]:
        for _, answer in zip(frames, self.answers, strict=True):
            yield None if answer is None else FrameLandmarks(answer, 1.0)


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video without a face."""
    path = tmp_path_factory.mktemp("blank") / "blank.mp4"
    with VideoWriter(path, FPS, *SIZE) as video:
        for _ in range(FRAMES):
            video.write(np.full((*SIZE, 3), 90, np.uint8))
    return path


@pytest.fixture(scope="module")
def answers(face: Face) -> list[np.ndarray | None]:
    turns = np.zeros((FRAMES, 3))
    turns[:, 0] = np.linspace(-0.1, 0.1, FRAMES)
    return list(seen(face, turns, jawOpen=0.6))


class TestGaps:
    def track(self, blank: Path, answers: list[np.ndarray | None]) -> TrackedVideo:
        return track_video(blank, landmarker=Detector(answers))  # type: ignore[arg-type]

    def test_a_gap_is_filled_from_both_sides(self, blank: Path, answers: list[np.ndarray]) -> None:
        gaps = [0, 20, 21, 22, FRAMES - 1]
        gappy = [None if t in gaps else answer for t, answer in enumerate(answers)]
        tracked = self.track(blank, gappy)
        middle = (answers[19] + answers[23]) / 2
        np.testing.assert_allclose(tracked.landmarks[21], middle, atol=0.01)
        np.testing.assert_array_equal(tracked.landmarks[0], answers[1])
        np.testing.assert_array_equal(tracked.landmarks[-1], answers[-2])
        assert tracked.clip.frames == FRAMES
        assert tracked.clip.confidence is not None
        assert np.flatnonzero(tracked.clip.confidence == 0).tolist() == gaps

    def test_the_head_is_the_neck_and_the_head(
        self, blank: Path, answers: list[np.ndarray]
    ) -> None:
        tracked = self.track(blank, answers)
        clip = tracked.clip
        both = Rotation.from_rotvec(clip.neck_pose) * Rotation.from_rotvec(clip.head_pose)
        np.testing.assert_allclose(both.as_rotvec(), tracked.fit.rotation, atol=1e-5)

    def test_too_few_faces(self, blank: Path, answers: list[np.ndarray]) -> None:
        gappy = [answer if t % 5 == 0 else None for t, answer in enumerate(answers)]
        with pytest.raises(InputError, match="found in 8 of 36 frames"):
            self.track(blank, gappy)

    def test_too_short(self, blank: Path, answers: list[np.ndarray]) -> None:
        with pytest.raises(InputError, match="1 s are needed"):
            self.track(blank, [answer if t < 20 else None for t, answer in enumerate(answers)])

    def test_no_face(self, blank: Path) -> None:
        with pytest.raises(InputError, match="no face was found in any of the 36 frames"):
            track_video(blank)


@pytest.fixture(scope="module")
def video(face: Face, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little over a second of a person who is outside the identity basis, with sound."""
    clip = synthetic_clip(face, seed=4, frames=100)
    camera = replace(clip.camera, size=SIZE, focal=clip.camera.focal * SIZE[0] / 512)
    clip = replace(clip, camera=camera, vertices=clip.vertices[:28])
    path = tmp_path_factory.mktemp("rendered") / "person.mp4"
    sound = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    with VideoWriter(path, FPS, *SIZE, audio=(sound, SAMPLE_RATE)) as writer:
        for frame in clip.frames(face, np.random.default_rng(0)):
            writer.write(frame)
    return path


@pytest.fixture(scope="module")
def tracked(video: Path) -> TrackedVideo:
    return track_video(video)


class TestRenderedVideo:
    def test_residual(self, tracked: TrackedVideo) -> None:
        assert tracked.clip.frames == 28
        assert tracked.clip.fps == FPS
        assert tracked.residual_percent < 3

    def test_rotation_and_jaw(self, face: Face, tracked: TrackedVideo) -> None:
        truth = synthetic_clip(face, seed=4, frames=100)
        turned = Rotation.from_rotvec(tracked.fit.rotation)
        error = (turned.inv() * Rotation.from_matrix(truth.rotation[:28])).magnitude()
        assert np.degrees(error.mean()) < 5
        jaw = ARKIT52.index("jawOpen")
        known, found = truth.expression[:28, jaw], tracked.clip.expression[:, jaw]
        assert np.corrcoef(known, found)[0, 1] > 0.9

    def test_overlay(self, video: Path, tracked: TrackedVideo, tmp_path: Path) -> None:
        drawn = tmp_path / "drawn.mp4"
        write_overlay(tracked, video, drawn)
        before, after = probe(video), probe(drawn)
        assert (after.frames, after.width, after.height) == (28, *SIZE)
        assert (after.fps, after.has_audio) == (before.fps, True)
        for old, new in zip(read_frames(video), read_frames(drawn), strict=True):
            change = np.abs(old.astype(int) - new).mean(2)
            assert change[:20, :20].mean() < 5  # the background shows through, the face less
            assert change[110:150, 110:150].mean() > 8
