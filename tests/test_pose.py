"""Head motion: own units, codes, PoseGPT, style matrices, gaze."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adamesh.animation import pose as pose_module
from adamesh.animation.pose import PoseStream, generate_pose, learn_pose, load_pose_adapter
from adamesh.animation.style import default_style
from adamesh.checkpoints.networks import load_network
from adamesh.data.poses import PoseAugmentation, PoseSampler, PoseSequence
from adamesh.errors import InputError
from adamesh.features import load_features
from adamesh.metrics.head import (
    follows,
    frechet_degrees,
    range_degrees,
    short_motions,
    speed,
    std_degrees,
    still_share,
)
from adamesh.models.pose_gpt import NEAR, POOL, PoseGPT, PoseGPTConfig, Sampling, draw
from adamesh.models.pose_style import NEIGHBOURS, StyleMatrix, retrieve, style_matrix
from adamesh.models.pose_vqvae import PoseVQVAE, PoseVQVAEConfig
from adamesh.motion.clip import MotionClip
from adamesh.motion.head import (
    MIRROR_AXES,
    SMALLEST_DEVIATION,
    deviation,
    head_rotation,
    over_joints,
)
from adamesh.motion.saccades import (
    AWAY,
    FARTHEST,
    GazeStatistics,
    about_listener,
    gaze_shifts,
    looks_away,
    sample_gaze,
)
from adamesh.nn.state import START, Past
from adamesh.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from adamesh.training.pose_gpt import PoseGPTTraining, fit_pose_gpt
from adamesh.training.pose_vqvae import PoseVQVAETraining, fit_pose_vqvae, reconstruction

VQVAE = PoseVQVAEConfig(codes=16, code_dim=8, dim=24, blocks=1)
GPT = PoseGPTConfig(
    features="log_mel", feature_dim=6, speech_dim=4, codes=16, code_dim=8, style_dim=4, dim=32,
    heads=2, layers=2, window=12, dropout=0.0, units=10,
)  # fmt: skip
NONE = PoseAugmentation(mirror=0, scale=0, speed=1)


def swaying(seconds: float, seed: int = 0, size: float = 0.05) -> np.ndarray:
    """[T, 3] radians: slow sums of sines on every axis."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * FPS)) / FPS
    waves = rng.uniform(0.2, 1.2, (3, 4)), rng.uniform(0, 7, (3, 4))
    motion = np.stack(
        [
            np.sin(2 * np.pi * f[:, None] * time + p[:, None]).sum(0)
            for f, p in zip(*waves, strict=True)
        ],
        1,
    )
    return (size * motion / motion.std(0)).astype(np.float32)


