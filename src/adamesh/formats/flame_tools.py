"""Tracks of FLAME coefficients: where each tool keeps what, and one reader and one writer for all.

All of these tools show FLAME's head, and it looks at their cameras when nothing is rotated: DECA and those
built on it turn Y and Z about only *after* the projection (yfeng95/DECA, decalib/deca.py, `decode`; the same
in filby89/spectre, radekd91/emoca and georgeretsi/smirk), and VHAP's camera stands at (0, 0, 1) and looks
along -Z (ShenhanQian/VHAP, vhap/model/tracker.py). So their axes are ours, and so is the sense of a rotation.

The rotation of the whole head becomes `neck_pose`, as FLAME has no head joint: the shoulders stay.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from adamesh.errors import InputError, listed, notice
from adamesh.formats.clock import place_numbers
from adamesh.formats.containers import BARE, Array, read_arrays, write_arrays, write_frames
from adamesh.formats.frame_folders import find_frames, on_clock, read_frames
from adamesh.formats.rate import frame_rate
from adamesh.motion.clip import MotionClip
from adamesh.motion.head import NECK_SHARE

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """Some columns of one array of a file, a row a frame."""

    key: str
    width: int  # of the whole array
    start: int = 0
    stop: int | None = None

    @property
    def columns(self) -> slice:
        """Which columns."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Layout:
    """Where a tool keeps what.

    Attributes:
        tool: its name, for people.
        expression: 50 or 100 coefficients.
        jaw: axis-angle.
        head: rotations of the head, outermost first, each with its share of a head that is written.
        eyes: axis-angle of the left and of the right eyeball.
        transl: metres.
        betas: identity; a row a frame, or one for all.
        betas_once: one for all is written.
        betas_beside: they may lie in a `.npy` of the same name beside the file.
        added: an array, and the part that lies in the file as an offset to it.
        fps: of all files of this tool.
        rate_key: where a file says its frame rate.
        leading: arrays have a first axis of length 1.
        jaw_opens: the jaw's first angle is never below zero.
        rest: what else its readers expect, for so many frames.
    """

    tool: str
    expression: Part
    jaw: Part
    head: tuple[tuple[Part, float], ...] = ()
    eyes: tuple[Part, Part] | None = None
    transl: Part | None = None
    betas: Part | None = None
    betas_once: bool = False
    betas_beside: bool = False
    added: tuple[tuple[Part, Part], ...] = ()
    fps: float | None = None
    rate_key: str | None = None
    leading: bool = False
    jaw_opens: bool = False
    rest: Callable[[int], dict[str, Array]] = lambda frames: {}  # noqa: ARG005

    @property
    def space(self) -> str:
        """The coefficient space of a clip that is read."""
        return f"flame{_width(self.expression)}"

    def keys(self) -> set[str]:
        """Names of all arrays that mean something to us."""
        parts = [self.expression, self.jaw, *(part for part, _ in self.head), *(self.eyes or ())]
        parts += [base for base, _ in self.added]
        parts += [part for part in (self.transl, self.betas) if part is not None]
        return {part.key for part in parts} | ({self.rate_key} if self.rate_key else set())


def _width(part: Part) -> int:
    return len(range(part.width)[part.columns])


_EXPRESSION50 = Part("exp", 50)
_GLOBAL = Part("pose", 6, 0, 3)
_JAW = Part("pose", 6, 3, 6)
_SHAPE100 = Part("shape", 100)

# A camera that sees a whole FLAME head: scale, x and y of DECA's weak perspective. A scale of zero would
# be divided by.
_CAMERA = (8.0, 0.0, 0.0)


def _camera(frames: int) -> dict[str, Array]:
    return {"cam": np.tile(np.array(_CAMERA, np.float32), (frames, 1))}


def _codes(frames: int) -> dict[str, Array]:
    """The codes of DECA's picture: no texture and no light."""
    dark = {
        "tex": np.zeros((frames, 50), np.float32),
        "light": np.zeros((frames, 9, 3), np.float32),
    }
    return _camera(frames) | dark


def _emoca_codes(frames: int) -> dict[str, Array]:
    return {name: np.zeros((frames, n), np.float32) for name, n in (("tex", 50), ("detail", 128))}


def _smirk_outputs(frames: int) -> dict[str, Array]:
    return _camera(frames) | {"eyelid_params": np.zeros((frames, 2), np.float32)}


