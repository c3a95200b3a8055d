"""A pinhole camera with known intrinsics."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamesh.values import Value

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Camera(Value):
    """Where the camera stands and what it sees.

    In its own frame the camera sits at the origin and looks along -Z, with +Y up and +X to the
    right. A point P of the world lies at Q = R P + t there, and is seen at

        u = cx + f Qx / -Qz,    v = cy - f Qy / -Qz

    pixels, v downwards; (0, 0) is the centre of the top left pixel.

    Attributes:
        size: (width, height) of the image, pixels.
        focal: focal length f, pixels.
        centre: principal point (cx, cy), pixels; None is the middle of the image.
        rotation: R, [3, 3].
        translation: t, [3] metres.
    """

    size: tuple[int, int]
    focal: float
    centre: tuple[float, float] | None = None
    rotation: Float = field(default_factory=lambda: np.eye(3))
    translation: Float = field(default_factory=lambda: np.zeros(3))

    @classmethod
    def looking_at(
        cls,
        target: ArrayLike,
        *,
        size: tuple[int, int],
        height: float,
        distance: float = 1.2,
        yaw: float = 0.0,
        pitch: float = 0.0,
    ) -> "Camera":
        """A camera that shows `height` metres around a point in front of it.

        Args:
            target: [3] point in the middle of the image, metres.
            size: (width, height), pixels.
            height: metres at the target from the top of the image to its bottom.
            distance: metres from camera to target: near ones exaggerate what is in front.
            yaw: radians that the camera is moved round the target, to the subject's left.
            pitch: radians that the camera is moved up.
        """
        cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
        back = np.array([sy * cp, sp, cy * cp])  # from the target to the camera
        right = np.array([cy, 0.0, -sy])
        rotation = np.stack([right, np.cross(back, right), back])
        translation = -rotation @ (np.asarray(target, float) + distance * back)
        focal = size[1] * distance / height
        return cls(size, focal, None, rotation, translation)

    @property
    def principal_point(self) -> tuple[float, float]:
        """(cx, cy), pixels."""
        return self.centre or ((self.size[0] - 1) / 2, (self.size[1] - 1) / 2)

    def to_camera(self, points: ArrayLike) -> Float:
        """[..., 3] world -> [..., 3] the camera's frame, metres."""
        return np.asarray(points, float) @ self.rotation.T + self.translation

    def project(self, points: ArrayLike) -> Float:
        """Where points are seen.

        Args:
            points: [..., 3] metres, in front of the camera.
        Returns:
            [..., 3] u and v in pixels, and the depth along the line of sight's axis in metres.
        """
        q = self.to_camera(points)
        depth = -q[..., 2]
        cx, cy = self.principal_point
        u = cx + self.focal * q[..., 0] / depth
        v = cy - self.focal * q[..., 1] / depth
        return np.stack([u, v, depth], axis=-1)
