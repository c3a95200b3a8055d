"""A mesh a frame, OBJ or PLY, in a folder: for programs that know neither blendshapes nor skinning.

Vertices keep their number and order over all frames. Units and axes are ours: metres, +Y up.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adamesh.export.fitting import check_fit
from adamesh.export.job import Job
from adamesh.export.posing import posed_vertices
from adamesh.export.rest import as_array
from adamesh.files import atomic_folder
from adamesh.progress import Progress, no_progress

if TYPE_CHECKING:
    from adamesh.faces import Face

MeshWriter = Callable[[NDArray[np.float32]], bytes]  # vertices [V, 3] -> a file


def write(job: Job) -> None:
    """Writes `NAME.obj` or `NAME.ply` as a new folder `NAME` of `NAME_0001.obj`, `NAME_0002.obj`, ...

    Raises:
        InputError: clip and face do not fit, the identity has too many components, or the folder exists.
    """
    clip, face = job.clip, job.face
    check_fit(clip, face)
    mesh = _MESHES[job.path.suffix.lower()](face)
    frames = map(mesh, posed_vertices(clip, face, job.betas))
    write_files(job.path, frames, clip.frames, job.progress)


def write_files(
    path: Path,
    contents: Iterable[bytes],
    count: int,
    progress: Progress = no_progress,
) -> None:
    """Writes `NAME.SUFFIX` as a new folder `NAME` of `NAME_0001.SUFFIX`, ..., whole or not at all.

    Args:
        path: where, with the suffix of the files.
        contents: of each file; `count` of them.
        progress: told of files done.
    Raises:
        InputError: the folder exists, or cannot be written.
    """
    digits = max(4, len(str(count)))
    with atomic_folder(path.with_suffix("")) as folder:
        for number, content in enumerate(contents, start=1):
            (folder / f"{path.stem}_{number:0{digits}}{path.suffix}").write_bytes(content)
            progress("writing", number, count)


def _obj(face: "Face") -> MeshWriter:
    """With UV map, a group for each material, and sRGB 0..1 behind each vertex, as many readers take it."""
    colors = [" {:.4f} {:.4f} {:.4f}\n".format(*color) for color in as_array(face.colors)]
    corners = np.stack([as_array(face.triangles, int), as_array(face.uv_triangles, int)], -1) + 1
    materials = as_array(face.triangle_material, int)
    lines = ["vt {:.6f} {:.6f}\n".format(*uv) for uv in as_array(face.uv)]
    for index, name in enumerate(face.material_names):
        mine = corners[materials == index].reshape(-1, 6).tolist()
        lines.append(f"g {name}\n")
        lines += ["f {}/{} {}/{} {}/{}\n".format(*corner) for corner in mine]
    surface = "".join(lines)

    def write(vertices: NDArray[np.float32]) -> bytes:
        places = ("v {:.6f} {:.6f} {:.6f}".format(*place) for place in vertices.tolist())
        points = "".join(a for pair in zip(places, colors, strict=True) for a in pair)
        return (points + surface).encode("ascii")

    return write


def _ply(face: "Face") -> MeshWriter:
    """Binary, with sRGB colours 0..255."""
    triangles = as_array(face.triangles, int)
    faces = np.empty(len(triangles), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, triangles
    points = np.empty(face.n_vertices, [("place", "<f4", 3), ("color", "u1", 3)])
    points["color"] = np.clip(np.rint(as_array(face.colors) * 255), 0, 255)
    header = "\n".join(
        (
            "ply",
            "format binary_little_endian 1.0",
            f"element vertex {len(points)}",
            *(f"property float {axis}" for axis in "xyz"),
            *(f"property uchar {color}" for color in ("red", "green", "blue")),
            f"element face {len(faces)}",
            "property list uchar int vertex_indices",
            "end_header\n",
        )
    ).encode("ascii")
    surface = faces.tobytes()

    def write(vertices: NDArray[np.float32]) -> bytes:
        points["place"] = vertices
        return header + points.tobytes() + surface

    return write


_MESHES: dict[str, Callable[["Face"], MeshWriter]] = {".obj": _obj, ".ply": _ply}
