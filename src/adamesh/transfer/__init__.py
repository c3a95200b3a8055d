"""The 52 actions for any mesh with a face: found, fitted, and written as a .glb that clips can move."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adamesh.avatars.gltf import Glb, read_glb
from adamesh.errors import InputError, need
from adamesh.files import check_input, check_output
from adamesh.transfer.finding import LIFE_SIZE

__all__ = ["Transferred", "transfer"]

GLB = (".glb", ".vrm")
MESHES = (".obj", ".ply", ".stl")
LARGEST = 2**29  # bytes
UNITS = {"m": 1.0, "dm": 0.1, "cm": 0.01, "inch": 0.0254, "mm": 0.001}
ODD = 1.6  # how many times larger or smaller than life a head may be in the unit that fits best


@dataclass(frozen=True)
class Transferred:
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


def transfer(
    mesh: Path,
    path: Path,
    *,
    force: bool = False,
    views: tuple[int, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Transferred:
    """Gives a mesh the 52 ARKit actions and joints, and writes it as a .glb.

    Args:
        mesh: .glb or .vrm without morph targets, or .obj, .ply or .stl; of any unit, upright axis and
            topology. Materials, textures and all else of a .glb stay.
        path: the .glb to write.
        force: replace it if it exists.
        views: pictures in the two rounds of finding landmarks, see `meshes.face_of`.
        progress: called with pictures looked at and their number.
    Raises:
        InputError: no face is seen on the mesh, it has morph targets already, or it is damaged.
        MissingDependencyError: an extra is not installed.
    """
    mesh, path = check_input(Path(mesh), "mesh"), Path(path)
    if path.suffix.lower() != ".glb":
        raise InputError(f"output '{path}' must end in .glb")
    check_output(path, force=force)
    if mesh.stat().st_size > LARGEST:
        raise InputError(f"mesh '{mesh}' is larger than {LARGEST >> 20} MiB; make it smaller")
    from adamesh.transfer.geometry import read_scene
    from adamesh.transfer.meshes import VIEWS, face_of
    from adamesh.transfer.rig import write_rigged

    avatar = _read(mesh)
    if any(primitive.targets for m in avatar.document.meshes for primitive in m.primitives):
        raise InputError(
            f"mesh '{mesh}' has morph targets already: drive those with `adamesh apply CLIP {mesh.name}`, "
            "or delete them first"
        )
    scene = read_scene(avatar)
    found = face_of(scene, views=views or VIEWS, progress=progress)
    unit, scale = _unit(found.eye_distance) if mesh.suffix.lower() in MESHES else ("m", 1.0)
    write_rigged(avatar, scene, found, path, scale=scale)
    return Transferred(
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


def _read(mesh: Path) -> Glb:
    """The mesh as binary glTF."""
    suffix = mesh.suffix.lower()
    if suffix in GLB:
        return read_glb(mesh)
    if suffix not in MESHES:
        raise InputError(f"mesh '{mesh}' must end in {', '.join((*GLB, *MESHES))}")
    need("trimesh", package="trimesh", purpose="meshes that are no .glb", extra="transfer")
    import trimesh

    try:
        scene = trimesh.load_scene(mesh, process=False)
        data = scene.export(file_type="glb", include_normals=True)
    except Exception as error:  # a stranger's file fails in as many ways as there are readers
        raise InputError(
            f"mesh '{mesh}' cannot be read ({type(error).__name__}: {error}); export it again, or as .glb"
        ) from error
    with tempfile.TemporaryDirectory(prefix="adamesh-") as folder:
        converted = Path(folder) / f"{mesh.stem}.glb"
        converted.write_bytes(data)
        return read_glb(converted)
