"""Tables of any tool as names and rows of cells: CSV with any separator, Face Cap's rows, JSON as it comes.

A frame of a JSON file becomes a row: what is nested in it gets a name with dots, and a list of entries with a
name and a score gets a cell an entry.
"""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adamesh.errors import InputError, listed
from adamesh.formats.containers import read_json, read_text, unreadable_as
from adamesh.formats.names import arkit_name

TEXTS = (".csv", ".tsv", ".txt")
JSONS = (".json", ".jsonl", ".ndjson")
SEPARATORS = ",;\t|"
HEADER_ROWS = 30  # in which the header is looked for
DEEPEST = 8  # levels of a JSON file
MOST_COLUMNS = 20_000
RATE_NAMES = ("fps", "framerate", "exportfps")
NAME_KEYS = (
    "categoryname",
    "name",
    "shape",
    "blendshape",
    "blendshapename",
    "key",
    "label",
    "target",
)
SCORE_KEYS = ("score", "value", "weight", "coefficient")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(e[-+]?\d+)?", re.IGNORECASE)

Cell = object  # text, a number, or None where there is none


@dataclass(frozen=True)
class Table:
    """Rows of cells under names.

    Attributes:
        names: of the columns.
        rows: as many cells each; None where a frame has none.
        fps: that the file says it has, beside its rows.
    """

    names: tuple[str, ...]
    rows: list[list[Cell]]
    fps: float | None = None


def read_table(path: Path) -> Table:
    """The table in a file, by its suffix.

    Raises:
        InputError: no table, or none with ARKit's names.
    """
    if path.suffix.lower() in TEXTS:
        return _of_text(path, read_text(path))
    if path.suffix.lower() == ".json":
        return _of_json(path, read_json(path))
    with unreadable_as(path, "JSON lines"):
        lines = [json.loads(line) for line in read_text(path).splitlines() if line.strip()]
    return _of_json(path, lines)


def has_arkit(names: Sequence[str]) -> bool:
    """Whether some of the names are, or end in, ARKit's."""
    return any(arkit_name(name) is not None for name in names)


def _of_text(path: Path, text: str) -> Table:
    lines = text.splitlines()
    if lines and lines[0].lower().startswith("sep="):  # Excel's
        lines = lines[1:]
    head = "\n".join(lines[:HEADER_ROWS])
    separator = max(SEPARATORS, key=head.count)
    with unreadable_as(path, "CSV"):
        table = [row for row in csv.reader(lines, delimiter=separator) if any(map(str.strip, row))]
    capture = [row for row in table if row[0].strip().lower() in ("bs", "k")]
    if capture and capture[0][0].strip().lower() == "bs":
        return _of_face_cap(path, capture)
    if table and (long := _of_long(path, table[0], table[1:])) is not None:
        return long
    for number, header in enumerate(table[:HEADER_ROWS]):
        if has_arkit(header):
            rows: list[list[Cell]] = [
                [_text_cell(cell, separator) for cell in row] for row in table[number + 1 :]
            ]
            _check_rows(path, header, rows, number + 2)
            return Table(tuple(name.strip() for name in header), rows)
    found = listed(table[0]) if table else "no rows"
    raise InputError(f"'{path}' has none of the 52 ARKit names (jawOpen ...), it has {found}")


def _text_cell(cell: str, separator: str) -> Cell:
    cell = cell.strip().removesuffix("%").strip()
    if separator != "," and _DECIMAL_COMMA.fullmatch(cell):
        return cell.replace(",", ".")
    return cell if cell.lower() not in ("", "nan", "null", "none", "n/a", "na") else None


def _check_rows(path: Path, header: Sequence[str], rows: list[list[Cell]], first: int) -> None:
    for number, row in enumerate(rows, start=first):
        while len(row) > len(header) and row[-1] is None:  # a separator at the end of each line
            row.pop()
        if len(row) != len(header):
            raise InputError(
                f"row {number} of '{path}' has {len(row)} cells, its header {len(header)}"
            )
    if not rows:
        raise InputError(f"'{path}' has a header and no rows; record or download it again")


def _of_face_cap(path: Path, rows: list[list[str]]) -> Table:
    """Rows `bs, name ...` and `k, milliseconds, place, turn of head and eyes, weight ...`.

    Weights stand last, as many as there are names; what is between has no names (the add-on FaceIt reads the
    recordings so, with times in milliseconds and angles in degrees).
    """
    names = [name.strip() for name in rows[0][1:] if name.strip()]
    keys = [[_text_cell(cell, ",") for cell in row] for row in rows[1:]]
    for number, row in enumerate(keys, start=1):
        if len(row) < len(names) + 2:
            raise InputError(
                f"key {number} of '{path}' has {len(row) - 2} numbers for {len(names)} blendshapes"
            )
    if not names or not keys:
        raise InputError(f"'{path}' has no names of blendshapes (bs) or no keys (k)")
    body = [[row[1], *row[len(row) - len(names) :]] for row in keys]
    return Table(("time_ms", *names), body)


