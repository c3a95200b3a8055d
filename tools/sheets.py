"""What the scripts that draw the docs' pictures share: tiles of a face, and labelled tiles in rows."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from adamesh.faces import Face
from adamesh.faces.landmark_index import LIPS
from adamesh.motion.spaces import ARKIT52
from adamesh.render import Camera, HeadRenderer

IMAGES = Path(__file__).parents[1] / "docs" / "images"
Tiles = list[tuple[str, np.ndarray]]  # label, [H, W, 3] uint8
POSE_TILE = 208  # pixels


def sheet(tiles: Tiles, columns: int, path: Path, max_bytes: int) -> None:
    """Writes labelled tiles in rows, in the best JPEG quality that keeps the file small."""
    height, width = tiles[0][1].shape[:2]
    rows = -(-len(tiles) // columns)
    picture = Image.new("RGB", (columns * width, rows * height), "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(16)
    for k, (name, tile) in enumerate(tiles):
        x, y = k % columns * width, k // columns * height
        picture.paste(Image.fromarray(tile), (x, y))
        draw.text((x + 6, y + 4), name, fill=(20, 20, 30), font=font)
    for quality in range(92, 40, -4):
        picture.save(path, quality=quality)
        if path.stat().st_size <= max_bytes:
            break
    print(f"{path}: {picture.size[0]} x {picture.size[1]}, {path.stat().st_size / 1e3:.0f} kB")


def pose_weights(poses: Mapping[str, Mapping[str, float]]) -> np.ndarray:
    """[P, 52] blendshape weights, of a pose a row, whose blendshapes are given by name."""
    weights = np.zeros((len(poses), len(ARKIT52)), np.float32)
    for row, pose in zip(weights, poses.values(), strict=True):
        for name, weight in pose.items():
            row[ARKIT52.index(name)] = weight
    return weights


def mouth_tiles(face: Face, vertices: torch.Tensor, labels: list[str], yaw: float = 0.0) -> Tiles:
    """Draws meshes of a face round its mouth.

    Args:
        face: whose meshes they are.
        vertices: [P, V, 3] metres.
        labels: [P] of the tiles.
        yaw: of the camera, radians.
    """
    middle = face.landmark_basis().template[list(LIPS)].mean(0) + torch.tensor([0.0, 0.03, -0.03])
    size = (POSE_TILE, POSE_TILE)
    camera = Camera.looking_at(middle.numpy(), size=size, height=0.2, yaw=yaw)
    with HeadRenderer(face, size, camera) as renderer:
        pictures = [renderer.render(v) for v in vertices.numpy()]
    return list(zip(labels, pictures, strict=True))
