"""The 52 blendshapes for any mesh with a face: found, fitted, and written as a .glb that clips can move."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adamesh.avatars.gltf import Glb, read_glb
from adamesh.errors import InputError, need
from adamesh.files import check_input, check_output, temporary_folder
from adamesh.progress import Progress, no_progress
from adamesh.rigging.finding import LIFE_SIZE

__all__ = ["Rigged", "read_mesh", "rig_mesh"]

GLB = (".glb", ".vrm")
MESHES = (".obj", ".ply", ".stl")
LARGEST = 2**29  # bytes
UNITS = {"m": 1.0, "dm": 0.1, "cm": 0.01, "inch": 0.0254, "mm": 0.001}
# % of the distance between the eyes: right fits have 2 to 4, wrong ones 20 and more.
WORST_ERROR = 8.0
ODD = 1.6  # how many times larger or smaller than life a head may be in the unit that fits best


@dataclass(frozen=True)
class Rigged:
    """What was found on a mesh.

    Attributes:
        landmarks: how many of the 478 were found.
        landmark_error: their mean distance from detected ones, in % of the distance between the eyes.
        eyeballs: how many of the two eyeballs there are.
        lips_part: whether the mouth opens; in scans lips are often one surface.
        turned: whether the scene was turned upright.
        unit: what the mesh's numbers are taken for; None where they fit no unit of length.
        rigged: whether joints were added.
    """

    landmarks: int
    landmark_error: float
    eyeballs: int
    lips_part: bool
    turned: bool
    unit: str | None
    rigged: bool


def rig_mesh(
    mesh: Path,
    path: Path,
    *,
    force: bool = False,
    views: tuple[int, int] | None = None,
    progress: Progress = no_progress,
) -> Rigged:
    """Gives a mesh the 52 ARKit blendshapes and joints, and writes it as a .glb.

    Args:
        mesh: .glb or .vrm without morph targets, or .obj, .ply or .stl; of any unit, upright axis and
            topology. Materials, textures and all else of a .glb stay.
        path: the .glb to write.
        force: replace it if it exists.
        views: pictures in the two rounds of finding landmarks, see `meshes.face_of`.
        progress: told how far it is.
    Raises:
        InputError: no face is seen on the mesh, or none that fits; it has morph targets, or is damaged.
        MissingDependencyError: an extra is not installed.
    """
    mesh, path = check_input(Path(mesh), "mesh"), Path(path)
    if path.suffix.lower() != ".glb":
        raise InputError(f"output '{path}' must end in .glb")
    check_output(path, force=force)
    if mesh.stat().st_size > LARGEST:
        raise InputError(f"mesh '{mesh}' is larger than {LARGEST >> 20} MiB; make it smaller")
    from adamesh.rigging.geometry import read_scene
    from adamesh.rigging.meshes import VIEWS, face_of
    from adamesh.rigging.rig import write_rigged

    avatar = read_mesh(mesh)
    if any(primitive.targets for m in avatar.document.meshes for primitive in m.primitives):
        raise InputError(
            f"mesh '{mesh}' has morph targets already: drive those with `adamesh apply CLIP {mesh.name}`, "
            "or delete them first"
        )
    scene = read_scene(avatar)
    found = face_of(scene, views=views or VIEWS, progress=progress)
    if found.quality.mean_percent > WORST_ERROR:
        raise InputError(
            f"the face found on '{mesh}' does not fit: landmarks lie {found.quality.mean_percent:.1f} % "
            "of the distance between the eyes from where they are seen, at most "
            f"{WORST_ERROR:g} % is taken; "
            "turn the mesh upright, its face along +Z, and take away what is before the face"
        )
    unit, scale = _unit(found.eye_distance) if mesh.suffix.lower() in MESHES else ("m", 1.0)
    write_rigged(avatar, scene, found, path, scale=scale)
    return Rigged(
        landmarks=found.quality.found,
        landmark_error=found.quality.mean_percent,
        eyeballs=found.eyeballs,
        lips_part=found.lips_part,
        turned=not np.allclose(found.turn, np.eye(3)),
        unit=unit,
        rigged=not any("skin" in node for node in avatar.json.get("nodes", [])),
    )


def _unit(eye_distance: float) -> tuple[str | None, float]:
    """The unit in which the eyes are most nearly as far apart as an adult's, and its length in metres."""

    def off(name: str) -> float:
        return float(abs(np.log(eye_distance * UNITS[name] / LIFE_SIZE)))

    best = min(UNITS, key=off)
    if off(best) < np.log(ODD):
        return best, UNITS[best]
    return None, LIFE_SIZE / eye_distance


def read_mesh(mesh: Path) -> Glb:
    """A mesh as binary glTF.

    Raises:
        InputError: it cannot be read, or shows nothing.
        MissingDependencyError: it is no .glb, and the extra for others is not installed.
    """
    suffix = mesh.suffix.lower()
    if suffix in GLB:
        return read_glb(mesh)
    if suffix not in MESHES:
        raise InputError(f"mesh '{mesh}' must end in {', '.join((*GLB, *MESHES))}")
    need("trimesh", package="trimesh", purpose="meshes that are no .glb", extra="rigging")
    import trimesh

    try:
        parts = trimesh.load_scene(mesh, process=False).dump()
    except Exception as error:  # a stranger's file fails in as many ways as there are readers
        raise InputError(
            f"mesh '{mesh}' cannot be read ({type(error).__name__}: {error}); export it again, or as .glb"
        ) from error
    shown = [part for part in parts if isinstance(part, trimesh.Trimesh) and len(part.faces)]
    if not shown:
        raise InputError(f"mesh '{mesh}' shows no triangles; give a mesh with a face")
    if any(part.vertices.shape[1:] != (3,) for part in shown):
        raise InputError(f"mesh '{mesh}' has vertices without three coordinates; export it again")
    if any(part.faces.min() < 0 or part.faces.max() >= len(part.vertices) for part in shown):
        raise InputError(f"mesh '{mesh}' has triangles of vertices that it lacks; export it again")
    if not all(np.isfinite(part.vertices).all() for part in shown):
        raise InputError(f"mesh '{mesh}' has coordinates that are no numbers; export it again")
    data = trimesh.Scene([_prepared(part) for part in shown]).export(
        file_type="glb", include_normals=True
    )
    with temporary_folder() as folder:
        converted = folder / f"{mesh.stem}.glb"
        converted.write_bytes(data)
        return read_glb(converted)


def _prepared(part: Any) -> Any:
    """A part of a mesh with normals; colours linear, as glTF has them, and neutral where it has none."""
    import trimesh

    from adamesh.faces.surface import vertex_normals
    from adamesh.media.color import to_linear
    from adamesh.rigging.geometry import PLAIN

    visual = part.visual
    if visual.kind == "vertex":
        colors = visual.vertex_colors / 255.0
        colors[:, :3] = to_linear(colors[:, :3])
        visual = trimesh.visual.ColorVisuals(vertex_colors=colors)
    elif visual.kind == "texture" and (
        visual.material.main_color.tolist() == trimesh.visual.color.DEFAULT_COLOR.tolist()
    ):
        # What trimesh gives to texture coordinates without a material: nearly black.
        visual.material = trimesh.visual.material.PBRMaterial(
            baseColorFactor=[*to_linear(np.array(PLAIN)), 1.0],
            metallicFactor=0.0,
            roughnessFactor=0.7,
        )
    normals = vertex_normals(part.vertices, part.faces)
    return trimesh.Trimesh(
        part.vertices, part.faces, vertex_normals=normals, visual=visual, process=False
    )
