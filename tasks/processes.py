"""Work that is done by several processes at once, with the same result however many they are."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tasks.errors import UserError

P = TypeVar("P")
R = TypeVar("R")


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def blocks(count: int, size: int) -> list[range]:
    """The numbers from 0 to `count` in blocks of `size`, the last one of the rest.

    >>> blocks(5, 2)
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def mapped(work: Callable[[P], R], parts: Sequence[P], processes: int | None = None) -> list[R]:
    """`work` of each part, in order, over `processes` (default: one for each core); one is this process itself.

    `work` is a function at the top level of a module, or a partial of one, and must depend on its part alone: each part
    has random streams of its own. What it raises is raised here. Raises UserError where a process is killed.
    """
    count = min(processes or cores(), len(parts))
    if count < 2 or multiprocessing.current_process().daemon:
        return [work(part) for part in parts]
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of other threads
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        try:
            return list(pool.map(work, parts))
        except BrokenProcessPool:
            raise UserError(
                f"one of {count} processes was ended from outside, perhaps for lack of memory; nothing was kept."
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
