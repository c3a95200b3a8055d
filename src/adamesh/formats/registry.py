"""All formats of tracks, by name; which one a file has; reading and writing by name."""

import fnmatch
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adamesh.errors import InputError, listed, notice
from adamesh.files import check_new_folder, check_output, named_path
from adamesh.formats import arkit_table, arkit_tools, flame_tools, livelink
from adamesh.formats.containers import contents
from adamesh.formats.flame_tools import Layout
from adamesh.formats.frame_folders import find_frames, siblings
from adamesh.formats.names import SAID
from adamesh.motion.clip import MotionClip

FOLDER = ""  # stands among suffixes for a folder


@dataclass(frozen=True)
class TrackFormat:
    """A tool's file.

    Attributes:
        tool: whose it is.
        suffixes: of its files, the first of them usual; `FOLDER` for a folder.
        space: coefficient space, of a clip that is read and, for FLAME in any size, written.
        keys: what a file names when it is of this format, in lower case: arrays, keys or columns.
        fps: of all its files; None where the file says it, or the user has to.
        note: what is left out or made up.
        read: path and the user's frame rate -> clip.
        write: clip, path.
        pattern: of its files' names, where the tool always writes such.
        written_fps: what its readers expect, where files of any rate exist.
        exact: a file of this format names nothing but `keys`.
        read_folder: of tools that write a file a frame: folder, the user's frame rate, person -> clip.
    """

    tool: str
    suffixes: tuple[str, ...]
    space: str
    keys: frozenset[str]
    fps: float | None
    note: str
    read: Callable[[Path, float | None], MotionClip]
    write: Callable[[MotionClip, Path], None]
    pattern: str = "*"
    written_fps: float | None = None
    exact: bool = False
    read_folder: Callable[[Path, float | None, int], MotionClip] | None = None


def _flame(
    layout: Layout, suffixes: tuple[str, ...], keys: set[str], note: str, pattern: str = "*"
) -> TrackFormat:
    return TrackFormat(
        tool=layout.tool,
        suffixes=suffixes,
        space=layout.space,
        keys=frozenset(keys),
        fps=layout.fps,
        note=note,
        read=functools.partial(flame_tools.read_flame, layout),
        write=functools.partial(flame_tools.write_flame, layout),
        pattern=pattern,
        read_folder=functools.partial(flame_tools.read_flame_folder, layout),
    )


_CODES = {"exp", "pose", "shape", "cam"}
_DICTIONARIES = (".mat", ".pt", ".npz")

