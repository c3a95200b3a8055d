"""A clip on the user's own avatar, a .glb or .vrm with morph targets."""

from pathlib import Path

from adamesh.avatars.animation import write_animation
from adamesh.avatars.gltf import read_glb
from adamesh.avatars.mapfile import AvatarMap, load_map
from adamesh.avatars.matching import Match, match
from adamesh.errors import InputError
from adamesh.files import check_output
from adamesh.formats.containers import listed
from adamesh.motion.clip import MotionClip

__all__ = ["Match", "apply_clip", "match_avatar"]

SUFFIXES = (".glb", ".vrm")


def match_avatar(avatar: Path, *, map_file: Path | None = None) -> Match:
    """What of an avatar would move.

    Args:
        avatar: a .glb or .vrm.
        map_file: a mapping in YAML that goes before what is found by name, see `mapfile.AvatarMap`.
    Raises:
        InputError: avatar or map are damaged, or the map names what the avatar lacks.
    """
    given = AvatarMap() if map_file is None else load_map(map_file)
    return match(read_glb(avatar), given)


def apply_clip(
    clip: MotionClip,
    avatar: Path,
    path: Path,
    *,
    map_file: Path | None = None,
    fps: float | None = None,
    force: bool = False,
) -> Match:
    """Writes an avatar with the clip as its animation `adamesh`; all else in the file stays as it is.

    Args:
        clip: of the space arkit52; `retargeting.fit_to_face` takes others there.
        avatar: a .glb or .vrm.
        path: a .glb or .vrm to write.
        map_file: as for `match_avatar`.
        fps: frame rate of the animation; default: the clip's.
        force: replace `path` if it exists.
    Returns:
        What moves.
    Raises:
        InputError: as for `match_avatar`; or no morph target is known, the clip is of another space, or
            `path` exists.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"output '{path}' must end in {' or '.join(SUFFIXES)}")
    check_output(path, force=force)
    if clip.space != "arkit52":
        raise InputError(
            f"avatars show the 52 ARKit actions, this clip is in '{clip.space}'; retarget it: "
            "adamesh.retargeting.fit_to_face to the embedded head"
        )
    found = match_avatar(avatar, map_file=map_file)
    if not found.gains:
        raise InputError(
            f"avatar '{avatar}' has no morph target with a known name; it has "
            f"{listed(found.unmatched) or 'none'}: say in a map file (--map) what moves them"
        )
    write_animation(found, clip if fps is None else clip.resample(fps), path)
    return found
