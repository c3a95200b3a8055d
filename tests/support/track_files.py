"""Files of other tools, made from those tools' layouts without our code, and read back without it."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from scipy.spatial.transform import Rotation

from adamesh.formats import read_track
from adamesh.formats.names import LAM, LIVELINK, MEDIAPIPE
from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52

T = 12


@dataclass(frozen=True)
class Motion:
    """What a FLAME tracker finds."""

    expression: np.ndarray
    head: np.ndarray
    neck: np.ndarray
    jaw: np.ndarray
    eyes: np.ndarray
    place: np.ndarray
    shape: np.ndarray

    @classmethod
    def random(cls) -> "Motion":
        rng = np.random.default_rng(4)

        def some(width: int, size: float = 0.2) -> np.ndarray:
            return rng.normal(0, size, (T, width)).astype(np.float32)

        jaw = some(3, 0.1)
        jaw[:, 0] = np.abs(jaw[:, 0])
        shape = rng.normal(0, 1, 300).astype(np.float32)
        return cls(some(100, 1.0), some(3), some(3), jaw, some(6), some(3), shape)


MOTION = Motion.random()


def rows(values: np.ndarray) -> np.ndarray:
    return np.tile(values, (T, 1))


def deca_codes(m: Motion) -> dict[str, np.ndarray]:
    return {
        "shape": rows(m.shape[:100]),
        "tex": np.full((T, 50), 0.1, np.float32),
        "exp": m.expression[:, :50],
        "pose": np.hstack([m.head, m.jaw]),
        "cam": rows(np.float32([9, 0.1, 0.2])),
        "light": np.full((T, 9, 3), 0.5, np.float32),
    }


def spectre_offsets(m: Motion) -> dict[str, np.ndarray]:
    """What `SPECTRE.encode` returns: a third of it is in the offsets."""
    codes = deca_codes(m)
    codes["exp"] = m.expression[:, :50] / 3
    codes["pose"] = np.hstack([m.head, m.jaw / 3])
    return codes | {"deca_exp": m.expression[:, :50] * 2 / 3, "deca_jaw": m.jaw * 2 / 3}


def smplx_poses(m: Motion) -> np.ndarray:
    poses = np.full((T, 165), 0.01, np.float32)
    poses[:, 36:39], poses[:, 45:48], poses[:, 66:69] = m.neck, m.head, m.jaw
    poses[:, 69:75] = m.eyes
    return poses


# format: suffix, the arrays as the tool's own code writes them, and what they mean.
FLAME_FILES = {
    "adamesh-authors": (
        "a_3dparams.pt",
        lambda m: {k: deca_codes(m)[k] for k in ("exp", "pose", "cam", "shape")},
    ),
    "adamesh-authors-predict": (
        "a_predict.pt",
        lambda m: {"exp": m.expression[:, :50], "pose": m.jaw},
    ),
    "deca": ("a.mat", deca_codes),
    "spectre": ("a.pt", deca_codes),
    "inferno": (
        "shape_pose_cam.hdf5",
        lambda m: {
            "shape": rows(m.shape)[None],
            "exp": m.expression[None],
            "jaw": m.jaw[None],
            "global_pose": m.head[None],
            "cam": rows(np.float32([9, 0, 0]))[None],
        },
    ),
    "smirk": (
        "a.pt",
        lambda m: {
            "pose_params": m.head,
            "cam": rows(np.float32([7, 0, 0])),
            "shape_params": rows(m.shape),
            "expression_params": m.expression[:, :50],
            "eyelid_params": np.full((T, 2), 0.3, np.float32),
            "jaw_params": m.jaw,
        },
    ),
    "vhap": (
        "tracked_flame_params_30.npz",
        lambda m: {
            "rotation": m.head,
            "translation": m.place,
            "neck_pose": m.neck,
            "jaw_pose": m.jaw,
            "eyes_pose": m.eyes,
            "shape": m.shape,
            "expr": m.expression,
            "static_offset": np.full((1, 5143, 3), 0.001, np.float32),
            "timestep_id": np.array([f"{i:05d}" for i in range(T)]),
        },
    ),
    "artalk": ("a.pt", lambda m: {"": np.hstack([m.expression, m.head, m.jaw])}),
    "diffposetalk": (
        "a.npz",
        lambda m: {
            "exp": m.expression[:, :50],
            "pose": np.hstack([m.head, m.jaw]),
            "shape": rows(m.shape[:100]),
        },
    ),
    "emage": (
        "a.npz",
        lambda m: {
            "betas": np.ones(300, np.float32),
            "poses": smplx_poses(m),
            "expressions": m.expression,
            "trans": m.place,
            "model": np.array("smplx2020"),
            "gender": np.array("neutral"),
            "mocap_frame_rate": np.array(30),
        },
    ),
    "emoca": (
        "frames",
        lambda m: {
            "shape": rows(m.shape[:100]),
            "exp": m.expression[:, :50],
            "tex": np.zeros((T, 50), np.float32),
            "pose": np.hstack([m.head, m.jaw]),
            "detail": np.zeros((T, 128), np.float32),
        },
    ),
}


def store(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """As the tool's own code does."""
    match path.suffix:
        case ".pt":
            tensors = {
                name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()
            }
            torch.save(tensors.get("", tensors), path)
        case ".npz":
            np.savez(path, **arrays)
        case ".mat":
            scipy.io.savemat(path, arrays)
        case ".hdf5":
            with h5py.File(path, "w") as file:
                for name, array in arrays.items():
                    file.create_dataset(name, data=array)
        case "":
            for frame in range(T):
                one = path / f"{frame:06d}_000"
                one.mkdir(parents=True)
                for name, array in arrays.items():
                    np.save(one / f"{name}.npy", array[frame])
    return path