class TestHead:
    def test_joints_together_turn_as_far(self) -> None:
        rotation = swaying(4, size=0.2)
        joints = over_joints(rotation)
        clip = MotionClip(
            "arkit52", FPS, np.zeros((100, 52)), neck_pose=joints[:, 0], head_pose=joints[:, 1]
        )
        centred = head_rotation(clip)
        np.testing.assert_allclose(np.diff(centred, axis=0), np.diff(rotation, axis=0), atol=0.02)
        assert np.abs(centred.mean(0)).max() < 0.02

    def test_deviation_is_about_each_motions_own_mean(self) -> None:
        a, b = swaying(20, 0), swaying(20, 1)
        both = deviation(a + 3.0, b - 1.0)
        np.testing.assert_allclose(both, [0.05] * 3, rtol=0.01)
        assert (deviation(np.zeros((10, 3))) == np.float32(SMALLEST_DEVIATION)).all()

    def test_figures_of_a_known_motion(self) -> None:
        time = np.arange(250) / FPS
        nod = np.zeros((250, 3))
        nod[:, 0] = 0.1 * np.sin(2 * np.pi * 1.0 * time)
        assert std_degrees(nod)[0] == pytest.approx(np.degrees(0.1 / np.sqrt(2)), rel=0.01)
        assert std_degrees(nod)[1:] == (0, 0)
        assert speed(nod, FPS) == pytest.approx(np.degrees(4 * 0.1 * 1.0), rel=0.02)

    def test_a_head_that_moves_before_it_gets_loud_follows(self) -> None:
        """By a lead of 0.12 s; one that moves later, or by chance, does less."""
        rng = np.random.default_rng(0)
        loud = np.repeat(rng.normal(size=200), 5)
        pace = 0.02 * np.exp(0.5 * np.convolve(loud, np.hanning(7) / 3, "same"))
        moved = np.cumsum(pace * np.where(np.arange(1000) % 50 < 25, 1, -1))
        nod = np.stack([moved, 0 * moved, 0 * moved], 1)
        found = {lag: follows(np.roll(nod, lag, 0), loud, FPS) for lag in (-9, -3, 3)}
        assert found[-3] > 0.9
        assert found[-3] > found[-9] + 0.3
        assert found[-3] > found[3] + 0.3
        assert follows(nod, np.zeros(1000), FPS) == 0
        assert follows(np.zeros((1000, 3)), loud, FPS) == 0

    def test_still_frames_and_range(self) -> None:
        nod = np.zeros((1000, 3))
        nod[500:, 1] = np.radians(4) * np.sin(2 * np.pi * np.arange(500) / FPS)
        assert still_share(nod, FPS) == pytest.approx(0.5, abs=0.06)
        assert range_degrees(nod[500:])[1] == pytest.approx(8 * np.sin(0.45 * np.pi), rel=0.02)
        assert range_degrees(nod)[0] == 0

    def test_the_distance_of_motions(self) -> None:
        """Zero for itself, that of the means and of the sizes where it is known."""
        rng = np.random.default_rng(0)
        a = rng.normal(size=(4000, 3))
        assert frechet_degrees(a, a) == pytest.approx(0, abs=1e-5)
        assert frechet_degrees(a, a + np.array([3, 4, 0])) == pytest.approx(5, rel=1e-6)
        assert frechet_degrees(a, 3 * a) == pytest.approx(
            np.sqrt(4 * np.cov(a.T).trace() + 4 * np.square(a.mean(0)).sum()), rel=1e-6
        )
        windows = short_motions(swaying(20), FPS)
        assert windows.shape == (96, 15)
        np.testing.assert_allclose(windows.reshape(96, 5, 3).mean(1), 0, atol=1e-5)


