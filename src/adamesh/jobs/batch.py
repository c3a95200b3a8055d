"""Many lines of speech in one run: a list of them, animated and written by all cores.

A list is a CSV with the columns `speech`, `style` (may be left out; a `.style` or a video) and `output`.
Paths are relative to the list. What is written already is not written again, so that a run that was stopped
goes on where it was.
"""

import csv
import functools
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from adamesh.errors import AdaMeshError, InputError
from adamesh.export import check_export, exported_files
from adamesh.files import check_input
from adamesh.jobs.animate_file import (
    AnimateOptions,
    animate_file,
    base_model,
    learn_style,
    shown_face,
)

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
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"list '{path}' is not a CSV in UTF-8: {error}") from error
    if not rows:
        raise InputError(f"list '{path}' has no rows; each is one speech and one output")
    _check_outputs(path, rows)
    return rows


def animate_batch(
    rows: Iterable[Row],
    options: AnimateOptions | None = None,
    *,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BatchResult:
    """Animates and writes all rows whose output is not there yet.

    A style that is a video is learned once, however many rows have it.

    Args:
        rows: of `read_batch`.
        options: what they share.
        jobs: processes; one for each core by default.
        progress: called with rows done and rows in all.
    Raises:
        InputError: no such checkpoint or face, or a process died.
    """
    rows, options = list(rows), options or AnimateOptions()
    missing = [row for row in rows if options.force or not _is_written(row)]
    problems = {row.number: reason for row in missing if (reason := _fault(row, options))}
    waiting = [row for row in missing if row.number not in problems]

    def report(left: int) -> None:
        if progress is not None:
            progress(len(rows) - left, len(rows))

    report(len(waiting))
    # What is wrong with these is so of every row, and is said once.
    if options.checkpoint is not None:
        base_model(options.checkpoint)
    if options.face is not None:
        shown_face(options)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="adamesh-") as folder,
            _workers(min(jobs or os.cpu_count() or 1, len(waiting) or 1)) as pool,
        ):
            videos = sorted({row.style for row in waiting if row.style and _is_video(row.style)})
            styles: dict[Path | None, Path] = {
                video: Path(folder) / f"{i}{STYLE_SUFFIX}" for i, video in enumerate(videos)
            }
            learning = {pool.submit(_learn, v, styles[v], options): v for v in videos}
            unlearned: dict[Path | None, str] = {
                learning[f]: reason for f in as_completed(learning) if (reason := f.result())
            }
            running: dict[Future[str | None], Row] = {}
            for row in waiting:
                if row.style in unlearned:
                    problems[row.number] = unlearned[row.style]
                else:
                    learned = replace(row, style=styles.get(row.style, row.style))
                    running[pool.submit(_animate, learned, options)] = row
            left = len(running)
            report(left)
            for future in as_completed(running):
                if reason := future.result():
                    problems[running[future].number] = reason
                left -= 1
                report(left)
    except BrokenProcessPool as error:
        raise InputError(
            "a process of the batch died, perhaps for lack of memory; give fewer --jobs and run "
            "it again: it goes on where it stopped"
        ) from error
    return BatchResult(
        written=len(missing) - len(problems),
        skipped=len(rows) - len(missing),
        problems=[row.problem(problems[row.number]) for row in rows if row.number in problems],
    )


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
        check_export(
            row.output,
            force=options.force,
            sound=True,
            fps=options.fps,
            encoding=options.encoding,
            pictures=options.pictures,
            texture=options.texture is not None,
        )
    except AdaMeshError as error:
        return str(error)
    return None


def _is_video(style: Path) -> bool:
    return style.suffix.lower() != STYLE_SUFFIX


@contextmanager
def _workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that stop after the rows under way where the block ends early."""
    # Spawned, not forked: a fork of a process with running threads may hang.
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_start)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which lets rows end
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Else a worker whose parent was killed would wait for work for ever."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _reason(work: Callable[..., None]) -> Callable[..., str | None]:
    """`work` that returns why it failed: one row must not stop the others."""

    @functools.wraps(work)
    def run(*arguments: Any) -> str | None:
        try:
            work(*arguments)
        except AdaMeshError as error:
            return str(error)
        except Exception as error:
            return f"unexpected {type(error).__name__}: {error}"
        return None

    return run


@_reason
def _learn(video: Path, target: Path, options: AnimateOptions) -> None:
    learn_style(video, options).save(target)


@_reason
def _animate(row: Row, options: AnimateOptions) -> None:
    from adamesh.animation.style import Style

    assert row.speech is not None
    assert row.output is not None
    style = None if row.style is None else Style.load(row.style)
    animate_file(row.speech, style, row.output, options)
