"""Measures where the landmark detector errs, on renders of the embedded head.

    python tools/build_detector_bias.py

Run it after a change of the head or of the landmark networks; on two cores it takes about eight minutes and
writes src/adamesh/assets/detector_bias.safetensors.
"""

import functools
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from adamesh import parallel
from adamesh.evaluation.synthetic import unordered_frames
from adamesh.faces.embedded import load_embedded_face
from adamesh.tracking.detector_bias import Observed, fit_bias
from adamesh.tracking.landmarker import MIN_PRESENCE, FaceLandmarker

OUTPUT = Path(__file__).parent.parent / "src/adamesh/assets/detector_bias.safetensors"
PEOPLE = 220
FRAMES = 40  # of each
FIRST_SEED = 10_000  # the bench's clips have small ones
JOBS = 2


@functools.cache
def landmarker() -> FaceLandmarker:
    return FaceLandmarker(threads=1)


def observe(seed: int) -> Observed:
    """Renders one person and detects the landmarks as in a clip, where the frame before tells the place."""
    face = load_embedded_face()
    clip = unordered_frames(face, seed, FRAMES)
    found = []
    for image in clip.frames(face, np.random.default_rng(seed)):
        first = landmarker().find(image)
        again = None if first is None else landmarker().landmarks([image], [first.region])[0]
        found.append(None if again is None or again.presence <= MIN_PRESENCE else again.landmarks)
    kept = [i for i, landmarks in enumerate(found) if landmarks is not None]
    return Observed(
        seen=np.stack([found[i][:, :2] for i in kept]),
        true=clip.camera.project(face.landmarks(clip.vertices[kept]).numpy()),
        rotation=clip.rotation[kept],
        expression=clip.expression[kept],
        focal=clip.camera.focal,
    )


def main() -> None:
    seeds = range(FIRST_SEED, FIRST_SEED + PEOPLE)
    found = dict(parallel.map(observe, seeds, jobs=JOBS))
    people = [found[i] for i in range(PEOPLE)]
    save_file({"bias": fit_bias(people).half().contiguous()}, OUTPUT)
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
