"""The user's cache folder: embedded weights and data once written, and digests of large files."""

from __future__ import annotations

import os
from pathlib import Path

from gill_bench.errors import InputError
from gill_bench.storage.paths import refuse_url

VARIABLE = "GILL_BENCH_CACHE"


def cache_folder() -> Path:
    """The folder of GILL_BENCH_CACHE, or else `gill-bench` in the user's cache folder; made if needed.

    Raises:
        InputError: The folder cannot be made, or is a URL.
    """
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    refuse_url(os.environ.get(VARIABLE, ""), VARIABLE)
    try:
        folder = Path(os.environ.get(VARIABLE) or Path(base) / "gill-bench").expanduser()
    except RuntimeError as error:  # neither HOME nor an entry of the user
        raise InputError(f"{base}: the home folder is not known; name the cache folder with {VARIABLE}") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot make the cache folder ({error.strerror}); name another with {VARIABLE}"
        ) from error
    return folder
