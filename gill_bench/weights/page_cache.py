"""Files of weights read ahead by the operating system, while a processor or accelerator is busy with something else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from gill_bench.weights.network_files import readable

_MEMORY = Path("/proc/meminfo")
_SHARE = 0.5  # of the available memory that the files may take: the model that works may still need some


def read_into_page_cache(paths: Iterable[Path]) -> list[Path]:
    """Ask the system to read weights into memory that it takes back whenever something else needs it.

    Returns at once, and changes nothing but the time of the next loading.

    Args:
        paths: Files, and folders of whose files those are read that a loader may read.

    Returns:
        The files; none if half of the available memory does not suffice for all, or if the system cannot be asked.
    """
    if not hasattr(os, "posix_fadvise"):
        return []
    with suppress(OSError):  # whatever is wrong with a file, loading it will say so
        files = [file for path in sorted(paths) for file in _files(path)]
        if sum(file.stat().st_size for file in files) > _SHARE * available_memory():
            return []
        for file in files:
            handle = os.open(file, os.O_RDONLY)
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(handle)
        return files
    return []


def available_memory() -> int:
    """The bytes that new work can have without swapping, as Linux estimates them; 0 where it does not."""
    text = _MEMORY.read_text() if _MEMORY.is_file() else ""
    match = re.search(r"MemAvailable: +(\d+) kB", text)
    return int(match[1]) * 1024 if match else 0


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    names = (file.relative_to(path).as_posix() for file in sorted(path.rglob("*")) if file.is_file())
    return [path / name for name in readable(names)]
