"""The packaged sample: a made-up person talking, and two lines for them to speak.

`tools/build_sample.py` makes all three; no real person's face or voice is in them.
"""

from importlib import resources
from pathlib import Path

_FOLDER = Path(str(resources.files("adamesh"))) / "assets" / "sample"

SAMPLE_REFERENCE = _FOLDER / "reference.mp4"  # about 10 s of video with sound
SAMPLE_SPEECH = _FOLDER / "line1.opus"  # 4 to 6 s of another voice
SAMPLE_SPEECH_2 = _FOLDER / "line2.opus"
