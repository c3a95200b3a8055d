"""The names that other programs give to the 52 ARKit blendshapes, and the way from one to another.

All of them spell Apple's names, in another case or order: names are matched without regard to case.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from adamesh.errors import InputError
from adamesh.motion.spaces import ARKIT52

# ARKit's own name -> as Live Link Face writes it.
CAPITALISED: dict[str, str] = {name: name[0].upper() + name[1:] for name in ARKIT52}

LIVELINK_ROTATIONS: tuple[str, ...] = tuple(
    part + angle for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll")
)
# The 61 values of a frame, in Apple's order; the app's own files swap some of them.
LIVELINK: tuple[str, ...] = (*CAPITALISED.values(), *LIVELINK_ROTATIONS)

# Google's face landmarker: alphabetical behind a neutral face, without the tongue
# (google-ai-edge/mediapipe, face_blendshapes_graph.cc).
MEDIAPIPE: tuple[str, ...] = ("_neutral", *sorted(set(ARKIT52) - {"tongueOut"}))

# aigc3d/LAM_Audio2Expression, models/utils.py: all 52, alphabetical.
LAM: tuple[str, ...] = tuple(sorted(ARKIT52))

# yunik1004/SAiD, data/ARKit_blendshapes.txt: the 32 of the lower face.
SAID: tuple[str, ...] = tuple(
    name for name in ARKIT52 if name.startswith(("jaw", "mouth", "cheek", "noseSneer"))
)

# NVIDIA's Audio2Face with its ARKit solver: all 52 in Apple's order.
AUDIO2FACE: tuple[str, ...] = ARKIT52

_COLUMN = {name.lower(): column for column, name in enumerate(ARKIT52)}


def arkit_columns(names: Sequence[str]) -> dict[int, int]:
    """Place in `names` -> column of an arkit52 array, for those names that are ARKit's.

    Raises:
        InputError: a name is there twice, in whatever case.
    """
    columns: dict[int, int] = {}
    for place, name in enumerate(names):
        column = _COLUMN.get(name.strip().lower())
        if column is None:
            continue
        if column in columns.values():
            raise InputError(
                f"'{ARKIT52[column]}' is there twice; each ARKit blendshape has one column"
            )
        columns[place] = column
    return columns


# Actions of both sides that some tools split; the mean of the two is the action.
SPLIT = ("browInnerUp", "cheekPuff")
_SIDE = re.compile(r"[^0-9A-Za-z]+(l|r|left|right)$", re.IGNORECASE)
_CAPITAL_SIDE = re.compile(r"(?<=[a-z])([LR])$")
_KNOWN = {name.lower(): name for name in (*ARKIT52, *LIVELINK_ROTATIONS)}
_LONGEST = max(map(len, _KNOWN))


@lru_cache(maxsize=4096)
def arkit_name(name: str) -> tuple[str, str] | None:
    """The ARKit name, or the angle of Live Link Face, that a name of any tool ends in, and what is before it.

    Case, punctuation and the way to write a side do not matter: `blendShapes.JawOpen`, `face_eye_blink_L` and
    `ARKit:EyeBlinkLeft` all have one. `_L` is the subject's left, as everywhere.

    Returns:
        Its name as in `ARKIT52` or `LIVELINK_ROTATIONS`, and the rest in lower case; None for other names.
    """
    text = name.strip()
    side = _SIDE.search(text) or _CAPITAL_SIDE.search(text)
    if side is not None:
        word = "Left" if side[1][0] in "lL" else "Right"
        found = _ending(text[: side.start()] + word)
        if found is None and (whole := _ending(text[: side.start()])) is not None:
            found = whole if whole[0] in SPLIT else None
        return found
    found = _ending(text)
    if found is None:
        for word in ("Left", "Right"):
            if text.lower().endswith(word.lower()):
                whole = _ending(text[: -len(word)])
                return whole if whole is not None and whole[0] in SPLIT else None
    return found


def _ending(text: str) -> tuple[str, str] | None:
    """As `arkit_name`, with the side written out; the name must begin where a word does."""
    kept = [i for i, letter in enumerate(text) if letter.isascii() and letter.isalnum()]
    key = "".join(text[i] for i in kept).lower()
    for size in range(min(_LONGEST, len(key)), 0, -1):
        known = _KNOWN.get(key[-size:])
        if known is not None:
            begin = kept[-size]
            starts = begin == 0 or not text[begin - 1].isalnum() or text[begin].isupper()
            if starts or text[begin - 1].isdigit():
                return known, text[:begin].lower()
    return None
