"""Checks of paths that users give (URLs, special files, text that is not UTF-8), and names of temporary files."""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TypeGuard

from gill_bench.errors import InputError

PROTOCOL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")
"""The beginning of a URL; `Path` makes one slash of the two."""
_STORES = ("s3", "s3a", "gs", "gcs")
BARE_STORE = re.compile(rf"({'|'.join(_STORES)}):(?!/.)", re.IGNORECASE)
"""The protocol of an object store without a bucket behind it, such as `s3:` or `s3:/`."""
LOCAL_PROTOCOLS = ("file", "local")
_SPECIAL = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def is_remote(path: object) -> TypeGuard[Path]:
    """Whether a path is in an object store: a pure path, which the operating system cannot open."""
    return isinstance(path, PurePath) and not isinstance(path, Path)


def check_utf8(path: str | Path, option: str) -> None:
    """Refuse a path that is not UTF-8, because it could not be written into a run's JSON files.

    Args:
        path: The path that the user gave.
        option: The command's option or argument that it was given to; the message begins with it.

    Raises:
        InputError: The path has bytes that are not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        escaped = os.fsencode(str(path)).decode("ascii", "backslashreplace")
        raise InputError(
            f"{option} {escaped}: not UTF-8 at character {error.start + 1}; rename the file or folder,"
            " or give it by a symbolic link of another name"
        ) from error


def refuse_url(path: str | Path, option: str) -> None:
    """Refuse a URL where a path of this machine is needed; only run directories may be in an object store.

    Raises:
        InputError: The path is a URL.
    """
    match = PROTOCOL.match(str(path)) or BARE_STORE.match(str(path))
    if match is not None and match.group(1).lower() not in LOCAL_PROTOCOLS:
        raise InputError(
            f"{option} {match.group(1)}://...: must be on this machine, and only a run directory may be in an object"
            " store; copy it here, or mount the store, and give the path"
        )


def refuse_special(path: Path) -> None:
    """Refuse a path that is not a regular file; opening a pipe, for example, would wait for ever for a writer.

    Raises:
        OSError: There is no such file, or the path is a folder, pipe, socket or device.
    """
    if is_remote(path):
        return
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f"{kind_of(mode)}, where a file is expected", str(path))


def kind_of(mode: int) -> str:
    """The noun for what is no regular file, by its mode (`stat`)."""
    return next((name for is_kind, name in _SPECIAL if is_kind(mode)), "something else than a file")


@contextmanager
def name_in_errors(path: Path) -> Iterator[None]:
    """Have errors of the system name the file that was written: that of a full disk comes without a name."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def temporary_beside(path: Path) -> Path:
    """A hidden name beside `path`, to write to before renaming; no other thread or process uses the same one.

    `files.remove_temporary(folder, f".{name}.*.tmp")` removes the temporary files that killed processes left.
    """
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
