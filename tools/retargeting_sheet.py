"""Draws the same performance on the embedded head and on other faces into docs/images.

python tools/retargeting_sheet.py NAME...     # of `adamesh face list`
"""

import argparse

import torch
from sheets import IMAGES, Tiles, mouth_tiles, pose_weights, sheet

from adamesh.faces import Face
from adamesh.faces.library import EMBEDDED, load_named_face
from adamesh.motion.clip import MotionClip
from adamesh.rates import FPS
from adamesh.retargeting import fit_to_face

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


def tiles(face: Face, clip: MotionClip) -> Tiles:
    shown = fit_to_face(clip, face)
    jaw = {"jaw_pose": torch.tensor(shown.jaw_pose)} if "jaw" in face.joint_names else {}
    vertices = face(expression=torch.tensor(shown.expression), **jaw).vertices
    return mouth_tiles(face, vertices, [f"{face.name}: {name}" for name in POSES])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", help="faces of `adamesh face list`")
    faces = [load_named_face(name) for name in (EMBEDDED, *parser.parse_args().names)]
    clip = MotionClip("arkit52", FPS, pose_weights(POSES))  # a frame a pose
    rows = [tile for face in faces for tile in tiles(face, clip)]
    sheet(rows, len(POSES), IMAGES / "retargeting.jpg", MAX_BYTES)


if __name__ == "__main__":
    main()
