"""ARKit weights as MediaPipe, SAiD, LAM Audio2Expression and Audio2Face have them.

MediaPipe's face transform takes its canonical face into a right-handed space in centimetres whose camera
stands at the origin, looks along -Z and has +Y up (docs/solutions/face_mesh.md): a face that looks into
the camera has no rotation, and its axes are ours. The 16 numbers of its `data` go down the columns; the
Python package gives rows (face_landmarker.py). Which of the two a file has shows in its last row, 0 0 0 1.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from adamesh.errors import InputError, listed
from adamesh.files import atomic_output
from adamesh.formats.arkit import arkit_clip, check_arkit, named_weights, numbers
from adamesh.formats.arkit_table import read_arkit_table
from adamesh.formats.containers import read_json
from adamesh.formats.names import AUDIO2FACE, LAM, MEDIAPIPE, SAID
from adamesh.formats.rate import frame_rate
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52

CENTIMETRE = 0.01  # m
_LAST_ROW = (0.0, 0.0, 0.0, 1.0)
_UNMOVED = np.array([0.0, 0.0, -0.5])  # m: where a head is put that has no place of its own


def read_said(path: Path, fps: float | None) -> MotionClip:
    """A CSV with a column a blendshape (yunik1004/SAiD, said/util/blendshape.py).

    Raises:
        InputError: no frame rate is given, or the file is not such a table.
    """
    return read_arkit_table(path, fps, tool="SAiD")


def write_said(clip: MotionClip, path: Path) -> None:
    """The 32 blendshapes that SAiD knows, a column each.

    Raises:
        InputError: the clip is of another space.
    """
    check_arkit(clip, "SAiD")
    columns = [ARKIT52.index(name) for name in SAID]
    with (
        atomic_output(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(SAID)
        rows.writerows(clip.expression[:, columns].tolist())


def read_lam(path: Path, fps: float | None) -> MotionClip:
    """`names`, `metadata.fps` and `frames[].weights` (aigc3d/LAM_Audio2Expression, models/utils.py).

    Raises:
        InputError: a key is missing or holds something else.
    """
    top = _object(path, read_json(path))
    names = _names(path, top, "names")
    frames = [_object(path, frame) for frame in _list(path, top, "frames")]
    values = numbers(path, [_list(path, frame, "weights") for frame in frames])
    weights = named_weights(path, names, values)
    own = _rate(path, _object(path, top.get("metadata", {})).get("fps"))
    return arkit_clip(
        path, weights, frame_rate(path, "LAM Audio2Expression", own=own, usual=None, given=fps)
    )


def write_lam(clip: MotionClip, path: Path) -> None:
    """Writes what `read_lam` reads; its `rotation` stays empty, as the tool leaves it.

    Raises:
        InputError: the clip is of another space.
    """
    check_arkit(clip, "LAM Audio2Expression")
    values = clip.expression[:, [ARKIT52.index(name) for name in LAM]].tolist()
    frames = [
        {"weights": row, "time": frame / clip.fps, "rotation": []}
        for frame, row in enumerate(values)
    ]
    metadata = {"fps": clip.fps, "frame_count": clip.frames, "blendshape_names": LAM}
    _write_json({"names": LAM, "metadata": metadata, "frames": frames}, path)


def read_audio2face(path: Path, fps: float | None) -> MotionClip:
    """`facsNames` and `weightMat`, with `exportFps` in all but old exports.

    Raises:
        InputError: a key is missing or holds something else.
    """
    top = _object(path, read_json(path))
    names = _names(path, top, "facsNames")
    weights = named_weights(path, names, numbers(path, _list(path, top, "weightMat")))
    own = _rate(path, top.get("exportFps"))
    return arkit_clip(path, weights, frame_rate(path, "Audio2Face", own=own, usual=None, given=fps))


def write_audio2face(clip: MotionClip, path: Path) -> None:
    """Writes what `read_audio2face` reads.

    Raises:
        InputError: the clip is of another space.
    """
    check_arkit(clip, "Audio2Face")
    content = {
        "exportFps": clip.fps,
        "trackPath": "",
        "numPoses": len(AUDIO2FACE),
        "numFrames": clip.frames,
        "facsNames": AUDIO2FACE,
        "weightMat": clip.expression.tolist(),
    }
    _write_json(content, path)


def read_mediapipe(path: Path, fps: float | None) -> MotionClip:
    """A list of results of MediaPipe's face landmarker, as its JavaScript or its Python names them.

    The first face counts. Frames without one are filled from their neighbours, with confidence 0.

    Raises:
        InputError: no frame has a face, a matrix is no rigid motion, or no frame rate is given.
    """
    top = read_json(path)
    frames = top if isinstance(top, list) else _list(path, _object(path, top), "frames")
    seen, rows, matrices = [], [], []
    names: list[str] = []
    for number, frame in enumerate(frames):
        faces = _either(path, frame, "faceBlendshapes", "face_blendshapes")
        if not faces:
            continue
        named = _categories(path, faces[0])
        names = names or list(named)
        if list(named) != names:
            raise InputError(f"frame {number} of '{path}' has other blendshapes than the first")
        seen.append(number)
        rows.append(list(named.values()))
        poses = _either(
            path, frame, "facialTransformationMatrixes", "facial_transformation_matrixes"
        )
        matrices.append(_matrix(path, poses[0]) if poses else None)
    if not seen:
        raise InputError(
            f"'{path}' has no frame with blendshapes; switch them on in the landmarker"
        )
    weights = named_weights(path, names, numbers(path, rows))
    nearest = _nearest(np.array(seen), len(frames))
    known = [matrix for matrix in matrices if matrix is not None]
    if known and len(known) < len(matrices):
        raise InputError(f"'{path}' has face transforms in some frames only; write all or none")
    head = Rotation.from_matrix([m[:3, :3] for m in known]).as_rotvec() if known else None
    place = np.array([m[:3, 3] for m in known]) * CENTIMETRE if known else None
    return arkit_clip(
        path,
        weights[nearest],
        frame_rate(path, "MediaPipe", usual=None, given=fps),
        head=None if head is None else head[nearest],
        transl=None if place is None else place[nearest],
        confidence=np.isin(np.arange(len(frames)), seen),
    )


def write_mediapipe(clip: MotionClip, path: Path) -> None:
    """A list of results as the landmarker's JavaScript gives them; the tongue is left out.

    Raises:
        InputError: the clip is of another space.
    """
    check_arkit(clip, "MediaPipe")
    neutral = np.zeros((clip.frames, 1))
    known = clip.expression[:, [ARKIT52.index(name) for name in MEDIAPIPE[1:]]]
    matrices = np.tile(np.eye(4), (clip.frames, 1, 1))
    head = Rotation.from_rotvec(clip.neck_pose) * Rotation.from_rotvec(clip.head_pose)
    matrices[:, :3, :3] = head.as_matrix()
    matrices[:, :3, 3] = (_UNMOVED if clip.transl is None else clip.transl) / CENTIMETRE
    frames = [
        {
            "faceBlendshapes": [
                {
                    "headIndex": 0,
                    "headName": "",
                    "categories": [
                        {"index": i, "score": score, "categoryName": name, "displayName": ""}
                        for i, (name, score) in enumerate(zip(MEDIAPIPE, row, strict=True))
                    ],
                }
            ],
            "facialTransformationMatrixes": [
                {"rows": 4, "columns": 4, "data": matrix.T.ravel().tolist()}
            ],
        }
        for row, matrix in zip(np.hstack([neutral, known]).tolist(), matrices, strict=True)
    ]
    _write_json(frames, path)


def _nearest(seen: NDArray[np.int64], frames: int) -> NDArray[np.int64]:
    """[frames] for every frame, the place in `seen` (ascending) of the frame that is nearest to it."""
    times = np.arange(frames)
    after = np.searchsorted(seen, times).clip(max=len(seen) - 1)
    before = (after - 1).clip(min=0)
    return np.where(np.abs(seen[after] - times) < np.abs(seen[before] - times), after, before)


def _categories(path: Path, face: Any) -> dict[str, object]:
    """Score of every blendshape of a face, by name."""
    categories = face.get("categories") if isinstance(face, dict) else face
    if not isinstance(categories, list):
        raise InputError(f"'{path}' has a face without a list of blendshapes (`categories`)")
    scores = {}
    for category in categories:
        entry = _object(path, category)
        name = entry.get("categoryName", entry.get("category_name"))
        if not isinstance(name, str) or "score" not in entry:
            raise InputError(f"'{path}' has a blendshape without categoryName and score")
        scores[name] = entry["score"]
    return scores


def _matrix(path: Path, given: Any) -> NDArray[np.float64]:
    """[4, 4] face transform, for column vectors."""
    data = given.get("data") if isinstance(given, dict) else given
    try:
        numbers16 = np.array(data, np.float64)
        square = numbers16.reshape(4, 4)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"'{path}' has a face transform that is not 4x4 numbers") from error
    # Numbers in one list run down the columns, rows are rows; a translation tells for certain.
    for matrix in (square.T, square) if numbers16.ndim == 1 else (square, square.T):
        turn = matrix[:3, :3]
        rigid = np.allclose(turn @ turn.T, np.eye(3), atol=0.05) and np.linalg.det(turn) > 0
        if rigid and np.allclose(matrix[3], _LAST_ROW, atol=1e-4) and np.isfinite(matrix).all():
            return matrix
    raise InputError(f"'{path}' has a face transform that is no rotation and translation")


def _object(path: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"'{path}' has {type(value).__name__} where an object is expected")
    return value


def _list(path: Path, top: Mapping[str, Any], key: str) -> list[Any]:
    value = top.get(key)
    if not isinstance(value, list) or not value:
        raise InputError(f"'{path}' needs a list under '{key}'; it has {listed(top) or 'no keys'}")
    return value


def _names(path: Path, top: Mapping[str, Any], key: str) -> list[str]:
    names = _list(path, top, key)
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"'{key}' of '{path}' must be a list of names")
    return names


def _either(path: Path, frame: Any, *keys: str) -> list[Any]:
    """The list under the first of the keys that is there, or an empty one."""
    content = _object(path, frame)
    found: Any = next((content[key] for key in keys if content.get(key)), [])
    if not isinstance(found, list):
        raise InputError(f"'{keys[0]}' of '{path}' must be a list with an entry a face")
    return found


def _rate(path: Path, value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float):
        raise InputError(f"the frame rate in '{path}' must be a number, got {type(value).__name__}")
    return float(value)


def _write_json(content: Any, path: Path) -> None:
    with atomic_output(path) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")
