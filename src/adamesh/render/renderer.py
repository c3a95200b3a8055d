"""Off-screen pictures of a face with VTK."""

import contextlib
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from adamesh.errors import AdaMeshError, InputError, MissingDependencyError
from adamesh.faces.appearance import TEXTURED
from adamesh.faces.face import Face
from adamesh.render.camera import Camera

# How a material shines: share and sharpness of the highlight.
_SHINE = {
    "sclera": (0.5, 60.0),
    "iris": (0.9, 90.0),
    "pupil": (0.9, 90.0),
    "teeth": (0.35, 40.0),
    "tongue": (0.25, 25.0),
    "gums": (0.15, 20.0),
    "lips": (0.18, 22.0),
    "lashes": (0.0, 1.0),
    "brows": (0.0, 1.0),
}
_SKIN_SHINE = (0.10, 14.0)

Light = tuple[tuple[float, float, float], tuple[float, float, float], float]

# Direction from the face in the camera's frame, sRGB colour, strength: a key light, a softer one
# from the other side, one from above behind for the contour, and one from the camera.
STUDIO: tuple[Light, ...] = (
    ((-0.6, 0.7, 1.0), (1.0, 0.97, 0.93), 0.52),
    ((0.9, 0.1, 0.7), (0.92, 0.96, 1.0), 0.30),
    ((0.3, 0.9, -0.9), (1.0, 1.0, 1.0), 0.30),
    ((0.0, -0.1, 1.0), (1.0, 0.98, 0.96), 0.20),
)
AMBIENT = 0.30
# The surface's back is the inside of the head, which is seen through the mouth of a face that has no
# mouth cavity. Little light falls there: this share.
_SURFACE = {"skin", "lips"}
_INSIDE = 0.15

BACKGROUND = (0.86, 0.88, 0.90)
_WIRE = (0.04, 0.12, 0.20)  # sRGB of the mesh's lines
_WIRE_OPACITY = 0.4


