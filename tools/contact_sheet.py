"""Draws the embedded head's 52 actions and some random identities into docs/images.

python tools/contact_sheet.py
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from adamesh.faces import Face, load_embedded_face
from adamesh.motion.gaze import look_to_eye_rotation
from adamesh.motion.spaces import EYE_LOOK
from adamesh.render import Camera, HeadRenderer

IMAGES = Path(__file__).parents[1] / "docs" / "images"
TILE = 240  # pixels
SEED = 7
MAX_BYTES = 600_000


def action_tiles(face: Face, renderer: HeadRenderer) -> list[tuple[str, np.ndarray]]:
    assert face.expression_names is not None
    expression = torch.eye(face.n_expression)
    leye, reye = (torch.from_numpy(a) for a in look_to_eye_rotation(expression[:, EYE_LOOK]))
    # Two cannot be told alone: the lips close on an open jaw, the tongue comes out of an open
    # mouth.
    names = list(face.expression_names)
    for name, jaw in (("mouthClose", 1.0), ("tongueOut", 0.5)):
        expression[names.index(name), names.index("jawOpen")] = jaw
    vertices = face(expression=expression, leye_pose=leye, reye_pose=reye).vertices.numpy()
    return [(name, renderer.render(v)) for name, v in zip(names, vertices, strict=True)]


def identity_tiles(face: Face, renderer: HeadRenderer) -> list[tuple[str, np.ndarray]]:
    betas = torch.randn(8, face.n_betas, generator=torch.Generator().manual_seed(SEED))
    front = renderer.camera
    tiles = []
    for number, vertices in enumerate(face(betas=betas).vertices.numpy()):
        pictures = []
        for yaw in (0.0, 0.9):
            renderer.camera = Camera.looking_at(
                [0, 0.01, 0.03], size=front.size, height=0.33, yaw=yaw
            )
            pictures.append(renderer.render(vertices))
        tiles.append((f"identity {number + 1}", np.concatenate(pictures, axis=1)))
    return tiles


def sheet(
    tiles: list[tuple[str, np.ndarray]], columns: int, path: Path, max_bytes: int = MAX_BYTES
) -> None:
    """Labelled tiles in rows, in the best JPEG quality that keeps the file small."""
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


def main() -> None:
    face = load_embedded_face()
    IMAGES.mkdir(parents=True, exist_ok=True)
    size = (TILE, TILE)
    camera = Camera.looking_at([0, 0.008, 0.06], size=size, height=0.21)
    with HeadRenderer(face, size, camera) as renderer:
        sheet(action_tiles(face, renderer), 9, IMAGES / "head_actions.jpg")
        sheet(identity_tiles(face, renderer), 4, IMAGES / "head_identities.jpg")


if __name__ == "__main__":
    main()