def _vhap_head(frames: int) -> dict[str, Array]:
    """A head without offsets; VHAP's has 5,023 vertices of FLAME and 120 of its teeth."""
    return {
        "static_offset": np.zeros((1, 5143, 3), np.float32),
        "timestep_id": np.array([f"{frame:05d}" for frame in range(frames)]),
    }


def _still_body(frames: int) -> dict[str, Array]:
    """beat_format_save of PantoMatrix, emage_utils/motion_io.py."""
    return {
        "betas": np.zeros(300, np.float32),
        "trans": np.zeros((frames, 3), np.float32),
        "model": np.array("smplx2020"),
        "gender": np.array("neutral"),
    }


# thuhcsi/AdaMesh, dataset/data_loader.py: 25 fps, half of HuBERT's rate.
ADAMESH_AUTHORS = Layout(
    tool="AdaMesh (authors)",
    expression=_EXPRESSION50,
    jaw=_JAW,
    head=((_GLOBAL, 1.0),),
    betas=_SHAPE100,
    fps=25,
    rest=_camera,
)
# The same, main/test.py: its answers have the jaw alone.
ADAMESH_AUTHORS_PREDICT = Layout(
    tool="AdaMesh (authors)", expression=_EXPRESSION50, jaw=Part("pose", 3), fps=25
)
# yfeng95/DECA, decalib/models/FLAME.py: pose is global and jaw, the neck keeps still.
DECA = Layout(
    tool="DECA",
    expression=_EXPRESSION50,
    jaw=_JAW,
    head=((_GLOBAL, 1.0),),
    betas=_SHAPE100,
    rest=_codes,
)
# filby89/spectre: `encode` returns offsets to DECA's expression and jaw, and these two; demo.py adds them
# up, so that a file without these two has the sums.
SPECTRE = Layout(
    tool="SPECTRE",
    expression=_EXPRESSION50,
    jaw=_JAW,
    head=((_GLOBAL, 1.0),),
    betas=_SHAPE100,
    added=((Part("deca_exp", 50), _EXPRESSION50), (Part("deca_jaw", 3), _JAW)),
    fps=25,
    rest=_codes,
)
# radekd91/emoca, gdl_apps/EMOCA/utils/io.py, `save_codes`: a folder a frame.
EMOCA = Layout(
    tool="EMOCA",
    expression=_EXPRESSION50,
    jaw=_JAW,
    head=((_GLOBAL, 1.0),),
    betas=_SHAPE100,
    rest=_emoca_codes,
)
# EMICA of radekd91/inferno.
INFERNO = Layout(
    tool="INFERNO",
    expression=Part("exp", 100),
    jaw=Part("jaw", 3),
    head=((Part("global_pose", 3), 1.0),),
    betas=Part("shape", 300),
    leading=True,
    rest=_camera,
)
# georgeretsi/smirk, src/smirk_encoder.py. FLAME has no lids: eyelid_params (left, right) are SMIRK's own.
SMIRK = Layout(
    tool="SMIRK",
    expression=Part("expression_params", 50),
    jaw=Part("jaw_params", 3),
    head=((Part("pose_params", 3), 1.0),),
    betas=Part("shape_params", 300),
    jaw_opens=True,
    rest=_smirk_outputs,
)
# ShenhanQian/VHAP, vhap/model/tracker.py and flame.py.
VHAP = Layout(
    tool="VHAP",
    expression=Part("expr", 100),
    jaw=Part("jaw_pose", 3),
    head=((Part("rotation", 3), 0.0), (Part("neck_pose", 3), 1.0)),
    eyes=(Part("eyes_pose", 6, 0, 3), Part("eyes_pose", 6, 3, 6)),
    transl=Part("translation", 3),
    betas=Part("shape", 300),
    betas_once=True,
    rest=_vhap_head,
)
# xg-chu/ARTalk, app/modules (`get_flame_verts`): a bare tensor.
ARTALK = Layout(
    tool="ARTalk",
    expression=Part(BARE, 106, 0, 100),
    jaw=Part(BARE, 106, 103, 106),
    head=((Part(BARE, 106, 100, 103), 1.0),),
    fps=25,
)
# DiffPoseTalk/DiffPoseTalk, demo.py: `save_coef_file`, and --coef, which reads a .npy, or 'shape' of a .npz.
DIFFPOSETALK = Layout(
    tool="DiffPoseTalk",
    expression=_EXPRESSION50,
    jaw=_JAW,
    head=((_GLOBAL, 1.0),),
    betas=_SHAPE100,
    betas_beside=True,
    fps=25,
)
# SMPL-X's 55 joints; its expressions are FLAME's, its betas are not.
_JOINTS = 165
EMAGE = Layout(
    tool="EMAGE",
    expression=Part("expressions", 100),
    jaw=Part("poses", _JOINTS, 66, 69),
    head=(
        (Part("poses", _JOINTS, 36, 39), NECK_SHARE),
        (Part("poses", _JOINTS, 45, 48), 1 - NECK_SHARE),
    ),
    eyes=(Part("poses", _JOINTS, 69, 72), Part("poses", _JOINTS, 72, 75)),
    fps=30,
    rate_key="mocap_frame_rate",
    rest=_still_body,
)