class TestGaze:
    def test_the_eyes_hold_a_target_while_the_head_moves(self) -> None:
        head = swaying(20)
        eyes = sample_gaze(head, FPS, GazeStatistics(), np.random.default_rng(0))
        world = head[:, :2] + eyes[:, :2]
        still = np.abs(np.diff(world, axis=0)).max(1) < 1e-6
        assert still.mean() > 0.9, "between jumps the gaze rests in the world"
        assert 5 < (~still).sum() < 40
        assert np.abs(eyes).max() <= FARTHEST
        assert not eyes[:, 2].any()

    def test_statistics_come_back(self) -> None:
        wanted = GazeStatistics(
            pitch=0.02,
            yaw=0.04,
            fixation=0.8,
            away=0.3,
            away_s=0.9,
            away_size=0.25,
            away_spread=0.06,
            left=0.6,
            right=0.1,
            up=0.2,
        )
        head = swaying(1200)
        eyes = sample_gaze(head, FPS, wanted, np.random.default_rng(1))
        found = GazeStatistics.of(head, eyes, FPS)
        assert found.yaw == pytest.approx(wanted.yaw, rel=0.25)
        assert found.pitch == pytest.approx(wanted.pitch, rel=0.25)
        assert found.fixation == pytest.approx(wanted.fixation, rel=0.35)
        assert found.away == pytest.approx(wanted.away, rel=0.1)
        assert found.away_s == pytest.approx(wanted.away_s, rel=0.15)
        assert found.away_size == pytest.approx(wanted.away_size, rel=0.1)
        assert found.left == pytest.approx(wanted.left, abs=0.08)
        assert found.right == pytest.approx(wanted.right, abs=0.05)
        assert found.up == pytest.approx(wanted.up, abs=0.05)

    def test_the_listener_is_found_wherever_they_are(self) -> None:
        """A camera beside the person is no look away."""
        head = swaying(120)
        eyes = sample_gaze(head, FPS, GazeStatistics(away=0.2), np.random.default_rng(2))
        beside = about_listener(head, eyes + np.array([0.1, -0.2, 0.0]), FPS)
        np.testing.assert_allclose(beside, about_listener(head, eyes, FPS), atol=np.radians(1))
        assert np.linalg.norm(np.median(beside, axis=0)) < np.radians(2)

    def test_lids_in_front_of_the_eyes_are_no_look_away(self) -> None:
        head, eyes = np.zeros((500, 3)), np.zeros((500, 3))
        shut = np.zeros(500, bool)
        shut[100:110] = True
        eyes[shut, 0] = 0.4
        assert not looks_away(about_listener(head, eyes, FPS, shut), FPS)
        assert len(looks_away(about_listener(head, eyes, FPS), FPS)) == 1

    def test_saccades_take_their_time_and_no_more(self) -> None:
        """20 degrees take 65 ms, so two frames at 25 fps, and four at 60."""
        far = GazeStatistics(
            pitch=0.0, yaw=0.0, away=0.3, away_size=np.radians(20), away_spread=0.0
        )
        for fps, longest in ((25, 2), (60, 5)):
            still = np.zeros((60 * fps, 3))
            eyes = sample_gaze(still, fps, far, np.random.default_rng(3))
            moving = np.linalg.norm(np.diff(eyes, axis=0), axis=1) > 1e-6
            edges = np.flatnonzero(np.diff(np.concatenate([[False], moving, [False]])))
            lasting = edges[1::2] - edges[::2]
            assert len(lasting) > 20
            assert lasting.max() <= longest
            shifts = gaze_shifts(still, eyes, fps)
            assert np.degrees([size for _, size in shifts]) == pytest.approx(20, abs=4)

    def test_who_never_looks_away_does_not(self) -> None:
        eyes = sample_gaze(
            np.zeros((5000, 3)), FPS, GazeStatistics(away=0.0), np.random.default_rng(4)
        )
        assert np.linalg.norm(eyes, axis=1).max() < AWAY


class TestVQVAE:
    def test_the_decoder_is_causal_and_streams(self) -> None:
        torch.manual_seed(0)
        model = PoseVQVAE(VQVAE).eval()
        latents = torch.randn(1, 20, 8, requires_grad=True)
        whole = model.decode(latents)
        assert whole.shape == (1, 80, 3)
        whole[0, 4 * 9 + 3].sum().backward()
        assert latents.grad is not None
        seen = latents.grad[0].abs().sum(1) > 0
        assert seen[9]
        assert not seen[10:].any()
        state, parts = START, []
        for part in latents.split((1, 2, 7, 10), dim=1):
            past = Past(state)
            parts.append(model.decode(part, past))
            state = past.state
        torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-5)

    def test_codes_are_the_nearest_entries(self) -> None:
        torch.manual_seed(0)
        model = PoseVQVAE(VQVAE)
        model.codebook.normal_()
        latents = torch.randn(2, 5, 8)
        slow = [
            [min(range(16), key=lambda c: float((x - model.codebook[c]).norm())) for x in row]
            for row in latents
        ]
        assert model.codes(latents).tolist() == slow
        assert torch.equal(model.codes(model.codebook), torch.arange(16))

    @pytest.mark.slow
    def test_training_reconstructs(self, tmp_path: Path) -> None:
        train = [sequence(i, seconds=20) for i in range(4)]
        config = PoseVQVAETraining(
            steps=250, batch_size=8, learning_rate=3e-3, warmup=10, validate_every=125,
            model=replace(VQVAE, codes=64), augmentation=NONE,
        )  # fmt: skip
        path = fit_pose_vqvae(config, train, train, tmp_path)
        figures = reconstruction(load_network(PoseVQVAE, path), train)
        assert figures["share"] < 0.5, "half of the motion at least comes back"
        assert figures["perplexity"] > 10
        assert (tmp_path / "validation.jsonl").read_text().count("\n") == 2


