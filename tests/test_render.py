"""Pictures are where the camera says, and show what moved."""

import builtins
import ctypes.util
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from adamesh.errors import InputError, MissingDependencyError
from adamesh.faces import Face, load_embedded_face
from adamesh.motion.spaces import ARKIT52
from adamesh.render import Camera, HeadRenderer

pytest.importorskip("vtkmodules")

SIZE = (320, 240)


@pytest.fixture(scope="module")
def head() -> Face:
    return load_embedded_face()


def marked(head: Face, vertices: np.ndarray, camera: Camera, mark: np.ndarray) -> np.ndarray:
    """[K, 2] pixel coordinates of what is drawn of the marked vertices' triangles."""
    colors = np.zeros((head.n_vertices, 3), np.float32)
    colors[mark] = [0, 1, 0]
    with HeadRenderer(head, camera.size, camera, (0.0, 0.0, 0.0), colors) as renderer:
        image = renderer.render(vertices)
    assert image.dtype == np.uint8
    assert image.shape == (camera.size[1], camera.size[0], 3)
    rows, columns = np.nonzero(image[..., 1] > image[..., 0].astype(int) + 20)
    return np.column_stack([columns, rows])


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.5, 0.2), (-0.6, -0.3)])
@pytest.mark.parametrize("centre", [None, (130.0, 150.0)])
def test_projection_and_picture_agree(
    head: Face, yaw: float, pitch: float, centre: tuple[float, float] | None
) -> None:
    """A pupil, whose disc is symmetric about its middle, is drawn where it is projected."""
    target = head.template[head.regions["left_pupil"][0]].double().numpy()
    near = Camera.looking_at(target, size=SIZE, height=0.03, yaw=yaw, pitch=pitch)
    camera = Camera(SIZE, near.focal, centre, near.rotation, near.translation)
    # The eye alone, turned into the camera and out of the head, so that nothing covers it.
    eye = head.joints_template[head.joint_names.index("leye")].double().numpy()
    vertices = head.template.double().numpy().copy()
    ball = head.regions["left_eyeball"].numpy()
    vertices[:] = eye - [0, 0, 0.5]
    turn = near.rotation.T  # takes +Z to the camera
    vertices[ball] = (head.template[ball].double().numpy() - eye) @ turn.T + eye
    pupils = head.triangles[head.triangle_material == head.material_names.index("pupil")].unique()
    pupil = np.intersect1d(pupils.numpy(), ball)
    seen = marked(head, vertices, camera, pupil)
    middle = camera.project(vertices[pupil])[:, :2]
    low, high = middle.min(axis=0), middle.max(axis=0)
    assert np.abs(seen.min(axis=0) - low).max() < 1.5
    assert np.abs(seen.max(axis=0) - high).max() < 1.5
    assert np.abs(seen.mean(axis=0) - (low + high) / 2).max() < 0.5


def test_projection_is_the_pinhole_formula() -> None:
    camera = Camera((200, 100), 300.0)
    u, v, depth = camera.project(np.array([0.1, 0.2, -2.0]))
    assert (u, v, depth) == pytest.approx((99.5 + 300 * 0.05, 49.5 - 300 * 0.1, 2.0))
    for yaw, pitch in ((0.0, 0.0), (0.7, -0.2)):
        looking = Camera.looking_at([1, 2, 3], size=(200, 100), height=0.5, yaw=yaw, pitch=pitch)
        np.testing.assert_allclose(looking.project([1, 2, 3]), [99.5, 49.5, 1.2], atol=1e-9)
        np.testing.assert_allclose(looking.rotation @ looking.rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(looking.rotation) == pytest.approx(1)
    # From the subject's left one sees what is on the left side nearer.
    left = Camera.looking_at([0, 0, 0], size=(200, 100), height=0.5, yaw=0.7)
    assert left.project([0.1, 0, 0])[2] < left.project([-0.1, 0, 0])[2]


def test_pictures_follow_the_vertices_and_nothing_else(head: Face) -> None:
    renderer = HeadRenderer(head, SIZE)
    rest = head.template.numpy()
    row = torch.zeros(1, 52)
    row[0, ARKIT52.index("jawOpen")] = 1
    first = renderer.render(rest)
    opened = renderer.render(head(expression=row).vertices[0].numpy())
    again = renderer.render(rest)
    np.testing.assert_array_equal(first, again)
    changed = np.abs(first.astype(int) - opened).max(axis=-1) > 16
    eyes = int(renderer.camera.project(head.joints_template[4].numpy())[1])
    assert changed[eyes:].sum() > 100
    assert changed[:eyes].sum() < 5  # only the lower face moves
    renderer.close()


def test_the_picture_is_not_mirrored(head: Face) -> None:
    """The subject's left is on the right of the picture, up is up, and the background is as
    asked."""
    renderer = HeadRenderer(head, SIZE, background=(0.2, 0.4, 0.6))
    row = torch.zeros(1, 52)
    row[0, ARKIT52.index("eyeBlinkLeft")] = 1
    rest = renderer.render(head.template.numpy())
    blink = renderer.render(head(expression=row).vertices[0].numpy())
    rows, columns = np.nonzero(np.abs(rest.astype(int) - blink).max(axis=-1) > 24)
    assert columns.min() > SIZE[0] / 2
    assert rows.max() < SIZE[1] * 0.6
    assert rest[0, 0] == pytest.approx(np.array([51, 102, 153]), abs=1)
    renderer.close()


def test_wrong_shapes_are_named(head: Face) -> None:
    renderer = HeadRenderer(head, SIZE)
    with pytest.raises(InputError, match="vertices must have shape"):
        renderer.render(np.zeros((5, 3), np.float32))
    with pytest.raises(InputError, match="camera is for"):
        renderer.camera = Camera((10, 10), 50.0)
    renderer.close()


def test_a_missing_renderer_is_named(head: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_vtk(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("vtk"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_vtk)
    with pytest.raises(MissingDependencyError, match=r'pip install "adamesh\[render\]"'):
        HeadRenderer(head)


@pytest.mark.skipif(
    sys.platform != "linux" or bool(ctypes.util.find_library("OSMesa")),
    reason="there OpenGL cannot be hidden by the environment alone",
)
def test_no_opengl_is_one_line_and_no_crash() -> None:
    script = (
        "from adamesh.errors import AdaMeshError\n"
        "from adamesh.faces import load_embedded_face\n"
        "from adamesh.render import HeadRenderer\n"
        "try:\n    HeadRenderer(load_embedded_face())\n"
        "except AdaMeshError as error:\n    print(error)\n"
    )
    hidden = {"__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent", "DISPLAY": ""}
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | hidden,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("rendering needs OpenGL and none was found: install libegl1")
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