def read_flame(layout: Layout, path: Path, fps: float | None) -> MotionClip:
    """A tool's file as a clip of the space `flame50` or `flame100`.

    Args:
        fps: what the user says.
    Raises:
        InputError: an array is missing or has another shape, or nobody knows the frame rate.
    """
    return _clip(layout, path, read_arrays(path, layout.keys()), fps)


def read_flame_folder(layout: Layout, path: Path, fps: float | None, person: int) -> MotionClip:
    """A folder with a file, or a folder, a frame; the numbers in their names place the frames.

    Args:
        person: of several faces a frame, see `frame_folders.find_frames`.
    Raises:
        InputError: as `read_flame`, or the folder has no frames or no such person.
    """
    folder = find_frames(path, person)
    arrays = read_frames(folder, layout.keys())
    if layout.leading:
        arrays = {name: None if array is None else array[None] for name, array in arrays.items()}
    clip = _clip(layout, path, arrays, fps)
    _, placed = place_numbers(folder.folder, np.array(folder.numbers, np.float64), clip.fps)
    if (missing := placed.count - clip.frames) > 0:
        notice(f"'{folder.folder}' lacks {missing} of {placed.count} frames; they are filled in")
    return on_clock(clip, placed)


def _clip(
    layout: Layout, path: Path, arrays: dict[str, Array | None], fps: float | None
) -> MotionClip:
    expression = _rows(layout, arrays, layout.expression, path)
    frames = len(expression)

    def part(wanted: Part) -> Float:
        rows = _rows(layout, arrays, wanted, path)
        if len(rows) != frames:
            raise InputError(
                f"'{wanted.key}' of '{path}' has {len(rows)} frames, "
                f"'{layout.expression.key}' has {frames}; they must agree"
            )
        return rows

    jaw = part(layout.jaw)
    if any(base.key in arrays for base, _ in layout.added):
        # Both or none: else one of the two would be an offset, the other a sum.
        offsets = {place: part(base) for base, place in layout.added}
        expression = expression + offsets[layout.expression]
        jaw = jaw + offsets[layout.jaw]
    eyes = (
        {}
        if layout.eyes is None
        else {"leye_pose": part(layout.eyes[0]), "reye_pose": part(layout.eyes[1])}
    )
    total = Rotation.identity(frames)
    for turn, _ in layout.head:
        total = total * Rotation.from_rotvec(part(turn))
    stated = arrays.get(layout.rate_key) if layout.rate_key is not None else None
    own = None if stated is None or not stated.size else float(stated.ravel()[0])
    return MotionClip(
        space=layout.space,
        fps=frame_rate(path, layout.tool, own=own, usual=layout.fps, given=fps),
        expression=expression,
        jaw_pose=jaw,
        neck_pose=total.as_rotvec().astype(np.float32),
        transl=None if layout.transl is None else part(layout.transl),
        betas=_identity(layout, arrays, path),
        metadata={"source": path.name},
        **eyes,
    )


def write_flame(layout: Layout, clip: MotionClip, path: Path) -> None:
    """Writes a clip of the space `flame50` or `flame100` as a tool's file.

    Coefficients beyond a tool's 50 are left out, those that a clip lacks are zero.

    Raises:
        InputError: the clip is of another space, or the file cannot be written.
    """
    arrays = _arrays(layout, clip)
    if path.suffix:
        write_arrays(path, arrays)
    else:
        write_frames(path, arrays)