def _of_long(path: Path, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table | None:
    """A row a frame of a table with a row a blendshape: a column of names, one of scores, one that counts."""
    width = len(header)
    if not rows or any(len(row) != width for row in rows[:HEADER_ROWS]):
        return None
    keys = [re.sub("[^a-z]", "", str(name).lower()) for name in header]
    named = [i for i in range(width) if any(arkit_name(str(row[i])) for row in rows[:HEADER_ROWS])]
    scores = [i for i, key in enumerate(keys) if key in SCORE_KEYS]
    counts = [i for i in range(width) if i not in (*named, *scores)]
    if len(named) != 1 or len(scores) != 1 or not counts:
        return None
    frames: dict[object, dict[str, Cell]] = {}
    for row in rows:
        if len(row) == width:
            entry = frames.setdefault(row[counts[0]], {str(header[i]): row[i] for i in counts})
            entry[str(row[named[0]])] = row[scores[0]]
    return _of_frames(path, list(frames.values()), None)


def _of_json(path: Path, top: Any) -> Table:
    fps = next(iter(_rates(top)), None)
    if isinstance(top, dict):
        columns = {
            name: value
            for name, value in _flat(top)
            if isinstance(value, list) and not any(isinstance(x, dict | list) for x in value)
        }
        if has_arkit(list(columns)):
            length = max(len(x) for name, x in columns.items() if arkit_name(name) is not None)
            kept = {name: x for name, x in columns.items() if len(x) == length}
            return Table(tuple(kept), [list(row) for row in zip(*kept.values(), strict=True)], fps)
    for frames in _lists(top):
        names = _names_beside(top, frames)
        if names is not None and all(isinstance(x, list) for x in frames):
            return Table(names, [list(row) for row in frames], fps)
        if any(isinstance(frame, dict | list) for frame in frames):
            rows = [dict(_cells(frame)) for frame in frames]
            if any(has_arkit(list(row)) for row in rows):
                return _of_frames(path, rows, fps)
            if rows and rows[0]:
                header = list(rows[0])
                found = _of_long(path, header, [[row.get(n) for n in header] for row in rows])
                if found is not None:
                    return Table(found.names, found.rows, fps)
    raise InputError(f"'{path}' has none of the 52 ARKit names (jawOpen ...) in a list of frames")


def _of_frames(path: Path, frames: list[dict[str, Cell]], fps: float | None) -> Table:
    names = list(dict.fromkeys(name for frame in frames for name in frame))
    if len(names) > MOST_COLUMNS:
        raise InputError(f"'{path}' has {len(names)} names, more than {MOST_COLUMNS}")
    return Table(tuple(names), [[frame.get(name) for name in names] for frame in frames], fps)


def _lists(value: Any, depth: int = 0) -> Iterator[list[Any]]:
    """The lists in a JSON value, outer ones first."""
    if isinstance(value, list):
        yield value
    elif isinstance(value, dict) and depth < DEEPEST:
        for inner in value.values():
            yield from _lists(inner, depth + 1)


def _names_beside(top: Any, frames: list[Any]) -> tuple[str, ...] | None:
    """A list of ARKit's names in the same file, as long as each frame."""
    if not frames or not isinstance(frames[0], list):
        return None
    for names in _lists(top):
        texts = [name for name in names if isinstance(name, str)]
        if len(texts) == len(names) == len(frames[0]) and has_arkit(texts):
            return tuple(texts)
    return None


def _flat(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """What lies in nested objects, under names with dots."""
    if isinstance(value, dict) and depth < DEEPEST:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key), depth + 1)
    else:
        yield name, value


def _cells(frame: Any) -> Iterator[tuple[str, Cell]]:
    """What a frame holds that is a number or a text, by name; of several faces the first."""
    for name, value in _flat(frame):
        if isinstance(value, list):
            yield from _entries(name, value)
        elif isinstance(value, bool) or value is None or isinstance(value, int | float | str):
            yield name, value


def _entries(name: str, entries: list[Any], depth: int = 0) -> Iterator[tuple[str, Cell]]:
    """Of a list of `{name, score}`, or of faces that hold such a list: a name and a score each."""
    for entry in entries:
        if isinstance(entry, list) and depth < DEEPEST:
            yield from _entries(name, entry, depth + 1)
            return
        if not isinstance(entry, dict):
            return
        keys = {re.sub("[^a-z]", "", str(key).lower()): key for key in entry}
        named = next((entry[keys[k]] for k in NAME_KEYS if k in keys), None)
        score = next((entry[keys[k]] for k in SCORE_KEYS if k in keys), None)
        if isinstance(named, str) and isinstance(score, int | float):
            yield named, score
        else:
            yield from _cells(entry)
            return


def _rates(value: Any, depth: int = 0) -> Iterator[float]:
    """Frame rates that an object tells of itself."""
    if isinstance(value, dict) and depth < DEEPEST:
        for key, inner in value.items():
            named = re.sub("[^a-z]", "", str(key).lower()) in RATE_NAMES
            if named and isinstance(inner, int | float) and not isinstance(inner, bool):
                yield float(inner)
        for inner in value.values():
            yield from _rates(inner, depth + 1)
