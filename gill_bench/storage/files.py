"""Files that are either whole or not there: temporary name, flush to disk, rename; and hashes of their content.

A run's folder may be in an object store (`gill_bench.storage.object_store`), where every file is put in one piece. Such
a path is
no `pathlib.Path`, but has those of its methods that run folders need, so that everything else takes it for one; what
differs is here.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO, TypeGuard, cast

from gill_bench.errors import InputError

if TYPE_CHECKING:
    from gill_bench.storage.object_store import StorePath

_PROTOCOL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")
_STORES = ("s3", "s3a", "gs", "gcs")  # those that a run may be in
_STORE_ALONE = re.compile(rf"({'|'.join(_STORES)}):(?!/.)", re.IGNORECASE)  # no slash, or nothing behind it
SEAL = "sha256"  # the key of an object's own digest
_LOCAL = ("file", "local")
_SPECIAL = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_TOGETHER, _THREADS = 64, 16  # files that are flushed to disk side by side, and threads that wait for it


def folder_of(text: str | Path) -> Path:
    """A folder by path or by URL.

    Args:
        text: A path, or a URL such as `s3://bucket/runs/one`; also as a `Path`, which swallows one of the slashes.

    Raises:
        InputError: The URL holds credentials, names no bucket, or nothing that reads it is installed.

    >>> folder_of("runs/one")
    PosixPath('runs/one')
    """
    if is_remote(text):
        return text
    given = _PROTOCOL.match(str(text))
    if given is None or _STORE_ALONE.match(str(text)):
        if _STORE_ALONE.match(str(text)):
            protocol = str(text).partition(":")[0].lower()
            raise InputError(
                f"{str(text)!r}: expected {protocol}://BUCKET/FOLDER; a folder here of that name is ./{text}"
            )
        return Path(text)
    protocol, rest = given.group(1).lower(), str(text)[given.end() :]
    if protocol in _LOCAL:
        return Path("/", rest)
    # The message must not repeat what is not to be seen.
    if "@" in rest.partition("/")[0] or "?" in rest:
        raise InputError(
            f"{protocol}://...: a URL with credentials or a query would be written into the run;"
            f" give {protocol}://BUCKET/FOLDER, and credentials by the environment"
        )
    bucket, _, folder = rest.partition("/")
    if not bucket or not folder.strip("/"):
        raise InputError(f"{protocol}://{rest}: expected {protocol}://BUCKET/FOLDER")
    from gill_bench.storage.object_store import StorePath, store_of

    store_of(protocol)
    return cast(Path, StorePath(f"{protocol}:", *rest.split("/")))


def check_utf8(path: str | Path, option: str) -> None:
    """Refuse a path that is not UTF-8: it could not be written into a run's JSON files.

    Args:
        path: What was given.
        option: By which option or argument.

    Raises:
        InputError: It has other bytes.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(str(path)).decode("ascii", "backslashreplace")
        raise InputError(
            f"{option} {shown}: not UTF-8 at character {error.start + 1}; rename the file or folder,"
            " or give it by a symbolic link of another name"
        ) from error


def refuse_url(path: str | Path, option: str) -> None:
    """Refuse a URL for what must be on this machine; only run directories may be in an object store.

    Args:
        path: What was given.
        option: By which option or argument.

    Raises:
        InputError: It is a URL.
    """
    given = _PROTOCOL.match(str(path)) or _STORE_ALONE.match(str(path))
    if given is not None and given.group(1).lower() not in _LOCAL:
        raise InputError(
            f"{option} {given.group(1)}://...: must be on this machine, and only a run directory may be in an object"
            " store; copy it here, or mount the store, and give the path"
        )


def is_remote(path: object) -> TypeGuard[Path]:
    """Whether something is a path in an object store."""
    return isinstance(path, PurePath) and not isinstance(path, Path)


