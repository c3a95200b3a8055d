"""Draws what renderings can look like into docs/images: cameras, lights, mesh, transparency, a video beside.

python tools/pictures_sheet.py
"""

import dataclasses

import numpy as np
from sheets import IMAGES, sheet

from adamesh.animation.animator import animate
from adamesh.animation.sample import SAMPLE_REFERENCE, SAMPLE_SPEECH
from adamesh.export.pictures import Pictures
from adamesh.export.rendered import Film
from adamesh.faces import load_embedded_face
from adamesh.media.audio import load_audio
from adamesh.motion.spaces import ARKIT52
from adamesh.render.presets import CAMERAS, LIGHTS

TILE = (216, 216)  # pixels
COLUMNS = len(CAMERAS)
CHECKS = 12  # pixels of a square of the pattern behind what is transparent
MAX_BYTES = 250_000


def main() -> None:
    face = load_embedded_face()
    speech = animate(load_audio(SAMPLE_SPEECH))
    opening = speech.expression[:, ARKIT52.index("jawOpen")] * (
        speech.expression[:, ARKIT52.index("eyeBlinkLeft")] < 0.1
    )
    moment = int(np.argmax(opening))
    clip = speech.slice(moment, moment + 1)

    def tile(**look: object) -> np.ndarray:
        pictures = dataclasses.replace(Pictures(TILE), **look)
        return next(Film(clip, face, None, pictures, None).frames())

    tiles = [
        (f"{camera}\n{light}", tile(camera=camera, light=light))
        for light in LIGHTS
        for camera in CAMERAS
    ]
    tiles += [
        ("--wireframe", tile(wireframe=True, camera="close")),
        ("transparent", on_checks(tile(background="transparent"))),
        ("seagreen", tile(background="seagreen", camera="three-quarter")),
        ("--beside", tile(beside=SAMPLE_REFERENCE)),  # two tiles wide
    ]
    sheet(tiles, COLUMNS, IMAGES / "pictures.jpg", MAX_BYTES)


def on_checks(picture: np.ndarray) -> np.ndarray:
    """[H, W, 3]: a picture with straight alpha before grey squares."""
    rows, columns = (np.arange(n) // CHECKS for n in picture.shape[:2])
    grey = 170 + 50 * ((rows[:, None] + columns) % 2)[..., None]
    alpha = picture[..., 3:] / 255
    return np.rint(picture[..., :3] * alpha + grey * (1 - alpha)).astype(np.uint8)


if __name__ == "__main__":
    main()
