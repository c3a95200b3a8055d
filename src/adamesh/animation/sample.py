"""The packaged sample: a made-up person talking, and two lines for them to speak.

`tools/build_sample.py` makes all three; no real person's face or voice is in them.
"""

from importlib import resources
from pathlib import Path

import numpy as np

from adamesh.media.audio import load_audio

_FOLDER = Path(str(resources.files("adamesh"))) / "assets" / "sample"

SAMPLE_REFERENCE = _FOLDER / "reference.mp4"  # about 10 s of video with sound
SAMPLE_SPEECH = _FOLDER / "line1.opus"  # 4 to 6 s of another voice
SAMPLE_SPEECH_2 = _FOLDER / "line2.opus"


def sample_speech() -> np.ndarray:
    """[N] mono samples at `SAMPLE_RATE`: both lines, 10 s of speech that styles are compared on."""
    return np.concatenate([load_audio(path) for path in (SAMPLE_SPEECH, SAMPLE_SPEECH_2)])
