"""Locks of a run directory that a dead process cannot leave behind.

One file, of which each unit locks a byte of its own (POSIX record locks: released by the system when the process ends,
however it ends, and valid on network file systems). Where there are none (Windows), one process at a time is safe.

Object stores have none either. There the file is in the cache of this machine, and its processes share the work of a
run as they do on a disk; other machines do not see it (`docs/object-stores.md`).

Some network file systems have none (NFS without its lock service, Lustre without `flock`). A run there is refused with
the reason, unless the user promises that no other command works on it (`--no-locks`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from gill_bench.errors import InputError
from gill_bench.storage.cache import cache_folder
from gill_bench.storage.digests import digest
from gill_bench.storage.paths import is_remote

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_WHOLE = 0  # the byte that guards spec.json, env.json and results.json


class RunLock:
    """The lock file of a run directory. Open it once a process: POSIX drops all locks when any handle is closed.

    Args:
        folder: The run directory.
        locks: False where the file system has none and no other command works on the run: nothing is locked.

    Raises:
        InputError: The file cannot be opened.
    """

    def __init__(self, folder: Path, *, locks: bool = True) -> None:
        self._locks = locks and fcntl is not None
        self._file = _lock_file(folder)
        self._handle = _opened(self._file)

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
        if not self._locks:
            return True
        try:
            fcntl.lockf(self._handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, place)
        except OSError as error:
            # POSIX allows either answer for "somebody else has it", of which a waiting lock never hears.
            if isinstance(error, (BlockingIOError, PermissionError)) and not wait:
                return False
            raise _no_locks(self._file, error) from error
        return True

    def _unlock(self, place: int) -> None:
        if self._locks:
            fcntl.lockf(self._handle, fcntl.LOCK_UN, 1, place)


def check_locks(file: Path) -> None:
    """Take and release a lock on a file that nobody else uses, to learn whether its file system has locks.

    Raises:
        InputError: It has none.
    """
    if fcntl is None:
        return
    handle = _opened(file)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _WHOLE)
    except OSError as error:
        raise _no_locks(file, error) from error
    finally:
        os.close(handle)


def _opened(file: Path) -> int:
    try:
        # Not through a symbolic link, which could make a file anywhere: a run may come from somebody else.
        return os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as error:
        raise InputError(
            f"{file}: cannot be opened ({error.strerror}); processes that share a run lock parts of this file"
        ) from error


def _no_locks(file: Path, error: OSError) -> InputError:
    return InputError(
        f"{file}: this file system has no locks ({error.strerror}), by which processes share a run\n"
        "put the run on another file system with --out, or have this one mounted with locks (NFS: its lock service;"
        " Lustre: -o flock)\n"
        "or, if no other command works on this run meanwhile: the same command with --no-locks"
    )


def _lock_file(folder: Path) -> Path:
    if not is_remote(folder):
        return folder / ".lock"
    locks = cache_folder() / "locks"
    locks.mkdir(exist_ok=True)
    return locks / f"{digest(str(folder))[:16]}.lock"
