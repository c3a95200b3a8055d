"""Draws the meshes of `adamesh bench rigging`, moved by what they got, into docs/images/rigging.jpg.

python tools/rigging_sheet.py
"""

import torch
from sheets import IMAGES, Tiles, mouth_tiles, pose_weights, sheet

from adamesh.evaluation.rigging import bench_rigging

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


def main() -> None:
    _, found = bench_rigging()
    weights = torch.from_numpy(pose_weights(POSES))
    drawn: Tiles = []
    for name, mesh in found.items():
        vertices = mesh.face(expression=weights).vertices
        drawn += mouth_tiles(mesh.face, vertices, [f"{name}: {pose}" for pose in POSES], yaw=0.25)
    sheet(drawn, len(POSES), IMAGES / "rigging.jpg", MAX_BYTES)


if __name__ == "__main__":
    main()
