"""Rendered clips with known motion, for measuring the tracker.

The people in them are outside the identity basis that the tracker fits: every vertex is moved by a smooth
random field that no component knows. Every mouth action reaches 0.5 somewhere in a clip.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adamesh.faces.face import Face
from adamesh.motion.spaces import ARKIT52, EYE_LOOK, MIRROR, MOUTH
from adamesh.rates import FPS
from adamesh.render.camera import Camera
from adamesh.render.renderer import HeadRenderer

FIELD_WAVES = 24
FIELD_SIZE = 0.001  # m, deviation of the smooth field
FIELD_LENGTH = 0.06  # m, of its waves: shorter than a face, or the field would turn it
SIDEWAYS = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")  # both at once cancel


@dataclass(frozen=True)
class SyntheticClip:
    """A clip to render and the truth about it.

    Attributes:
        vertices: [T, V, 3] metres, the posed head in the world.
        expression: [T, 52].
        rotation: [T, 3, 3] of the head as the camera sees it.
        camera: where it is seen from.
        colors: [V, 3] of this person's skin.
        light: overall brightness.
    """

    vertices: Tensor
    expression: np.ndarray
    rotation: np.ndarray
    camera: Camera
    colors: np.ndarray
    light: float

    def frames(self, face: Face, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Renders it, with camera noise: uint8 RGB [H, W, 3]."""
        with HeadRenderer(
            face, self.camera.size, camera=self.camera, colors=self.colors
        ) as renderer:
            for vertices in self.vertices:
                image = renderer.render(vertices.numpy()) * self.light
                yield np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def synthetic_clip(face: Face, seed: int, frames: int = 250) -> SyntheticClip:
    """A person, a camera and a performance, all drawn from `seed`."""
    rng = np.random.default_rng(seed)
    expression = _performance(frames, rng)
    betas = torch.from_numpy(rng.normal(0, 0.8, face.n_betas).clip(-2, 2)).to(face.template)
    person = copy.deepcopy(face)
    person.template += torch.from_numpy(_smooth_field(face.template.numpy(), rng)).to(face.template)
    turns = np.radians([6.0, 10.0, 4.0]) * np.stack(
        [_wander(frames, seconds=2.0, rng=rng) for _ in range(3)], axis=1
    )
    turns = torch.from_numpy(turns).to(face.template)
    output = person(
        betas=betas.expand(frames, -1),
        expression=torch.from_numpy(expression).to(face.template),
        neck_pose=turns / 2,
        head_pose=turns / 2,
    )
    size = (512, 512)
    target = output.joints.mean((0, 1)).numpy() + np.array([0.0, 0.04, 0.05])
    camera = Camera.looking_at(
        target,
        size=size,
        height=float(rng.uniform(0.28, 0.42)),
        distance=float(rng.uniform(0.5, 1.5)),
    )
    from scipy.spatial.transform import Rotation

    rotation = camera.rotation @ Rotation.from_rotvec(turns.numpy()).as_matrix()
    tint = np.clip(rng.normal(1.0, [0.12, 0.12, 0.12]), 0.5, 1.15)
    colors = np.clip(face.colors.numpy() * tint, 0, 1)
    return SyntheticClip(
        output.vertices, expression, rotation, camera, colors, rng.uniform(0.7, 1.05)
    )


def _performance(frames: int, rng: np.random.Generator) -> np.ndarray:
    """[T, 52] weights: a few actions at a time, as in speech, each mouth action once at 0.5 or more."""
    weights = np.zeros((frames, len(ARKIT52)), np.float32)
    moving = [i for i in range(len(ARKIT52)) if i not in EYE_LOOK]
    for action in moving:
        partner = MIRROR[action]
        peak = rng.uniform(0.5, 0.9)
        middle, width = rng.uniform(0, frames), rng.uniform(0.12, 0.3) * FPS
        bump = peak * np.exp(-0.5 * ((np.arange(frames) - round(middle)) / width) ** 2)
        weights[:, action] = np.maximum(weights[:, action], bump)
        # A face is nearly symmetric: the other side mostly joins in.
        joins_in = ARKIT52[action] not in SIDEWAYS and rng.random() < 0.7
        share = rng.uniform(0.6, 1.0) if joins_in else 0.0
        weights[:, partner] = np.maximum(weights[:, partner], share * bump)
    reached = weights[:, MOUTH].max(0)
    assert (reached >= 0.49).all(), "every mouth action is seen"
    return weights.clip(0, 1)


def _smooth_field(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[V, 3] metres: a sum of random plane waves."""
    directions = rng.normal(size=(FIELD_WAVES, 3))
    directions *= 2 * np.pi / FIELD_LENGTH / np.linalg.norm(directions, axis=1, keepdims=True)
    phases = rng.uniform(0, 2 * np.pi, FIELD_WAVES)
    amplitudes = rng.normal(size=(FIELD_WAVES, 3)) * FIELD_SIZE * np.sqrt(2 / FIELD_WAVES)
    return np.sin(points @ directions.T + phases) @ amplitudes


def _wander(frames: int, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """[T] smooth curve of deviation about one."""
    knots = rng.normal(size=int(frames / (seconds * FPS)) + 4)
    from scipy.interpolate import CubicSpline

    return CubicSpline(np.arange(len(knots)), knots)(np.arange(frames) / (seconds * FPS) + 1)
