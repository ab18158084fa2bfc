"""The user's cache folder: embedded weights and data once written, and digests of large files."""

from __future__ import annotations

import os
from pathlib import Path

from gill_bench.errors import InputError

VARIABLE = "GILL_BENCH_CACHE"


def cache_folder() -> Path:
    """The folder of GILL_BENCH_CACHE, or `gill-bench` in the user's cache folder; made if needed.

    Raises:
        InputError: It cannot be made.
    """
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(os.environ.get(VARIABLE) or Path(base) / "gill-bench").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot make the cache folder ({error.strerror}); name another with {VARIABLE}"
        ) from error
    return folder
