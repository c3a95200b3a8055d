"""Work on many items at once. Processes on this machine do it; whoever calls `map` does not need to know."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import TypeVar

from adamesh.errors import InputError, print_notices

Item = TypeVar("Item")
Result = TypeVar("Result")


def map(
    work: Callable[[Item], Result], items: Iterable[Item], *, jobs: int | None = None
) -> Iterator[tuple[int, Result]]:
    """Does `work` on every item and yields results as they come, each with the number of its item.

    Where the caller stops early, items under way are finished and the others are not begun. An error in
    `work` is raised here.

    Args:
        work: a function at the top of a module, or a `functools.partial` of one: it is sent by name.
        items: sent to the workers, as are the results.
        jobs: processes, each with one thread; one for each core by default.
    Raises:
        InputError: a process died.
    """
    items = list(items)
    if not items:
        return
    # Spawned, not forked: a fork of a process with running threads may hang.
    pool = ProcessPoolExecutor(
        min(jobs or os.cpu_count() or 1, len(items)),
        mp_context=get_context("spawn"),
        initializer=_start,
    )
    try:
        numbers = {pool.submit(work, item): number for number, item in enumerate(items)}
        for future in as_completed(numbers):
            yield numbers[future], future.result()
    except BrokenProcessPool as error:
        raise InputError(
            "a process died, perhaps for lack of memory; give fewer --jobs and run it again: it goes "
            "on where it stopped"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    import torch

    torch.set_num_threads(1)
    print_notices()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which lets items end
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Else a worker whose parent was killed would wait for work for ever."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
