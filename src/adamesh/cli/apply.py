"""`adamesh apply`: a clip on the user's own avatar."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adamesh.cli.options import Force, Fps, Json, MadeFor, check_suffix, progress_bars
from adamesh.errors import InputError, listed, printable
from adamesh.files import check_input, check_output, temporary_folder
from adamesh.motion.spaces import ARKIT52

if TYPE_CHECKING:
    from adamesh.motion.clip import MotionClip


def apply(
    clip: Annotated[
        Path | None, typer.Argument(help="Clip (.npz) of `track` or `animate`.")
    ] = None,
    avatar: Annotated[Path | None, typer.Argument(help="Avatar: .glb, .vrm or USD.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write.")] = None,
    inspect: Annotated[
        Path | None,
        typer.Option(metavar="AVATAR", help="Print what of this avatar would move, and no more."),
    ] = None,
    mesh: Annotated[
        Path | None,
        typer.Option(
            "--rig",
            metavar="MESH",
            help="In place of an avatar: a mesh without shapes (.glb, .obj, .ply, .stl), which gets them.",
        ),
    ] = None,
    map_file: Annotated[
        Path | None,
        typer.Option("--map", help="Your own mapping (.yaml), see docs/guides/avatars.md."),
    ] = None,
    fps: Fps = None,
    made_for: MadeFor = None,
    force: Force = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="List which control moves which target.")
    ] = False,
    as_json: Json = False,
) -> None:
    """A clip as an animation of your own avatar; all else in its file stays as it is.

    [bold]Examples[/bold]

      adamesh apply --inspect avatar.vrm

      adamesh apply talking.npz avatar.vrm -o talking.vrm

      adamesh apply talking.npz avatar.usdz -o talking.usdz

      adamesh apply talking.npz avatar.glb --map avatar.yaml -o talking.glb

      adamesh apply talking.npz --rig sculpt.obj -o talking.glb

      adamesh apply --rig sculpt.obj -o avatar.glb
    """
    if inspect is not None:
        if clip is not None or output is not None or mesh is not None:
            raise InputError("--inspect AVATAR stands alone: leave out CLIP, -o and --rig")
        from adamesh.avatars import match_avatar

        _print(match_avatar(inspect, map_file=map_file).facts(), as_json)
        return
    if mesh is not None:
        if avatar is not None or output is None or map_file is not None:
            raise InputError(
                "--rig MESH takes the place of AVATAR and --map, and wants -o FILE.glb"
            )
        _rig(mesh, clip, output, fps, made_for, force)
        return
    if clip is None or avatar is None or output is None:
        raise InputError("give CLIP, AVATAR and -o FILE to write, or --inspect AVATAR")
    check_input(clip, "clip")
    check_output(output, force=force)
    from adamesh.avatars import apply_clip
    from adamesh.motion.clip import MotionClip

    motion = _arkit(MotionClip.load(clip), made_for)
    found = apply_clip(motion, avatar, output, map_file=map_file, fps=fps, force=force)
    _print(found.facts(), as_json, verbose)


def _rig(
    mesh: Path,
    clip: Path | None,
    output: Path,
    fps: float | None,
    made_for: str | None,
    force: bool,
) -> None:
    from adamesh.avatars import apply_clip
    from adamesh.motion.clip import MotionClip
    from adamesh.rigging import rig_mesh

    check_output(output, force=force)
    check_suffix(output, ".glb")
    motion = None if clip is None else _arkit(MotionClip.load(check_input(clip, "clip")), made_for)
    with temporary_folder() as folder, progress_bars() as report:
        rigged = output if motion is None else folder / "avatar.glb"
        done = rig_mesh(mesh, rigged, force=force, progress=report)
        if motion is not None:
            apply_clip(motion, rigged, output, fps=fps, force=force)
    typer.echo(
        f"{output}: 52 blendshapes{', neck, head and eyes' if done.rigged else ''}; "
        f"{done.landmarks} landmarks, {done.landmark_error:.1f} % of the distance between the eyes from the "
        f"detected ones; {done.eyeballs or 'no'} eyeballs; "
        f"{'in ' + done.unit if done.unit else 'in no known unit, scaled to life size'}"
        f"{', turned upright' if done.turned else ''}"
    )
    if not done.lips_part:
        typer.echo(
            "the lips are one surface, so the mouth cannot open: cut them apart first", err=True
        )


def _arkit(clip: "MotionClip", made_for: str | None) -> "MotionClip":
    if clip.space == "arkit52":
        return clip
    from adamesh.faces.library import load_named_face
    from adamesh.retargeting import fit_to_face

    source = None if made_for is None else load_named_face(made_for)
    return fit_to_face(clip, load_named_face("embedded"), made_for=source)


def _print(facts: dict[str, Any], as_json: bool, verbose: bool = True) -> None:
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    for mesh, morphs in facts["morphs"].items() if verbose else ():
        typer.echo(printable(mesh))
        for target, gains in morphs.items():
            sources = " + ".join(
                control if gain == 1 else f"{gain:g} {control}" for control, gain in gains.items()
            )
            typer.echo(f"  {printable(target):<32}{sources}")
    for bone, node in facts["bones"].items() if verbose else ():
        name = "not found" if node is None else printable(node)
        typer.echo(f"{bone.replace('_', ' '):<12}{name}")
    if verbose:
        typer.echo(f"{'face':<12}looks along {facts['front']}")
    else:
        _summarize(facts)
    for kind, names in (
        ("targets that nothing moves", facts["unmatched"]),
        ("blendshapes that nothing shows", facts["not_shown"]),
    ):
        if verbose:
            typer.echo(f"{kind}: {', '.join(map(printable, names)) or 'none'}")
        elif names:
            typer.echo(f"{kind}: {listed(names)}")


def _summarize(facts: dict[str, Any]) -> None:
    """How much of the avatar moves, in a line."""
    moved = sum(map(len, facts["morphs"].values()))
    shown = len(ARKIT52) - len(facts["not_shown"])
    bones = [bone.replace("_", " ") for bone, node in facts["bones"].items() if node is not None]
    typer.echo(
        f"{moved} morph targets show {shown} of the 52 blendshapes; turned: {', '.join(bones) or 'no bone'} "
        "(--verbose lists what moves what)"
    )
