"""Locks of a run directory that a dead process cannot leave behind.

One file, of which each unit locks a byte of its own (POSIX record locks: released by the system when the process ends,
however it ends, and valid on network file systems). Where there are none (Windows), one process at a time is safe.

Object stores have none either. There the file is in the cache of this machine, and its processes share the work of a
run as they do on a disk; other machines do not see it (`docs/object-stores.md`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from gill_bench.cache import cache_folder
from gill_bench.files import digest, is_remote

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_WHOLE = 0  # the byte that guards spec.json, env.json and results.json


class RunLock:
    """The lock file of a run directory. Open it once a process: POSIX drops all locks when any handle is closed."""

    def __init__(self, folder: Path) -> None:
        self._handle = os.open(_lock_file(folder), os.O_RDWR | os.O_CREAT, 0o644)

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    @contextmanager
    def shared_files(self) -> Iterator[None]:
        """Hold the lock on the files that all processes of a run write; waits for it."""
        self._lock(_WHOLE, wait=True)
        try:
            yield
        finally:
            self._unlock(_WHOLE)

    @contextmanager
    def unit(self, key: str, *, wait: bool) -> Iterator[bool]:
        """Hold a unit's lock; yields False if another process has it and `wait` is off."""
        place = 1 + int(key[:12], 16)
        held = self._lock(place, wait=wait)
        try:
            yield held
        finally:
            if held:
                self._unlock(place)

    def _lock(self, place: int, *, wait: bool) -> bool:
        if fcntl is None:
            return True
        try:
            fcntl.lockf(self._handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, place)
        except (BlockingIOError, PermissionError):  # POSIX allows either answer for "somebody else has it"
            return False
        return True

    def _unlock(self, place: int) -> None:
        if fcntl is not None:
            fcntl.lockf(self._handle, fcntl.LOCK_UN, 1, place)


def _lock_file(folder: Path) -> Path:
    if not is_remote(folder):
        return folder / ".lock"
    locks = cache_folder() / "locks"
    locks.mkdir(exist_ok=True)
    return locks / f"{digest(str(folder))[:16]}.lock"
