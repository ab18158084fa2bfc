"""Where the embedded data and weights are: written once into the cache folder, from the seed.

A folder's name carries a version: raise it with every change of what is written, so that no old folder is ever read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gill_bench.cache import cache_folder

WEIGHTS_VERSION = 1
WORLD_VERSION = 2
NOTE_DATA = "Data: the embedded mini world, synthetic 32x32 pictures."
NOTE_WEIGHTS = (
    "Weights: small embedded checkpoints with RANDOM values. They show that everything runs;"
    " their numbers say nothing about any model."
)


def weights_folder() -> Path:
    """The small checkpoints, laid out as the real ones; built at the first call (some seconds)."""
    from gill_bench.mini.build import build_weights

    return _written(f"mini-weights-{WEIGHTS_VERSION}", build_weights)


def world_folder() -> Path:
    """The mini world: one folder per task, in the official formats; written at the first call."""
    from gill_bench.mini.world import write_world

    return _written(f"mini-world-{WORLD_VERSION}", write_world)


def _written(name: str, write: Callable[[Path], None]) -> Path:
    folder = cache_folder() / name
    if not folder.is_dir():
        write(folder)
    return folder