def sequence(seed: int, seconds: float = 12, speaker: str | None = None) -> PoseSequence:
    motion = torch.from_numpy(swaying(seconds, seed) / 0.05)
    rng = np.random.default_rng(seed)
    features = torch.from_numpy(rng.normal(size=(2 * len(motion) + 50, 6))).float()
    features[: 2 * len(motion), :3] = motion.repeat_interleave(2, 0)
    return PoseSequence(
        f"{seed}", speaker or f"s{seed}", motion, np.full(3, 0.05, np.float32), (features,)
    )


class TestSampler:
    def test_motion_and_speech_stay_together(self) -> None:
        fast = PoseAugmentation(mirror=0, scale=0, speed=1.3)
        batch = PoseSampler([sequence(0), sequence(1)], 64, fast, 0).draw(16, step=0)
        heard = batch.features[:, ::2, :3]
        error = (heard - batch.motion)[batch.mask].abs().mean()
        assert error < 0.05
        assert (heard[:, 8:] - batch.motion[:, :-8]).abs().mean() > 5 * error

    def test_a_mirrored_head_turns_the_other_way(self) -> None:
        mirrored = PoseAugmentation(mirror=1, scale=0, speed=1)
        plain, other = (PoseSampler([sequence(0)], 64, a, 0).draw(8, 3) for a in (NONE, mirrored))
        assert plain.motion.shape == other.motion.shape
        errors = [
            (other.motion - plain.motion * torch.tensor(s)).abs().max()
            for s in (MIRROR_AXES, -MIRROR_AXES)
        ]
        assert errors[0] < 1e-6 < errors[1]

    def test_short_clips_are_masked(self) -> None:
        batch = PoseSampler([sequence(0, seconds=1)], 64, NONE, 0).draw(2, 0)
        assert batch.mask.sum(1).tolist() == [25, 25]
        assert not batch.motion[~batch.mask].any()


