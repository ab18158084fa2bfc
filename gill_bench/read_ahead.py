"""Reading in threads while the caller works: pictures are decoded while a network computes.

Threads and not processes: PIL releases the interpreter's lock while it decodes and resizes, and starting processes
costs more than small sets take.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 32
"""Items that are read before the caller wants them: what bounds memory."""

_THREADS = 8  # more do not help one network


def read_ahead(read: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Like `map`, with calls that run in threads, at most `AHEAD` items before the caller.

    Results come in the order of the items, and an error is raised in its item's place, after the results before it.
    When the caller stops, what was not begun is not read. On one processor it is `map` itself.

    Args:
        read: Called in any thread; must not change anything that its other calls use.
        items: Taken in the caller's thread, as they are needed.
    """
    threads = min(usable_processors(), _THREADS)
    return map(read, items) if threads == 1 else _in_threads(read, items, threads)


def usable_processors() -> int:
    """Processors that this process may run on, which in a container or a batch job are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_threads(read: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    waiting: deque[Future[R]] = deque()
    executor = ThreadPoolExecutor(threads, thread_name_prefix="read-ahead")
    try:
        for item in items:
            waiting.append(executor.submit(read, item))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)
