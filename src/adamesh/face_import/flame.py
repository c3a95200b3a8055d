"""FLAME models into the library: read once, looked at, and kept as a plain file of numbers."""

import hashlib
import os

from adamesh.faces.flame import read_flame
from adamesh.faces.library import FaceEntry, check_new_face
from adamesh.faces.storage import save_face
from adamesh.files import check_input
from adamesh.progress import Progress, no_progress, under
from adamesh.tracking.face_landmarks import LandmarkQuality, with_landmarks
from adamesh.tracking.face_regions import with_regions

# Pictures to find the landmarks by: some on plain skin, then more with lips and brows in colours that
# the first landmarks told.
VIEWS = (20, 60)
SEED = 2017
LICENCE = "that of the imported file; see https://flame.is.tue.mpg.de"


def import_flame(
    path: str | os.PathLike[str],
    name: str | None = None,
    *,
    has_jaw: bool | None = None,
    force: bool = False,
    views: tuple[int, ...] = VIEWS,
    progress: Progress = no_progress,
) -> tuple[FaceEntry, LandmarkQuality]:
    """Reads a FLAME model, finds its landmarks and keeps the converted face in the user's library.

    Args:
        path: any edition, see `read_flame`; no pickle in it is run.
        name: in the library; by default that of the file.
        has_jaw: see `read_flame`.
        force: replace a face of that name.
        views: pictures in each round of finding landmarks.
        progress: told how far it is.
    Returns:
        The entry in the library, and how well the landmarks fit.
    Raises:
        InputError: the file is no FLAME model, the name is taken, or pictures of the model don't look
            like a face.
        MissingDependencyError: the extra for rendering is not installed.
    """
    path = check_input(path, "face model")
    name = path.stem if name is None else name
    target = check_new_face(name, force=force)
    plain = read_flame(path, has_jaw=has_jaw).replace(name=name)
    face = plain
    for number, count in enumerate(views, start=1):
        report = under(f"landmarks {number}/{len(views)}", progress)
        found, quality = with_landmarks(face, seed=SEED, views=count, progress=report)
        face = with_regions(
            plain.replace(
                landmark_triangles=found.landmark_triangles,
                landmark_barycentric=found.landmark_barycentric,
            )
        )
    notes = {
        "made_by": "adamesh face import",
        "source": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "licence": LICENCE,
        "landmarks": f"{quality.mean_percent:.2f} % of the inter-ocular distance from detected ones",
    }
    save_face(face, target, notes=notes)
    return FaceEntry(name, target, notes), quality
