"""Doing work that several processes may be doing: claim, skip what others have, come back for it at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from gill_bench.runs.lock import RunLock

T = TypeVar("T")


def work_through(
    items: Iterable[T],
    lock: RunLock,
    *,
    key: Callable[[T], str],
    done: Callable[[T], bool],
    work: Callable[[T], None],
    after: Callable[[T], None],
) -> None:
    """Do every item exactly once over all processes of a run.

    Args:
        items: What to do, in order.
        lock: The run's lock.
        key: An item's unit key (hexadecimal).
        done: Whether an item is done, by whomever; asked while its lock is held.
        work: Does an item.
        after: Called when an item is behind us, whoever did it (progress).
    """
    others: list[T] = []
    for item in items:
        with lock.unit(key(item), wait=False) as held:
            if not held:
                others.append(item)
                continue
            if not done(item):
                work(item)
        after(item)
    for item in others:  # their process finished them, or died and left them to us
        with lock.unit(key(item), wait=True):
            if not done(item):
                work(item)
        after(item)
