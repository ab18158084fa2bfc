"""Every change that a process makes in a folder, one by one: at each the disk may be full or the process be killed.

Changes are counted by Python's audit events, whatever code makes them, and by `os.fsync`, where a full disk shows for
what was written before.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_watch: Callable[[str, str], None] | None = None
_installed = False


@contextmanager
def watching(folder: Path, each: Callable[[str, str], None]) -> Iterator[None]:
    """Call `each` with kind and path before each change in a folder; the change fails with the error that it raises."""
    global _watch, _installed

    def seen(kind: str, path: str) -> None:
        if kind == "fsync" or path.startswith(str(folder)):
            each(kind, path)

    real = os.fsync

    def fsync(fd: Any) -> None:
        seen("fsync", "")
        real(fd)

    if not _installed:
        sys.addaudithook(_hook)  # for good: there is no way to remove one
        _installed = True
    _watch, os.fsync = seen, fsync
    try:
        yield
    finally:
        _watch, os.fsync = None, real


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watch is None:
        return
    if event == "open" and isinstance(arguments[0], str | os.PathLike):
        flags = arguments[2]
        if isinstance(flags, int) and flags & _CHANGING:
            _watch("open", os.fspath(arguments[0]))
    elif event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"):
        _watch(event, str(arguments[0]))


def count_changes(folder: Path, work: Callable[[], object]) -> int:
    """The number of changes that a function makes in a folder."""
    count = 0

    def each(kind: str, path: str) -> None:
        nonlocal count
        count += 1

    with watching(folder, each):
        work()
    return count


def killed_before(change: int, folder: Path, work: Callable[[], object]) -> bool:
    """Run `work` in a process that ends, as if killed, before its n-th change of a folder; False if it made fewer."""
    child = os.fork()
    if child == 0:
        left = change

        def each(kind: str, path: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(9)

        try:
            with watching(folder, each):
                work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9), f"exit code {code}"
    return code == 9
