"""Draws the same performance on the embedded head and on other faces into docs/images.

python tools/retargeting_sheet.py NAME...     # of `adamesh face list`
"""

import argparse

import numpy as np
import torch
from contact_sheet import IMAGES, sheet

from adamesh.faces import Face
from adamesh.faces.landmark_index import LIPS
from adamesh.faces.library import EMBEDDED, load_named_face
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52
from adamesh.rates import FPS
from adamesh.render import Camera, HeadRenderer
from adamesh.retargeting import fit_to_face

TILE = 208  # pixels
MAX_BYTES = 240_000
BOTH = ("Left", "Right")
POSES: dict[str, dict[str, float]] = {
    "neutral": {},
    "closed, jaw open": {"jawOpen": 0.35, "mouthClose": 0.35},
    "jawOpen": {"jawOpen": 0.7},
    "mouthPucker": {"mouthPucker": 1.0},
    "mouthFunnel": {"mouthFunnel": 1.0, "jawOpen": 0.2},
    "smile": {f"mouthSmile{side}": 0.8 for side in BOTH},
    "press": {f"mouthPress{side}": 1.0 for side in BOTH},
    "mouthRollLower": {"mouthRollLower": 1.0},
    "brows": {"browInnerUp": 1.0},
    "blink": {f"eyeBlink{side}": 1.0 for side in BOTH},
}


def performance() -> MotionClip:
    """One frame a pose."""
    weights = np.zeros((len(POSES), len(ARKIT52)), np.float32)
    for row, pose in zip(weights, POSES.values(), strict=True):
        for name, weight in pose.items():
            row[ARKIT52.index(name)] = weight
    return MotionClip("arkit52", FPS, weights)


def tiles(face: Face, clip: MotionClip) -> list[tuple[str, np.ndarray]]:
    shown = fit_to_face(clip, face)
    jaw = {"jaw_pose": torch.tensor(shown.jaw_pose)} if "jaw" in face.joint_names else {}
    vertices = face(expression=torch.tensor(shown.expression), **jaw).vertices.numpy()
    middle = face.landmark_basis().template[list(LIPS)].mean(0) + torch.tensor([0.0, 0.03, -0.03])
    size = (TILE, TILE)
    camera = Camera.looking_at(middle.numpy(), size=size, height=0.2)
    with HeadRenderer(face, size, camera) as renderer:
        pictures = [renderer.render(v) for v in vertices]
    return [(f"{face.name}: {name}", p) for name, p in zip(POSES, pictures, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", help="faces of `adamesh face list`")
    faces = [load_named_face(name) for name in (EMBEDDED, *parser.parse_args().names)]
    clip = performance()
    rows = [tile for face in faces for tile in tiles(face, clip)]
    sheet(rows, len(POSES), IMAGES / "retargeting.jpg", MAX_BYTES)


if __name__ == "__main__":
    main()
