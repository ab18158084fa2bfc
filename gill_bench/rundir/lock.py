"""The locks of a run directory, which no dead process leaves behind.

One file serves all locks: each unit locks a byte of its own. These are POSIX record locks: the system releases them
when the process ends, however it ends, and they work on network file systems. Where there are no such locks (Windows),
only one process may work on a run at a time.

An object store has no locks. The lock file of a run there is in the cache of this machine, so that the processes of
this machine share the work as they do on a disk; other machines do not see it (`docs/object-stores.md`).

Some network file systems have no locks (NFS without its lock service, Lustre without `flock`). A run there is refused
with the reason, unless the user promises that no other command works on it (`--no-locks`).
"""

from __future__ import annotations

import os
import struct
import sys
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

_SHARED_FILES = 0  # the byte that guards spec.json, env.json and results.json
_PRESENCE = 1 << 60  # the byte that each process shares with the others while it works on the run; no unit has it
# The layout of the system's `struct flock` on 64 bits, and the position of the kind of lock in it.
_FLOCK = {"linux": ("hhqqi4x", 0), "darwin": ("qqihh", 3)}
_opened_here: list[Path] = []  # the lock files that this process holds open


class RunLock:
    """The locks of one run. A process opens them once: POSIX releases all locks of a file when any handle is closed.

    Args:
        folder: The run directory.
        locks: False if the file system has no locks and no other command works on the run: nothing is locked.

    Raises:
        InputError: The lock file cannot be opened.
    """

    def __init__(self, folder: Path, *, locks: bool = True) -> None:
        self._locks = locks and fcntl is not None
        self._closed = False
        self._file = _lock_file(folder)
        self._handle = _opened(self._file)
        if self._locks:
            try:
                fcntl.lockf(self._handle, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _PRESENCE)
            except OSError as error:
                os.close(self._handle)
                raise _no_locks(self._file, error) from error
        _opened_here.append(self._file.resolve())

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _opened_here.remove(self._file.resolve())
        os.close(self._handle)
        self._closed = True

    @contextmanager
    def shared_files(self) -> Iterator[None]:
        """Wait for the lock on the files that all processes of a run write, and hold it while the context lasts."""
        self._lock(_SHARED_FILES, wait=True)
        try:
            yield
        finally:
            self._unlock(_SHARED_FILES)

    @contextmanager
    def unit(self, key: str, *, wait: bool) -> Iterator[bool]:
        """Hold the lock of a key while the context lasts; without `wait`, yields False if another process has it."""
        byte = 1 + int(key[:12], 16)
        held = self._lock(byte, wait=wait)
        try:
            yield held
        finally:
            if held:
                self._unlock(byte)

    def _lock(self, byte: int, *, wait: bool) -> bool:
        if not self._locks:
            return True
        try:
            fcntl.lockf(self._handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
        except OSError as error:
            # POSIX allows either error if another process has the lock; a call that waits gets neither.
            if isinstance(error, (BlockingIOError, PermissionError)) and not wait:
                return False
            raise _no_locks(self._file, error) from error
        return True

    def _unlock(self, byte: int) -> None:
        # A worker that is told to end leaves jobs behind, whose locks end after this one was closed, and all with it.
        if self._locks and not self._closed:
            fcntl.lockf(self._handle, fcntl.LOCK_UN, 1, byte)


def is_under_way(folder: Path) -> bool:
    """Whether a process works on a run now, as far as its locks say; nothing is written, and nothing is locked.

    On a network file system with locks, processes of other machines count too. Of a run in an object store only the
    processes of this machine are known. A command with `--no-locks` is not seen, but by its own process.
    """
    file = _lock_file(folder.resolve())
    if file in _opened_here:  # to open and close the file again would release this process's locks
        return True
    platform = next((name for name in _FLOCK if sys.platform.startswith(name)), "")
    if fcntl is None or not platform:
        return False
    layout, kind = _FLOCK[platform]
    values = [0, 0, 0]
    values.insert(kind, fcntl.F_WRLCK)
    values.insert(kind + 1, os.SEEK_SET)  # from the first byte on, all bytes
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # nobody has ever locked anything
        return False
    try:
        answer = fcntl.fcntl(handle, fcntl.F_GETLK, struct.pack(layout, *values))
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(handle)
    return bool(struct.unpack(layout, answer)[kind] != fcntl.F_UNLCK)


def check_locks(file: Path) -> None:
    """Check that a file system has locks, by taking and releasing one on a file that no other process uses.

    Raises:
        InputError: The file system has no locks.
    """
    if fcntl is None:
        return
    handle = _opened(file)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _SHARED_FILES)
    except OSError as error:
        raise _no_locks(file, error) from error
    finally:
        os.close(handle)


def _opened(file: Path) -> int:
    try:
        # A symbolic link is not followed: in a run from somebody else, it could create a file anywhere.
        return os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as error:
        raise InputError(
            f"{file}: cannot be opened ({error.strerror}); processes that share a run lock parts of this file"
        ) from error


def _no_locks(file: Path, error: OSError) -> InputError:
    return InputError(
        f"{file}: this file system has no locks ({error.strerror}), which processes need to share a run\n"
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
