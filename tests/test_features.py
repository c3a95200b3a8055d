"""Speech features: one clock, chunked equals whole, and HuBERT as `transformers` computes it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adamesh.animation.sample import SAMPLE_SPEECH
from adamesh.audio.logmel import log_mel
from adamesh.errors import InputError
from adamesh.features import features_for_frames, load_features
from adamesh.features import hubert as hubert_module
from adamesh.features.hubert import HOP, MARGIN, HubertFeatures
from adamesh.media.audio import load_audio
from adamesh.rates import FEATURES_PER_FRAME, SAMPLE_RATE, SAMPLES_PER_FEATURE


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return load_audio(SAMPLE_SPEECH)


@pytest.mark.parametrize("name", ["log_mel", "prosody", "whisper", "whisper+log_mel"])
def test_every_20_ms_begun_has_a_frame(name: str, speech: np.ndarray) -> None:
    features = load_features(name)
    assert features.name == name
    for n in (SAMPLES_PER_FEATURE * 40, SAMPLES_PER_FEATURE * 40 + 1, len(speech)):
        assert features(speech[:n]).shape == (-(-n // SAMPLES_PER_FEATURE), features.dim)


@pytest.mark.parametrize("name", ["log_mel", "prosody", "whisper"])
def test_frames_keep_their_place_and_see_no_further_than_said(
    name: str, speech: np.ndarray
) -> None:
    """A change of the sound shows from `lookahead` before it, and not a frame earlier."""
    features = load_features(name, streamed=True)
    nearest = 9
    for change in range(2 * SAMPLE_RATE, 2 * SAMPLE_RATE + 8 * SAMPLES_PER_FEATURE, 320):
        altered = speech.copy()
        altered[change:] = -0.5 * altered[change:][::-1]
        differs = (features(speech) != features(altered)).any(1)
        first = int(differs.nonzero()[0])
        # Frame s sees samples before 320 (s + 1) + lookahead.
        expected = (change - features.lookahead * SAMPLE_RATE) / SAMPLES_PER_FEATURE - 1
        assert first - expected >= 0
        nearest = min(nearest, first - expected)
    assert nearest <= 1


def test_joined_features_are_side_by_side(speech: np.ndarray) -> None:
    both, whisper, mel = (
        load_features(x)(speech) for x in ("whisper+log_mel", "whisper", "log_mel")
    )
    assert torch.equal(both, torch.cat([whisper, mel], 1))


def test_speech_is_cut_or_followed_by_silence(speech: np.ndarray) -> None:
    features = load_features("log_mel")
    short = features_for_frames(features, speech[:10_000], 40)
    assert len(short) == 40 * FEATURES_PER_FRAME
    silence = log_mel(torch.zeros(1, 640))[0]
    torch.testing.assert_close(short[-2:], silence)
    assert len(features_for_frames(features, speech, 10)) == 10 * FEATURES_PER_FRAME


@pytest.mark.parametrize("name", ["mfcc", "hubert:", "whisper+mfcc", ""])
def test_unknown_names_are_told(name: str) -> None:
    with pytest.raises(InputError, match="no speech features"):
        load_features(name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small HuBERT, saved as `transformers` saves the real ones."""
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    folder = tmp_path_factory.mktemp("hubert")
    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
        conv_dim=(256,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    HubertModel(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


class TestHubert:
    def test_a_chunk_is_what_transformers_gives(self, folder: Path, speech: np.ndarray) -> None:
        from transformers import HubertModel, Wav2Vec2FeatureExtractor

        features = HubertFeatures(str(folder), torch.float32)
        samples = speech[: 3 * SAMPLE_RATE]
        values = Wav2Vec2FeatureExtractor.from_pretrained(folder)(
            samples, sampling_rate=SAMPLE_RATE, return_tensors="pt"
        ).input_values
        padded = torch.nn.functional.pad(values, (40, 40))
        with torch.no_grad():
            expected = HubertModel.from_pretrained(folder).eval()(padded).last_hidden_state[0]
        torch.testing.assert_close(features.chunk(samples), expected, atol=1e-4, rtol=1e-4)
        assert len(expected) == 150, "a frame every 20 ms"

    def test_bfloat16_is_close_to_float32(self, folder: Path, speech: np.ndarray) -> None:
        fast, exact = (HubertFeatures(str(folder), t) for t in (torch.bfloat16, torch.float32))
        a, b = fast.chunk(speech[:SAMPLE_RATE]), exact.chunk(speech[:SAMPLE_RATE])
        assert (a - b).norm() < 0.1 * b.norm()

    def test_long_audio_goes_in_fixed_chunks(self, folder: Path, speech: np.ndarray) -> None:
        """Each piece is the one that its own stretch with its margins gives."""
        features = load_features(f"hubert:{folder}")
        assert isinstance(features, HubertFeatures)
        long = np.tile(speech, 6)[: 20 * SAMPLE_RATE + 123]
        whole = features(long)
        assert whole.shape == (-(-len(long) // SAMPLES_PER_FEATURE), features.dim)
        start = int((HOP - MARGIN) * SAMPLE_RATE)
        stop = int((2 * HOP + MARGIN) * SAMPLE_RATE)
        middle = features.chunk(long[start:stop])
        kept = middle[int(MARGIN * 50) : int((MARGIN + HOP) * 50)]
        torch.testing.assert_close(whole[int(HOP * 50) : int(2 * HOP * 50)], kept)
        extended = features(np.concatenate([long, speech]))
        torch.testing.assert_close(extended[: int(2 * HOP * 50)], whole[: int(2 * HOP * 50)])

    def test_the_middle_of_a_frame_is_where_its_sound_is(self, folder: Path) -> None:
        """The convolutional stem alone, by gradients."""
        features = HubertFeatures(str(folder))
        samples = torch.zeros(1, SAMPLE_RATE, requires_grad=True)
        pad = hubert_module.STEM_PADDING
        stem = features.model.float().feature_extractor
        stem._requires_grad = False
        stem(torch.nn.functional.pad(samples + 0.01 * torch.randn(1, SAMPLE_RATE), (pad, pad)))[
            0, :, 20
        ].sum().backward()
        assert samples.grad is not None
        seen = samples.grad[0].nonzero()[:, 0]
        # The first layer's group norm sees everything, a little; the window is where it sees much.
        strong = (samples.grad[0].abs() > 0.05 * samples.grad[0].abs().max()).nonzero()[:, 0]
        centre = 20 * SAMPLES_PER_FEATURE + SAMPLES_PER_FEATURE / 2
        assert len(seen)
        assert abs(float(strong.float().mean()) - centre) < 40

    def test_a_missing_model_says_how_to_get_it(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="hf download") as error:
            load_features(f"hubert:{tmp_path / 'nowhere'}")
        assert "\n" not in str(error.value)
