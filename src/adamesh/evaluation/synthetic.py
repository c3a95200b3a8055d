"""Rendered clips with known motion, for measuring the tracker.

The people in them are outside the identity basis that the tracker fits: every vertex is moved by a smooth
random field that no component knows. Every blendshape of the mouth reaches 0.5 somewhere in a clip. Camera
distance and field of view, light, how far the head turns, camera noise and compression differ from clip to
clip.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adamesh.faces.face import Face
from adamesh.media.video import VideoWriter
from adamesh.motion.spaces import ARKIT52, EYE_LOOK, MIRROR, MOUTH
from adamesh.rates import FPS
from adamesh.render.camera import Camera
from adamesh.render.renderer import STUDIO, HeadRenderer, Light
from adamesh.values import Value

SIZE = (512, 512)  # pixels
FIELD_WAVES = 24
FIELD_SIZE = 0.001  # m, deviation of the smooth field
FIELD_LENGTH = 0.06  # m, of its waves: shorter than a face, or the field would turn it
FARTHEST = np.radians([20.0, 45.0, 15.0])  # largest pitch, yaw and roll of any clip
SIDEWAYS = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")  # both at once cancel


@dataclass(frozen=True, eq=False, repr=False)
class SyntheticClip(Value):
    """A clip to render and the truth about it.

    Attributes:
        vertices: [T, V, 3] metres, the posed head in the world.
        still: [T, V, 3] metres, the same person with the same head motion, the face at rest.
        expression: [T, 52].
        rotation: [T, 3, 3] of the head as the camera sees it.
        camera: where it is seen from.
        colors: [V, 3] of this person's skin.
        lights: where light comes from.
        exposure: overall brightness.
        noise: of the camera, in steps of its 255.
        quality: CRF of the video's compression.
    """

    vertices: Tensor
    still: Tensor
    expression: np.ndarray
    rotation: np.ndarray
    camera: Camera
    colors: np.ndarray
    lights: tuple[Light, ...]
    exposure: float
    noise: float
    quality: int

    def frames(self, face: Face, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Renders it, with camera noise: uint8 RGB [H, W, 3]."""
        with HeadRenderer(
            face, self.camera.size, camera=self.camera, colors=self.colors, lights=self.lights
        ) as renderer:
            for vertices in self.vertices:
                image = renderer.render(vertices.numpy()) * self.exposure
                grain = rng.normal(0, self.noise, image.shape)
                yield np.clip(image + grain, 0, 255).astype(np.uint8)

    def write(self, face: Face, path: Path) -> None:
        """Renders it to a video at 25 fps."""
        width, height = self.camera.size
        with VideoWriter(path, FPS, width, height, quality=self.quality) as video:
            for frame in self.frames(face, np.random.default_rng(0)):
                video.write(frame)


def synthetic_clip(face: Face, seed: int, frames: int = 250) -> SyntheticClip:
    """A person, a camera and a performance of `frames` at 25 fps, all drawn from `seed`."""
    rng = np.random.default_rng(seed)
    turns = np.stack([_wander(frames, seconds=2.0, rng=rng) for _ in range(3)], axis=1)
    turns *= rng.uniform(0.2, 1.0) * FARTHEST / np.abs(turns).max(0)
    return _scene(face, _performance(frames, rng), turns, rng)


def silent_clip(face: Face, seed: int, frames: int = 100) -> SyntheticClip:
    """A person who looks into the camera and does not move."""
    rng = np.random.default_rng(seed)
    return _scene(face, np.zeros((frames, len(ARKIT52)), np.float32), np.zeros((frames, 3)), rng)


def unordered_frames(face: Face, seed: int, frames: int) -> SyntheticClip:
    """Frames of one person that have nothing to do with one another, for measuring a detector."""
    rng = np.random.default_rng(seed)
    turns = rng.uniform(-1, 1, (frames, 3)) * rng.uniform(0, 1, (frames, 1)) * FARTHEST
    return _scene(face, _mixtures(frames, rng), turns, rng)


