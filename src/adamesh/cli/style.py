"""`adamesh style`: what a style holds, and new styles of old ones."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adamesh.cli.options import Checkpoint, Force, Json, Output, check_suffix
from adamesh.errors import InputError
from adamesh.files import check_output

if TYPE_CHECKING:
    from adamesh.animation.show_style import StyleFacts

SHOWN = 6  # blendshapes of a resting face that are printed

style_app = typer.Typer(
    help="What a style holds, mixes of styles, and calmer or livelier ones.", no_args_is_help=True
)

StyleFile = Annotated[Path, typer.Argument(help="Style file from `adamesh adapt`.")]


@style_app.command()
def show(
    style: StyleFile,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Draw it beside the neutral style into this .png."),
    ] = None,
    checkpoint: Checkpoint = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """What a style holds, and how far each blendshape moves when it speaks the packaged sample.

    [bold]Examples[/bold]

      adamesh style show me.style

      adamesh style show me.style -o me.png

      adamesh style show me.style --json
    """
    if output is not None:
        check_suffix(output, ".png")
        check_output(output, force=force)
    from adamesh.animation.show_style import draw_style, style_facts
    from adamesh.animation.style import Style, default_style
    from adamesh.checkpoints.networks import load_network
    from adamesh.models.expression import ExpressionAdapter

    loaded, plain = Style.load(style), default_style()
    model = load_network(ExpressionAdapter, checkpoint)
    facts = style_facts(loaded, model)
    # Another base model has no neutral style.
    neutral = style_facts(plain, model) if plain.base == loaded.base else None
    if output is not None:
        draw_style(loaded, facts, neutral, model, output)
    size = style.stat().st_size
    if as_json:
        typer.echo(json.dumps({**asdict(facts), "bytes": size}, indent=1))
        return
    _print_facts(facts, neutral, size)


def _print_facts(facts: "StyleFacts", neutral: "StyleFacts | None", size: int) -> None:
    from math import degrees

    from adamesh.animation.show_style import MOVES

    rest = list(facts.resting_face.items())[:SHOWN]
    blinks, gaze, offset = facts.blinks, facts.gaze, facts.sound_offset
    raises, frowns = facts.brows.raises, facts.brows.frowns
    late = "not looked for"
    if offset is not None:
        sure = "" if offset.confident else ", which cannot be told from chance"
        late = f"{1000 * offset.seconds:+.0f} ms (positive: after the lips){sure}"
    ranks = ", ".join(map(str, facts.ranks))
    lines = {
        "source": facts.source,
        "base model": f"{facts.base}, pose adapter {facts.pose_base}",
        "resting face": ", ".join(f"{name} {weight:.2f}" for name, weight in rest),
        "mouth": f"{facts.mouth_mm:.1f} mm in the reference, gain {facts.mouth_gain:.2f}; "
        f"{facts.spoken_mm:.1f} mm when it speaks (standard deviation)",
        "brows": f"{60 * raises.rate_hz:.0f} raises a minute of {raises.size:.2f}, "
        f"{60 * frowns.rate_hz:.0f} frowns of {frowns.size:.2f}",
        "blinks": f"{60 * blinks.rate_hz:.0f} a minute, {blinks.duration_s:.2f} s each",
        "gaze": f"{degrees(gaze.pitch):.1f}° up and down, {degrees(gaze.yaw):.1f}° sideways "
        f"(standard deviation), {gaze.fixation:.1f} s on a target, {100 * gaze.away:.0f} % of the time "
        "elsewhere",
        "head": ", ".join(f"{axis} {range_:.1f}°" for axis, range_ in facts.head_range.items())
        + " from end to end",
        "sound offset": late,
        "MoLoRA": f"ranks {ranks}; {facts.numbers:,} numbers" if facts.ranks else "none",
        "file": f"{size / 1000:,.0f} kB",
    }
    for name, text in lines.items():
        typer.echo(f"{name:<14}{text}")
    moving = {name: move for name, move in facts.blendshapes.items() if move >= MOVES}
    typer.echo(f"\n{'blendshape':<22}{'deviation':>10}" + ("" if neutral is None else "   neutral"))
    for name, move in moving.items():
        other = "" if neutral is None else f"{neutral.blendshapes[name]:>10.3f}"
        typer.echo(f"{name:<22}{move:>10.3f}{other}")
    typer.echo(f"{len(facts.blendshapes) - len(moving)} more move by less than {MOVES:g}")


@style_app.command()
def mix(
    styles: Annotated[list[Path], typer.Argument(help="Two or more style files.")],
    output: Output,
    weights: Annotated[
        str | None,
        typer.Option(metavar="W,W,...", help="One for each style; equal ones by default."),
    ] = None,
    checkpoint: Checkpoint = None,
    force: Force = False,
) -> None:
    """A style between several: how they speak, rest, blink, look and move the head.

    [bold]Examples[/bold]

      adamesh style mix ann.style ben.style -o both.style

      adamesh style mix ann.style ben.style --weights 0.7,0.3 -o mostly-ann.style
    """
    check_suffix(output, ".style")
    check_output(output, force=force)
    numbers = None if weights is None else _numbers(weights)
    from adamesh.animation.mix import mix_styles
    from adamesh.animation.style import Style
    from adamesh.checkpoints.networks import load_network
    from adamesh.models.expression import ExpressionAdapter

    model = load_network(ExpressionAdapter, checkpoint)
    mixed = mix_styles([Style.load(path) for path in styles], numbers, model=model)
    mixed.save(output, force=force)
    typer.echo(f"{output}: {mixed.source}")


def _numbers(weights: str) -> list[float]:
    try:
        return [float(word) for word in weights.split(",")]
    except ValueError:
        raise InputError(
            f"--weights '{weights}' are no numbers; give one for each style, as 0.7,0.3"
        ) from None


@style_app.command()
def scale(
    style: StyleFile,
    output: Output,
    mouth: Annotated[
        float, typer.Option(min=0, max=4, help="Factor on its motion; shut lips stay shut.")
    ] = 1.0,
    brows: Annotated[float, typer.Option(min=0, max=4, help="Factor on their motion.")] = 1.0,
    head: Annotated[float, typer.Option(min=0, max=4, help="Factor on its motion.")] = 1.0,
    blinks: Annotated[
        float, typer.Option(min=0, max=4, help="Factor on how often they come.")
    ] = 1.0,
    eyes: Annotated[
        float, typer.Option(min=0, max=4, help="Factor on how far they look about.")
    ] = 1.0,
    force: Force = False,
) -> None:
    """The same person calmer or livelier.

    [bold]Examples[/bold]

      adamesh style scale me.style --mouth 1.2 --brows 0.5 --head 1.5 -o lively.style

      adamesh style scale me.style --blinks 0.8 --eyes 0.6 -o calm.style
    """
    check_suffix(output, ".style")
    check_output(output, force=force)
    if mouth == brows == head == blinks == eyes == 1:
        raise InputError(
            "nothing is scaled; give a factor with --mouth, --brows, --head, --blinks or --eyes"
        )
    from adamesh.animation.mix import scale_style
    from adamesh.animation.style import Style

    scaled = scale_style(
        Style.load(style), mouth=mouth, brows=brows, head=head, blinks=blinks, eyes=eyes
    )
    scaled.save(output, force=force)
    typer.echo(f"{output}: {scaled.source}")
