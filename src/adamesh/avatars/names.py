"""What the names of morph targets, expressions and bones mean, in the spellings that tools use.

A name is cut into words at separators, capitals and digits; case does not count, `L` and `R` are sides and
a side may stand anywhere. Words in front (`Face.M_F00_`, `blendShape1.`, `mixamorig:`) do not matter, unless
they mean something themselves: `jawOpen_mouthClose` is a corrective shape of two blendshapes, not one of
them.

What moves a target is a *control*: an ARKit blendshape, or a viseme such as `viseme_aa`.
"""

import re
from collections.abc import Iterable, Mapping

from adamesh.motion.spaces import ARKIT52

Gains = Mapping[str, float]  # control -> how far it moves a target

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_SIDES = {"l": "left", "r": "right", "left": "left", "right": "right"}

# Of Oculus, whose fifteenth, sil, is the face at rest. PP FF TH DD kk CH SS nn RR are consonants.
_SOUNDS = ("PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U")
VISEMES: tuple[str, ...] = tuple(f"viseme_{sound}" for sound in _SOUNDS)
CONTROLS: tuple[str, ...] = (*ARKIT52, *VISEMES)

VOWELS = "aiueo"
# VRM's vowels, by the viseme that each is.
_VOWELS = {"aa": "aa", "ih": "I", "ou": "U", "ee": "E", "oh": "O"}
# VRM 0.x presets by the names of VRM 1.
VRM0_PRESETS: dict[str, str] = {
    **dict(zip(VOWELS, _VOWELS, strict=True)),
    "blink_l": "blinkLeft",
    "blink_r": "blinkRight",
}


def _blendshapes() -> dict[str, Gains]:
    """ARKit's names; a blendshape without a side may be split in two halves, as `browInnerUp_L`."""
    table: dict[str, Gains] = {name.lower(): {name: 1.0} for name in ARKIT52}
    for name in ARKIT52:
        if not name.endswith(("Left", "Right")):
            table |= {name.lower() + side: {name: 1.0} for side in ("left", "right")}
    return table


def _one_lid() -> dict[str, Gains]:
    table: dict[str, Gains] = {
        f"{word}{side.lower()}": {f"eyeBlink{side}": 1.0}
        for word in ("blink", "eyeclose", "eyeclosed", "wink")
        for side in ("Left", "Right")
    }
    # MikuMikuDance's wink of the left eye, which has no side in its name, and of the right one.
    return table | {"ウィンク": {"eyeBlinkLeft": 1.0}, "ウィンク右": {"eyeBlinkRight": 1.0}}


def _both_sides() -> dict[str, Gains]:
    """Shapes that do at once what two blendshapes do, as `mouthSmile`, `blink` and `lookLeft`."""
    table: dict[str, Gains] = {}
    for name in ARKIT52:
        stem = name.removesuffix("Left")
        if stem != name and stem not in ("jaw", "mouth"):
            table[stem.lower()] = {name: 0.5, f"{stem}Right": 0.5}
    table |= dict.fromkeys(
        ("blink", "eyeclose", "eyeclosed", "eyesclose", "eyesclosed", "まばたき"),
        table["eyeblink"],
    )
    return table | {
        "lookup": table["eyelookup"],
        "lookdown": table["eyelookdown"],
        "lookleft": {"eyeLookOutLeft": 0.5, "eyeLookInRight": 0.5},
        "lookright": {"eyeLookInLeft": 0.5, "eyeLookOutRight": 0.5},
    }


def _visemes() -> dict[str, Gains]:
    """`viseme_aa` of Oculus, `v_aa` of VRChat, `aa` of VRM, `MTH_A` of VRoid, `あ` of MikuMikuDance."""
    table: dict[str, Gains] = {}
    for sound, viseme in zip(_SOUNDS, VISEMES, strict=True):
        table |= {prefix + sound.lower(): {viseme: 1.0} for prefix in ("viseme", "v")}
    for letter, kana, (vowel, sound) in zip(VOWELS, "あいうえお", _VOWELS.items(), strict=True):
        for spelling in (vowel, f"v{vowel}", f"mth{letter}", kana):
            table[spelling] = {f"viseme_{sound}": 1.0}
    return table


