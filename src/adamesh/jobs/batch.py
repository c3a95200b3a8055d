"""Many lines of speech in one run: a list of them, animated and written by all cores.

A list is a CSV with the columns `speech`, `style` (may be left out; a `.style` or a video) and `output`.
Paths are relative to the list. What is written already is not written again, so that a run that was stopped
goes on where it was.
"""

import csv
import functools
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adamesh import parallel
from adamesh.errors import AdaMeshError, InputError
from adamesh.export import OutputOptions
from adamesh.export.plan import check_textured, exported_files
from adamesh.faces.library import EMBEDDED, load_named_face
from adamesh.files import check_input, temporary_folder
from adamesh.jobs.animate_file import (
    AnimateOptions,
    animate_file,
    base_model,
    learn_style,
    make_animator,
    plan_output,
)
from adamesh.progress import Progress, no_progress

if TYPE_CHECKING:
    from adamesh.animation.animator import Animator

COLUMNS = ("speech", "style", "output")
STYLE_SUFFIX = ".style"  # a style of another suffix is a video to learn it from


@dataclass(frozen=True)
class Row:
    """One line of speech to animate."""

    number: int  # its last line in the file; the header is 1, as spreadsheets count
    speech: Path | None
    style: Path | None
    output: Path | None
    surplus: bool = False  # it has more cells than there are columns

    def problem(self, reason: str) -> str:
        """One line that names the row."""
        return f"row {self.number}{f' ({self.output.name})' if self.output else ''}: {reason}"


@dataclass(frozen=True)
class BatchResult:
    """Numbers of rows, and a line for each that could not be done."""

    written: int
    skipped: int  # their output existed
    problems: list[str]


def read_batch(path: str | os.PathLike[str]) -> list[Row]:
    """The rows of a list, in its order.

    Raises:
        InputError: no such file, no text in UTF-8, an unknown or a missing column, no rows, or two rows that
            write the same file.
    """
    path = check_input(path, "list")
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            _check_columns(path, reader.fieldnames or ())
            rows = [_row(reader.line_num, cells, path.parent) for cells in reader]
    except (ValueError, csv.Error) as error:  # no UTF-8, or a name with a zero byte in it
        raise InputError(f"list '{path}' is not a CSV in UTF-8: {error}") from error
    if not rows:
        raise InputError(f"list '{path}' has no rows; each is one speech and one output")
    _check_outputs(path, rows)
    return rows


def animate_batch(
    rows: Iterable[Row],
    options: AnimateOptions = AnimateOptions(),  # noqa: B008, it is frozen
    *,
    jobs: int | None = None,
    progress: Progress = no_progress,
) -> BatchResult:
    """Animates and writes all rows whose output is not there yet.

    A style that is a video is learned once, however many rows have it; so is a texture.

    Args:
        rows: of `read_batch`.
        options: what they share.
        jobs: processes; one for each core by default.
        progress: told of rows done.
    Raises:
        InputError: no such checkpoint, face or texture, or a process died.
    """
    rows = list(rows)
    # What is wrong with these is so of every row, and is said once.
    base_model(options)
    if options.output.face is not None:
        load_named_face(options.output.face)
    with temporary_folder() as folder:
        options = replace(options, output=_with_picture(options.output, folder, progress))
        missing = [row for row in rows if options.output.force or not _is_written(row)]
        problems = {row.number: reason for row in missing if (reason := _fault(row, options))}
        waiting = [row for row in missing if row.number not in problems]
        done = len(rows) - len(waiting)
        progress("animating", done, len(rows))
        videos = sorted({row.style for row in waiting if row.style and _is_video(row.style)})
        styles = {video: folder / f"{i}{STYLE_SUFFIX}" for i, video in enumerate(videos)}
        learn = functools.partial(_learn, options=options)
        unlearned = {
            videos[i]: reason
            for i, reason in parallel.map(learn, list(styles.items()), jobs=jobs)
            if reason is not None
        }
        learned = []
        for row in waiting:
            if row.style in unlearned:
                problems[row.number] = unlearned[row.style]
            else:
                style = None if row.style is None else styles.get(row.style, row.style)
                learned.append(replace(row, style=style))
        done = len(rows) - len(learned)
        progress("animating", done, len(rows))
        animate = functools.partial(_animate, options=options)
        for i, reason in parallel.map(animate, learned, jobs=jobs):
            if reason is not None:
                problems[learned[i].number] = reason
            done += 1
            progress("animating", done, len(rows))
    return BatchResult(
        written=len(missing) - len(problems),
        skipped=len(rows) - len(missing),
        problems=[row.problem(problems[row.number]) for row in rows if row.number in problems],
    )


