"""The expression adapter: causality by gradient, chunks, padding, scale, features."""

import pytest
import torch

from adamesh.audio import logmel
from adamesh.errors import InputError
from adamesh.models.expression import ExpressionAdapter, ExpressionConfig
from adamesh.nn.conformer import ConformerBlock, Conv, SelfAttention
from adamesh.nn.state import START, Past
from adamesh.rates import FEATURES_PER_FRAME, FPS, SAMPLE_RATE, SAMPLES_PER_FRAME

CONFIG = ExpressionConfig(
    features="log_mel", feature_dim=128, dim=16, heads=2, window=6, kernel=3, encoder_blocks=2,
    decoder_blocks=1, style_dim=8, lookahead=3,
)  # fmt: skip


@pytest.fixture
def model() -> ExpressionAdapter:
    torch.manual_seed(0)
    model = ExpressionAdapter(CONFIG).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases and distances too: zeros hide mistakes
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def inputs(frames: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    features = torch.randn(1, frames * FEATURES_PER_FRAME, CONFIG.feature_dim, generator=g)
    return features, torch.randn(1, 8, generator=g), torch.randn(1, 50, generator=g)


def test_network_is_causal_by_gradient(model: ExpressionAdapter) -> None:
    features, style, betas = inputs(20)
    features.requires_grad_()
    for t in (0, 7, 19):
        (gradient,) = torch.autograd.grad(
            model(features, style, betas).after[0, t].abs().sum(), features
        )
        seen = gradient[0].abs().sum(1) > 0
        ahead = (t + 1) * FEATURES_PER_FRAME
        assert not seen[ahead:].any(), "a frame depends on features after it"
        assert seen[t * FEATURES_PER_FRAME : ahead].all(), "a frame ignores its own features"


def test_total_lookahead_is_below_200_ms_from_samples_to_motion(model: ExpressionAdapter) -> None:
    """Of the whole path: mel windows, subsampling, attention, convolutions, postnet and the shift."""
    late = CONFIG.lookahead
    samples = torch.randn(1, 30 * SAMPLES_PER_FRAME, requires_grad=True)
    _, style, betas = inputs(1)
    y = model(logmel.log_mel(samples), style, betas).after[0, late:]  # frame t at t / FPS seconds
    for t in (0, 10, 20):
        (gradient,) = torch.autograd.grad(y[t].abs().sum(), samples, retain_graph=True)
        last = int(torch.nonzero(gradient[0])[-1])
        lookahead = (last + 1) / SAMPLE_RATE - t / FPS
        assert 0.1 < lookahead <= 0.2


@pytest.mark.parametrize("sizes", [[1] * 24, [5, 1, 11, 7], [2, 22]])
def test_chunks_give_what_the_whole_gives(model: ExpressionAdapter, sizes: list[int]) -> None:
    features, style, betas = inputs(24)
    whole = model(features, style, betas).after
    state, chunks = START, []
    for part in features.split([n * FEATURES_PER_FRAME for n in sizes], dim=1):
        output, state = model.step(part, style, betas, state)
        chunks.append(output.after)
    torch.testing.assert_close(torch.cat(chunks, dim=1), whole, atol=1e-5, rtol=1e-5)


def test_predict_equals_one_pass(model: ExpressionAdapter, monkeypatch: pytest.MonkeyPatch) -> None:
    features, style, betas = inputs(24)
    monkeypatch.setattr("adamesh.models.expression.FRAMES_AT_ONCE", 7)
    model.std.uniform_(0.1, 1)
    output = model(features, style, betas).after_lookahead(CONFIG.lookahead)
    motion, activity = model.predict(features[0], style, betas)
    torch.testing.assert_close(motion, output.after[0] * model.std, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(activity, output.activity[0].sigmoid(), atol=1e-5, rtol=1e-5)
    assert len(motion) == len(activity) == 24 - CONFIG.lookahead


def test_style_encoder_ignores_padding(model: ExpressionAdapter) -> None:
    reference = torch.rand(1, 30, 52)
    alone = model.encode_style(reference)
    padded = torch.cat([reference, torch.full((1, 9, 52), 7.0)], dim=1)
    mask = torch.arange(39)[None] < 30
    torch.testing.assert_close(model.encode_style(padded, mask), alone)
    assert not torch.allclose(model.encode_style(padded), alone, atol=1e-3)


def test_style_and_identity_reach_the_output(model: ExpressionAdapter) -> None:
    features, style, betas = inputs(8)
    base = model(features, style, betas).after
    assert not torch.allclose(model(features, style + 1, betas).after, base, atol=1e-4)
    assert not torch.allclose(model(features, style, betas + 1).after, base, atol=1e-4)


def test_features_and_references_are_read_in_their_scale(model: ExpressionAdapter) -> None:
    features, style, betas = inputs(8)
    before = model(features, style, betas).after
    shown = model.encode_style(torch.rand(1, 30, 52, generator=torch.Generator().manual_seed(2)))
    model.audio_encoder.feature_mean.fill_(3.0)
    model.audio_encoder.feature_std.fill_(0.5)
    model.std.fill_(4.0)
    torch.testing.assert_close(model(3 + 0.5 * features, style, betas).after, before)
    reference = torch.rand(1, 30, 52, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(model.encode_style(4 * reference), shown)


def test_foreign_features_are_refused(model: ExpressionAdapter) -> None:
    _, style, betas = inputs(1)
    with pytest.raises(InputError, match=r"\[B, 2 T, 128\].*got \[1, 8, 80\]"):
        model(torch.zeros(1, 8, 80), style, betas)


def test_attention_equals_a_slow_loop() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(8, 2, window=3)
    torch.nn.init.normal_(attention.distance_bias)
    x = torch.randn(1, 7, 8)
    q, k, v = (f(x)[0].view(7, 2, 4) for f in (attention.query, attention.key, attention.value))
    expected = torch.zeros(7, 2, 4)
    for t in range(7):
        for h in range(2):
            visible = range(max(t - 2, 0), t + 1)
            scores = torch.stack(
                [q[t, h] @ k[s, h] / 2.0 + attention.distance_bias[h, t - s] for s in visible]
            )
            weights = scores.softmax(0)
            expected[t, h] = sum(w * v[s, h] for w, s in zip(weights, visible, strict=True))
    torch.testing.assert_close(attention(x), attention.out(expected.flatten(1))[None])


def test_padded_equals_single_in_a_bidirectional_block() -> None:
    torch.manual_seed(0)
    block = ConformerBlock(8, 2, 5, window=None, dropout=0.0).eval()
    x = torch.randn(1, 9, 8)
    padded = torch.cat([x, torch.randn(1, 4, 8)], dim=1)
    mask = torch.arange(13)[None] < 9
    torch.testing.assert_close(block(padded, mask)[:, :9], block(x))


@pytest.mark.parametrize("frames", [1, 7])
def test_state_holds_no_more_than_the_reach(frames: int) -> None:
    conv, state = Conv(3, 3, 5, causal=True), START
    for _ in range(10):
        past = Past(state)
        conv(torch.randn(1, frames, 3), past)
        (kept,) = state = past.state
        assert kept.shape == (1, 4, 3)
        assert kept.untyped_storage().nbytes() == kept.nbytes, "no memory of the chunk beside it"
        assert not kept.requires_grad


def test_a_foreign_state_is_refused() -> None:
    conv, x = Conv(3, 3, 5, causal=True), torch.zeros(1, 4, 3)
    for given, message in ((1, "has 1 tensors, this network takes more"), (3, "3 .* takes 2;")):
        past = Past((x,) * given)
        with pytest.raises(ValueError, match=message):
            _ = conv(conv(x, past), past), past.state


def test_log_mel_finds_a_tone_and_keeps_the_clock() -> None:
    t = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = torch.where(t >= 0.5, 0.3 * torch.sin(2 * torch.pi * 1000 * t), 0.0)[None]
    features = logmel.log_mel(tone)[0].view(50, 2, logmel.N_MELS)
    loud = features[40, 0].argmax()
    edges = 700 * (
        10
        ** (
            torch.linspace(
                2595 * torch.log10(torch.tensor(1 + 60 / 700)),
                2595 * torch.log10(torch.tensor(1 + 7600 / 700)),
                66,
            )
            / 2595
        )
        - 1
    )
    assert edges[loud] < 1000 < edges[loud + 2]
    energy = features.flatten(1).mean(1)
    assert (energy[:24] == energy[0]).all(), "silence before the onset"
    assert energy[26] > energy[23] + 0.1, "the tone starts at 0.5 s, feature 25"


def test_log_mel_of_a_long_speech_equals_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = torch.randn(1, SAMPLE_RATE)
    whole = logmel.log_mel(samples)
    monkeypatch.setattr(logmel, "HOPS_AT_ONCE", 7)
    # Products of matrices of another size are rounded elsewhere, on some processors.
    torch.testing.assert_close(logmel.log_mel(samples), whole, atol=1e-6, rtol=0)
    assert logmel.log_mel(samples[:, :321]).shape == (1, 2, logmel.FEATURE_DIM)


def test_gain_is_an_offset_in_log_mel() -> None:
    samples = 0.1 * torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    change = logmel.log_mel(samples * 10) - logmel.log_mel(samples)
    torch.testing.assert_close(
        change,
        torch.full_like(change, torch.log(torch.tensor(100.0)).item() / 8),
        atol=5e-3,
        rtol=0,
    )
