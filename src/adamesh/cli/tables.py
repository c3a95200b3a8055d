"""Figures for people as tables, for machines as JSON."""

import json
from collections.abc import Callable
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

if TYPE_CHECKING:
    from adamesh.evaluation.adaptation import PersonAdaptation
    from adamesh.evaluation.pose import PoseFigures
    from adamesh.evaluation.sync import PersonSync
    from adamesh.evaluation.upper_face import PersonUpper


def _print(title: str, columns: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*map(escape, row))
    Console(width=140).print(table)


def print_rows(title: str, figures: list[Any], *, as_json: bool, medians: bool = True) -> None:
    """Dataclasses or dicts with the same fields, one a row, and the median of every number."""
    records = [x if isinstance(x, dict) else asdict(x) for x in figures]
    if as_json:
        typer.echo(json.dumps(records, indent=1))
        return
    columns = list(records[0])
    rows = [[_short(record[name]) for name in columns] for record in records]
    if medians:
        values = ([record[name] for record in records] for name in columns)
        rows.append(["median" if isinstance(x[0], str) else _short(np.median(x)) for x in values])
    _print(title, [name.replace("_", " ") for name in columns], rows)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def print_sync(figures: "list[PersonSync]", *, as_json: bool) -> None:
    """Lip sync of each person, the median over people and its interval."""
    from adamesh.evaluation.sync import METRICS, SAME_TASK

    if as_json:
        typer.echo(json.dumps([asdict(figure) for figure in figures], indent=1))
        return
    columns = ["s", *METRICS]
    digits = [0, *(metric.digits for metric in METRICS.values())]
    values = np.array([[f.seconds, *f.metrics.values()] for f in figures])

    def row(name: str, numbers: np.ndarray) -> list[str]:
        return [name, *(f"{x:.{d}f}" for x, d in zip(numbers, digits, strict=True))]

    rows = [row(f.name, x) for f, x in zip(figures, values, strict=True)]
    # People of a grammar and a room that were trained on are a figure of their own.
    apart = np.array([f.name.startswith(SAME_TASK) for f in figures])
    if apart.any() and not apart.all():
        figures = [f for f in figures if not f.name.startswith(SAME_TASK)]
        values = values[~apart]
    rows.append(row("median", np.median(values, 0)))
    for name, bound in zip(("from", "to"), interval(values), strict=True):
        rows.append(row(f"  95 % {name}", bound))
    _print(
        "Mouth opening, generated with the neutral style against tracked",
        ["person", *columns],
        rows,
    )
    for other in ("ridge", "conv"):
        gain = values[:, columns.index("r")] - values[:, columns.index(other)]
        typer.echo(
            f"better than {other} for {int((gain > 0).sum())} of {len(gain)}, by {gain.mean():+.3f}"
        )
    if apart.any():
        typer.echo(
            f"medians and counts are without {SAME_TASK}*: people of the task that was trained on"
        )


