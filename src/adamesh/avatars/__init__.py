"""A clip on the user's own avatar: a .glb, .vrm or USD file with morph targets."""

from pathlib import Path

from adamesh.avatars.animation import rotation_curves, weight_curves
from adamesh.avatars.avatar import Avatar
from adamesh.avatars.mapfile import AvatarMap, load_map
from adamesh.avatars.matching import Match, match
from adamesh.errors import InputError, listed, need, notice
from adamesh.files import check_input, check_output
from adamesh.motion.clip import MotionClip

__all__ = ["Match", "apply_clip", "match_avatar"]

GLTF, USD, USD_PACKAGE = (".glb", ".vrm"), (".usda", ".usdc", ".usd"), (".usdz",)
LARGEST = 2**30  # bytes; avatars have some tens of millions


def match_avatar(avatar: Path, *, map_file: Path | None = None) -> Match:
    """What of an avatar would move.

    Args:
        avatar: a .glb, .vrm, .usda, .usdc, .usd or .usdz.
        map_file: a mapping in YAML that goes before what is found by name, see `mapfile.AvatarMap`.
    Raises:
        InputError: avatar or map are damaged, or the map names what the avatar lacks.
        MissingDependencyError: USD needs an extra that is not installed.
    """
    given = AvatarMap() if map_file is None else load_map(map_file)
    return match(_read(Path(avatar)), given)


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
        avatar: as for `match_avatar`.
        path: the file to write; glTF stays glTF, USD stays USD, and a .usdz a .usdz.
        map_file: as for `match_avatar`.
        fps: frame rate of the animation; default: the clip's.
        force: replace `path` if it exists.
    Returns:
        What moves.
    Raises:
        InputError: as for `match_avatar`; or no morph target is known, the clip is of another space, or
            `path` exists.
        MissingDependencyError: as for `match_avatar`.
    """
    avatar, path = Path(avatar), Path(path)
    suffixes = _container(avatar)
    if path.suffix.lower() not in suffixes:
        raise InputError(
            f"output '{path}' must end in {' or '.join(suffixes)}, as avatar '{avatar.name}' does"
        )
    check_output(path, force=force)
    if clip.space != "arkit52":
        raise InputError(
            f"avatars show the 52 ARKit blendshapes, this clip is in '{clip.space}'; retarget it: "
            "adamesh.retargeting.fit_to_face to the embedded head"
        )
    found = match_avatar(avatar, map_file=map_file)
    if not found.gains and "jaw" not in found.bones:
        raise InputError(
            f"avatar '{avatar}' has no morph target with a known name; it has "
            f"{listed(found.unmatched) or 'none'}: say in a map file (--map) what moves them"
        )
    if fps is not None:
        clip = clip.resample(fps)
    weights, turns = weight_curves(found, clip), rotation_curves(found, clip)
    if not found.opens_mouth:
        notice(
            f"nothing opens the mouth of '{avatar}': no shape or bone with a known name does; say in a map "
            "file (--map) which one it is"
        )
    elif not turns and not any(curve.any() for curve in weights.values()):
        notice(f"nothing in the clip moves '{avatar}'")
    found.avatar.write(path, clip.fps, weights, turns)
    return found


def _container(avatar: Path) -> tuple[str, ...]:
    """The suffixes of files that are built as this avatar is."""
    suffix = avatar.suffix.lower()
    return next((kind for kind in (USD, USD_PACKAGE) if suffix in kind), GLTF)


def _read(path: Path) -> Avatar:
    check_input(path, "avatar")
    if path.stat().st_size > LARGEST:
        raise InputError(f"avatar '{path}' is larger than {LARGEST >> 20} MiB; make it smaller")
    if _container(path) is GLTF:
        from adamesh.avatars.gltf_avatar import read_gltf_avatar

        return read_gltf_avatar(path)
    need("pxr", package="usd-core", purpose="USD avatars", extra="usd")
    from adamesh.avatars.usd_avatar import read_usd_avatar

    return read_usd_avatar(path)