class HeadRenderer:
    """Renders one face model again and again; vertices move, everything else stays.

    Args:
        face: what to draw: its triangles, colours and materials.
        size: (width, height), pixels.
        camera: intrinsics and place; None looks at the face from the front. Its size must be
            `size`.
        background: sRGB 0..1; None is transparent, and pictures then have an alpha channel.
        colors: [V, 3] sRGB 0..1 in place of the face's own, for error maps and other people's
            looks.
        lights: direction from the face in the camera's frame, sRGB colour and strength of each.
        ambient: light that comes from everywhere, as a share of the surface's colour.
        wireframe: draw the mesh's edges on skin and lips.
        texture: [H, W, 3] sRGB in the face's UV map, for the skin in place of colours.

    Raises:
        MissingDependencyError: VTK is not installed.
        AdaMeshError: there is no OpenGL on this machine.
        InputError: sizes or shapes do not fit.
    """

    def __init__(
        self,
        face: Face,
        size: tuple[int, int] = (512, 512),
        camera: Camera | None = None,
        background: tuple[float, float, float] | None = BACKGROUND,
        colors: NDArray[np.floating] | None = None,
        lights: Sequence[Light] = STUDIO,
        ambient: float = AMBIENT,
        wireframe: bool = False,
        texture: NDArray[np.uint8] | None = None,
    ) -> None:
        vtk = _vtk()
        self._n_vertices = face.n_vertices
        template = face.template.numpy(force=True).astype(np.float32)
        triangles = face.triangles.numpy(force=True)
        self._triangles = triangles
        self._corner_sum = _corner_sum(triangles, len(template))
        self.size = size

        # A drawn point has one place in the UV map, so a vertex on a seam is drawn as several.
        drawn, place = triangles, None
        self._vertex = np.arange(len(template))
        if texture is not None:
            self._vertex, place, drawn = face.uv_split()
        self._points = template[self._vertex]
        self._normals = self._vertex_normals(template)[self._vertex]
        self._point_array = vtk.numpy_to_vtk(self._points)
        self._normal_array = vtk.numpy_to_vtk(self._normals)
        vtk_points = vtk.vtkPoints()
        vtk_points.SetData(self._point_array)
        if colors is not None and colors.shape != template.shape:
            raise InputError(f"colors must have shape {template.shape}, got {colors.shape}")
        rgb = face.colors.numpy(force=True) if colors is None else colors
        self._rgb = np.clip(np.rint(rgb[self._vertex] * 255), 0, 255).astype(np.uint8)
        skin = None if texture is None else _picture(vtk, texture)
        color_array = vtk.numpy_to_vtk(self._rgb)

        self._renderer = vtk.vtkRenderer()
        self._transparent = background is None
        self._renderer.SetBackground(*(background or (0.0, 0.0, 0.0)))
        self._renderer.AutomaticLightCreationOff()
        for direction, color, strength in lights:
            light = vtk.vtkLight()
            light.SetLightTypeToCameraLight()
            light.SetPosition(*direction)
            light.SetFocalPoint(0, 0, 0)
            light.SetColor(*color)
            light.SetIntensity(strength)
            self._renderer.AddLight(light)

        # One mesh per material over the same points, so that one update moves them all.
        self._meshes = []
        materials = face.triangle_material.numpy(force=True)
        for number, name in enumerate(face.material_names):
            chosen = drawn[materials == number]
            if not len(chosen):
                continue
            cells = vtk.vtkCellArray()
            offsets = np.arange(0, 3 * len(chosen) + 1, 3, dtype=np.int64)
            cells.SetData(
                vtk.numpy_to_vtkIdTypeArray(offsets, deep=True),
                vtk.numpy_to_vtkIdTypeArray(chosen.ravel().astype(np.int64), deep=True),
            )
            mesh = vtk.vtkPolyData()
            mesh.SetPoints(vtk_points)
            mesh.SetPolys(cells)
            mesh.GetPointData().SetNormals(self._normal_array)
            mesh.GetPointData().SetScalars(color_array)
            mapper = vtk.vtkPolyDataMapper()
            mapper.SetInputData(mesh)
            actor = vtk.vtkActor()
            actor.SetMapper(mapper)
            if skin is not None and name in TEXTURED:
                mesh.GetPointData().SetTCoords(vtk.numpy_to_vtk(place, deep=True))
                mapper.ScalarVisibilityOff()
                actor.SetTexture(skin)
            look = actor.GetProperty()
            share, sharpness = _SHINE.get(name, _SKIN_SHINE)
            look.SetInterpolationToPhong()
            look.SetAmbient(ambient)
            look.SetDiffuse(1.0)
            look.SetSpecular(share)
            look.SetSpecularPower(sharpness)
            if wireframe and name in _SURFACE:
                look.EdgeVisibilityOn()
                look.SetEdgeColor(*_WIRE)
                look.SetEdgeOpacity(_WIRE_OPACITY)
            if name in _SURFACE:
                look.BackfaceCullingOn()
                inside = vtk.vtkActor()
                inside.SetMapper(mapper)
                inside.SetTexture(actor.GetTexture())
                dark = inside.GetProperty()
                dark.SetAmbient(_INSIDE * ambient)
                dark.SetDiffuse(_INSIDE)
                dark.FrontfaceCullingOn()
                self._renderer.AddActor(inside)
            self._renderer.AddActor(actor)
            self._meshes.append(mesh)

        self._window = _window(vtk, size)
        self._window.AddRenderer(self._renderer)
        self._grabber = vtk.vtkWindowToImageFilter()
        self._grabber.SetInput(self._window)
        if self._transparent:
            self._window.AlphaBitPlanesOn()
            self._grabber.SetInputBufferTypeToRGBA()
        else:
            self._grabber.SetInputBufferTypeToRGB()
        self._grabber.ReadFrontBufferOff()
        self._grabber.ShouldRerenderOff()
        self._to_numpy = vtk.vtk_to_numpy
        self.camera = camera or front_camera(face, size)

    @property
    def camera(self) -> Camera:
        return self._camera

    @camera.setter
    def camera(self, camera: Camera) -> None:
        if tuple(camera.size) != tuple(self.size):
            raise InputError(
                f"the camera is for {camera.size} pixels, but the renderer for {self.size}"
            )
        self._camera = camera
        width, height = self.size
        view = self._renderer.GetActiveCamera()
        position = -camera.rotation.T @ camera.translation
        view.SetPosition(*position)
        view.SetFocalPoint(*(position - camera.rotation[2]))
        view.SetViewUp(*camera.rotation[1])
        view.SetViewAngle(float(np.degrees(2 * np.arctan(height / (2 * camera.focal)))))
        cx, cy = camera.principal_point
        view.SetWindowCenter(1 - (2 * cx + 1) / width, (2 * cy + 1) / height - 1)

    def render(self, vertices: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Draws the face.

        Args:
            vertices: [V, 3] metres.
        Returns:
            [height, width, 3] sRGB, or [height, width, 4] with straight alpha where the background is
            transparent.
        Raises:
            InputError: the vertices are not those of this face.
        """
        vertices = np.asarray(vertices, np.float32)
        if vertices.shape != (self._n_vertices, 3):
            raise InputError(
                f"vertices must have shape ({self._n_vertices}, 3), got {vertices.shape}"
            )
        self._points[:] = vertices[self._vertex]
        self._normals[:] = self._vertex_normals(vertices)[self._vertex]
        self._point_array.Modified()
        self._normal_array.Modified()
        for mesh in self._meshes:
            mesh.Modified()
        self._renderer.ResetCameraClippingRange()
        self._window.Render()
        self._grabber.Modified()
        self._grabber.Update()
        image = self._grabber.GetOutput()
        width, height, _ = image.GetDimensions()
        pixels = self._to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1]
        return _straight(pixels) if self._transparent else pixels.copy()

    def close(self) -> None:
        """Frees the OpenGL context."""
        self._window.Finalize()

    def __enter__(self) -> "HeadRenderer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _vertex_normals(self, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
        a, b, c = (vertices[self._triangles[:, i]] for i in range(3))
        normals = self._corner_sum @ np.cross(b - a, c - a)
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        return (normals / np.maximum(length, 1e-20)).astype(np.float32)


def _straight(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA whose colours are not multiplied by alpha, from anti-aliased edges on black, where they are."""
    color, alpha = pixels[..., :3].astype(np.float32), pixels[..., 3:]
    color *= 255 / np.maximum(alpha, 1)
    return np.concatenate([np.rint(color.clip(0, 255)).astype(np.uint8), alpha], axis=-1)


def front_camera(face: Face, size: tuple[int, int]) -> Camera:
    """A camera that sees head and shoulders of the template from the front."""
    template = face.template.numpy(force=True).astype(float)
    low, high = template.min(axis=0), template.max(axis=0)
    top = high[1]
    height = 1.08 * (top - max(low[1], top - 0.36))
    middle = [(low[0] + high[0]) / 2, top - 0.48 * height, high[2] - 0.08]
    return Camera.looking_at(middle, size=size, height=height)


def _corner_sum(triangles: NDArray[np.int64], n: int) -> scipy.sparse.csr_array:
    """[V, F] matrix that sums values of triangles at their corners."""
    faces = np.repeat(np.arange(len(triangles)), 3)
    ones = np.ones(triangles.size, np.float32)
    return scipy.sparse.csr_array((ones, (triangles.ravel(), faces)), shape=(n, len(triangles)))


def _vtk() -> Any:
    """The parts of VTK used here, imported when first needed."""
    try:
        import vtkmodules.vtkRenderingOpenGL2  # noqa: F401, registers the OpenGL implementations
        from vtkmodules import vtkCommonCore, vtkCommonDataModel, vtkRenderingCore
        from vtkmodules.util import numpy_support
    except ImportError as error:
        raise MissingDependencyError("pyvista", "rendering", "render") from error
    names: dict[str, Any] = {}
    for module in (vtkCommonCore, vtkCommonDataModel, vtkRenderingCore, numpy_support):
        names |= vars(module)
    return SimpleNamespace(**names)


def _picture(vtk: Any, pixels: NDArray[np.uint8]) -> Any:
    """A texture of [H, W, 3] sRGB, which is not converted: light is computed in sRGB, as with colours."""
    height, width, _ = pixels.shape
    image = vtk.vtkImageData()
    image.SetDimensions(width, height, 1)
    rows = np.ascontiguousarray(pixels[::-1]).reshape(-1, 3)  # from the bottom up
    image.GetPointData().SetScalars(vtk.numpy_to_vtk(rows, deep=True))
    texture = vtk.vtkTexture()
    texture.SetInputData(image)
    texture.InterpolateOn()
    texture.MipmapOn()
    return texture


@contextlib.contextmanager
def _silent(vtk: Any) -> Iterator[None]:
    """VTK logs every display that it tries in vain; the one that it finds is what counts."""
    logger = vtk.vtkLogger
    before = logger.GetCurrentVerbosityCutoff()
    logger.SetStderrVerbosity(logger.VERBOSITY_OFF)
    try:
        yield
    finally:
        logger.SetStderrVerbosity(before)


def _window(vtk: Any, size: tuple[int, int]) -> Any:
    """An off-screen OpenGL window, on a display, EGL or OSMesa, whichever this machine has."""
    with _silent(vtk):
        window = vtk.vtkRenderWindow()
        window.SetOffScreenRendering(1)
        window.SetMultiSamples(4)
        window.SetSize(*size)
        window.Initialize()
        if not window.GetGenericContext():  # rendering would end the process
            raise AdaMeshError(
                "rendering needs OpenGL and none was found: install libegl1, libgl1, libegl-mesa0 "
                "and libgl1-mesa-dri (Debian, Ubuntu)"
            )
    return window
