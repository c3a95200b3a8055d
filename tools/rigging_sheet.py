"""Draws the meshes of `adamesh bench rigging`, moved by what they got, into docs/images/transfer.jpg.

python tools/rigging_sheet.py
"""

import numpy as np
import torch
from contact_sheet import IMAGES, sheet

from adamesh.evaluation.rigging import bench_rigging
from adamesh.faces import Face
from adamesh.faces.landmark_index import LIPS
from adamesh.motion.spaces import ARKIT52
from adamesh.render import Camera, HeadRenderer

TILE = 208  # pixels
MAX_BYTES = 240_000
BOTH = ("Left", "Right")
POSES: dict[str, dict[str, float]] = {
    "as it was": {},
    "jawOpen": {"jawOpen": 0.7},
    "lips closed, jaw open": {"jawOpen": 0.7, "mouthClose": 0.7},
    "blink": {f"eyeBlink{side}": 1.0 for side in BOTH},
    "smile": {f"mouthSmile{side}": 0.8 for side in BOTH},
    "mouthPucker": {"mouthPucker": 1.0},
    "mouthFunnel": {"mouthFunnel": 1.0, "jawOpen": 0.2},
    "brows": {"browInnerUp": 1.0},
}


def tiles(name: str, face: Face) -> list[tuple[str, np.ndarray]]:
    weights = torch.zeros(len(POSES), len(ARKIT52))
    for row, pose in zip(weights, POSES.values(), strict=True):
        for action, weight in pose.items():
            row[ARKIT52.index(action)] = weight
    middle = face.landmark_basis().template[list(LIPS)].mean(0) + torch.tensor([0.0, 0.03, -0.03])
    size = (TILE, TILE)
    camera = Camera.looking_at(middle.numpy(), size=size, height=0.2, yaw=0.25)
    with HeadRenderer(face, size, camera) as renderer:
        pictures = [renderer.render(v.numpy()) for v in face(expression=weights).vertices]
    return [(f"{name}: {pose}", p) for pose, p in zip(POSES, pictures, strict=True)]


def main() -> None:
    _, found = bench_rigging()
    drawn = [tile for name, mesh in found.items() for tile in tiles(name, mesh.face)]
    sheet(drawn, len(POSES), IMAGES / "transfer.jpg", MAX_BYTES)


if __name__ == "__main__":
    main()
