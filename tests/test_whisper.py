"""The layers of Whisper that ship: equal to an independent implementation, streamed as in whole."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adamesh.animation.sample import SAMPLE_SPEECH
from adamesh.audio.whisper_mel import FLOOR, HOP, WINDOW, whisper_mel
from adamesh.checkpoints.networks import load_network
from adamesh.features import whisper
from adamesh.features.whisper import BLOCK, REACH, WhisperFeatures
from adamesh.media.audio import load_audio
from adamesh.models.whisper import AFTER, BEFORE, WhisperEncoder, positions
from adamesh.nn.conformer import Blockwise, SelfAttention
from adamesh.nn.state import START
from adamesh.rates import FEATURE_RATE, SAMPLE_RATE, SAMPLES_PER_FEATURE


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return load_audio(SAMPLE_SPEECH)


@pytest.fixture
def encoder() -> WhisperEncoder:
    return load_network(WhisperEncoder)


def test_mels_are_those_of_transformers(speech: np.ndarray) -> None:
    from transformers import WhisperFeatureExtractor

    def theirs(samples: np.ndarray) -> torch.Tensor:
        extract = WhisperFeatureExtractor(feature_size=80)
        return extract(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features[0].T

    # As loud that their floor, 8 below the loudest moment, is ours.
    loudest = 4 * float(theirs(speech).max()) - 4
    speech = (speech * 10 ** ((FLOOR + 8 - loudest) / 2)).astype(np.float32)
    hops = len(speech) // HOP
    ours = whisper_mel(torch.from_numpy(np.pad(speech, WINDOW // 2)))[:hops]
    inside = slice(2, hops - 2)  # they mirror the ends
    torch.testing.assert_close(ours[inside], theirs(speech)[inside], rtol=0, atol=1e-4)


def test_every_layer_is_that_of_transformers(encoder: WhisperEncoder) -> None:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as Reference

    layers = len(encoder.blocks)
    config = WhisperConfig(
        d_model=512, encoder_layers=layers + 1, encoder_attention_heads=8, encoder_ffn_dim=2048
    )
    reference: Any = Reference(config).eval()
    for name in ("conv1", "conv2"):
        getattr(reference, name).load_state_dict(getattr(encoder, name).state_dict())
    names = {
        "self_attn_layer_norm": "attention_norm",
        "self_attn.q_proj": "attention.query",
        "self_attn.k_proj": "attention.key",
        "self_attn.v_proj": "attention.value",
        "self_attn.out_proj": "attention.out",
        "final_layer_norm": "mlp_norm",
        "fc1": "hidden",
        "fc2": "project",
    }
    for i, block in enumerate(encoder.blocks):
        for theirs, ours in names.items():
            weights = block.get_submodule(ours).state_dict()
            reference.layers[i].get_submodule(theirs).load_state_dict(weights)
    mels = torch.randn(1, 80, 3000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        hidden = reference(mels, output_hidden_states=True).hidden_states
        padded = F.pad(mels, (BEFORE, AFTER)).transpose(1, 2)
        frames = 1500
        x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(padded.transpose(1, 2))))).transpose(1, 2)
        x = x + positions(0, frames, 512)
        # They pad in between the convolutions, so their first frame has another neighbour.
        torch.testing.assert_close(x[:, 1:], hidden[0][:, 1:], rtol=0, atol=1e-4)
        for i, block in enumerate(encoder.blocks):
            torch.testing.assert_close(block(hidden[i]), hidden[i + 1], rtol=0, atol=1e-3)


def test_a_click_is_in_its_frame() -> None:
    """The middle of the convolutions' input lies on the middle of the frame's own 20 ms."""
    found = []
    for offset in (-40, 0, 40):
        click = np.zeros(SAMPLE_RATE, np.float32)
        click[25 * SAMPLES_PER_FEATURE + SAMPLES_PER_FEATURE // 2 + offset] = 1.0
        mels = whisper._mels(click, 0, 50)[0]
        power = 10 ** (4 * mels - 4)
        energy = power.sum(1) - power.sum(1).min()
        centre = float((torch.arange(len(energy)) * energy).sum() / energy.sum())
        found.append((centre - BEFORE) / 2 - 25)  # features from the click's own
    assert found[1] == pytest.approx(0, abs=0.03)
    assert found[0] < 0 < found[2]


def test_blocks_see_what_they_say() -> None:
    visible = Blockwise(frames=2, past=3).visible(4, 3)
    assert visible.int().tolist() == [
        [1, 1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0, 0],
        [0, 0, 1, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1, 1],
    ]


def test_blockwise_attention_equals_a_slow_loop() -> None:
    torch.manual_seed(0)
    attention, blocks = SelfAttention(8, 2, window=None), Blockwise(frames=3, past=4)
    x = torch.randn(1, 12, 8)
    rows = []
    for start in range(0, 12, 3):
        seen = x[:, max(start - 4, 0) : start + 3]
        rows.append(attention(seen)[:, -3:])
    torch.testing.assert_close(attention(x, blockwise=blocks), torch.cat(rows, 1))


@pytest.mark.parametrize("at_once", [1, 3, 50])  # the speech has 35
def test_streamed_in_any_pieces_is_the_same(
    at_once: int, encoder: WhisperEncoder, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed = WhisperFeatures(encoder, streamed=True, dtype=torch.float32)
    whole = streamed(speech)
    monkeypatch.setattr(whisper, "BLOCKS_AT_ONCE", at_once)
    torch.testing.assert_close(streamed(speech), whole, rtol=0, atol=1e-3)


def test_a_stream_hears_no_further_than_said(encoder: WhisperEncoder, speech: np.ndarray) -> None:
    streamed = WhisperFeatures(encoder, streamed=True, dtype=torch.float32)
    rng = np.random.default_rng(0)
    for frame in (40, 47, 61):
        heard = (frame // BLOCK.frames + 1) * BLOCK.frames * SAMPLES_PER_FEATURE + REACH
        assert heard <= (frame + 1) * SAMPLES_PER_FEATURE + streamed.lookahead * SAMPLE_RATE
        other = speech.copy()
        other[heard:] = rng.normal(0, 0.1, len(other) - heard)
        torch.testing.assert_close(streamed(other)[: frame + 1], streamed(speech)[: frame + 1])
        other = speech.copy()
        other[heard - 100 : heard] += 0.3
        assert not torch.allclose(streamed(other)[frame], streamed(speech)[frame], atol=1e-3)


def test_silence_behind_changes_nothing(encoder: WhisperEncoder, speech: np.ndarray) -> None:
    for streamed in (False, True):
        features = WhisperFeatures(encoder, streamed=streamed, dtype=torch.float32)
        alone = features(speech)
        followed = features(np.pad(speech, (0, 3 * SAMPLE_RATE)))
        torch.testing.assert_close(followed[: len(alone)], alone, rtol=0, atol=1e-3)


def test_chunks_agree_where_they_meet(encoder: WhisperEncoder, speech: np.ndarray) -> None:
    """The same speech, cut elsewhere, gives nearly the same in nearly all channels: positions are in some."""
    features = WhisperFeatures(encoder, dtype=torch.float32)
    later = 3 * FEATURE_RATE
    long = np.tile(speech, 4)
    shifted = features(np.pad(long, (later * SAMPLES_PER_FEATURE, 0)))[later:]
    whole = features(long)
    error = ((whole - shifted).square().mean(0) / whole.var(0)).sqrt()
    assert float(error.median()) < 0.4
    other = features(long[::-1].copy())
    assert float(((whole - other).square().mean(0) / whole.var(0)).sqrt().median()) > 1.0


def test_bfloat16_is_close_to_float32(speech: np.ndarray) -> None:
    exact, fast = (
        WhisperFeatures(load_network(WhisperEncoder), dtype=dtype)(speech)
        for dtype in (torch.float32, torch.bfloat16)
    )
    error = ((exact - fast).square().mean(0) / exact.var(0)).sqrt()
    assert fast.dtype == torch.float32
    assert float(error.median()) < 0.1


def test_the_past_that_is_kept_is_bounded(encoder: WhisperEncoder, speech: np.ndarray) -> None:
    state = START
    with torch.no_grad():
        for first in range(0, 30 * BLOCK.frames, BLOCK.frames):
            mels = whisper._mels(speech, first, BLOCK.frames)
            _, state = encoder.step(mels, BLOCK, state, first)
    assert {x.shape[1] for x in state} == {BLOCK.past}
