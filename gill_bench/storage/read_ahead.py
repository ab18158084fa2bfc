"""Reading in threads while the caller works: pictures are decoded while a network computes.

Threads and not processes: PIL releases the interpreter's lock while it decodes and resizes, and starting processes
costs more than small sets take.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from threading import Event
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 64
"""The most items that are read before the caller needs them; it bounds the memory."""

_PART = 8  # items that a thread reads at a time: passing items on singly takes 4 % of the time of decoding
_THREADS = 8  # more do not help one network


def read_ahead(read: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Like `map`, with calls that run in threads, at most `AHEAD` items before the caller.

    Results come in the order of the items, and an error is raised when its item's turn comes, after all results before
    it. When the caller stops, items that no thread has begun are not read. With one processor this is `map` itself.

    Args:
        read: The function; it is called in any thread and must not change anything that its other calls use.
        items: Its arguments; they are taken from the iterator in the caller's thread, as they are needed.
    """
    threads = min(usable_processors(), _THREADS)
    return map(read, items) if threads == 1 else _in_threads(read, items, threads)


def one_ahead(read: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Like `map`, with calls that run one after the other in a thread, each while the caller uses the result before.

    For functions that two threads must not call at the same time, as most tokenizers are. An error is raised when its
    item's turn comes.
    """
    left = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="one-ahead") as thread:
        waiting = [thread.submit(read, item) for item in islice(left, 1)]
        while waiting:
            result = waiting.pop().result()
            waiting = [thread.submit(read, item) for item in islice(left, 1)]
            yield result


def usable_processors() -> int:
    """The number of processors that this process may use: in a container or batch job fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_threads(read: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    waiting: deque[Future[tuple[list[R], Exception | None]]] = deque()
    stopped = Event()
    executor = ThreadPoolExecutor(threads, thread_name_prefix="read-ahead")
    ahead = 0
    try:
        for part in _parts(iter(items)):
            waiting.append(executor.submit(_read_part, read, part, stopped))
            ahead += len(part)
            while ahead > AHEAD - 2 * _PART:
                results, error = waiting.popleft().result()
                ahead -= len(results)
                yield from _results(results, error)
        while waiting:
            yield from _results(*waiting.popleft().result())
    finally:
        stopped.set()
        executor.shutdown(cancel_futures=True)


def _parts(items: Iterator[T]) -> Iterator[list[T]]:
    """The items in parts of growing size: the first parts are small, so that even few items occupy several threads."""
    size = 1
    while part := list(islice(items, size)):
        yield part
        size = min(2 * size, _PART)


def _read_part(read: Callable[[T], R], part: list[T], stopped: Event) -> tuple[list[R], Exception | None]:
    results: list[R] = []
    try:
        for item in part:
            if stopped.is_set():
                break
            results.append(read(item))
    except Exception as error:
        return results, error
    return results, None


def _results(results: list[R], error: Exception | None) -> Iterator[R]:
    yield from results
    if error is not None:
        raise error