def _with_picture(output: OutputOptions, folder: Path, progress: Progress) -> OutputOptions:
    """The same options with a texture that is a picture: made of a video here, once for all rows."""
    if output.texture is None:
        return output
    from adamesh.media.picture import write_png
    from adamesh.texture import load_texture

    check_textured(load_named_face(output.face or EMBEDDED))
    picture = folder / "texture.png"
    write_png(picture, load_texture(output.texture, progress=progress))
    return replace(output, texture=picture)


def _check_columns(path: Path, names: Iterable[str]) -> None:
    names = list(names)
    unknown = [name for name in names if name not in COLUMNS]
    missing = [name for name in COLUMNS if name not in names and name != "style"]
    for what, found in (("has unknown", unknown), ("lacks the", missing)):
        if found:
            raise InputError(
                f"list '{path}' {what} column(s) {', '.join(map(repr, found))}; the columns are "
                f"{', '.join(COLUMNS)}, of which style may be left out"
            )


def _row(number: int, cells: dict[str | None, Any], folder: Path) -> Row:
    def path(column: str) -> Path | None:
        text = (cells.get(column) or "").strip()
        return folder / text if text else None

    style = path("style")
    # In full, so that one video that is written in two ways is learned once.
    style = style and style.resolve()
    # The csv module puts what is too much under None.
    return Row(number, path("speech"), style, path("output"), surplus=None in cells)


def _check_outputs(path: Path, rows: list[Row]) -> None:
    """Two rows must not write the same file, nor one row what another reads."""
    read = {p.resolve(): row for row in rows for p in (row.speech, row.style) if p}
    writers: dict[Path, Row] = {}
    for row in rows:
        for file in _written(row):
            other = writers.setdefault(file, row)
            if other is not row:
                raise InputError(
                    f"list '{path}': rows {other.number} and {row.number} both write '{file.name}'; "
                    "give each its own output"
                )
            if file in read:
                raise InputError(
                    f"list '{path}': row {row.number} would write over '{file.name}', which row "
                    f"{read[file].number} reads; give it another output"
                )


def _written(row: Row) -> list[Path]:
    """The files that a row writes, its output first; none where it cannot write, which `_fault` reports."""
    with suppress(InputError):
        if row.output is not None:
            return [p.resolve() for p in exported_files(row.output, sound=True)]
    return []


def _is_written(row: Row) -> bool:
    with suppress(OSError):  # a name that is too long, which `_fault` reports
        return any(file.exists() for file in _written(row)[:1])
    return False


def _fault(row: Row, options: AnimateOptions) -> str | None:
    """What can be seen to be wrong with a row before any work is done."""
    try:
        if row.surplus:
            raise InputError("it has more cells than columns; put names with commas in quotes")
        if row.speech is None or row.output is None:
            raise InputError("a row needs a speech and an output")
        check_input(row.speech, "speech")
        if row.style is not None:
            check_input(row.style, "style")
        plan_output(row.output, options)
    except AdaMeshError as error:
        return str(error)
    return None


def _is_video(style: Path) -> bool:
    return style.suffix.lower() != STYLE_SUFFIX


def _reason(work: Callable[..., None]) -> Callable[..., str | None]:
    """`work` that returns why it failed: one row must not stop the others."""

    @functools.wraps(work)
    def run(*arguments: Any, **options: Any) -> str | None:
        try:
            work(*arguments, **options)
        except AdaMeshError as error:
            return str(error)
        except Exception as error:
            return f"unexpected {type(error).__name__}: {error}"
        return None

    return run


@_reason
def _learn(video_and_target: tuple[Path, Path], options: AnimateOptions) -> None:
    video, target = video_and_target
    learn_style(video, options).save(target)


@_reason
def _animate(row: Row, options: AnimateOptions) -> None:
    assert row.speech is not None
    assert row.output is not None
    modified = 0 if row.style is None else check_input(row.style, "style").stat().st_mtime_ns
    animator = _animator(row.style, modified, options)
    animate_file(row.speech, animator, plan_output(row.output, options))


@functools.lru_cache(maxsize=2)
def _animator(style: Path | None, modified: int, options: AnimateOptions) -> "Animator":  # noqa: ARG001
    """Rows of one style mostly stand together in a list."""
    from adamesh.animation.style import Style

    return make_animator(None if style is None else Style.load(style), options)
