"""Draws rendered people, and what the tracker makes of them, into docs/images.

python tools/tracking_sheet.py
"""

import tempfile
from pathlib import Path

import numpy as np
from sheets import IMAGES, sheet

from adamesh.evaluation.synthetic import synthetic_clip
from adamesh.faces import load_embedded_face
from adamesh.media.video import read_frames
from adamesh.tracking.overlay import write_overlay
from adamesh.tracking.track import track_video

SEEDS = range(12)
FRAMES = 60
SHOWN = 30  # frame
MAX_BYTES = 240_000


def main() -> None:
    face = load_embedded_face()
    tiles = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            video, drawn = Path(folder) / f"{seed}.mp4", Path(folder) / f"{seed}-tracked.mp4"
            synthetic_clip(face, seed, FRAMES).write(face, video)
            write_overlay(track_video(video), video, drawn)
            pair = [list(read_frames(path, max_size=256))[SHOWN] for path in (video, drawn)]
            tiles.append((f"{seed}: rendered, tracked", np.concatenate(pair, axis=1)))
    sheet(tiles, 3, IMAGES / "tracking.jpg", MAX_BYTES)


if __name__ == "__main__":
    main()