def _arrays(layout: Layout, clip: MotionClip) -> dict[str, Array]:
    if clip.space not in ("flame50", "flame100"):
        raise InputError(
            f"files of {layout.tool} hold FLAME coefficients, this clip is in '{clip.space}'; "
            "retarget it to a FLAME head first, with `adamesh export --face NAME`"
        )
    frames = clip.frames
    tracks: dict[str, Array] = {}

    def put(part: Part, values: ArrayLike) -> None:
        whole = tracks.setdefault(part.key, np.zeros((frames, part.width), np.float32))
        whole[:, part.columns] = values

    jaw = clip.jaw_pose.copy()
    if layout.jaw_opens:
        jaw[:, 0] = jaw[:, 0].clip(min=0)
    put(layout.expression, fitted(clip.expression, _width(layout.expression)))
    put(layout.jaw, jaw)
    total = Rotation.from_rotvec(clip.neck_pose) * Rotation.from_rotvec(clip.head_pose)
    for part, share in layout.head:
        put(part, total.as_rotvec() * share)
    if layout.eyes is not None:
        for part, pose in zip(layout.eyes, (clip.leye_pose, clip.reye_pose), strict=True):
            put(part, pose)
    if layout.transl is not None:
        put(layout.transl, 0 if clip.transl is None else clip.transl)
    if layout.betas is not None:
        betas = fitted(np.zeros(0) if clip.betas is None else clip.betas, layout.betas.width)
        if layout.betas_once:
            tracks[layout.betas.key] = betas
        else:
            put(layout.betas, betas)
    if layout.rate_key is not None:
        tracks[layout.rate_key] = np.array(clip.fps)
    arrays = layout.rest(frames) | tracks
    return {name: array[None] for name, array in arrays.items()} if layout.leading else arrays


def fitted(coefficients: ArrayLike, width: int) -> Float:
    """[..., width]: the first of more coefficients, or fewer with zeros behind them.

    FLAME's components are sorted by variance, and every tool counts from the first.
    """
    given = np.asarray(coefficients, np.float32)[..., :width]
    missing = width - given.shape[-1]
    return np.pad(given, [(0, 0)] * (given.ndim - 1) + [(0, missing)])


def _rows(layout: Layout, arrays: dict[str, Array | None], part: Part, path: Path) -> Float:
    """[T, n] the columns of a part.

    Raises:
        InputError: the array is missing or has another shape.
    """
    array = arrays.get(part.key)
    if array is None:
        found = listed(sorted(arrays)) or "an array without a name"
        wanted = f"'{part.key}'" if part.key else "an array without a name"
        raise InputError(f"'{path}' has no {wanted}, which {layout.tool} writes; it has {found}")
    shape = list(array.shape)
    if layout.leading and shape[:1] == [1]:
        array = array[0]
    wanted_axes = 3 if layout.leading else 2
    if len(shape) != wanted_axes or array.ndim != 2 or array.shape[1] != part.width:
        wanted = "[1, frames, " if layout.leading else "[frames, "
        raise InputError(
            f"'{part.key}' of '{path}' has shape {shape}, {layout.tool} writes {wanted}{part.width}]"
        )
    if len(array) == 0:
        raise InputError(f"'{part.key}' of '{path}' has no frames; track the video again")
    return _finite(array[:, part.columns], part, path)


def _finite(array: Array, part: Part, path: Path) -> Float:
    with np.errstate(over="ignore"):
        floats = array.astype(np.float32)
    if not np.isfinite(floats).all():
        raise InputError(f"'{part.key}' of '{path}' has a value that is not finite")
    return floats


def _identity(layout: Layout, arrays: dict[str, Array | None], path: Path) -> Float | None:
    """[K], the mean over frames where a tool guesses anew for each; None where there is none."""
    if layout.betas is None:
        return None
    given = arrays.get(layout.betas.key)
    beside = path.with_suffix(".npy")
    if given is None and layout.betas_beside and beside.exists():
        path, given = beside, read_arrays(beside, {BARE})[BARE]
    if given is None:
        return None
    if given.shape[-1:] != (layout.betas.width,) or given.ndim > 3:
        raise InputError(
            f"'{layout.betas.key}' of '{path}' has shape {list(given.shape)}, "
            f"{layout.tool} writes [{layout.betas.width}] or a row a frame"
        )
    rows = _finite(given.reshape(-1, layout.betas.width), layout.betas, path)
    return rows.mean(axis=0, dtype=np.float64).astype(np.float32) if len(rows) else None
