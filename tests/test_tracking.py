"""Known motion through a known camera comes back out of the tracker, and the right way round."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from adamesh.errors import InputError
from adamesh.evaluation.synthetic import synthetic_clip
from adamesh.faces import Face, load_embedded_face
from adamesh.faces import landmark_index as lm
from adamesh.media.video import VideoWriter, probe, read_frames
from adamesh.motion.gaze import look_to_eye_rotation
from adamesh.motion.spaces import ARKIT52, EYE_LOOK, MIRROR
from adamesh.rates import FPS, SAMPLE_RATE
from adamesh.render.camera import Camera
from adamesh.tracking import track as track_module
from adamesh.tracking.detector_bias import Observed, fit_bias, upright, view_terms
from adamesh.tracking.fit import FaceFit, FaceFitter, FitOptions, _whittaker
from adamesh.tracking.landmarker import Region
from adamesh.tracking.overlay import write_overlay
from adamesh.tracking.people import Person
from adamesh.tracking.track import TrackedVideo, track_video

SIZE = (256, 256)  # pixels
NO_BIAS = torch.zeros(10, lm.LANDMARK_COUNT, 2)
FRAMES = 36
MIDDLE = FRAMES // 2


@pytest.fixture(scope="module")
def face() -> Face:
    return load_embedded_face()


@pytest.fixture(scope="module")
def fitter(face: Face) -> FaceFitter:
    """Without a detector's bias, since here no detector sees the face."""
    return FaceFitter(face, NO_BIAS)


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
        # Cameras here are as near as 0.4 m, the fit's is always far.
        assert degrees.mean() < 3.5

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


def test_blocks_equal_the_whole(face: Face) -> None:
    landmarks = seen(face, jawOpen=0.6, mouthSmileLeft=0.4, eyeBlinkLeft=0.9)
    options = FitOptions(block=13, overlap=12)
    fits = [FaceFitter(face, NO_BIAS, o).fit(landmarks, SIZE, FPS) for o in (None, options)]
    whole, blocks = fits
    np.testing.assert_allclose(whole.expression, blocks.expression, atol=0.02)
    np.testing.assert_allclose(whole.rotation, blocks.rotation, atol=1e-3)
    assert blocks.fitted.shape == whole.fitted.shape


def test_a_hand_before_the_mouth_moves_neither_head_nor_brows(
    face: Face, fitter: FaceFitter
) -> None:
    landmarks = seen(face, jawOpen=0.5, browInnerUp=0.7)
    covered = landmarks.copy()
    rng = np.random.default_rng(0)
    wrong = rng.normal(0, 12, (len(lm.OUTER_LIPS), 2))
    covered[20:24, list(lm.OUTER_LIPS), :2] += wrong
    clean, hidden = (fitter.fit(x, SIZE, FPS) for x in (landmarks, covered))
    difference = Rotation.from_rotvec(clean.rotation).inv() * Rotation.from_rotvec(hidden.rotation)
    assert np.degrees(difference.magnitude()).max() < 2
    brow = ARKIT52.index("browInnerUp")
    np.testing.assert_allclose(clean.expression[:, brow], hidden.expression[:, brow], atol=0.1)
    assert hidden.agreement[20:24].max() < 0.75 < 0.99 < clean.agreement.min()


def test_offsets_hold_no_pose(fitter: FaceFitter) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = fitter.shape_only(0.001 * torch.randn(fitter.template.shape, generator=generator))
    turned = torch.cross(
        torch.tensor([[0.02, -0.01, 0.03]]).expand_as(shape), fitter.template, dim=1
    )
    moved = shape + turned + torch.tensor([0.01, 0, -0.02]) + 0.03 * fitter.template
    torch.testing.assert_close(fitter.shape_only(moved), shape, atol=1e-6, rtol=0)


def test_identity_does_not_turn_the_face(face: Face) -> None:
    """What a person's shape looks like, and how the head is held, are told apart."""
    basis = face.landmark_basis()
    rest = basis.template[basis.valid].numpy()
    for k in range(10):
        moved = rest + 2 * basis.shapedirs[basis.valid][..., k].numpy()
        turn, _ = Rotation.align_vectors(moved - moved.mean(0), rest - rest.mean(0))
        assert np.degrees(turn.magnitude()) < 1.5


