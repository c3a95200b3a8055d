"""The speech encoder's data and training: alignments, voices, windows, labels in their place."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from adamesh.audio.logmel import FEATURE_DIM, log_mel
from adamesh.audio.voice import CODECS, VoiceAugmentation, alter_voice, stretch, through_codec
from adamesh.checkpoints.networks import load_network
from adamesh.data.alignment import (
    PHONES,
    UNKNOWN,
    Phone,
    align,
    frame_labels,
    pronounce_german,
    read_alignments,
)
from adamesh.data.augment import FeatureAugmentation, alter_mels
from adamesh.data.corpus import Video
from adamesh.data.speech_corpus import Utterance, grid_utterances, read_speech_corpus
from adamesh.data.speech_sequences import (
    COPIES,
    SpeechSampler,
    SpokenSequence,
    load_spoken,
    prepare_features,
)
from adamesh.errors import InputError
from adamesh.media.audio import load_audio, write_wav
from adamesh.models.speech import SpeechEncoder, SpeechEncoderConfig, likeliest_phones
from adamesh.pipeline.sample import SAMPLE_SPEECH
from adamesh.rates import SAMPLE_RATE
from adamesh.training.speech import SpeechTraining, phone_accuracy, phone_loss, train_speech

UNALTERED = FeatureAugmentation(
    gain=0, tilt=0, warp=0, noise=0, babble=0, room=0, band_limit=0, masks=0
)
SMALL = SpeechEncoderConfig(
    dim=32, heads=2, blocks=1, kernel=5, window=12, feature_dim=16, units=4, dropout=0.0
)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return load_audio(SAMPLE_SPEECH)


def envelope(samples: np.ndarray) -> np.ndarray:
    return np.sqrt(np.convolve(samples**2, np.ones(800) / 800, "same")[::160])


class TestVoices:
    @pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec[0])
    def test_a_codec_keeps_length_and_time(self, codec: tuple, speech: np.ndarray) -> None:
        name, container, rate, bit_rates = codec
        heard = through_codec(speech, name, container, rate, bit_rates[0])
        assert len(heard) == len(speech)
        assert np.corrcoef(heard, speech)[0, 1] > 0.9  # 2 ms off, and it were below 0.5

    def test_silence_before_the_speech_does_not_matter(self, speech: np.ndarray) -> None:
        late = np.concatenate([np.zeros(5 * SAMPLE_RATE, np.float32), speech])
        for name, container, rate, bit_rates in CODECS:
            heard = through_codec(late, name, container, rate, bit_rates[-1])
            assert np.corrcoef(heard, late)[0, 1] > 0.9
        silent = through_codec(np.zeros(1000, np.float32), *CODECS[0][:3], 64_000)
        assert len(silent) == 1000

    @pytest.mark.parametrize("factor", [0.8, 1.25])
    def test_stretching_keeps_the_pitch(self, factor: float) -> None:
        time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
        tone = (0.3 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
        stretched = stretch(tone, factor)
        assert len(stretched) == round(len(tone) / factor)
        middle = stretched[4000:-4000]
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
        hertz = np.fft.rfftfreq(len(middle), 1 / SAMPLE_RATE)[spectrum.argmax()]
        assert hertz == pytest.approx(200, abs=4)

    def test_words_stay_at_their_time(self, speech: np.ndarray) -> None:
        same_time = VoiceAugmentation(tempo=1.0, reverberation=0, noise=0)
        original = envelope(speech)
        for seed in range(6):
            altered, speed = alter_voice(speech, same_time, np.random.default_rng(seed))
            assert abs(speed - 1) < 1e-3
            late = [
                np.corrcoef(
                    np.roll(envelope(altered)[: len(original)], k), original[: len(altered)]
                )[0, 1]
                for k in range(-15, 16)
            ]
            assert abs(int(np.argmax(late)) - 15) <= 3  # within 30 ms

    def test_speed_is_told(self, speech: np.ndarray) -> None:
        altered, speed = alter_voice(speech, VoiceAugmentation(tempo=1.3), np.random.default_rng(2))
        assert speed == pytest.approx(len(speech) / len(altered))
        assert abs(speed - 1) > 0.05

    def test_pitch_moves_the_spectrum(self) -> None:
        time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
        tone = (0.3 * np.sin(2 * np.pi * 400 * time)).astype(np.float32)
        only = VoiceAugmentation(
            pitch=1.25, tempo=1, gain_db=0, reverberation=0, noise=0, band_limit=0, codec=0
        )
        found = set()
        for seed in range(8):
            altered, _ = alter_voice(tone, only, np.random.default_rng(seed))
            found.add(
                int(
                    np.abs(np.fft.rfft(altered[2000:-2000])).argmax()
                    / len(altered[2000:-2000])
                    * SAMPLE_RATE
                )
            )
        assert min(found) < 370
        assert max(found) > 430

    def test_the_same_seed_gives_the_same_voice(self, speech: np.ndarray) -> None:
        one, two = (
            alter_voice(speech, VoiceAugmentation(), np.random.default_rng(3))[0] for _ in "ab"
        )
        np.testing.assert_array_equal(one, two)


class TestMels:
    def test_nothing_is_done_by_no_augmentation(self, speech: np.ndarray) -> None:
        mels = log_mel(torch.from_numpy(speech)[None])[0]
        altered = alter_mels(mels, UNALTERED, np.random.default_rng(0))
        torch.testing.assert_close(altered, mels, atol=1e-5, rtol=1e-5)

    def test_noise_and_rooms_only_add_power(self, speech: np.ndarray) -> None:
        mels = log_mel(torch.from_numpy(speech)[None])[0]
        for part in ("noise", "room"):
            loud = FeatureAugmentation(**{**UNALTERED.__dict__, part: 1.0})
            altered = alter_mels(mels, loud, np.random.default_rng(0))
            assert (altered >= mels - 1e-4).all()
            assert (altered > mels + 0.01).any()

    def test_babble_is_softer_than_the_speech(self, speech: np.ndarray) -> None:
        mels = log_mel(torch.from_numpy(speech)[None])[0]
        other = mels.flip(0) + 0.5  # a louder voice
        altered = alter_mels(mels, UNALTERED, np.random.default_rng(0), other)
        loudest = mels.amax(1).argmax()
        assert (altered[loudest] - mels[loudest]).abs().max() < 0.35
        assert (altered - mels).abs().max() > 0.1

    def test_other_mels_are_told(self) -> None:
        mels = torch.zeros(40, FEATURE_DIM)
        assert alter_mels(mels, FeatureAugmentation(), np.random.default_rng(1)).shape == mels.shape


class TestAlignment:
    def test_labels_are_those_of_the_frames_middle(self) -> None:
        phones = [Phone("SIL", 5, True), Phone("M", 4, True), Phone("AA", 7, False)]
        labels = frame_labels(phones, 10)
        silence, m = PHONES.index("SIL"), PHONES.index("M")
        # Hops: SIL 0-4, M 5-8, AA 9-15, guessed; frame s has its middle at the start of hop 2 s + 1.
        assert labels.tolist() == [silence, silence, m, m, *[UNKNOWN] * 6]

    def test_german_spelling(self) -> None:
        assert pronounce_german("Sprache") == "SH P R AA HH EH"
        assert pronounce_german("Mutter") == "M UH T AH"
        assert pronounce_german("schön") == "SH ER N"
        assert set(pronounce_german("Quatschzwölfxylophonß").split()) <= set(PHONES)

    def test_a_real_sentence_is_aligned_and_resumed(
        self, tmp_path: Path, speech: np.ndarray
    ) -> None:
        write_wav(tmp_path / "a.wav", speech, SAMPLE_RATE)
        write_wav(tmp_path / "b.wav", np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE)
        a, b = (
            Utterance(f"{n}.wav", tmp_path / f"{n}.wav", "x", "y", "valid", text)
            for n, text in (("a", "hello grumblewick"), ("b", ""))
        )
        path = tmp_path / "alignments.jsonl"
        calls: list[tuple[int, int]] = []
        align([a, b], path, jobs=1, progress=lambda *call: calls.append(call))
        phones = read_alignments(path)["a.wav"]
        assert [p.name for p in phones if p.name != "SIL"][:4] in (
            ["HH", "AH", "L", "OW"],
            ["HH", "EH", "L", "OW"],
        )
        assert abs(sum(p.hops for p in phones) / 100 - len(speech) / SAMPLE_RATE) < 0.1
        known = {p.known for p in phones if p.name == "G"}
        assert known == {False}, "a word that no dictionary has is guessed, and said to be"
        before = path.read_text()
        align([a, b], path, jobs=1, progress=lambda *call: calls.append(call))
        assert path.read_text() == before
        assert calls[-1] == (1, 1)

    def test_foreign_letters_and_broken_files_fail_alone(
        self, tmp_path: Path, speech: np.ndarray
    ) -> None:
        write_wav(tmp_path / "a.wav", speech, SAMPLE_RATE)
        (tmp_path / "b.wav").write_text("no sound")
        rows = [
            Utterance("a", tmp_path / "a.wav", "x-de", "y", "valid", "à la Haus é"),
            Utterance("b", tmp_path / "b.wav", "x", "y", "valid", "hello"),
        ]
        path = tmp_path / "alignments.jsonl"
        assert align(rows, path, jobs=1, progress=lambda *_: None) == 1
        assert set(read_alignments(path)) == {"a"}

    def test_a_line_that_was_cut_off_is_done_again(self, tmp_path: Path) -> None:
        path = tmp_path / "alignments.jsonl"
        whole = json.dumps({"name": "a", "phones": "SIL:100"}) + "\n"
        path.write_text(whole + '{"name": "b", "pho')
        done = Utterance("a", tmp_path / "a.wav", "x", "y", "valid", "hello")
        align([done], path, jobs=1, progress=lambda *_: None)
        assert path.read_text() == whole

    def test_an_utterance_that_failed_is_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "alignments.jsonl"
        path.write_text(json.dumps({"name": "a", "phones": ""}) + "\n")
        assert read_alignments(path) == {}


class TestCorpus:
    def test_grid_names_are_sentences(self, tmp_path: Path) -> None:
        names = ("bbaf2n", "swwz1a", "lrwp9a", "pose_source2", "bbaw2n")
        videos = [Video(n, tmp_path / f"{n}.mp4", "grid_s1", "train", tmp_path) for n in names]
        found = {u.name: u for u in grid_utterances(videos)}
        assert set(found) == {"bbaf2n", "swwz1a", "lrwp9a"}
        assert found["bbaf2n"].text == "bin blue at f two now"
        assert {u.split for u in found.values()} == {"valid"}, "never trained on"

    def test_a_table_is_checked(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"no speech\.csv"):
            read_speech_corpus(tmp_path)
        (tmp_path / "speech.csv").write_text("path,corpus,speaker,split\na,b,c,train\n")
        with pytest.raises(InputError, match="text"):
            read_speech_corpus(tmp_path)
        (tmp_path / "speech.csv").write_text("path,corpus,speaker,split,text\na,b,c,test,d\n")
        with pytest.raises(InputError, match="'test'"):
            read_speech_corpus(tmp_path)

    def test_prepared_features_fit_their_labels(self, tmp_path: Path, speech: np.ndarray) -> None:
        write_wav(tmp_path / "a.wav", speech, SAMPLE_RATE)
        u = Utterance("a.wav", tmp_path / "a.wav", "x", "y", "train", "whatever")
        phones = (Phone("SIL", 100, True), Phone("AA", 600, True))
        for _ in range(2):
            prepare_features(
                [u], {"a.wav": phones}, tmp_path / "out", jobs=1, progress=lambda *_: None
            )
        (versions,) = load_spoken([u], tmp_path / "out")
        assert len(versions) == 1 + COPIES
        for version in versions:
            assert len(version.mels) == len(version.labels)
            change = int((version.labels != 0).nonzero()[0])
            speed = len(versions[0].mels) / len(version.mels)
            assert change == pytest.approx(50 / speed, abs=2), "labels follow the speed"
        with pytest.raises(InputError, match="prepare"):
            load_spoken([Utterance("b.wav", tmp_path, "x", "y", "train", "")], tmp_path / "out")


def tones(seed: int, frames: int = 120) -> SpokenSequence:
    """Each phone of four lights up a band of its own, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(np.repeat(rng.integers(0, 4, frames // 6), 6))
    mels = 0.1 * torch.from_numpy(rng.normal(size=(frames, FEATURE_DIM))).float()
    for s, phone in enumerate(labels):
        for hop in (0, 64):
            mels[s, hop + 16 * phone : hop + 16 * phone + 16] += 1
    return SpokenSequence(mels.half(), labels)


def test_windows_are_a_function_of_seed_and_step() -> None:
    recordings = [[tones(i), tones(i + 10)] for i in range(3)]
    one, two = (SpeechSampler(recordings, 60, FeatureAugmentation(), 0) for _ in "ab")
    two.draw(2, step=0)
    assert torch.equal(one.draw(3, step=5)[0], two.draw(3, step=5)[0])
    mels, labels = one.draw(3, step=6)
    assert mels.shape == (3, 60, FEATURE_DIM)
    assert labels.shape == (3, 60)


def test_mels_and_labels_stay_together() -> None:
    mels, labels = SpeechSampler([[tones(0)]], 60, UNALTERED, 0).draw(4, step=0)
    bands = mels[:, :, :64].unflatten(2, (4, 16)).mean(3).argmax(2)
    assert (bands == labels).all()


def test_the_loss_asks_for_the_frame_itself_and_for_those_ahead() -> None:
    """A network that gives each frame's own phone, late by its look-ahead, has the smallest loss."""
    model = SpeechEncoder(SMALL)
    sequence = tones(3)
    late, ahead = SMALL.lookahead, SMALL.ahead
    assert ahead[0] == 0

    class Perfect(torch.nn.Module):
        config = SMALL

        def __init__(self, offset: int) -> None:
            super().__init__()
            self.offset = offset

        def forward(self, _: torch.Tensor) -> torch.Tensor:
            # Output s belongs to frame s - late; `offset` spoils that.
            return torch.roll(sequence.labels, late + self.offset)[None, :, None]

        def phones(self, features: torch.Tensor) -> list[torch.Tensor]:
            own = features[..., 0].long()
            coming = torch.roll(own, -ahead[1], 1)
            return [8 * torch.nn.functional.one_hot(x, SMALL.phones).float() for x in (own, coming)]

    losses = [
        float(
            phone_loss(
                Perfect(k), sequence.mels.float()[None], sequence.labels[None], label_smoothing=0.0
            )
        )
        for k in (-2, -1, 0, 1, 2)
    ]
    assert losses.index(min(losses)) == 2
    assert model.config.ahead == ahead


@pytest.mark.slow
def test_training_learns_resumes_and_ships_units(tmp_path: Path) -> None:
    config = SpeechTraining(
        steps=150, batch_size=4, window=60, learning_rate=4e-3, warmup=5, ema=0.9,
        validate_every=75, save_every=50, model=SMALL, augmentation=UNALTERED,
    )  # fmt: skip
    train = [[tones(i)] for i in range(4)]
    valid = {"tones": [tones(99)]}
    path = train_speech(config, train, valid, tmp_path, progress=lambda *_: None)
    model = load_network(SpeechEncoder, path)
    assert phone_accuracy(model, valid["tones"]) > 0.9
    features = model.encode(
        torch.cat([valid["tones"][0].mels.float(), torch.zeros(3, FEATURE_DIM)])
    )
    units = model.units(features)
    assert len(units) == 120
    assert len(units.unique()) >= 3
    nearest = torch.stack([(features - c).norm(dim=1) for c in model.centroids], 1).argmin(1)
    assert torch.equal(units, nearest)

    class KilledError(Exception):
        pass

    def kill(step: int, *_: object) -> None:
        if step > 100:
            raise KilledError

    with pytest.raises(KilledError):
        train_speech(config, train, valid, tmp_path / "killed", progress=kill)
    again = train_speech(config, train, valid, tmp_path / "killed", progress=lambda *_: None)
    one, two = (load_network(SpeechEncoder, p).state_dict() for p in (path, again))
    for name, tensor in one.items():
        assert torch.equal(tensor, two[name]), name


def test_accuracy_counts_labelled_frames_only() -> None:
    torch.manual_seed(0)
    model = SpeechEncoder(SMALL).eval()
    s = tones(1)
    known = phone_accuracy(model, [s])
    half = SpokenSequence(s.mels, torch.where(torch.arange(120) < 60, s.labels, UNKNOWN))
    assert 0 <= known <= 1
    assert phone_accuracy(model, [SpokenSequence(s.mels, torch.full((120,), UNKNOWN))]) == 0
    best = likeliest_phones(model, s.mels.float())
    assert phone_accuracy(model, [half]) == float((best == s.labels)[:60].float().mean())
