"""478 face landmarks per frame: Google's face detector and attention face mesh on onnxruntime.

    face = FaceLandmarker().find(image)  # uint8 RGB [H, W, 3] -> FrameLandmarks, or None

Coordinates are pixels of the given image, x to the right, y down, (0, 0) at the centre of the first
pixel; z has the same scale, zero near the middle of the head, smaller is nearer. Where the networks
come from: `assets/FACEMESH_NOTICE.txt`; how: `tools/build_landmarker.py`.
"""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import torch

from adamesh.errors import InputError
from adamesh.faces.landmark_index import (
    LEFT_EYE_CORNERS,
    RIGHT_EYE_CORNERS,
)
from adamesh.values import Value

DETECTOR_SIZE, MESH_SIZE = 128, 192  # pixels, sides of the square network inputs
MIN_SCORE = 0.5  # of a detected box
MIN_PRESENCE = 0.5  # below it a face counts as lost
OVERLAP = 0.3  # boxes whose intersection over union exceeds it are the same face
POSITION_STEPS = 32  # to a pixel, in which MediaPipe samples images
TIE = 0.5 / POSITION_STEPS**2  # half a step of a sampled value: float errors round no tie down
REGION_SCALE = 1.5  # side of the region looked at, over the longest side of the face's box


@dataclass(frozen=True)
class Region:
    """A turned square of an image in which a face is looked for."""

    x: float  # centre, pixels
    y: float
    side: float  # pixels
    angle: float = 0.0  # radians, clockwise as seen: from +x to +y

    @classmethod
    def around(cls, points: np.ndarray, left: np.ndarray, right: np.ndarray) -> "Region":
        """The region around a face's points [K, 2], turned so that left -> right [2] is level."""
        low, high = points.min(0), points.max(0)
        x, y = (low + high).tolist()
        side = REGION_SCALE * float((high - low).max())
        dx, dy = (right - left).tolist()
        return cls(x / 2, y / 2, side, math.atan2(dy, dx))

    @property
    def axes(self) -> np.ndarray:
        """[2, 2] pixels: the columns are the square's edges, to the right and down."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return self.side * np.array([[cos, -sin], [sin, cos]])

    @property
    def origin(self) -> np.ndarray:
        """[2] pixels: the square's first corner."""
        return np.array([self.x, self.y]) - self.axes.sum(1) / 2

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 2] in fractions of the square -> pixels of the image."""
        return points @ self.axes.T + self.origin


@dataclass(frozen=True, eq=False, repr=False)
class DetectedFace(Value):
    """A face as the detector sees it, pixels."""

    box: np.ndarray  # [2, 2] low and high corner
    keypoints: np.ndarray  # [6, 2] right eye, left eye, nose tip, mouth, right ear, left ear
    score: float  # probability

    @property
    def area(self) -> float:
        return float(np.prod(self.box[1] - self.box[0]))

    @property
    def region(self) -> Region:
        return Region.around(self.box, *self.keypoints[:2])


@dataclass(frozen=True, eq=False, repr=False)
class FrameLandmarks(Value):
    """The landmarks of one face in one image."""

    landmarks: np.ndarray  # float32 [478, 3] pixels
    presence: float  # probability that the region showed a face

    @property
    def region(self) -> Region:
        """Where to look for the face in the next frame."""
        points = self.landmarks[:, :2].astype(np.float64)
        return Region.around(points, points[RIGHT_EYE_CORNERS[0]], points[LEFT_EYE_CORNERS[0]])


class FaceLandmarker:
    """The two networks. Without state: one object may serve many clips and threads.

    Args:
        threads: over which a batch is spread. Each runs the networks on one core, which scales better
            than onnxruntime's own threads.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._detector = _load("face_detector.onnx")
        self._mesh = _load("face_mesh.onnx")
        self._threads = threads or min(os.cpu_count() or 1, 4)
        self._pool = ThreadPoolExecutor(self._threads)

    def detect(self, image: np.ndarray) -> list[DetectedFace]:
        """The faces of a photograph, the largest first.

        Faces down to 9 % of the longer side are found; if there are none, down to 4.5 %.

        Args:
            image: uint8 RGB [H, W, 3].
        Raises:
            InputError: the image has another shape or type.
        """
        height, width = _checked(image).shape[:2]
        side = max(height, width)
        whole = [Region(width / 2, height / 2, side)]
        return self._detect_in(image, whole) or self._detect_in(image, _quarters(height, width))

    def _detect_in(self, image: np.ndarray, regions: list[Region]) -> list[DetectedFace]:
        crops = np.stack([_crop(image, region, DETECTOR_SIZE, "zeros") for region in regions])
        fractions, scores = self._detector.run(["points", "scores"], {"image": crops})
        points = np.concatenate(
            [region.to_pixels(f) for region, f in zip(regions, fractions, strict=True)]
        )
        scores = scores.ravel()
        valid = (scores >= MIN_SCORE) & (points[:, 0] < points[:, 1]).all(-1)
        faces = _merge(points[valid], scores[valid])
        return sorted(faces, key=lambda face: face.area, reverse=True)

    def landmarks(
        self, images: Sequence[np.ndarray], regions: Sequence[Region]
    ) -> list[FrameLandmarks]:
        """The landmarks found in regions of images, one region per image, in one batch.

        A face is returned for every region: judge it by its presence.

        Args:
            images: uint8 RGB [H, W, 3] each; sizes may differ, the same image may come repeatedly.
            regions: as many as images.
        Raises:
            InputError: an image has another shape or type.
        """
        if not images:
            return []
        size = math.ceil(len(images) / self._threads)
        starts = range(0, len(images), size)
        parts = self._pool.map(
            self._landmarks,
            [images[start : start + size] for start in starts],
            [regions[start : start + size] for start in starts],
        )
        return [face for part in parts for face in part]

    def _landmarks(
        self, images: Sequence[np.ndarray], regions: Sequence[Region]
    ) -> list[FrameLandmarks]:
        crops = [
            _crop(_checked(image), region, MESH_SIZE, "border")
            for image, region in zip(images, regions, strict=True)
        ]
        points, presence = self._mesh.run(["landmarks", "presence"], {"image": np.stack(crops)})
        faces = []
        for fractions, score, region in zip(points, presence, regions, strict=True):
            xy, z = region.to_pixels(fractions[:, :2]), fractions[:, 2:] * region.side
            landmarks = np.concatenate([xy, z], axis=1).astype(np.float32)
            faces.append(FrameLandmarks(landmarks, float(score)))
        return faces

    def find(self, image: np.ndarray) -> FrameLandmarks | None:
        """The landmarks of the largest face of a photograph, uint8 RGB [H, W, 3]; None without one.

        Raises:
            InputError: the image has another shape or type.
        """
        for face in self.detect(image):
            (found,) = self.landmarks([image], [face.region])
            if found.presence > MIN_PRESENCE:
                return found
        return None


