"""Sizes in bytes: as people read them, on the progress bar, and compared with the room on a disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from gill_bench.errors import GillBenchError
from gill_bench.progress import Bars

_MEGABYTE = 1_000_000


def readable_size(count: int) -> str:
    """A number of bytes for people, in decimal units.

    >>> readable_size(815585330), readable_size(741)
    ('815.6 MB', '741 bytes')
    """
    for power, unit in ((9, "GB"), (6, "MB"), (3, "kB")):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {unit}"
    return f"{count} bytes"


def check_room(folder: Path, needed: int, what: str) -> None:
    """Check that a disk has room, before anything is written to it.

    Args:
        folder: An existing folder on the disk.
        needed: The number of bytes.
        what: The thing that needs the room, for the message.

    Raises:
        GillBenchError: The disk has less room.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise GillBenchError(
            f"{what}: needs {readable_size(needed)}, and the disk of {folder} has {readable_size(free)} left\n"
            "make room, or choose a folder on another disk; what was downloaded so far is kept, and the same command"
            " goes on"
        )


def megabytes(progress: Bars | None, label: str, total: int | None, done: int) -> Callable[[int], None]:
    """Show the progress of one download in megabytes; without a total nothing is shown.

    Returns:
        A function that is called with each number of bytes.
    """
    if progress is None or not total:
        return lambda count: None
    step = progress(label, -(-total // _MEGABYTE), "MB")
    shown = 0

    def advance(count: int) -> None:
        nonlocal done, shown
        done += count
        megabytes_done = -(-done // _MEGABYTE) if done >= total else done // _MEGABYTE
        if megabytes_done > shown:
            step(megabytes_done - shown)
            shown = megabytes_done

    advance(0)
    return advance