class TestBias:
    def test_upright(self) -> None:
        turns = Rotation.from_euler("YX", [[0.5, -0.3], [-0.4, 0.2]])
        rolled = Rotation.from_euler("Z", [[0.7], [-0.2]]) * turns
        turn, level = upright(torch.from_numpy(rolled.as_matrix()))
        up = level[:, :2, 1]
        torch.testing.assert_close(up[:, 0], torch.zeros(2).double(), atol=1e-9, rtol=0)
        assert (up[:, 1] > 0).all()
        inverse = torch.cat([turn.mT @ level[:, :2], level[:, 2:]], 1)
        torch.testing.assert_close(inverse, torch.from_numpy(rolled.as_matrix()))

    def test_a_known_bias_is_found(self) -> None:
        """In spite of people with errors of their own and of actions that answer."""
        rng = np.random.default_rng(0)
        known = rng.normal(0, 0.002, (10, 478, 2))
        answer = rng.normal(0, 0.002, (3, 478, 2))
        people = []
        for _ in range(12):
            rotation = Rotation.from_euler("ZYX", rng.uniform(-0.7, 0.7, (40, 3))).as_matrix()
            actions = rng.uniform(0, 1, (40, 3))
            turn, level = upright(torch.from_numpy(rotation))
            error = np.einsum("tp,pld->tld", view_terms(level).numpy(), known)
            error += np.einsum("te,eld->tld", actions, answer) + rng.normal(0, 0.002, (478, 2))
            true = np.concatenate(
                [rng.uniform(0, 300, (40, 478, 2)), np.full((40, 478, 1), 0.8)], 2
            )
            pixels = (error @ turn.numpy()) * [1, -1] * 500 / 0.8
            people.append(Observed(true[..., :2] + pixels, true, rotation, actions, 500.0))
        terms = view_terms(level).numpy() - view_terms(level).numpy().mean(0)
        expected, found = (
            np.einsum("tp,pld->tld", terms, bias) for bias in (known, fit_bias(people).numpy())
        )
        assert np.std(found - expected) < 0.1 * np.std(expected)


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


Tracker = Callable[[list[np.ndarray | None]], TrackedVideo]


class TestGaps:
    @pytest.fixture
    def track(self, blank: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
        """Tracks a video in which a face was found as told, whatever is in the pictures."""

        def told(answers: list[np.ndarray | None]) -> TrackedVideo:
            seen = {t: answer for t, answer in enumerate(answers) if answer is not None}
            person = Person(Region(0, 0, 1), seen)
            monkeypatch.setattr(track_module, "follow_people", lambda *_: ([person], len(answers)))
            return track_video(blank)

        return told

    def test_a_gap_is_filled_from_both_sides(
        self, track: Tracker, answers: list[np.ndarray]
    ) -> None:
        gaps = [0, 20, 21, 22, FRAMES - 1]
        gappy = [None if t in gaps else answer for t, answer in enumerate(answers)]
        tracked = track(gappy)
        middle = (answers[19] + answers[23]) / 2
        np.testing.assert_allclose(tracked.landmarks[21], middle, atol=0.01)
        np.testing.assert_array_equal(tracked.landmarks[0], answers[1])
        np.testing.assert_array_equal(tracked.landmarks[-1], answers[-2])
        assert tracked.clip.frames == FRAMES
        assert tracked.clip.confidence is not None
        assert np.flatnonzero(tracked.clip.confidence == 0).tolist() == gaps

    def test_the_head_is_the_neck_and_the_head(
        self, track: Tracker, answers: list[np.ndarray]
    ) -> None:
        tracked = track(answers)
        clip = tracked.clip
        both = Rotation.from_rotvec(clip.neck_pose) * Rotation.from_rotvec(clip.head_pose)
        np.testing.assert_allclose(both.as_rotvec(), tracked.fit.rotation, atol=1e-5)

    def test_too_few_faces(self, track: Tracker, answers: list[np.ndarray]) -> None:
        gappy = [answer if t % 5 == 0 else None for t, answer in enumerate(answers)]
        with pytest.raises(InputError, match="found in 8 of 36 frames"):
            track(gappy)

    def test_too_short(self, track: Tracker, answers: list[np.ndarray]) -> None:
        with pytest.raises(InputError, match="1 s are needed"):
            track([answer if t < 20 else None for t, answer in enumerate(answers)])

    def test_no_face(self, blank: Path) -> None:
        with pytest.raises(InputError, match="no face was found in any of the 36 frames"):
            track_video(blank)


@pytest.fixture(scope="module")
def video(face: Face, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little over a second of a person who is outside the identity basis, with sound."""
    clip = synthetic_clip(face, seed=3, frames=100)
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
    def test_large_pictures_are_scaled_and_landmarks_scaled_back(
        self, video: Path, tracked: TrackedVideo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(track_module, "LARGEST", 3 * SIZE[0] // 4)
        small = track_video(video)
        assert small.size == tracked.size
        error = (small.landmarks - tracked.landmarks)[..., :2]
        unit = np.median(lm.interocular_distance(tracked.landmarks))
        assert np.abs(error.mean((0, 1))).max() < 0.01 * unit
        assert np.median(np.linalg.norm(error, axis=-1)) < 0.03 * unit

    def test_what_cannot_be_seen_is_said(self, tracked: TrackedVideo) -> None:
        unseen = str(tracked.clip.metadata["unseen_actions"]).split()
        assert {"tongueOut", "cheekPuff", "jawForward"} <= set(unseen)
        assert not tracked.clip.expression[:, [ARKIT52.index(name) for name in unseen]].any()

    def test_residual(self, tracked: TrackedVideo) -> None:
        assert tracked.clip.frames == 28
        assert tracked.clip.fps == FPS
        assert tracked.residual_percent < 3

    def test_rotation_and_jaw(self, face: Face, tracked: TrackedVideo) -> None:
        truth = synthetic_clip(face, seed=3, frames=100)
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