def _scene(
    face: Face, expression: np.ndarray, turns: np.ndarray, rng: np.random.Generator
) -> SyntheticClip:
    """Somebody who makes these expressions [T, 52] and turns of the head [T, 3], seen somehow."""
    frames = len(expression)
    betas = torch.from_numpy(rng.normal(0, 0.8, face.n_betas).clip(-2, 2)).to(face.template)
    person = copy.deepcopy(face)
    person.template += torch.from_numpy(_smooth_field(face.template.numpy(), rng)).to(face.template)
    joints = torch.from_numpy(turns / 2).to(face.template)
    betas = betas.expand(frames, -1)
    posed, rest = (
        person(betas=betas, expression=weights, neck_pose=joints, head_pose=joints)
        for weights in (torch.from_numpy(expression).to(face.template), None)
    )
    target = posed.joints.mean((0, 1)).numpy() + np.array([0.0, 0.04, 0.05])
    camera = Camera.looking_at(
        target,
        size=SIZE,
        height=float(rng.uniform(0.26, 0.5)),
        distance=float(rng.uniform(0.4, 2.0)),
    )
    from scipy.spatial.transform import Rotation

    # Two equal halves about parallel axes: together the whole turn.
    rotation = camera.rotation @ Rotation.from_rotvec(turns).as_matrix()
    tint = np.clip(rng.normal(1.0, [0.12, 0.12, 0.12]), 0.5, 1.15)
    colors = np.clip(face.colors.numpy() * tint, 0, 1)
    return SyntheticClip(
        vertices=posed.vertices,
        still=rest.vertices,
        expression=expression,
        rotation=rotation,
        camera=camera,
        colors=colors,
        lights=_lights(rng),
        exposure=float(rng.uniform(0.35, 1.05)),
        noise=float(rng.uniform(2, 7)),
        quality=int(rng.integers(18, 33)),
    )


def _lights(rng: np.random.Generator) -> tuple[Light, ...]:
    """The studio's lights, each stronger or weaker, the key light anywhere in front of the face."""
    turn, rise = rng.uniform(-1.2, 1.2), rng.uniform(-0.2, 1.0)
    key = (float(np.sin(turn)), float(rise), float(np.cos(turn)))
    return tuple(
        (key if i == 0 else direction, color, strength * float(rng.uniform(0.4, 1.4)))
        for i, (direction, color, strength) in enumerate(STUDIO)
    )


def _performance(frames: int, rng: np.random.Generator) -> np.ndarray:
    """[T, 52] weights: a few blendshapes at a time, as in speech, each of the mouth once at 0.5 or more."""
    weights = np.zeros((frames, len(ARKIT52)), np.float32)
    moving = [i for i in range(len(ARKIT52)) if i not in EYE_LOOK]
    for blendshape in moving:
        partner = MIRROR[blendshape]
        peak = rng.uniform(0.5, 0.9)
        middle, width = rng.uniform(0, frames), rng.uniform(0.12, 0.3) * FPS
        bump = peak * np.exp(-0.5 * ((np.arange(frames) - round(middle)) / width) ** 2)
        weights[:, blendshape] = np.maximum(weights[:, blendshape], bump)
        # A face is nearly symmetric: the other side mostly joins in.
        joins_in = ARKIT52[blendshape] not in SIDEWAYS and rng.random() < 0.7
        share = rng.uniform(0.6, 1.0) if joins_in else 0.0
        weights[:, partner] = np.maximum(weights[:, partner], share * bump)
    reached = weights[:, MOUTH].max(0)
    assert (reached >= 0.49).all(), "every mouth blendshape is seen"
    return weights.clip(0, 1)


def _mixtures(frames: int, rng: np.random.Generator) -> np.ndarray:
    """[T, 52] weights: at rest or with some blendshapes, both sides mostly together."""
    weights = np.zeros((frames, len(ARKIT52)), np.float32)
    jaw = ARKIT52.index("jawOpen")
    for row in weights:
        if rng.random() < 0.08:
            continue
        share = rng.uniform(0.04, 0.3)
        for blendshape in range(len(ARKIT52)):
            if blendshape in EYE_LOOK or rng.random() > share:
                continue
            weight = rng.uniform(0.05, 0.95)
            row[blendshape] = max(row[blendshape], weight)
            if ARKIT52[blendshape] not in SIDEWAYS and rng.random() < 0.75:
                partner = MIRROR[blendshape]
                row[partner] = max(row[partner], weight * rng.uniform(0.6, 1))
        if rng.random() < 0.3:
            row[jaw] = max(row[jaw], rng.uniform(0, 0.8))
    return weights


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
