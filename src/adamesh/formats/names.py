"""The names that other programs give to the 52 ARKit blendshapes, and the way from one to another.

All of them spell Apple's names, in another case or order: names are matched without regard to case.
"""

from collections.abc import Sequence

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
