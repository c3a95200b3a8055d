"""Which phone is heard when: forced alignment of transcripts with the package `pocketsphinx`.

Its English acoustic model aligns English and, through a rough spelling-to-sound table, German: good enough
to tell closed lips from open ones in a language that no model here was trained on.

Alignments lie in one text file, a JSON object a line: the utterance's name and its phones in order, each
`NAME:duration` in hops of 10 ms. A `?` behind the name marks a phone of a guessed pronunciation.
"""

import functools
import json
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from adamesh.data.speech_corpus import Utterance
from adamesh.errors import InputError, MissingDependencyError
from adamesh.files import atomic_output

ALIGNMENTS = "alignments.jsonl"  # name of the file in a folder of prepared speech
SILENCE = "SIL"
# ARPAbet as in the CMU pronouncing dictionary, without stress.
PHONES = (
    SILENCE,
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY",
    "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y",
    "Z", "ZH",
)  # fmt: skip
# Phones that lips make alike: closed, to the teeth, rounded, spread, open, ...
LIP_SHAPES = (
    (SILENCE,),
    ("B", "P", "M"),
    ("F", "V"),
    ("W", "UW", "UH", "OW", "OY"),
    ("AO", "AW"),
    ("CH", "JH", "SH", "ZH", "R", "ER"),
    ("AA", "AE", "AY", "AH", "EH", "EY"),
    ("IY", "IH", "Y"),
    ("S", "Z", "T", "D", "N", "L", "TH", "DH"),
    ("K", "G", "NG", "HH"),
)
UNKNOWN = -1  # label of frames whose phone nobody knows


@dataclass(frozen=True)
class Phone:
    """One phone of an utterance."""

    name: str  # of PHONES
    hops: int  # duration in hops of 10 ms
    known: bool  # False: the word's pronunciation was guessed


# Longest spelling first. Vowels stand for the nearest English mouth shape: "ue" is the rounded UW.
_GERMAN = {
    "tsch": "CH", "sch": "SH", "chs": "K S", "ch": "HH", "ck": "K", "qu": "K V", "ph": "F", "th": "T",
    "tz": "T S", "dt": "T", "ng": "NG", "pf": "P F", "ei": "AY", "ai": "AY", "ie": "IY", "eu": "OY",
    "äu": "OY", "au": "AW", "aa": "AA", "ee": "EY", "oo": "OW", "ah": "AA", "eh": "EY", "ih": "IY",
    "oh": "OW", "uh": "UW", "äh": "EH", "öh": "ER", "üh": "UW", "a": "AA", "ä": "EH", "b": "B", "c": "K",
    "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "Y", "k": "K", "l": "L", "m": "M",
    "n": "N", "o": "AO", "ö": "ER", "p": "P", "q": "K", "r": "R", "s": "S", "ß": "S", "t": "T", "u": "UH",
    "ü": "UW", "v": "F", "w": "V", "x": "K S", "y": "UW", "z": "T S",
}  # fmt: skip
_GERMAN_SPELLINGS = re.compile(
    r"(\w)\1|" + "|".join(sorted(_GERMAN, key=len, reverse=True)), re.IGNORECASE
)


def pronounce_german(word: str) -> str:
    """Phones of a German word, by its spelling; words of English origin come out wrong."""
    word = re.sub(r"^s(?=[tp])", "sch", word.lower())
    found = []
    for match in _GERMAN_SPELLINGS.finditer(word):
        spelling = match[0]
        found.append(_GERMAN.get(spelling) or _GERMAN.get(spelling[:1], ""))
    phones = " ".join(found)
    return re.sub(r"EH R$", "AH", phones)  # "-er"


def read_alignments(path: str | os.PathLike[str]) -> dict[str, tuple[Phone, ...]]:
    """Phones of every aligned utterance, by its name; those that could not be aligned are left out."""
    found = {}
    with Path(path).open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            phones = []
            for item in row["phones"].split():
                name, hops = item.split(":")
                phones.append(Phone(name.rstrip("?"), int(hops), not name.endswith("?")))
            if phones:
                found[row["name"]] = tuple(phones)
    return found