def _in_store(path: Path) -> StorePath:
    return cast("StorePath", path)


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a kill at any moment leaves the old file or the new one, never a part.

    The temporary name holds the process id, so that two processes never write to the same one. In an object store it is
    one request, which is whole or nothing.
    """
    if is_remote(path):
        path.write_bytes(content)
        return
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


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
    """Give a function that writes a new file of a folder by name.

    At the end of the context all are there for good, the one called `last` after the others, whole or not at all, and
    the folder itself is in the one above it. The others may be there in part until then.
    """
    if is_remote(folder):
        contents: dict[str, bytes] = {}
        yield contents.__setitem__
        final = contents.pop(last)
        _in_store(folder).write_together(contents)
        write_atomic(folder / last, final)
        return

    open_files: list[BinaryIO] = []
    waiting = _temporary(folder / last)

    def write(name: str, content: bytes) -> None:
        file = (waiting if name == last else folder / name).open("wb")
        open_files.append(file)
        file.write(content)
        file.flush()
        if len(open_files) == _TOGETHER:
            _flush(open_files)

    try:
        yield write
        _flush(open_files, folder, folder.parent)
        waiting.replace(folder / last)
        sync_folder(folder)
    finally:
        for file in open_files:
            file.close()


def _flush(files: list[BinaryIO], *folders: Path) -> None:
    """Flush files and folders' entries to disk, and close the files.

    Side by side: a journaling file system writes what is asked for at the same time in one go, which for the pictures
    of a unit is many times faster than one after the other.
    """
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="flush") as threads:
        waiting = [threads.submit(os.fsync, file.fileno()) for file in files]
        waiting += [threads.submit(sync_folder, folder) for folder in folders]
        for flushed in waiting:
            flushed.result()
    while files:
        files.pop().close()


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it."""
    if is_remote(folder):
        _in_store(folder).remove_below()
    else:
        shutil.rmtree(folder)


def remove_temporary(folder: Path, pattern: str) -> None:
    """Remove what killed processes left of files that they were writing; in an object store they leave nothing."""
    if not is_remote(folder):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)


def list_now(folder: Path) -> None:
    """List a folder of an object store with its subfolders, so that what is asked next needs few requests."""
    if is_remote(folder):
        from gill_bench.storage.listing import list_now

        list_now(_in_store(folder))


def was_absent(path: Path) -> bool:
    """Whether a file was not there when its folder was listed (`list_now`); on a disk, where nothing is listed, no.

    For what is asked again before it counts: whether something is left to do.
    """
    if not is_remote(path):
        return False
    from gill_bench.storage.listing import was_absent

    return was_absent(_in_store(path))


def forget_list(folder: Path) -> None:
    """Ask an object store again about a folder."""
    if is_remote(folder):
        from gill_bench.storage.listing import forget

        forget(_in_store(folder))


def local_copy(path: Path) -> Path:
    """A local file with the same content, for what reads only those.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if not is_remote(path):
        return path
    from gill_bench.storage.listing import local_copy

    return local_copy(_in_store(path))


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Serialise with sorted keys and without NaN, so that equal values give equal bytes."""
    separators = (",", ":") if indent is None else None
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, indent=indent, separators=separators)


def digest(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON.

    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(to_json(value).encode()).hexdigest()


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with its own digest, by which `reading.from_sealed_json` finds whether it was altered."""
    return {**value, SEAL: digest(value)}


def refuse_special(path: Path) -> None:
    """Refuse what is no regular file: opening a pipe would wait for somebody who writes to it, for ever.

    Raises:
        OSError: There is no such file, or it is a folder, pipe, socket or device.
    """
    if is_remote(path):
        return
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        what = next((name for test, name in _SPECIAL if test(mode)), "something else than a file")
        raise OSError(errno.EINVAL, f"{what}, where a file is expected", str(path))


def digest_file(path: Path) -> str:
    """SHA-256 (hex) of a file's content, read in blocks.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    refuse_special(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_stamp(path: Path) -> tuple[str | int, ...]:
    """What changes whenever the content of a local file does: where it is, device, inode, size, and both times."""
    status = path.stat()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (str(path.resolve()), status.st_dev, status.st_ino, status.st_size, *times)
