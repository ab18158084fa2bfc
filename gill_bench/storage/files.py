"""Files that are either whole or absent: written under a temporary name, flushed to disk, and renamed.

A run's folder may be in an object store, where each file is written in one piece. Its path is then a `StorePath`
(`gill_bench.storage.object_store`), which has the methods of `pathlib.Path` that run folders need. The functions of
this module do whatever differs between a disk and an object store, so that other code need not tell them apart.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast

from gill_bench.errors import InputError
from gill_bench.storage import listing
from gill_bench.storage.object_store import StorePath
from gill_bench.storage.paths import (
    BARE_STORE,
    LOCAL_PROTOCOLS,
    PROTOCOL,
    is_remote,
    name_in_errors,
    temporary_beside,
)
from gill_bench.storage.store_urls import store_of

_TOGETHER, _THREADS = 64, 16  # files that are flushed to disk in parallel, and threads that wait for the disk


def folder_of(text: str | Path) -> Path:
    """A folder by path or by URL.

    Args:
        text: A path, or a URL such as `s3://bucket/runs/one`; also a URL as a `Path`, which lost a slash.

    Raises:
        InputError: The URL holds credentials, names no bucket, or no installed package reads it.

    >>> folder_of("runs/one")
    PosixPath('runs/one')
    """
    if is_remote(text):
        return text
    if BARE_STORE.match(str(text)):
        protocol = str(text).partition(":")[0].lower()
        raise InputError(f"{str(text)!r}: expected {protocol}://BUCKET/FOLDER; a folder here of that name is ./{text}")
    match = PROTOCOL.match(str(text))
    if match is None:
        return Path(text)
    protocol, path = match.group(1).lower(), str(text)[match.end() :]
    if protocol in LOCAL_PROTOCOLS:
        return Path("/", path)
    # The message must not repeat the credentials.
    if "@" in path.partition("/")[0] or "?" in path:
        raise InputError(
            f"{protocol}://...: a URL with credentials or a query would be written into the run;"
            f" give {protocol}://BUCKET/FOLDER, and credentials by the environment"
        )
    bucket, _, folder = path.partition("/")
    if not bucket or not folder.strip("/"):
        raise InputError(f"{protocol}://{path}: expected {protocol}://BUCKET/FOLDER")
    store_of(protocol)
    return cast(Path, StorePath(f"{protocol}:", *path.split("/")))


def _in_store(path: Path) -> StorePath:
    return cast(StorePath, path)


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a kill at any moment leaves the old file or the new one, never a part.

    In an object store the write is one request, which replaces the whole object or nothing.
    """
    if is_remote(path):
        path.write_bytes(content)
        return
    temporary = temporary_beside(path)
    try:
        with name_in_errors(path), temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, where the system allows it (POSIX)."""
    if os.name != "posix" or is_remote(folder):
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(folder: Path, last: str) -> Iterator[Callable[[str, bytes], None]]:
    """Give a function `write(name, content)` that writes new files into a folder.

    At the end of the context all files are on disk, and so are the entries of the folder and of its parent. The file
    called `last` is the commit: it appears after all other files, whole or not at all. A kill before the commit may
    leave some of the other files.
    """
    if is_remote(folder):
        contents: dict[str, bytes] = {}
        yield contents.__setitem__
        final = contents.pop(last)
        _in_store(folder).write_together(contents)
        write_atomic(folder / last, final)
        return

    open_files: list[BinaryIO] = []
    temporary = temporary_beside(folder / last)

    def write(name: str, content: bytes) -> None:
        file = (temporary if name == last else folder / name).open("wb")
        open_files.append(file)
        with name_in_errors(folder / name):
            file.write(content)
            file.flush()
            if len(open_files) == _TOGETHER:
                _flush(open_files)

    try:
        yield write
        with name_in_errors(folder / last):
            _flush(open_files, folder, folder.parent)
        temporary.replace(folder / last)
        sync_folder(folder)
    finally:
        for file in open_files:
            file.close()


def _flush(files: list[BinaryIO], *folders: Path) -> None:
    """Flush files and folders' entries to disk in parallel, and close the files.

    A journaling file system writes concurrent requests in one go, which for the pictures of a unit is many times faster
    than flushing one file after the other. The threads stay: to start them for each unit costs three times the
    processor time of the flushing.
    """
    threads = _flushers()
    waiting = [threads.submit(os.fsync, file.fileno()) for file in files]
    waiting += [threads.submit(sync_folder, folder) for folder in folders]
    wait(waiting)  # all of them, also after an error: a file that is closed must not be under way in a thread
    for flushed in waiting:
        flushed.result()
    while files:
        files.pop().close()


@cache
def _flushers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="flush")


if hasattr(os, "register_at_fork"):  # POSIX: a forked process has no threads, and would wait for them for ever
    os.register_at_fork(after_in_child=_flushers.cache_clear)


def remove_folder(folder: Path) -> None:
    """Remove a folder and everything in it."""
    if is_remote(folder):
        _in_store(folder).remove_below()
    else:
        shutil.rmtree(folder)


def remove_temporary(folder: Path, pattern: str) -> None:
    """Remove the temporary files that killed processes left in a folder; an object store has none."""
    if not is_remote(folder):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)


def list_now(folder: Path) -> None:
    """List a folder of an object store with its subfolders, so that the next questions about them need few requests."""
    if is_remote(folder):
        listing.list_now(_in_store(folder))


def was_absent(path: Path) -> bool:
    """Whether a file was not in the object store when its folder was listed (`list_now`); False on a disk.

    The answer True may be out of date: ask the store before anything depends on the file's absence.
    """
    return is_remote(path) and listing.was_absent(_in_store(path))


def forget_list(folder: Path) -> None:
    """Ask an object store about a folder again, instead of its listing."""
    if is_remote(folder):
        listing.forget(_in_store(folder))


def local_copy(path: Path) -> Path:
    """A file of this machine with the same content, for libraries that cannot read an object store.

    Raises:
        FileNotFoundError: There is no such file.
    """
    return listing.keep_copy(_in_store(path), path.read_bytes()) if is_remote(path) else path
