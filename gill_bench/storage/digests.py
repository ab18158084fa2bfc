"""SHA-256 of values and of files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from gill_bench.storage.json import to_json
from gill_bench.storage.paths import refuse_special


def digest(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON.

    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(to_json(value).encode()).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 (hex) of a file's content, read in blocks.

    Raises:
        OSError: The file cannot be read, or is no regular file.
    """
    refuse_special(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_stamp(path: Path) -> tuple[str | int, ...]:
    """Values that change whenever the content of a local file does: its path, device, inode, size and both times."""
    status = path.stat()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (str(path.resolve()), status.st_dev, status.st_ino, status.st_size, *times)
