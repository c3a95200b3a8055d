"""How the landmark detector answers to each action, which is not how the surface moves.

A detector regresses whole faces: when only a lid moves, brows follow a little; lips that roll in keep some
of their outline. On renders of the embedded head its answer to an action differs from the surface's motion
about as much as that motion is large. The difference is systematic, so it is measured once on renders and
added to the directions that the fit explains landmarks with. It transfers to real faces: see
docs/decisions.md.
"""

import functools
from importlib import resources

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from adamesh.faces.face import Face
from adamesh.motion.spaces import ARKIT52
from adamesh.tracking.landmarker import FaceLandmarker

AMPLITUDES = (0.35, 0.7)
PEOPLE = 6  # the first is the average face
IMAGE = 384  # pixels
NEEDS_JAW = ("mouthClose", "tongueOut")  # without an open jaw these push lips into one another


@functools.cache
def load_response() -> Tensor:
    """[478, 3, 52] metres per unit of each action, for the embedded head; zero along Z."""
    path = resources.files("adamesh") / "assets" / "landmark_response.safetensors"
    with resources.as_file(path) as file:
        return load_file(file)["response"].float()


def measure_response(face: Face, landmarker: FaceLandmarker, seed: int = 0) -> Tensor:
    """Renders each action from the front on several people and compares detector and surface.

    Returns:
        [478, 3, 52] what the detector sees beyond the surface's motion, metres per unit of action.
    """
    from adamesh.render.camera import Camera
    from adamesh.render.renderer import HeadRenderer

    generator = torch.Generator().manual_seed(seed)
    jaw = ARKIT52.index("jawOpen")
    total = np.zeros((478, 3, len(ARKIT52)))
    for person in range(PEOPLE):
        betas = 0.6 * torch.randn(1, face.n_betas, generator=generator) * (person > 0)
        neutral = face(betas=betas).vertices
        middle = face.landmarks(neutral)[0].mean(0).numpy()
        camera = Camera.looking_at(middle, size=(IMAGE, IMAGE), height=0.3)
        with HeadRenderer(face, camera.size, camera=camera) as renderer:

            def beyond(
                weights: Tensor,
                betas: Tensor = betas,
                camera: Camera = camera,
                renderer: HeadRenderer = renderer,
            ) -> np.ndarray:
                """[478, 3] detector minus surface, metres."""
                vertices = face(betas=betas, expression=weights[None]).vertices
                found = landmarker.find(renderer.render(vertices[0].numpy()))
                if found is None:
                    raise RuntimeError("the detector does not see the rendered head")
                place = camera.project(face.landmarks(vertices)[0].numpy())
                pixels = found.landmarks[:, :2] - place[:, :2]
                metres = pixels * place[:, 2:] / camera.focal
                return np.stack([metres[:, 0], -metres[:, 1], np.zeros(478)], axis=1)

            still = beyond(torch.zeros(len(ARKIT52)))
            for action, name in enumerate(ARKIT52):
                for amplitude in AMPLITUDES:
                    weights = torch.zeros(len(ARKIT52))
                    before = still
                    if name in NEEDS_JAW:
                        weights[jaw] = amplitude
                        before = beyond(weights)
                    weights[action] = amplitude
                    total[:, :, action] += amplitude * (beyond(weights) - before)
    return torch.from_numpy(total / PEOPLE / sum(a * a for a in AMPLITUDES)).float()
