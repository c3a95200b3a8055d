"""A picture of the demo: frames of the reference above frames of the generated video.

    python tools/demo_sheet.py demo/talking.mp4

Needs what `make demo` wrote; writes docs/images/demo.jpg.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from adamesh.animation.sample import SAMPLE_REFERENCE
from adamesh.media.video import read_frames

OUTPUT = Path(__file__).parent.parent / "docs/images/demo.jpg"
COLUMNS = 7
SIDE = 256  # pixels


def row(video: Path) -> np.ndarray:
    """[SIDE, COLUMNS * SIDE, 3]: frames evenly spread over a video."""
    frames = list(read_frames(video, max_size=SIDE))
    chosen = np.linspace(0.05, 0.9, COLUMNS) * len(frames)
    return np.concatenate(
        [np.asarray(Image.fromarray(frames[int(i)]).resize((SIDE, SIDE))) for i in chosen], axis=1
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generated", type=Path)
    generated = parser.parse_args().generated
    sheet = np.concatenate([row(SAMPLE_REFERENCE), row(generated)])
    Image.fromarray(sheet).save(OUTPUT, quality=85)
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
