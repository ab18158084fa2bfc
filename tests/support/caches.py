"""A cache of a module's own, for tests that damage or remove what another worker may be reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gill_bench.mini.embedded import world_folder
from gill_bench.storage.cache import VARIABLE, cache_folder
from tests.support.stories import small_vist


@contextmanager
def cache_with_own(name: str, folder: Path) -> Iterator[None]:
    """Use another cache, in a new folder: it shares everything with the session's cache but the folder `name`."""
    world_folder()
    small_vist()
    folder.mkdir()
    for entry in cache_folder().iterdir():
        if entry.name != name and not entry.name.startswith("."):
            (folder / entry.name).symlink_to(entry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder))
        yield
