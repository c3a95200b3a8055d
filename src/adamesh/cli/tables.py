"""Figures for people as tables, for machines as JSON."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

if TYPE_CHECKING:
    from adamesh.pipeline.evaluate import ArmFigures, PersonSync
    from adamesh.pipeline.evaluate_pose import PoseFigures


def _print(title: str, columns: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)


def print_rows(title: str, figures: list[Any], *, as_json: bool, medians: bool = True) -> None:
    """Dataclasses of the same type, one a row, and the median of every number."""
    records = [asdict(figure) for figure in figures]
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
    """Lip sync of each person, and the median over people."""
    if as_json:
        typer.echo(json.dumps([asdict(figure) for figure in figures], indent=1))
        return
    rows = [
        [
            f.name,
            f"{f.seconds:.1f}",
            f"{f.right.correlation:.2f}",
            f"{1000 * f.right.best_lag:+.0f}",
            f"{f.right.best_correlation:.2f}",
            f"{f.right.std_ratio:.2f}",
            f"{f.wrong.correlation:.2f}",
        ]
        for f in figures
    ]
    rows.append(
        [
            "median",
            "",
            f"{np.median([f.right.correlation for f in figures]):.2f}",
            f"{1000 * np.median([f.right.best_lag for f in figures]):+.0f}",
            f"{np.median([f.right.best_correlation for f in figures]):.2f}",
            f"{np.median([f.right.std_ratio for f in figures]):.2f}",
            f"{np.median([f.wrong.correlation for f in figures]):.2f}",
        ]
    )
    columns = ["person", "s", "r", "best lag (ms)", "r at lag", "std ratio", "r wrong speech"]
    _print("Mouth opening, generated with the neutral style against tracked", columns, rows)


def print_adaptation(figures: "dict[str, dict[str, ArmFigures]]", *, as_json: bool) -> None:
    """Every arm for each person, and the mean over people."""
    if as_json:
        content = {
            name: {arm: asdict(values) for arm, values in arms.items()}
            for name, arms in figures.items()
        }
        typer.echo(json.dumps(content, indent=1))
        return
    names = list(figures)
    rows = []
    for arm in figures[names[0]] if names else []:
        values = [figures[name][arm] for name in names]
        rows.append(
            [
                arm,
                *(f"{v.lip_mm:.2f}" for v in values),
                f"{np.mean([v.lip_mm for v in values]):.2f}",
                f"{np.mean([v.upper_mm for v in values]):.2f}",
                f"{np.mean([v.dynamics_mm for v in values]):+.2f}",
                f"{np.median([v.correlation for v in values]):.2f}",
                f"{np.median([v.std_ratio for v in values]):.2f}",
            ]
        )
    columns = ["lip error (mm)", *names, "mean", "upper (mm)", "upper dyn.", "r", "std ratio"]
    _print("Adapted on 10 s, judged on the rest of each person's video", columns, rows)


def print_pose(figures: "PoseFigures", *, as_json: bool) -> None:
    """Head motion of each person, generated and looped beside seen, and what many long runs do."""
    if as_json:
        typer.echo(json.dumps(asdict(figures), indent=1))
        return
    columns = ["person", "s", "std seen", "generated", "looped", "speed seen", "generated", "looped",
               "beats seen", "generated", "wrong speech", "looped"]  # fmt: skip
    rows = []
    for person in figures.people:
        deviations = (
            "/".join(f"{degrees:.1f}" for degrees in motion.std_degrees)
            for motion in (person.seen, person.generated, person.looped)
        )
        speeds = (
            f"{motion.speed:.1f}" for motion in (person.seen, person.generated, person.looped)
        )
        beats = (
            f"{value:.2f}"
            for value in (
                person.seen.beats,
                person.generated.beats,
                person.wrong_beats,
                person.looped.beats,
            )
        )
        rows.append([person.name, f"{person.seconds:.0f}", *deviations, *speeds, *beats])
    _print("Head motion (degrees pitch/yaw/roll, degrees a second, beat alignment)", columns, rows)
    typer.echo(
        f"rank correlation over people of generated and seen deviation: {figures.rank_correlation:.2f}\n"
        f"{figures.runs} runs of 60 s: {figures.frozen} frozen, {figures.exploding} exploding"
    )


def print_formats() -> None:
    """Every format of another tool's track: files, space, frame rate, and what is lost."""
    from adamesh.formats import FORMATS

    rows = [
        [
            name,
            kind.tool,
            " ".join(suffix or "folder" for suffix in kind.suffixes),
            kind.space,
            f"{kind.fps:g}" if kind.fps else "",
            kind.note,
        ]
        for name, kind in FORMATS.items()
    ]
    _print("Tracks of other tools", ["format", "tool", "files", "space", "fps", "note"], rows)
