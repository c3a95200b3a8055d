"""Size and time of every export format, for a minute of speech: the table in docs/guides/export.md.

python tools/measure_exports.py
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import get_args

import numpy as np

from adamesh.animation.animator import animate
from adamesh.animation.sample import SAMPLE_SPEECH
from adamesh.export import FORMATS, Encoding, OutputOptions, export
from adamesh.media.audio import load_audio
from adamesh.rates import SAMPLE_RATE

SECONDS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suffixes", nargs="*", metavar="SUFFIX", help="formats; all by default")
    chosen = parser.parse_args().suffixes or list(FORMATS)
    speech = np.resize(load_audio(SAMPLE_SPEECH), SECONDS * SAMPLE_RATE)
    clip = animate(speech)
    sound = (speech, SAMPLE_RATE)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in chosen:
            for encoding in get_args(Encoding) if suffix == ".glb" else ["plain"]:
                # Two formats make folders of one name.
                own = Path(folder) / f"{suffix[1:]} {encoding}"
                own.mkdir()
                warm, minute = (own / f"{name}{suffix}" for name in ("warm", "minute"))
                # Libraries load once.
                export(clip.slice(0, 1), warm, OutputOptions(encoding=encoding), audio=sound)
                start = time.perf_counter()
                written = export(clip, minute, OutputOptions(encoding=encoding), audio=sound)
                took = time.perf_counter() - start
                size = sum(_size(path) for path in written)
                print(f"{suffix:6} {encoding:10} {size / 1e6:8.2f} MB {took:8.2f} s")


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir())
    return path.stat().st_size


if __name__ == "__main__":
    main()
