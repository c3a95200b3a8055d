"""Sound beside files that cannot hold it."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adamesh.files import atomic_output


def write_wav(samples: NDArray[np.float32], rate: int, path: Path) -> None:
    """16-bit mono WAV of samples [N] in -1..1; what is louder is clipped."""
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    with atomic_output(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())