FORMATS: dict[str, TrackFormat] = {
    "adamesh": TrackFormat(
        tool="AdaMesh",
        suffixes=(".npz",),
        space="any",
        keys=frozenset({"header", "expression"}),
        fps=None,
        note="a clip of our own: nothing is left out",
        read=lambda path, fps: _own(path, fps),
        write=lambda clip, path: clip.save(path),
    ),
    "adamesh-authors": _flame(
        flame_tools.ADAMESH_AUTHORS,
        (".pt",),
        {"exp", "pose", "cam"},
        "camera left out; a fixed one is written",
        "*_3dparams.pt",
    ),
    "adamesh-authors-predict": _flame(
        flame_tools.ADAMESH_AUTHORS_PREDICT,
        (".pt",),
        {"exp", "pose"},
        "expression and jaw only: head and identity are left out in writing",
        "*_predict.pt",
    ),
    "deca": _flame(
        flame_tools.DECA,
        _DICTIONARIES,
        _CODES,
        "camera, light, texture and detail left out; a fixed camera and no light are written",
    ),
    "spectre": _flame(
        flame_tools.SPECTRE,
        _DICTIONARIES,
        _CODES,
        "exp and pose are the sums of its demo, or offsets where deca_exp and deca_jaw are there; "
        "sums are written; camera, light and texture as with DECA",
    ),
    "emoca": _flame(
        flame_tools.EMOCA,
        (FOLDER,),
        {"exp", "pose"},
        "a folder with a folder a frame; texture and detail left out, written as zeros",
    ),
    "inferno": _flame(
        flame_tools.INFERNO,
        (".hdf5", ".h5"),
        {"exp", "jaw", "global_pose"},
        "camera left out; a fixed one is written",
    ),
    "smirk": _flame(
        flame_tools.SMIRK,
        (".pt", ".npz"),
        {"expression_params", "jaw_params", "pose_params"},
        "lids left out (FLAME has none): blinks are lost; camera as with DECA",
    ),
    "vhap": _flame(
        flame_tools.VHAP,
        (".npz",),
        {"expr", "rotation", "neck_pose", "jaw_pose", "eyes_pose"},
        "rotation and neck_pose become one, written as neck_pose; offsets, texture and camera left out",
        "tracked_flame_params*.npz",
    ),
    "artalk": _flame(flame_tools.ARTALK, (".pt",), {""}, "identity is not in the file"),
    "diffposetalk": _flame(
        flame_tools.DIFFPOSETALK,
        (".npz",),
        {"exp", "pose"},
        "shape in the file, or in a .npy of the same name",
    ),
    "emage": _flame(
        flame_tools.EMAGE,
        (".npz",),
        {"expressions", "poses"},
        "neck and head become one; body, hands, place and SMPL-X's betas left out, written as zeros",
    ),
    "livelink-csv": TrackFormat(
        tool="Live Link Face",
        suffixes=(".csv",),
        space="arkit52",
        keys=frozenset({"timecode", "blendshapecount", "jawopen"}),
        fps=None,
        note="rate from the timecodes; identity is not in the file; written at 60 fps",
        read=livelink.read_livelink,
        write=livelink.write_livelink,
        written_fps=60,
    ),
    "mediapipe": TrackFormat(
        tool="MediaPipe",
        suffixes=(".json",),
        space="arkit52",
        keys=frozenset({"frames", "frames.faceblendshapes"}),
        fps=None,
        note="no tongue; first face only; landmarks left out; eyeballs from the eyeLook weights",
        read=arkit_tools.read_mediapipe,
        write=arkit_tools.write_mediapipe,
    ),
    "said-csv": TrackFormat(
        tool="SAiD",
        suffixes=(".csv",),
        space="arkit52",
        keys=frozenset(name.lower() for name in SAID),
        exact=True,
        fps=None,
        note="weights only, the 32 of the lower face in writing; eyes, brows, tongue and head are lost",
        read=arkit_tools.read_said,
        write=arkit_tools.write_said,
    ),
    "lam-json": TrackFormat(
        tool="LAM Audio2Expression",
        suffixes=(".json",),
        space="arkit52",
        keys=frozenset({"names", "frames", "metadata"}),
        fps=None,
        note="rate in the file; weights only: the head is lost",
        read=arkit_tools.read_lam,
        write=arkit_tools.write_lam,
    ),
    "a2f-json": TrackFormat(
        tool="Audio2Face",
        suffixes=(".json",),
        space="arkit52",
        keys=frozenset({"facsnames", "weightmat"}),
        fps=None,
        note="rate in the file; weights only: joints are left out, the head is lost",
        read=arkit_tools.read_audio2face,
        write=arkit_tools.write_audio2face,
    ),
    "arkit-table": TrackFormat(
        tool="a table with ARKit names",
        suffixes=(".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson"),
        space="arkit52",
        keys=frozenset(),
        fps=None,
        note="names by their endings; rate from times or asked for; other columns are left out",
        read=arkit_table.read_arkit_table,
        write=arkit_table.write_arkit_table,
    ),
}


def _own(path: Path, fps: float | None) -> MotionClip:
    clip = MotionClip.load(path)
    if fps not in (None, clip.fps):
        raise InputError(f"'{path}' has {clip.fps:g} fps, --fps says {fps:g}; leave out --fps")
    return clip


def _shown(kind: TrackFormat) -> str:
    return " or ".join(kind.suffixes)


def track_format(name: str) -> TrackFormat:
    """The format of that name.

    Raises:
        InputError: there is none; the message lists those known.
    """
    if name not in FORMATS:
        raise InputError(f"unknown format '{name}'; known: {', '.join(FORMATS)}")
    return FORMATS[name]