def frame_labels(phones: Iterable[Phone], frames: int) -> np.ndarray:
    """The phone in the middle of every feature frame of 20 ms.

    Returns:
        [frames] int64 indices into `PHONES`, or `UNKNOWN`.
    """
    hops: list[int] = []
    for phone in phones:
        hops += [PHONES.index(phone.name) if phone.known else UNKNOWN] * phone.hops
    labels = np.full(frames, UNKNOWN, np.int64)
    middle = np.array(
        hops[1::2][:frames], np.int64
    )  # frame s: hops 2 s and 2 s + 1, which starts mid-way
    labels[: len(middle)] = middle
    return labels


def align(
    utterances: list[Utterance],
    path: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    progress: Callable[[int, int], None],
) -> int:
    """Aligns all utterances that have a text and no line in the file at `path` yet.

    Args:
        jobs: processes; one for each core by default.
        progress: called with utterances done and utterances in all.
    Returns:
        How many could not be aligned; they have a line without phones.
    Raises:
        MissingDependencyError: no pocketsphinx.
    """
    try:
        import pocketsphinx  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("pocketsphinx", "aligning speech", "train") from error
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    have = _finished(path)
    spoken = [u for u in utterances if u.text]
    waiting = [u for u in spoken if u.name not in have]
    done = len(spoken) - len(waiting)
    failed = 0
    progress(done, len(spoken))
    with (
        ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=get_context("spawn")) as pool,
        path.open("a", encoding="utf-8") as output,
    ):
        for future in as_completed([pool.submit(_align_one, u) for u in waiting]):
            name, phones = future.result()
            failed += not phones
            output.write(json.dumps({"name": name, "phones": phones}) + "\n")
            output.flush()  # a line is there or not, whenever the run is stopped
            done += 1
            progress(done, len(spoken))
    return failed


def _finished(path: Path) -> set[str]:
    """Names of the utterances that have a line; a last line that was cut off is taken out of the file."""
    if not path.exists():
        return set()
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with atomic_output(path) as temporary:
            temporary.write_bytes(whole)
    return {json.loads(line)["name"] for line in whole.splitlines()}


@functools.cache
def _decoder() -> Any:
    from pocketsphinx import Decoder

    # Wide beams: the words are given, so that the right path must not be lost is all that counts.
    # The best-path search behind the first pass can leave phones too short for the second.
    return Decoder(
        lm=None, loglevel="FATAL", beam=1e-120, pbeam=1e-120, wbeam=1e-100, bestpath=False
    )


def _align_one(utterance: Utterance) -> tuple[str, str]:
    """Name and phones in the file's notation; no phones where the words don't fit the sound."""
    from adamesh.media.audio import load_audio

    decoder = _decoder()
    german = utterance.corpus.endswith("-de")
    words = re.findall(r"[^\W\d_]+(?:'[a-z]+)?", utterance.text.lower())
    names = []
    for word in words:
        name = f"{word}_de" if german else word
        if decoder.lookup_word(name) is None:
            pronunciation = pronounce_german(word) if german else _guess(decoder, word)
            # A word without a phone crashes the aligner; one in another script has none.
            decoder.add_word(name, pronunciation or "AH", True)
            if not german:
                _guessed_words().add(name)
        names.append(name)
    try:
        samples = load_audio(utterance.path)
        pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        decoder.set_align_text(" ".join(names))
        _decode(decoder, pcm)
        decoder.set_alignment()
        _decode(decoder, pcm)
    except (RuntimeError, InputError):
        return utterance.name, ""
    phones = []
    for word in decoder.get_alignment():
        doubt = "?" if re.sub(r"\(\d+\)$", "", word.name) in _guessed_words() else ""
        for phone in word:
            name = phone.name if phone.name in PHONES else SILENCE  # +NSN+ and such: noises
            phones.append(f"{name}{doubt}:{phone.duration}")
    return utterance.name, " ".join(phones)


def _decode(decoder: Any, pcm: bytes) -> None:
    decoder.start_utt()
    try:
        decoder.process_raw(pcm, full_utt=True)
    finally:
        decoder.end_utt()


@functools.cache
def _guessed_words() -> set[str]:
    return set()


def _guess(decoder: Any, word: str) -> str:
    """A pronunciation from the longest parts of a word that the dictionary knows."""
    phones: list[str] = []
    while word:
        for end in range(len(word), 0, -1):
            known = decoder.lookup_word(word[:end])
            if known is not None:
                break
        phones += [known or "AH"]
        word = word[end:]
    return " ".join(phones)
