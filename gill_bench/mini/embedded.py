"""The embedded data, which is generated from the seed and written into the cache once.

The data folder's name has a version: raise it with every change of the written data, so that no old folder is read.
"""

from __future__ import annotations

from pathlib import Path

from gill_bench.storage.cache import cache_folder
from gill_bench.weights.embedded import NOTE_WEIGHTS as NOTE_WEIGHTS
from gill_bench.weights.embedded import weights_folder as weights_folder

WORLD_VERSION = 6
NOTE_DATA = "Data: the embedded mini world, synthetic 32x32 pictures."


def world_folder() -> Path:
    """The mini world: one folder per data set, in the official formats; written at the first call."""
    from gill_bench.mini.world import write_world

    folder = cache_folder() / f"mini-world-{WORLD_VERSION}"
    if not folder.is_dir():
        write_world(folder)
    return folder