def fetch(path: Path) -> dict[str, np.ndarray]:
    """What a file holds, without our readers."""
    match path.suffix:
        case ".pt":
            held = torch.load(path, weights_only=True)
            tensors = held if isinstance(held, dict) else {"": held}
            return {name: tensor.numpy() for name, tensor in tensors.items()}
        case ".npz":
            with np.load(path) as archive:
                return dict(archive)
        case ".mat":
            held = scipy.io.loadmat(path)
            return {name: array for name, array in held.items() if not name.startswith("__")}
        case ".hdf5":
            with h5py.File(path) as file:
                return {name: file[name][()] for name in file}
        case _:
            frames = sorted(path.iterdir())
            names = [file.stem for file in frames[0].iterdir()]
            return {n: np.stack([np.load(f / f"{n}.npy") for f in frames]) for n in names}


def turned(*turns: np.ndarray) -> np.ndarray:
    """[T, 3, 3] rotations, the first outermost."""
    total = np.tile(np.eye(3), (T, 1, 1))
    for turn in turns:
        total = total @ Rotation.from_rotvec(turn).as_matrix()
    return total


ASKED = {"deca", "emoca", "inferno", "smirk", "vhap"}  # those without a frame rate


@pytest.fixture(params=sorted(FLAME_FILES))
def flame_file(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    name, make = FLAME_FILES[request.param]
    return request.param, store(tmp_path / name, make(MOTION))


def read(name: str, path: Path) -> MotionClip:
    return read_track(path, format=name, fps=25 if name in ASKED else None)


def weights(frames: int = 150) -> np.ndarray:
    """Every action moves in its own way, so that two exchanged ones show."""
    time = np.linspace(0, 3, frames)[:, None]
    return (0.5 + 0.4 * np.sin(time * np.linspace(1, 4, 52) + np.arange(52))).astype(np.float32)


def by_name(names: tuple[str, ...]) -> np.ndarray:
    return weights()[:, [ARKIT52.index(name) for name in names]]


def write_csv(path: Path, header: list[str], table: list[list]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *table])
    return path


def livelink_file(path: Path, order: np.ndarray | None = None, drop: tuple[int, ...] = ()) -> Path:
    """150 rows at 60 fps that start within a second, their columns in any order and case."""
    angles = np.tile(np.linspace(-0.3, 0.3, 9), (150, 1))
    table = np.hstack([weights(), angles])
    order = np.arange(61) if order is None else order
    header = ["Timecode", "BlendShapeCount"]
    header += [LIVELINK[i] if i % 2 else LIVELINK[i].lower() for i in order]
    cells = []
    for i, row in enumerate(table[:, order]):
        second, frame = divmod(17 + i, 60)
        if i not in drop:
            cells.append([f"14:03:{52 + second}:{frame:02d}.{207 + i % 3}", 61, *row])
    return write_csv(path, header, cells)


HEAD_TURN = np.float32([0.1, 0.3, -0.05])


def mediapipe_frames(python: bool = False) -> list[dict]:
    """Results of the landmarker: a head that is turned to the left, half a metre before the camera."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(HEAD_TURN).as_matrix()
    matrix[:3, 3] = [2.0, -1.0, -50.0]  # cm
    scores = np.hstack([np.zeros((150, 1)), by_name(MEDIAPIPE[1:])]).tolist()
    if python:
        return [
            {
                "face_blendshapes": [
                    [{"category_name": n, "score": s} for n, s in zip(MEDIAPIPE, row, strict=True)]
                ],
                "facial_transformation_matrixes": [matrix.tolist()],
            }
            for row in scores
        ]
    return [
        {
            "faceLandmarks": [],
            "faceBlendshapes": [
                {
                    "categories": [
                        {"index": i, "score": s, "categoryName": n, "displayName": ""}
                        for i, (n, s) in enumerate(zip(MEDIAPIPE, row, strict=True))
                    ],
                    "headIndex": -1,
                    "headName": "",
                }
            ],
            "facialTransformationMatrixes": [
                # As three.js's Matrix4.fromArray takes it: the translation is at 12, 13 and 14.
                {"rows": 4, "columns": 4, "data": matrix.T.ravel().tolist()}
            ],
        }
        for row in scores
    ]


def dump(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def lam_file(path: Path) -> Path:
    frames = [
        {"weights": row, "time": i / 30, "rotation": []}
        for i, row in enumerate(by_name(LAM).tolist())
    ]
    metadata = {"fps": 30.0, "frame_count": 150, "blendshape_names": LAM}
    return dump(path, {"names": LAM, "metadata": metadata, "frames": frames})


def a2f_content() -> dict:
    return {
        "exportFps": 30.0,
        "trackPath": "speech.wav",
        "numPoses": 52,
        "numFrames": 150,
        "facsNames": ARKIT52,
        "weightMat": weights().tolist(),
        "joints": ["jaw"],
        "rotations": [],
        "translations": [],
    }