class TestGPT:
    @pytest.mark.parametrize("streamed", [False, True])
    def test_it_hears_no_further_than_its_look_ahead(self, streamed: bool) -> None:
        """Words up to `lookahead`; loudness `ahead` further, unless it streams."""
        torch.manual_seed(0)
        model = PoseGPT(GPT).eval()
        for tempo in (model.tempo, model.streamed_tempo):
            tempo.weight.normal_()
        features = torch.randn(1, 8 * 12, 6, requires_grad=True)
        heard = model.hear(features, streamed=streamed)
        assert heard.shape == (1, 12, 1 + GPT.speech_dim)

        def last(x: torch.Tensor) -> int:
            (gradient,) = torch.autograd.grad(x, features, retain_graph=True)
            return int((gradient[0].abs().sum(1) > 0).nonzero().max())

        words = 8 * 5 + GPT.lookahead - 1
        assert last(heard[0, 5, 1:].sum()) <= words
        future = GPT.lookahead + (0 if streamed else GPT.ahead)
        assert last(heard[0, 5, 0]) <= 8 * 5 + future // POOL * POOL - 1
        if not streamed:
            assert last(heard[0, 5, 0]) > words

    def test_a_stream_is_not_told_of_what_comes(self) -> None:
        torch.manual_seed(0)
        model = PoseGPT(GPT).eval()
        model.streamed_tempo.weight.normal_()
        features = torch.randn(1, 8 * 12, 6)
        changed = features.clone()
        changed[:, 8 * 5 + GPT.lookahead :] += 1.0
        a, b = (model.hear(x, streamed=True) for x in (features, changed))
        torch.testing.assert_close(a[:, :6], b[:, :6])
        assert (a[:, 6:] - b[:, 6:]).abs().max() > 0.1

    def test_loud_moments_make_steps_of_that_pace_likelier(self) -> None:
        """Against the formula: what is added to a logit is tempo times how far the code lies away."""
        torch.manual_seed(0)
        model = PoseGPT(GPT).eval()
        model.place.normal_()
        model.pace_std.fill_(0.7)
        before = torch.tensor([[3, 7, GPT.codes]])
        heard = torch.zeros(1, 3, 1 + GPT.speech_dim)
        loud = heard.clone()
        loud[..., 0] = 2.0
        style = torch.zeros(1, 4)
        added = (model(before, loud, style) - model(before, heard, style))[0].detach()
        for row, code in ((0, 3), (1, 7)):
            steps = (model.place - model.place[code]).norm(dim=1)
            expected = 2.0 * torch.log(steps + NEAR) / 0.7
            torch.testing.assert_close(added[row], expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(added[2], torch.zeros(GPT.codes), atol=1e-5, rtol=0)

    def test_guidance_is_a_factor_on_what_speech_adds(self) -> None:
        """The likeliest code by hand, for words and tempo together, and for tempo alone."""
        for speech_dim in (4, 0):
            torch.manual_seed(1)
            model = PoseGPT(replace(GPT, speech_dim=speech_dim)).eval()
            model.place.normal_()
            heard = torch.randn(1, 1 + speech_dim)
            style, prompt = torch.randn(1, 4), torch.tensor([5])
            before = torch.tensor([[GPT.codes, 5]])
            both = torch.cat([torch.zeros_like(heard), heard])[None]
            told = model(before, both, style)[0, -1]
            none = model(before, torch.zeros_like(both), style)[0, -1]
            for guidance in (1.0, 4.0):
                expected = int((none + guidance * (told - none)).argmax())
                (code,) = model.sample(
                    heard, style, Sampling(0.0, 1.0, guidance), torch.Generator(),
                    prompt=prompt, prompt_heard=torch.zeros_like(heard),
                )  # fmt: skip
                assert code == expected

    def test_it_sees_no_code_to_come(self) -> None:
        torch.manual_seed(0)
        model = PoseGPT(GPT).eval()
        features, style = torch.randn(1, 10, 5), torch.randn(1, 4)
        codes = torch.randint(0, 16, (1, 10))
        changed = codes.clone()
        changed[0, 7] = (changed[0, 7] + 1) % 16
        a, b = (model(c, features, style) for c in (codes, changed))
        assert torch.equal(a[:, :7], b[:, :7])
        assert not torch.equal(a[:, 7], b[:, 7])

    def test_with_a_cache_is_without(self) -> None:
        torch.manual_seed(0)
        model = PoseGPT(GPT).eval()
        features, style = torch.randn(1, 30, 5), torch.randn(1, 4)
        codes = torch.randint(0, 16, (1, 30))
        whole = model(codes, features, style)
        state, parts = START, []
        for k in range(30):
            part, state = model.step(codes[:, k : k + 1], features[:, k : k + 1], style, state)
            parts.append(part)
        torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-5)

    def test_sampling_follows_its_options(self) -> None:
        logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
        generator = torch.Generator().manual_seed(0)

        def drawn(sampling: Sampling) -> np.ndarray:
            counts = [draw(logits, sampling, generator) for _ in range(2000)]
            return np.bincount(counts, minlength=4) / 2000

        np.testing.assert_allclose(drawn(Sampling(1.0, 1.0)), [0.5, 0.3, 0.15, 0.05], atol=0.04)
        np.testing.assert_allclose(drawn(Sampling(1.0, 0.7)), [0.625, 0.375, 0, 0], atol=0.04)
        assert drawn(Sampling(0.0, 1.0))[0] == 1
        assert drawn(Sampling(3.0, 1.0))[3] > 0.1
        assert drawn(Sampling(1.0, 1e-9))[0] == 1

    def test_the_prompt_counts(self) -> None:
        torch.manual_seed(0)
        model = PoseGPT(GPT).eval()
        heard, style = torch.randn(10, 5), torch.randn(1, 4)

        def codes(prompt: list[int], seed: int = 0) -> list[int]:
            generator = torch.Generator().manual_seed(seed)
            given = torch.tensor(prompt, dtype=torch.long)
            before = torch.zeros(len(given), 5)
            drawn = model.sample(
                heard, style, Sampling(), generator, prompt=given, prompt_heard=before
            )
            return list(drawn)

        assert len(codes([])) == 10
        assert codes([]) == codes([]) != codes([], seed=1)
        assert codes([3] * 8) != codes([5] * 8)

    @pytest.mark.slow
    def test_training_learns_to_listen_and_keeps_styles(self, tmp_path: Path) -> None:
        train = [sequence(i, seconds=20) for i in range(4)]
        vqvae = PoseVQVAE(replace(VQVAE)).eval().requires_grad_(False)
        torch.manual_seed(1)
        vqvae.codebook.copy_(vqvae.encode(train[0].motion[None, :400])[0][torch.randperm(100)[:16]])
        config = PoseGPTTraining(
            steps=200, batch_size=8, window=64, learning_rate=4e-3, warmup=10, ema=0.95,
            validate_every=100, model=GPT, augmentation=NONE, drop_speech=0.0, weight_decay=0.01,
        )  # fmt: skip
        path = fit_pose_gpt(config, vqvae, train, train, tmp_path)
        model = load_network(PoseGPT, path)
        figures = [
            json.loads(line) for line in (tmp_path / "validation.jsonl").read_text().splitlines()
        ]
        assert figures[-1]["right"] < 0.8 * figures[-1]["wrong"]
        assert figures[-1]["right"] < figures[-1]["none"]
        assert model.config.styles == len(model.style_values) == 16  # 2 pieces each, and mirrored
        assert (model.style_present.sum(1) > 5).all()
        heard = train[0].voices[0]
        units = model.units(heard)
        scaled = (heard - model.feature_mean) / model.feature_std
        nearest = (scaled[:, None] - model.centroids).square().sum(2).argmin(1)
        assert torch.equal(units, nearest)
        assert len(units.unique()) == GPT.units, "every unit is heard"
        torch.testing.assert_close(scaled.std(0), torch.ones(6), rtol=0.3, atol=0)