def detect(path: str | os.PathLike[str]) -> str:
    """Name of the format of a file, by its suffix, what it names, and its name.

    Raises:
        InputError: it is of none, or it could be of several; the message lists them.
    """
    path = named_path(path, "track")
    if not path.exists():
        raise InputError(f"track '{path}' does not exist; check the path")
    if path.is_dir():
        path = find_frames(path).paths[0]
    suffix = FOLDER if path.is_dir() else path.suffix.lower()
    if not any(suffix in kind.suffixes for kind in FORMATS.values()):
        known = sorted({s for kind in FORMATS.values() for s in kind.suffixes if s})
        raise InputError(f"no tool's track ends in '{suffix}': '{path}'; known: {', '.join(known)}")
    named = contents(path)
    fitting = {
        name: kind
        for name, kind in FORMATS.items()
        if suffix in kind.suffixes and (kind.keys == named if kind.exact else kind.keys <= named)
    }
    # A format that asks for more than another and gets it is the one.
    fitting = {
        name: kind
        for name, kind in fitting.items()
        if not any(kind.keys < other.keys for other in fitting.values())
    }
    by_name = [
        name
        for name, kind in FORMATS.items()
        if kind.pattern != "*" and fnmatch.fnmatch(path.name, kind.pattern) and kind.keys <= named
    ]
    candidates = by_name or list(fitting)
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise InputError(
            f"'{path}' could be of {' or '.join(candidates)}; say which with --as {candidates[0]}"
        )
    found = listed(sorted(named)) or "nothing named"
    raise InputError(f"'{path}' is no track of a known tool: it has {found}")


def read_track(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    fps: float | None = None,
    person: int = 1,
) -> MotionClip:
    """Reads a track of another tool as a clip; nothing in the file is executed.

    Args:
        path: the file, or a folder with a file or a folder a frame.
        format: a name of `FORMATS`; default: told from the file.
        fps: its frame rate, where the file does not say it.
        person: of several faces in a folder; 1 is the one with the most frames.
    Raises:
        InputError: no such file, not of that format, no such person, or its frame rate is not known.
        MissingDependencyError: it is `.hdf5`, and h5py is not installed.
    """
    path = Path(path)
    name = detect(path) if format is None else format
    kind = track_format(name)
    suffix = FOLDER if path.is_dir() else path.suffix.lower()
    if suffix not in kind.suffixes and (suffix != FOLDER or kind.read_folder is None):
        wanted = f"end in {_shown(kind)}" if kind.suffixes != (FOLDER,) else "be a folder"
        raise InputError(f"'{path}' is no file of {kind.tool}: it must {wanted}")
    if suffix == FOLDER:
        assert kind.read_folder is not None
        return kind.read_folder(path, fps, person)
    if person != 1:
        raise InputError(f"'{path}' holds one person; --person is for a folder with a file a frame")
    clip = kind.read(path, fps)
    if clip.frames == 1 and (beside := siblings(path)) > 1:
        notice(f"'{path}' is one frame of {beside}; give the folder '{path.parent}' to read all")
    return clip


def check_track(path: str | os.PathLike[str], format: str, *, force: bool = False) -> Path:
    """The path that `write_track` would write, checked before any work is done.

    Raises:
        InputError: unknown format, another suffix, or something is there and `force` is off.
    """
    path = named_path(path, "output")
    kind = track_format(format)
    if path.suffix.lower() not in kind.suffixes:
        ending = f"end in {_shown(kind)}" if kind.suffixes != (FOLDER,) else "have no suffix"
        raise InputError(f"output '{path}' must {ending} for {format}")
    if FOLDER in kind.suffixes:
        return check_new_folder(path)
    return check_output(path, force=force)


def write_track(
    clip: MotionClip,
    path: str | os.PathLike[str],
    format: str,
    *,
    fps: float | None = None,
    force: bool = False,
) -> float:
    """Writes a clip as another tool's file; whole or not at all.

    Args:
        format: a name of `FORMATS`.
        fps: frame rate of the output; default: what all files of that tool have, else the clip's.
        force: replace a file that exists.
    Returns:
        The frame rate written at.
    Raises:
        InputError: unknown format, wrong suffix, a clip of another space, or it is there already.
        MissingDependencyError: it is `.hdf5`, and h5py is not installed.
    """
    path = check_track(path, format, force=force)
    kind = track_format(format)
    rate = fps or kind.fps or kind.written_fps or clip.fps
    kind.write(clip.resample(rate), path)
    return rate
