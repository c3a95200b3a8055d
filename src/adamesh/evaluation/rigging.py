"""How well `adamesh apply --rig` does on meshes whose truth is known."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from adamesh.animation.animator import animate
from adamesh.animation.sample import SAMPLE_SPEECH
from adamesh.evaluation.other_meshes import MESHES, OtherMesh
from adamesh.faces import landmark_index as lm
from adamesh.faces import load_embedded_face
from adamesh.faces.surface import area_normals
from adamesh.motion.spaces import ARKIT52
from adamesh.progress import Progress, no_progress
from adamesh.retargeting.registration import INNER_LOWER, INNER_UPPER, ON_SKIN
from adamesh.rigging.geometry import Scene
from adamesh.rigging.meshes import MeshFace, face_of

Float = NDArray[np.float64]
MM = 1000.0
CLOSED = (
    0.3  # mm by which the head's lips may be further apart than at rest and still count as closed
)
_UPPER_LID, _LOWER_LID = lm.LEFT_EYE[:8:-1], lm.LEFT_EYE[1:8]


@dataclass(frozen=True)
class RiggingMetrics:
    """One mesh. Millimetres unless said, with the faces as large as they are."""

    mesh: str
    vertices: int
    triangles: int
    landmarks: float  # mean distance from where the head's landmarks are
    landmarks_p95: float
    lip_landmarks: float  # mean over the lips
    lid_landmarks: float  # mean over the lids' edges
    lip_gap_open: float  # between the lips' inner edges: of jawOpen
    lip_gap_closed: float  # of jawOpen and mouthClose together, more than at rest
    lip_gap_speech: (
        float  # in frames of speech in which the head's lips are closed, more than at rest
    )
    lid_gap_closed_percent: float  # of the eye's opening that a blink leaves open
    flipped: int  # triangles over all 52 blendshapes, out of 52 times all
    flipped_head: int  # of the embedded head itself, whose lids and lips fold
    seconds: float


def bench_rigging(
    *, progress: Progress = no_progress
) -> tuple[list[RiggingMetrics], dict[str, MeshFace]]:
    """Figures of every one of `MESHES`, and the faces that they got."""
    rows, faces = [], {}
    for number, (name, make) in enumerate(MESHES.items()):

        def report(stage: str, done: int, total: int, note: str = "", number: int = number) -> None:
            progress(stage, number * total + done, len(MESHES) * total, note)

        mesh = make()
        start = time.perf_counter()
        # As most sculpts come: in one colour.
        found = face_of(as_scene(mesh, colored=name == "cartoon"), progress=report)
        seconds = time.perf_counter() - start
        rows.append(_figures(name, mesh, found, seconds))
        faces[name] = found
    return rows, faces


def as_scene(mesh: OtherMesh, *, colored: bool) -> Scene:
    """What a file with this mesh shows."""
    count = len(mesh.points)
    return Scene(
        parts=[],
        points=mesh.points,
        triangles=mesh.triangles,
        colors=mesh.colors if colored else np.full((count, 3), 0.7),
        colored=colored,
        welded=np.arange(count),
    )


def blendshapes_on(mesh: OtherMesh, found: MeshFace) -> Float:
    """[V, 3, 52] what was found, at the mesh's own vertices."""
    own = found.face.expressiondirs[: len(found.vertices)].double().numpy()
    result = np.zeros((len(mesh.points), 3, len(ARKIT52)))
    result[found.vertices] = found.directions_to_scene(own)
    return result


def flipped(points: Float, triangles: NDArray[np.int64], blendshapes: Float) -> int:
    """Triangles that a blendshape turns by more than a right angle, all blendshapes together."""

    rest = area_normals(points, triangles)
    return sum(
        int(((rest * area_normals(points + blendshape, triangles)).sum(1) < 0).sum())
        for blendshape in np.moveaxis(blendshapes, -1, 0)
    )


def _figures(name: str, mesh: OtherMesh, found: MeshFace, seconds: float) -> RiggingMetrics:
    face = found.face
    valid = face.landmark_triangles.numpy() >= 0
    on_skin = [i for i in ON_SKIN if valid[i]]
    places = found.to_scene(face.landmark_basis().template.double().numpy())
    places[~valid] = np.nan
    missed = MM * np.linalg.norm(places - mesh.landmarks, axis=1)
    blendshapes = blendshapes_on(mesh, found)

    def weights(**given: float) -> Float:
        row = np.zeros(len(ARKIT52))
        for blendshape, weight in given.items():
            row[ARKIT52.index(blendshape)] = weight
        return row

    def gap(first: tuple[int, ...], second: tuple[int, ...], row: Float) -> float:
        points = mesh.at_landmarks(mesh.points + blendshapes @ row)
        return MM * float(np.linalg.norm(points[list(first)] - points[list(second)], axis=1).mean())

    lips = INNER_UPPER, INNER_LOWER
    lids = _UPPER_LID, _LOWER_LID
    rest = gap(*lips, weights())
    head = load_embedded_face(torch.float64)
    return RiggingMetrics(
        mesh=name,
        vertices=len(mesh.points),
        triangles=len(mesh.triangles),
        landmarks=float(missed[on_skin].mean()),
        landmarks_p95=float(np.percentile(missed[on_skin], 95)),
        lip_landmarks=float(np.nanmean(missed[list(lm.LIPS)])),
        lid_landmarks=float(np.nanmean(missed[[*lm.LEFT_EYE, *lm.RIGHT_EYE]])),
        lip_gap_open=gap(*lips, weights(jawOpen=1)),
        lip_gap_closed=gap(*lips, weights(jawOpen=1, mouthClose=1)) - rest,
        lip_gap_speech=float(np.mean([gap(*lips, row) for row in _closed_lips()]) - rest),
        lid_gap_closed_percent=100 * gap(*lids, weights(eyeBlinkLeft=1)) / gap(*lids, weights()),
        flipped=flipped(mesh.points, mesh.triangles, blendshapes),
        flipped_head=flipped(
            head.template.numpy(), head.triangles.numpy(), head.expressiondirs.numpy()
        ),
        seconds=seconds,
    )


def _closed_lips() -> Float:
    """[N, 52] weights of the packaged line of speech in the frames in which the head's lips are closed."""
    head = load_embedded_face(torch.float64)
    rows = torch.from_numpy(animate(SAMPLE_SPEECH).expression).double()
    points = head.landmarks(
        head(expression=torch.cat([torch.zeros(1, 52).double(), rows])).vertices
    )
    gaps = MM * (points[:, list(INNER_UPPER)] - points[:, list(INNER_LOWER)]).norm(dim=-1).mean(1)
    return rows[gaps[1:] < gaps[0] + CLOSED].numpy()