class TestStyleMatrix:
    def test_it_is_the_mean_over_frames_of_a_unit(self) -> None:
        generator = torch.Generator().manual_seed(0)
        latents = torch.randn(6, 3, generator=generator)
        units = torch.randint(0, 5, (48,), generator=generator)
        matrix = style_matrix(latents, units, 7)
        for unit in range(7):
            frames = [latents[s // 8] for s in range(48) if units[s] == unit]
            assert bool(matrix.present[unit]) == bool(frames)
            expected = torch.stack(frames).mean(0) if frames else torch.zeros(3)
            torch.testing.assert_close(matrix.mean[unit], expected)

    def test_retrieval_finds_the_nearest_and_blends(self) -> None:
        generator = torch.Generator().manual_seed(0)
        keys = torch.randn(9, 20, 4, generator=generator)
        present = torch.ones(9, 20)
        values = torch.eye(9)
        heard = torch.zeros(20)
        heard[:12] = 1  # a short reference lacks units
        close = StyleMatrix(keys[4] * heard[:, None] + 0.01, heard)
        found = retrieve(close, keys, present, values)
        assert found.argmax() == 4
        assert found[4] > 0.99
        between = StyleMatrix((keys[2] + keys[7]) / 2 * heard[:, None], heard)
        blended = retrieve(between, keys, present, values)
        assert set(blended.topk(2).indices.tolist()) == {2, 7}
        assert float(blended.sum()) == pytest.approx(1)
        assert int((blended > 0).sum()) <= NEIGHBOURS

    def test_a_style_without_a_common_unit_is_never_taken(self) -> None:
        keys, values = torch.zeros(3, 4, 2), torch.eye(3)
        present = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0], [1.0, 0, 0, 0]])
        found = retrieve(
            StyleMatrix(torch.ones(4, 2), torch.tensor([1.0, 1, 0, 0])), keys, present, values
        )
        assert found.tolist() == [0, 1, 0]
        alone = StyleMatrix(torch.ones(4, 2), torch.tensor([0.0, 0, 0, 0]))
        torch.testing.assert_close(retrieve(alone, keys, present, values), values.mean(0))


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.uniform(0, 0.2, 100), SAMPLE_RATE // 10)
    return (rng.normal(size=len(loud)) * loud).astype(np.float32)  # 10 s of bursts


