"""One process at a time works in a folder; a dead process leaves no lock behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gill_bench.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
"""The name of the file that is locked."""


@contextmanager
def only_process(folder: Path, work: str) -> Iterator[None]:
    """Make a folder for unfinished work, and keep other processes out of it while the context lasts.

    The folder may be removed within the context. Where the system or the file system has no locks, nobody is kept out.

    Args:
        folder: The folder.
        work: The result's folder and the kind of work, for the error, such as "data/vist: another fetch".

    Raises:
        InputError: Another process works in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                raise InputError(f"{work} is at work there; wait for its end, or stop it") from error
        yield
    finally:
        os.close(handle)
