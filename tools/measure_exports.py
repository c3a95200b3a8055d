"""Size and time of every export format, for one minute of speech: the table's figures in docs/exports.md.

python tools/measure_exports.py [SUFFIX...]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from adamesh.export import FORMATS, export
from adamesh.media.audio import load_audio
from adamesh.pipeline.animate import animate
from adamesh.pipeline.sample import SAMPLE_SPEECH
from adamesh.rates import SAMPLE_RATE

SECONDS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suffixes", nargs="*", metavar="SUFFIX", help="formats; all by default")
    speech = np.resize(load_audio(SAMPLE_SPEECH), SECONDS * SAMPLE_RATE)
    clip = animate(speech)
    sound = (speech, SAMPLE_RATE)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in parser.parse_args().suffixes or FORMATS:
            own = Path(folder) / suffix[1:]  # two formats make folders of the same name
            own.mkdir()
            export(clip.slice(0, 1), own / f"warm{suffix}", audio=sound)  # libraries load once
            start = time.perf_counter()
            written = export(clip, own / f"minute{suffix}", audio=sound)
            took = time.perf_counter() - start
            size = sum(_size(path) for path in written)
            print(f"{suffix:6} {size / 1e6:8.2f} MB {took:8.2f} s")


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir())
    return path.stat().st_size


if __name__ == "__main__":
    main()
