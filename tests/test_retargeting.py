"""Motion between faces: what is carried over, what the solver finds, and that nothing slips through."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares, lsq_linear
from scipy.spatial.transform import Rotation
from support.other_faces import other_arkit_face, other_flame_face
from support.random_face import small_face

from adamesh.animation.sample import SAMPLE_SPEECH
from adamesh.cli import main
from adamesh.errors import InputError
from adamesh.evaluation.retargeting import PairFigures
from adamesh.export import export
from adamesh.faces import Face, load_embedded_face, save_face
from adamesh.faces import landmark_index as lm
from adamesh.faces.library import check_new_face
from adamesh.media.audio import load_audio, write_wav
from adamesh.metrics.mouth import mouth_opening
from adamesh.motion.clip import MotionClip
from adamesh.motion.gaze import eye_rotation_to_look
from adamesh.motion.head import over_joints
from adamesh.motion.spaces import ARKIT52, EYE_BLINK, EYE_LOOK, MIRROR, MOUTH, coefficient_space
from adamesh.rates import SAMPLE_RATE
from adamesh.retargeting import Retargeter, fit_to_face, retargeter
from adamesh.retargeting import solver as solving
from adamesh.retargeting.articulation import Articulation, SurfacePoints
from adamesh.retargeting.registration import register

SPEECH = [i for i in MOUTH if ARKIT52[i] not in ("tongueOut", "jawForward", "cheekPuff")]
JAW_OPEN = ARKIT52.index("jawOpen")


@pytest.fixture(scope="module")
def head() -> Face:
    return load_embedded_face()


@pytest.fixture(scope="module")
def flame() -> Face:
    return other_flame_face()


@pytest.fixture(scope="module")
def pair(head: Face, flame: Face) -> PairFigures:
    return PairFigures(head, flame)


def mouths(frames: int = 60, seed: int = 0) -> MotionClip:
    """A few mouth actions at a time, in smooth motion, with turning head and eyes."""
    rng = np.random.default_rng(seed)
    window = np.hanning(13)[:, None]
    noise = rng.normal(0, 1, (frames + 12, len(ARKIT52)))
    smooth = np.stack([np.convolve(x, window[:, 0], "valid") for x in noise.T], 1)
    weights = np.zeros((frames, len(ARKIT52)), np.float32)
    weights[:, SPEECH] = np.clip(0.25 * smooth[:, SPEECH] - 0.2, 0, 0.8)
    turns = np.cumsum(rng.normal(0, 0.01, (frames, 3)), 0).astype(np.float32)
    eyes = np.cumsum(rng.normal(0, 0.02, (frames, 3)), 0).astype(np.float32) * [1, 1, 0]
    joints = over_joints(turns)
    weights[:, EYE_LOOK] = eye_rotation_to_look(eyes, eyes)
    weights[:, EYE_BLINK] = 0.5
    return MotionClip(
        "arkit52",
        25,
        weights,
        neck_pose=joints[:, 0],
        head_pose=joints[:, 1],
        leye_pose=eyes,
        reye_pose=eyes,
        betas=rng.normal(0, 1, 50).astype(np.float32),
    )


def frame(**weights: float) -> MotionClip:
    row = np.zeros((1, len(ARKIT52)), np.float32)
    for name, weight in weights.items():
        row[0, ARKIT52.index(name)] = weight
    return MotionClip("arkit52", 25, row)


class TestRegistration:
    @pytest.mark.parametrize("there", [True, False])
    def test_partners_move_alike(self, head: Face, there: bool) -> None:
        """Both faces have the same 52 actions, so those say where each point should have gone."""
        faces = (head, other_arkit_face())
        source, target = faces if there else faces[::-1]
        r = register(source, target)
        moved = (source.expressiondirs.numpy()[r.corners] * r.barycentric[..., None, None]).sum(1)
        carried = np.einsum("ij,pje->pie", r.form, moved)
        truth = target.expressiondirs.numpy()[r.vertices]
        error = 1000 * np.linalg.norm(carried - truth, axis=1)[:, SPEECH]
        motion = 1000 * np.linalg.norm(truth, axis=1)[:, SPEECH]
        moving = motion.max(1) > 3
        assert len(r.vertices) > 800
        assert error[moving].mean() < 0.1 * motion[moving].mean() + 0.1
        # A point that takes the other lip for its partner is off by all of the mouth's opening.
        assert error.max() < 0.4 * motion.max()

    def test_a_face_is_its_own_partner(self, head: Face) -> None:
        r = register(head, head)
        points = (head.template.numpy()[r.corners] * r.barycentric[..., None]).sum(1)
        np.testing.assert_allclose(points, head.template.numpy()[r.vertices], atol=1e-6)
        np.testing.assert_allclose(r.form, np.eye(3), atol=1e-6)

    def test_scale_and_place_do_not_matter(self, head: Face, flame: Face) -> None:
        moved = flame.replace(template=flame.template * 3 + 1)
        a, b = register(head, flame), register(head, moved)
        shared, i, j = np.intersect1d(a.vertices, b.vertices, return_indices=True)
        assert len(shared) > 0.99 * len(a.vertices)
        partners = [
            (head.template.numpy()[r.corners[k]] * r.barycentric[k][..., None]).sum(1)
            for r, k in ((a, i), (b, j))
        ]
        assert np.percentile(np.abs(partners[0] - partners[1]), 99) < 1e-4
        np.testing.assert_allclose(3 * a.form, b.form, atol=1e-3)

    def test_a_landmark_on_the_wrong_lip_in_the_corner_does_no_harm(
        self, head: Face, flame: Face
    ) -> None:
        triangles = flame.landmark_triangles.clone()
        triangles[lm.INNER_LIPS_UPPER[0]] = triangles[lm.INNER_LIPS_LOWER[0]]
        wrong = PairFigures(head, flame.replace(landmark_triangles=triangles)).blendshapes()
        right = PairFigures(head, flame).blendshapes()
        for a, b in zip(wrong, right, strict=True):
            assert a.mouth < b.mouth + 0.1, a.blendshape

    def test_a_face_without_landmarks_is_named(self, head: Face, flame: Face) -> None:
        blank = torch.full_like(flame.landmark_triangles, -1)
        bare = flame.replace(landmark_triangles=blank, name="bare")
        with pytest.raises(InputError, match="'bare' has 0 of 478 landmarks"):
            Retargeter(head, bare)


class TestArticulation:
    def test_it_is_the_faces_own_forward(self) -> None:
        """Expression, a jaw that turns, its correctives, and points within triangles."""
        face = small_face(posedirs=True)
        g = torch.Generator().manual_seed(1)
        joints_expressiondirs = torch.randn(5, 3, 2, generator=g, dtype=torch.float64)
        face = face.replace(joints_expressiondirs=joints_expressiondirs)
        corners = torch.tensor([[0, 1, 2], [3, 4, 5], [6, 5, 0]])
        points = SurfacePoints(corners, torch.rand(3, 3, generator=g))
        expression, jaw = (torch.randn(4, n, generator=g) for n in (2, 3))
        vertices = face(expression=expression.double(), jaw_pose=jaw.double()).vertices
        moved = points.of((vertices - face.template).movedim(0, 1)).movedim(1, 0)
        found = Articulation.of(face, points).displacement(expression, jaw)
        torch.testing.assert_close(found, moved.float(), atol=1e-4, rtol=1e-4)


class TestSolver:
    """The solutions against general solvers that know nothing of the problem's structure."""

    def cost(self, solver: solving.Solver, articulation: Articulation, wanted: torch.Tensor):
        def residual(x: np.ndarray) -> np.ndarray:
            values = torch.from_numpy(x).float()[None]
            expression, jaw = values[:, :-3], values[:, -3:]
            error = solver.weights @ (articulation.displacement(expression, jaw) - wanted)
            prior = [solving.RIDGE**0.5 * x[:-3], np.sqrt(solving.JAW_RIDGE) * x[-3:]]
            return np.concatenate([error.flatten().numpy(), *prior])

        return residual

    def test_expression_and_a_turning_jaw(self, head: Face, flame: Face) -> None:
        r = Retargeter(head, flame)
        clip = frame(jawOpen=0.8, mouthSmileLeft=0.6, jawLeft=0.4)
        result = r.retarget(clip)
        to = Articulation.of(flame, r._to)
        wanted = r._moved.displacement(torch.tensor(clip.expression), torch.zeros(1, 3)) @ r._form.T
        residual = self.cost(r._solver, to, wanted)
        ours = np.concatenate([result.expression[0], result.jaw_pose[0]])
        best = least_squares(residual, np.zeros(53), diff_step=1e-3)
        assert (residual(ours) ** 2).sum() <= (residual(best.x) ** 2).sum() * (1 + 1e-3)
        assert result.jaw_pose[0, 0] > 0.2
        np.testing.assert_allclose(ours[-3:], best.x[-3:], atol=2e-3)

    def test_weights_within_bounds(self, head: Face, flame: Face) -> None:
        r = Retargeter(flame, head)
        rng = np.random.default_rng(0)
        jaw = np.array([[0.3, 0.05, 0.0]], np.float32)
        clip = MotionClip("flame50", 25, rng.normal(0, 1, (1, 50)).astype("f4"), jaw_pose=jaw)
        free = r._solver.free.numpy()
        rows = (torch.tensordot(r._solver.weights, r._to.of(head.expressiondirs), 1)).flatten(0, 1)
        rows = rows.numpy()[:, free].astype(float)
        moved = r._moved.displacement(torch.tensor(clip.expression), torch.tensor(jaw))
        wanted = (r._solver.weights @ (moved @ r._form.T)).flatten().numpy().astype(float)
        # The sparsity's linear term as a row: the square is completed by a shift of the ridge's zero.
        n = free.sum()
        shift = -solving.BOUNDED_SPARSITY / 2 / solving.BOUNDED_RIDGE
        system = np.vstack([rows, solving.BOUNDED_RIDGE**0.5 * np.eye(n)])
        target = np.concatenate([wanted, np.full(n, solving.BOUNDED_RIDGE**0.5 * shift)])
        best = lsq_linear(system, target, (0, 1), tol=1e-12)
        found = r.retarget(clip).expression[0]
        np.testing.assert_allclose(found[free], best.x, atol=3e-3)
        assert not found[~free].any()
        assert ((best.x > 0.01) & (best.x < 0.99)).sum() > 5, "a case with something to find"