# Tables in the order in which they are tried: what a table moves, no later one moves again.
BLENDSHAPES: dict[str, Gains] = _blendshapes()
ONE_LID: dict[str, Gains] = _one_lid()
BOTH_SIDES: dict[str, Gains] = _both_sides()
VISEME_SHAPES: dict[str, Gains] = _visemes()
# Where nothing else opens the mouth: Ready Player Me's only shapes are mouthOpen and mouthSmile by default.
OPENINGS: dict[str, Gains] = {
    name: {"jawOpen": 1.0}
    for name in ("mouthopen", "openmouth", "mouthopened", "jawdown", "jawdrop")
}

BONES: tuple[str, ...] = ("neck", "head", "jaw", "left_eye", "right_eye")
_BONE_KEYS = {
    "neck": "neck",
    "necktwist": "neck",
    "necklower": "neck",
    "首": "neck",
    "head": "head",
    "頭": "head",
    "jaw": "jaw",
    "jawroot": "jaw",
    "jawbone": "jaw",
    "jawmaster": "jaw",
    "lowerjaw": "jaw",
    "あご": "jaw",
    "左目": "left_eye",
    "右目": "right_eye",
    "eyeleft": "left_eye",
    "eyeright": "right_eye",
    "leye": "left_eye",
    "reye": "right_eye",
}
# What riggers put behind a bone's name: Maya's joints, Auto-Rig Pro's `.x`, AdvancedSkeleton's `_M`.
_BEHIND = ("jnt", "joint", "bone", "bind", "skin", "def", "x", "m", "mid")
# As VRM calls them.
HUMANOID: dict[str, str] = {
    "neck": "neck",
    "head": "head",
    "jaw": "jaw",
    "leftEye": "left_eye",
    "rightEye": "right_eye",
}


def find_shape(name: str, table: Mapping[str, Gains]) -> tuple[int, str] | None:
    """How many words stand in front of the entry of `table` that a name ends in, and its key."""
    words = _words(name)
    found = _ending(words, table)
    if found is None or _ending(words[: found[0]], table):
        return None
    return found


def spelled_vowels(names: Iterable[str]) -> dict[str, str]:
    """Names that are a vowel's letter alone, as VRoid's, where most of the five are there."""
    letters = {name: name.strip().lower() for name in names}
    vowels = {name: letter for name, letter in letters.items() if letter in tuple(VOWELS)}
    if len(set(vowels.values())) < 3:  # a single `A` may be anything
        return {}
    return {name: f"MTH_{letter}" for name, letter in vowels.items()}


def find_bone(name: str) -> tuple[int, str] | None:
    """How many words a bone's name has beside those of `BONES`, and which of these it is."""
    words = _words(name, behind=_BEHIND)
    bare = list(words)
    # `Neck1`, `Head_06`; the side of `Eye_L_06` then stands last already.
    while bare and bare[-1].isdigit():
        bare.pop()
    if len(bare) < len(words) - 1:
        return None
    found = _ending(bare, _BONE_KEYS)
    if found is None:
        return None
    in_front, key = found
    return in_front + len(words) - len(bare), _BONE_KEYS[key]


def _words(name: str, behind: tuple[str, ...] = ()) -> list[str]:
    """In lower case; the side, if there is one, last and in full.

    Args:
        behind: words that mean nothing at the end.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    while len(words) > 1 and words[-1] in behind:
        words.pop()
    sides = [place for place, word in enumerate(words) if word in _SIDES]
    for place in sides:
        words[place] = _SIDES[words[place]]
    if len(sides) == 1:
        last = len(words)
        while last and words[last - 1].isdigit():
            last -= 1
        words.insert(last - 1, words.pop(sides[0]))
    return words


def _ending(words: list[str], table: Mapping[str, object]) -> tuple[int, str] | None:
    """The longest ending of the words that is in the table, and how many words are in front of it."""
    for start in range(len(words)):
        key = "".join(words[start:])
        if key in table:
            return start, key
    return None
