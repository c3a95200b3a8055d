"""Draws the embedded head's 52 blendshapes and some random identities into docs/images.

python tools/head_sheet.py
"""

import numpy as np
import torch
from sheets import IMAGES, Tiles, sheet

from adamesh.faces import Face, load_embedded_face
from adamesh.motion.gaze import look_to_eye_rotation
from adamesh.motion.spaces import EYE_LOOK
from adamesh.render import Camera, HeadRenderer

TILE = 240  # pixels
SEED = 7
MAX_BYTES = 600_000


def blendshape_tiles(face: Face, renderer: HeadRenderer) -> Tiles:
    assert face.expression_names is not None
    expression = torch.eye(face.n_expression)
    leye, reye = (torch.from_numpy(a) for a in look_to_eye_rotation(expression[:, EYE_LOOK]))
    # Two cannot be told alone: the lips close on an open jaw, the tongue comes out of an open mouth.
    names = list(face.expression_names)
    for name, jaw in (("mouthClose", 1.0), ("tongueOut", 0.5)):
        expression[names.index(name), names.index("jawOpen")] = jaw
    vertices = face(expression=expression, leye_pose=leye, reye_pose=reye).vertices.numpy()
    return [(name, renderer.render(v)) for name, v in zip(names, vertices, strict=True)]


def identity_tiles(face: Face, renderer: HeadRenderer) -> Tiles:
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


def main() -> None:
    face = load_embedded_face()
    IMAGES.mkdir(parents=True, exist_ok=True)
    size = (TILE, TILE)
    camera = Camera.looking_at([0, 0.008, 0.06], size=size, height=0.21)
    with HeadRenderer(face, size, camera) as renderer:
        sheet(blendshape_tiles(face, renderer), 9, IMAGES / "head_blendshapes.jpg", MAX_BYTES)
        sheet(identity_tiles(face, renderer), 4, IMAGES / "head_identities.jpg", MAX_BYTES)


if __name__ == "__main__":
    main()