class TestRetarget:
    def test_to_itself_is_nearly_exact(self, head: Face, flame: Face) -> None:
        clip = mouths(20)
        result = Retargeter(head, head).retarget(clip)
        a, b = (head(expression=torch.tensor(c.expression)).vertices for c in (clip, result))
        assert 1000 * (a - b).norm(dim=-1).max() < 0.5
        np.testing.assert_array_equal(
            result.expression[:, EYE_BLINK], clip.expression[:, EYE_BLINK]
        )
        there = Retargeter(head, flame).retarget(clip)
        again = Retargeter(flame, flame).retarget(there)
        a, b = (
            flame(expression=torch.tensor(c.expression), jaw_pose=torch.tensor(c.jaw_pose)).vertices
            for c in (there, again)
        )
        assert 1000 * (a - b).norm(dim=-1).mean() < 0.15
        np.testing.assert_allclose(again.jaw_pose, there.jaw_pose, atol=0.01)

    def test_rest_stays_at_rest(self, pair: PairFigures) -> None:
        there = pair.there.retarget(frame())
        assert not there.expression.any()
        assert not there.jaw_pose.any()
        assert not pair.back.retarget(there).expression.any()

    def test_real_motion_arrives_and_comes_back(self, pair: PairFigures) -> None:
        clip = mouths()
        figures = pair.clip("mouths", clip)
        assert figures.motion > 2
        assert figures.mouth < 0.25 * figures.motion
        assert figures.round_trip < 0.15 * figures.motion
        returned = pair.back.retarget(pair.there.retarget(clip))
        a, b = (
            mouth_opening(pair.there.source, torch.tensor(c.expression)) for c in (clip, returned)
        )
        assert 1000 * (a - b).abs().max() < 0.5

    def test_an_open_mouth_is_a_turned_jaw(self, pair: PairFigures) -> None:
        result = pair.there.retarget(frame(jawOpen=1.0))
        assert 0.25 < result.jaw_pose[0, 0] < 0.45
        assert np.abs(result.jaw_pose[0, 1:]).max() < 0.05

    @pytest.mark.parametrize("jaw", [0.2, 0.5, 1.0])
    def test_lips_that_close_close(self, pair: PairFigures, flame: Face, jaw: float) -> None:
        clips = (frame(jawOpen=jaw, mouthClose=jaw), frame(jawOpen=jaw), frame())
        closed, opened, rest = (self.lip_heights(flame, pair.there.retarget(c)) for c in clips)
        assert (closed - rest).abs().max() < 1.0
        assert (opened - rest).max() > 20 * jaw

    def lip_heights(self, face: Face, clip: MotionClip) -> torch.Tensor:
        """[L] mm between the inner lips."""
        points = face.landmarks(
            face(
                expression=torch.tensor(clip.expression), jaw_pose=torch.tensor(clip.jaw_pose)
            ).vertices
        )[0]
        upper, lower = list(lm.INNER_LIPS_UPPER[1:-1]), list(lm.INNER_LIPS_LOWER[1:-1])
        return 1000 * (points[upper] - points[lower])[:, 1]

    def test_symmetric_motion_comes_back_symmetric(self, pair: PairFigures) -> None:
        clip = mouths(20)
        weights = (clip.expression + clip.expression[:, MIRROR]) / 2
        clip = replace(clip, expression=weights)
        back = pair.back.retarget(pair.there.retarget(clip)).expression[:, SPEECH]
        mirrored = pair.back.retarget(pair.there.retarget(clip)).expression[:, MIRROR][:, SPEECH]
        assert np.abs(back - mirrored).mean() < 0.02

    def test_frames_do_not_know_of_each_other(self, pair: PairFigures) -> None:
        clip = mouths(12)
        for retargeter_, given in (
            (pair.there, clip),
            (pair.back, pair.there.retarget(clip)),
        ):
            whole, alone = retargeter_.retarget(given), retargeter_.retarget(given.slice(7, 8))
            np.testing.assert_allclose(alone.expression[0], whole.expression[7], atol=2e-3)
            np.testing.assert_allclose(alone.jaw_pose[0], whole.jaw_pose[7], atol=1e-3)

    def test_the_head_turns_as_far_over_other_joints(self, pair: PairFigures) -> None:
        clip = mouths(30)
        there = pair.there.retarget(clip)
        total = Rotation.from_rotvec(clip.neck_pose) * Rotation.from_rotvec(clip.head_pose)
        assert not there.head_pose.any()
        np.testing.assert_allclose(there.neck_pose, total.as_rotvec(), atol=1e-5)
        back = pair.back.retarget(there)
        total = Rotation.from_rotvec(back.neck_pose) * Rotation.from_rotvec(back.head_pose)
        np.testing.assert_allclose(total.as_rotvec(), there.neck_pose, atol=1e-5)
        np.testing.assert_allclose(back.neck_pose, clip.neck_pose, atol=5e-3)

    def test_eyes_stay_and_lids_follow_the_gaze_again(self, pair: PairFigures) -> None:
        clip = mouths(30)
        there = pair.there.retarget(clip)
        np.testing.assert_array_equal(there.leye_pose, clip.leye_pose)
        back = pair.back.retarget(there)
        np.testing.assert_allclose(
            back.expression[:, EYE_LOOK], clip.expression[:, EYE_LOOK], atol=1e-5
        )
        assert not back.expression[:, EYE_BLINK].any(), "FLAME has no lids to bring back"

    def test_a_blink_makes_no_grimace(self, pair: PairFigures) -> None:
        there = pair.there.retarget(frame(eyeBlinkLeft=1.0, eyeBlinkRight=1.0))
        assert not there.expression.any()
        lids = pair.lid_closure()
        assert lids.source > 0.8
        assert lids.target == pytest.approx(0)

    def test_a_person_stays_that_person(self, head: Face, pair: PairFigures) -> None:
        """Both faces have the same identity components, up to the bend between them."""
        clip = mouths(2)
        assert clip.betas is not None
        there = pair.there.retarget(clip)
        assert there.betas is not None
        face = np.corrcoef(there.betas[:20], clip.betas[:20])[0, 1]
        assert face > 0.7
        back = pair.back.retarget(there).betas
        front = head.regions["front"]
        a, b, rest = (
            head(betas=torch.tensor(x)[None]).vertices[0, front]
            for x in (clip.betas, back, np.zeros(50, np.float32))
        )
        assert (a - b).norm(dim=-1).mean() < 0.25 * (a - rest).norm(dim=-1).mean()

    def test_a_retargeted_clip_survives_its_file(self, pair: PairFigures, tmp_path: Path) -> None:
        there = pair.there.retarget(mouths(5))
        there.save(tmp_path / "there.npz")
        again = MotionClip.load(tmp_path / "there.npz")
        assert again.space == "flame50"
        assert again.metadata["face"] == "other flame"
        np.testing.assert_array_equal(again.jaw_pose, there.jaw_pose)
        np.testing.assert_array_equal(again.expression, there.expression)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Face]:
    """A library of faces with `other_flame_face` in it, as "other"."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    face = other_flame_face().replace(name="other")
    save_face(face, check_new_face("other", force=False))
    return face


class TestFitToFace:
    def test_actions_mean_the_same_on_every_face(self) -> None:
        clip = mouths(3)
        assert fit_to_face(clip, other_arkit_face()) is clip

    def test_the_clip_tells_what_it_was_made_for(self, library: Face, head: Face) -> None:
        there = fit_to_face(mouths(8), library)
        assert there.space == "flame50"
        assert fit_to_face(there, library) is there
        back = fit_to_face(there, head)
        wanted = retargeter(library, head).retarget(there)
        np.testing.assert_allclose(back.expression, wanted.expression, atol=1e-4)

    def test_a_clip_that_does_not_tell(self, library: Face, head: Face) -> None:
        there = replace(fit_to_face(mouths(2), library), metadata={})
        with pytest.raises(InputError, match="'flame50' and does not tell of which face"):
            fit_to_face(there, head)
        assert fit_to_face(there, head, made_for=library).space == "arkit52"
        assert fit_to_face(there, library) is there

    def test_half_of_flames_components_are_the_first_half(self) -> None:
        flame100 = other_flame_face()
        more = torch.cat([flame100.expressiondirs] * 2, dim=2)
        flame100 = flame100.replace(space="flame100", expressiondirs=more)
        rng = np.random.default_rng(0)
        clip = MotionClip("flame50", 25, rng.normal(size=(3, 50)).astype(np.float32))
        wide = fit_to_face(clip, flame100)
        np.testing.assert_array_equal(wide.expression[:, :50], clip.expression)
        assert not wide.expression[:, 50:].any()

    def test_no_clip_meets_another_face_unnoticed(self, library: Face, tmp_path: Path) -> None:
        clip, there = mouths(2), fit_to_face(mouths(2), library)
        for given, face in ((clip, library), (there, load_embedded_face())):
            with pytest.raises(InputError, match=r"'arkit52'.*'flame50'|'flame50'.*'arkit52'") as e:
                export(given, tmp_path / "x.glb", face=face)
            assert "--face" in str(e.value)
        with pytest.raises(InputError, match="--face embedded"):
            export(there, tmp_path / "x.csv")
        assert not list(tmp_path.glob("x.*"))
        with pytest.raises(
            InputError, match=r"the clip is in 'arkit52', face 'other' in 'flame50'"
        ):
            retargeter(library, library).retarget(clip)


def test_a_jaw_that_turns_is_among_what_networks_move(flame: Face) -> None:
    clip = frame(jawOpen=0.5)
    there = Retargeter(load_embedded_face(), flame).retarget(clip)
    values = np.concatenate([there.expression, there.jaw_pose], axis=1)
    linear = mouth_opening(flame, torch.tensor(values)) - mouth_opening(flame, torch.zeros(1, 53))
    upper, lower = (ids[len(ids) // 2] for ids in (lm.INNER_LIPS_UPPER, lm.INNER_LIPS_LOWER))
    shown = flame.landmarks(
        flame(
            expression=torch.tensor(there.expression), jaw_pose=torch.tensor(there.jaw_pose)
        ).vertices
    )
    rest = flame.landmarks(flame().vertices)
    exact = (shown - rest)[0, upper, 1] - (shown - rest)[0, lower, 1]
    assert float(exact) > 0.01
    assert float(linear) == pytest.approx(float(exact), rel=0.15)
    assert coefficient_space("flame50").jaw_turns


class TestCommands:
    @pytest.fixture
    def say(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Callable[..., tuple[int, str, str]]:
        """Runs the command line in this process: exit code, output, errors."""

        def run(*arguments: str | Path) -> tuple[int, str, str]:
            monkeypatch.setattr(sys, "argv", ["adamesh", *map(str, arguments)])
            capsys.readouterr()
            code = 0
            try:
                main()
            except SystemExit as stop:
                code = int(stop.code or 0)
            return code, *capsys.readouterr()

        return run

    def test_export_there_and_back(self, say, library: Face, tmp_path: Path) -> None:
        assert library.name == "other"
        clip = mouths(10)
        clip.save(tmp_path / "clip.npz")
        code, _, err = say(
            "export", tmp_path / "clip.npz", "--face", "other", "-o", tmp_path / "there.npz"
        )
        assert code == 0, err
        assert MotionClip.load(tmp_path / "there.npz").space == "flame50"
        assert "blinks are left out" in err
        assert (
            say("export", tmp_path / "clip.npz", "--face", "other", "-o", tmp_path / "there.glb")[0]
            == 0
        )
        # Without a face, it is shown on the one that it was made for.
        code, _, err = say("export", tmp_path / "there.npz", "-o", tmp_path / "own.glb")
        assert (code, err) == (0, "")
        assert (tmp_path / "own.glb").read_bytes() == (tmp_path / "there.glb").read_bytes()
        code, _, err = say("export", tmp_path / "there.npz", "-o", tmp_path / "wrong.csv")
        assert code == 2
        assert "--face embedded" in err
        code, _, err = say(
            "export", tmp_path / "there.npz", "--face", "embedded", "-o", tmp_path / "back.npz"
        )
        assert (code, err) == (0, "")
        back = MotionClip.load(tmp_path / "back.npz")
        assert np.abs(back.expression - clip.expression)[:, JAW_OPEN].max() < 0.05

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            (("--face", "nobody"), "there is no face 'nobody'; known: embedded, other"),
            (("--made-for", "other"), "say with --face where it goes"),
        ],
    )
    def test_one_line(
        self, say, library: Face, tmp_path: Path, options: tuple[str, ...], named: str
    ) -> None:
        assert library.name == "other"
        mouths(3).save(tmp_path / "clip.npz")
        code, _, err = say("export", tmp_path / "clip.npz", *options, "-o", tmp_path / "x.npz")
        assert (code, err.count("\n")) == (2, 1)
        assert named in err
        assert not (tmp_path / "x.npz").exists()

    def test_animate(self, say, library: Face, tmp_path: Path) -> None:
        assert library.name == "other"
        samples = load_audio(SAMPLE_SPEECH)[:SAMPLE_RATE]
        write_wav(tmp_path / "speech.wav", samples, SAMPLE_RATE)
        out = tmp_path / "talking.npz"
        code, _, err = say("animate", tmp_path / "speech.wav", "--face", "other", "-o", out)
        assert code == 0, err
        clip = MotionClip.load(out)
        assert (clip.space, clip.metadata["face"]) == ("flame50", "other")
        assert clip.jaw_pose[:, 0].max() > 0.03

    def test_bench(self, say, library: Face, tmp_path: Path) -> None:
        assert library.name == "other"
        (tmp_path / "me").mkdir()
        mouths(10).save(tmp_path / "me" / "talk.npz")
        code, out, err = say(
            "bench", "retargeting", "--face", "other", "--tracks", tmp_path / "me", "--json"
        )
        assert code == 0, err
        figures = json.loads(out)
        assert len(figures["blendshapes"]) == 42
        assert figures["clips"][0]["clip"] == "me/talk"
        assert 0 < figures["clips"][0]["mouth"] < 1
        assert say("bench", "retargeting", "--face", "other", "--tracks", tmp_path / "no")[0] == 2