class TestShipped:
    def test_a_style_is_followed(self, speech: np.ndarray) -> None:
        """Twice the reference's motion is twice the generated motion, on the axis where it is."""
        reference = swaying(10, 5)
        reference[:, 1] *= 4
        style = learn_pose(reference, speech)
        motion = generate_pose(style, speech, 500, seed=0)
        assert motion.shape == (500, 3)
        assert 0.4 < motion[:, 1].std() / reference[:, 1].std() < 1.8
        assert motion[:, 1].std() > 2 * motion[:, 0].std()
        step = np.abs(np.diff(motion, axis=0)).max() / style.deviation.max()
        assert step < 1.0, "no jump"

    def test_a_slow_turn_is_not_swung_at_a_talkers_pace(self, speech: np.ndarray) -> None:
        time = np.arange(250) / FPS
        turning = np.zeros((250, 3), np.float32)
        turning[:, 1] = 0.5 * np.sin(2 * np.pi * 0.05 * time)  # half a turn in ten seconds
        style = learn_pose(turning - turning.mean(0), speech)
        motion = generate_pose(style, speech, 500, seed=3)
        assert speed(motion, FPS) < 2 * speed(turning, FPS)
        assert np.abs(motion).max() <= 4 * style.deviation.max()

    def test_networks_of_different_trainings_are_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pose_module, "fingerprint", lambda _: "0" * 16)
        with pytest.raises(InputError, match="same training"):
            load_pose_adapter.__wrapped__()

    def test_it_is_repeatable_and_seeds_differ(self, speech: np.ndarray) -> None:
        style = learn_pose(swaying(10, 5), speech)
        a, b, c = (generate_pose(style, speech, 100, seed=s) for s in (1, 1, 2))
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - c).max() > 0.1 * np.abs(a).max()

    def test_whole_is_cut(self, speech: np.ndarray) -> None:
        """However the speech comes in, and heads of other seeds and styles do not enter."""
        style, adapter = default_style().pose, load_pose_adapter()
        features = load_features(adapter.gpt.config.features)(speech)
        with torch.no_grad():
            heard = adapter.gpt.hear(features[None, : len(features) // 8 * 8])[0]
        whole = PoseStream(style, seed=4).next(heard)
        for sizes in (1, 5):
            stream, other = PoseStream(style, seed=4), PoseStream(style, seed=9)
            parts = []
            for part in heard.split(sizes):
                parts.append(stream.next(part))
                other.next(part)
            np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)

    def test_a_longer_motion_begins_as_a_shorter_one(
        self, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """To the same speech, whatever silence follows it, and in whatever pieces codes are decoded."""
        style = learn_pose(swaying(10, 5), speech)
        spoken = speech[: 140 * SAMPLES_PER_FRAME]
        long = generate_pose(style, spoken, 300, seed=0)
        monkeypatch.setattr(pose_module, "CODES_AT_ONCE", 7)
        short = generate_pose(style, spoken, 160, seed=0)
        np.testing.assert_allclose(short, long[:160], atol=1e-5)
        others = speech[
            : 230 * SAMPLES_PER_FRAME
        ]  # what is said in the next chunk changes nothing before
        next_chunk = others.copy()
        next_chunk[227 * SAMPLES_PER_FRAME :] = 0.0
        np.testing.assert_allclose(
            generate_pose(style, next_chunk, 240, seed=0)[:170],
            generate_pose(style, others, 240, seed=0)[:170],
            atol=1e-5,
        )

    def test_another_adapter_is_refused(self, speech: np.ndarray) -> None:
        style = replace(learn_pose(swaying(10, 5), speech), base="0" * 16)
        with pytest.raises(InputError, match="adamesh adapt"):
            generate_pose(style, speech, 50, seed=0)

    def test_the_two_networks_belong_together(self) -> None:
        adapter = load_pose_adapter()
        assert adapter.gpt.config.codes == adapter.vqvae.config.codes
        assert adapter.gpt.config.code_dim == adapter.vqvae.config.code_dim
        assert adapter.gpt.config.features_per_code == 2 * adapter.vqvae.config.frames_per_code
        assert adapter.gpt.config.styles > 20
        assert adapter.vqvae.codebook.std() > 0
