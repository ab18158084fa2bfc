"""One process at a time downloads into a folder; a dead process leaves no lock behind."""

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


@contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Make a folder for unfinished downloads, and keep other processes out of it while the context lasts.

    Where the system or the file system has no locks, nobody is kept out.

    Raises:
        InputError: Another process downloads into the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                    raise InputError(
                        f"{folder.parent}: another fetch is at work there; wait for its end, or stop it"
                    ) from error
        yield
    finally:
        os.close(handle)