def _load(name: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = 1, 1
    model = (resources.files("adamesh") / "assets" / name).read_bytes()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _checked(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(
            f"an image must be uint8 RGB [H, W, 3], got {image.dtype} {list(image.shape)}"
        )
    return image


def _quarters(height: int, width: int) -> list[Region]:
    """Squares of half the longer side that cover an image, each overlapping the next by a half."""
    side = max(height, width) / 2

    def centres(length: int) -> np.ndarray:
        steps = max(math.ceil((length - side) / (side / 2)), 0)
        return np.linspace(min(side, length) / 2, length - min(side, length) / 2, steps + 1)

    return [Region(x, y, side) for y in centres(height) for x in centres(width)]


def _crop(image: np.ndarray, region: Region, size: int, padding: str) -> np.ndarray:
    """A region of an image at size x size pixels, bilinear, not smoothed: float32 [3, size, size].

    Crop pixel k lies at k / size of the side, without a half pixel's shift; positions are rounded
    to 1 / POSITION_STEPS pixel and values to integers. So the crops equal MediaPipe's, and with
    them the landmarks. `padding` is what lies outside the image: "border" repeats its edge, "zeros"
    is black.
    """
    corners = region.to_pixels(np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float64))
    # only the part of the image that is sampled is turned to floats, two pixels at least
    last = np.array(image.shape[1::-1]) - 1
    low = np.clip(np.floor(corners.min(0)), 0, np.maximum(last - 1, 0)).astype(int)
    high = np.clip(np.ceil(corners.max(0)), np.minimum(low + 1, last), last).astype(int)
    patch = image[low[1] : high[1] + 1, low[0] : high[0] + 1].transpose(2, 0, 1)
    k = np.arange(size) / size
    grid = np.empty((size, size, 2), np.float32)
    for axis, (right, down) in enumerate(region.axes):
        start = region.origin[axis] - low[axis]
        positions = np.rint((start + right * k + down * k[:, None]) * POSITION_STEPS)
        # grid_sample's coordinates, in which the patch reaches from -1 to 1
        grid[..., axis] = positions * (2 / (max(high[axis] - low[axis], 1) * POSITION_STEPS)) - 1
    # Only here: torch's other operations start threads, which costs more than it gains.
    crop = torch.nn.functional.grid_sample(
        torch.from_numpy(np.ascontiguousarray(patch, np.float32))[None],
        torch.from_numpy(grid)[None],
        padding_mode=padding,
        align_corners=True,
    )
    return np.floor(crop[0].numpy() + np.float32(0.5 + TIE))


def _merge(points: np.ndarray, scores: np.ndarray) -> list[DetectedFace]:
    """Candidates [K, 8, 2] of the same face are averaged, weighted by their scores [K]."""
    faces = []
    while len(scores):
        best = int(scores.argmax())
        low = np.maximum(points[:, 0], points[best, 0])
        high = np.minimum(points[:, 1], points[best, 1])
        shared = (high - low).clip(0).prod(-1)
        areas = (points[:, 1] - points[:, 0]).prod(-1)
        same = shared > OVERLAP * (areas + areas[best] - shared)
        mean = np.average(points[same], axis=0, weights=scores[same])
        faces.append(DetectedFace(mean[:2], mean[2:], float(scores[best])))
        points, scores = points[~same], scores[~same]
    return faces