def interval(values: np.ndarray) -> np.ndarray:
    """[2, C] where the median over people [P, C] lies with 95 %, by drawing as many people anew."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(values), size=(2000, len(values)))
    return np.quantile(np.median(values[drawn], axis=1), [0.025, 0.975], axis=0)


def print_adaptation(figures: "list[PersonAdaptation]", *, as_json: bool) -> None:
    """Means over people of every arm, correlations by person, lengths of the reference, and who is known."""
    from adamesh.evaluation.adaptation import ArmFigures, identified, means
    from adamesh.evaluation.columns import cells, headings

    known = identified(figures)
    if as_json:
        content = {
            figure.name: {
                "arms": {arm: asdict(values) for arm, values in figure.arms.items()},
                "lengths": {
                    length: {"neutral": asdict(before), "adapted": asdict(after)}
                    for length, (before, after) in figure.lengths.items()
                },
                "taken for": other,
            }
            for figure, other in zip(figures, known, strict=True)
        }
        typer.echo(json.dumps(content, indent=1))
        return
    r, *others = headings(ArmFigures)
    columns = ["mean over people", r, f"better {r}", *others]
    rows = []
    for arm in figures[0].arms:
        values = [figure.arms[arm] for figure in figures]
        before = [figure.arms["neutral"] for figure in figures]
        better = sum(v.correlation > b.correlation for v, b in zip(values, before, strict=True))
        first, *rest = cells(ArmFigures, astuple(means(values)))
        rows.append([arm, first, f"{better} of {len(values)}", *rest])
    _print("Adapted on 10 s, judged on the rest of each person's video", columns, rows)
    rows = [
        [figure.name, *(f"{values.correlation:.2f}" for values in figure.arms.values())]
        for figure in figures
    ]
    _print("r by person", ["person", *figures[0].arms], rows)
    rows = [
        [figure.name, f"{length:.0f}", f"{before.correlation:.3f}", f"{after.correlation:.3f}",
         f"{before.centred_mm:.2f}", f"{after.centred_mm:.2f}"]
        for figure in figures
        for length, (before, after) in figure.lengths.items()
    ]  # fmt: skip
    columns = ["person", "s", "r neutral", "adapted", "centred (mm) neutral", "adapted"]
    _print("Lengths of the reference", columns, rows)
    right = sum(figure.name == other for figure, other in zip(figures, known, strict=True))
    typer.echo(f"generated motion is nearest to the person's own for {right} of {len(figures)}")


def print_pose(figures: "PoseFigures", *, as_json: bool) -> None:
    """Head motion of each person in every way, what speech and style tell of codes, and many long runs."""
    from adamesh.evaluation.columns import cells, headings
    from adamesh.evaluation.pose import CLOSE, WAYS, HeadFigures

    if as_json:
        typer.echo(json.dumps(asdict(figures), indent=1))
        return
    people = figures.people
    columns = ["person", "motion", *headings(HeadFigures)]
    rows = []
    for person in people:
        for way, motion in person.ways.items():
            name = person.name if way == WAYS[0] else ""
            rows.append([name, way, *cells(HeadFigures, astuple(motion))])
    for way in WAYS:
        values = zip(*(astuple(person.ways[way]) for person in people), strict=True)
        medians = [None if isinstance(x[0], tuple) else np.median(x) for x in values]
        rows.append(["median", way, *cells(HeadFigures, medians)])
    _print(
        "Head motion (degrees pitch/yaw/roll, degrees a second, share of frames, correlations, degrees)",
        columns,
        rows,
    )
    told = list(people[0].nats)
    rows = [[person.name, *(f"{x:.3f}" for x in person.nats.values())] for person in people]
    rows.append(["mean", *(f"{np.mean([p.nats[name] for p in people]):.3f}" for name in told)])
    _print("A code of the rest, nats, by speech and by style", ["person", *told], rows)
    close = sum(abs(person.closeness - 1) <= CLOSE for person in people)
    typer.echo(
        f"deviation within {100 * CLOSE:.0f} % of the reference's for {close} of {len(people)}; rank "
        f"correlation over people of generated and seen: {figures.rank_correlation:.2f}\n"
        f"{figures.runs} runs of 60 s: {figures.frozen} frozen, {figures.exploding} exploding"
    )


def print_upper_face(figures: "list[PersonUpper]", *, as_json: bool) -> None:
    """Each person seen and generated, and for how many a figure is within the tolerance."""
    from adamesh.evaluation.sync import SAME_TASK
    from adamesh.evaluation.upper_face import TOLERANCE, UpperFigures, within

    if as_json:
        typer.echo(json.dumps([asdict(figure) for figure in figures], indent=1))
        return
    names = list(UpperFigures.__dataclass_fields__)
    compared = (
        ("generated from 10 s / the rest seen", "generated", "seen"),
        ("the first 10 s seen / the rest seen", "reference", "seen"),
        ("network alone / the rest seen", "network", "seen"),
        ("generated from all / all seen", "from_whole", "whole"),
    )
    counted = [f for f in figures if not f.name.startswith(SAME_TASK)] or figures
    for title, made, seen in compared:
        rows = []
        for person in figures:
            a, b = asdict(getattr(person, made)), asdict(getattr(person, seen))
            cells = (f"{a[name]:.3g} / {b[name]:.3g}" for name in names)
            rows.append([person.name, f"{person.seconds:.0f}", *cells])
        counts = (
            sum(within(getattr(getattr(f, made), n), getattr(getattr(f, seen), n)) for f in counted)
            for n in names
        )
        rows.append(
            ["within", f"{TOLERANCE:.0%}", *(f"{count} of {len(counted)}" for count in counts)]
        )
        _print(title, ["person", "s", *names], rows)
    typer.echo(f"rates are a minute; counts are without {SAME_TASK}*, who read sentences")


def print_formats() -> None:
    """Outputs by their suffix, and tracks of other tools: files, space, frame rate, and what is lost."""
    from adamesh.export import FORMATS as OUTPUTS
    from adamesh.formats import FORMATS as TRACKS

    rows = [
        [suffix, output.holds, f"{output.fps:g}" if output.fps else "", output.sound, output.ready]
        for suffix, output in OUTPUTS.items()
    ]
    _print("Outputs of `animate` and `export`", ["suffix", "holds", "fps", "sound", "here"], rows)
    rows = [
        [
            name,
            kind.tool,
            " ".join(suffix or "folder" for suffix in kind.suffixes),
            kind.space,
            f"{kind.fps:g}" if kind.fps else "",
            kind.note,
        ]
        for name, kind in TRACKS.items()
    ]
    _print("Tracks of other tools", ["format", "tool", "files", "space", "fps", "note"], rows)


# Of each evaluation: what its metrics are printed by.
PRINTED: dict[str, Callable[[Any, bool], None]] = {
    "lips": lambda metrics, as_json: print_sync(metrics, as_json=as_json),
    "adaptation": lambda metrics, as_json: print_adaptation(metrics, as_json=as_json),
    "pose": lambda metrics, as_json: print_pose(metrics, as_json=as_json),
    "offsets": lambda metrics, as_json: print_rows(
        "Offsets that were put into the sound, found again", metrics, as_json=as_json
    ),
    "upper-face": lambda metrics, as_json: print_upper_face(metrics, as_json=as_json),
}
