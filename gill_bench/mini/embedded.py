"""Where the embedded data and weights are: weights in the package, data written once into the cache, from the seed.

The data folder's name carries a version: raise it with every change of what is written, so that no old folder is ever
read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gill_bench.storage.cache import cache_folder

WORLD_VERSION = 5
NOTE_DATA = "Data: the embedded mini world, synthetic 32x32 pictures."
NOTE_WEIGHTS = (
    "Weights: small embedded checkpoints, trained on this synthetic world (docs/mini.md). Their numbers show the"
    " findings in that world; they say nothing about the published models or real pictures."
)


def weights_folder() -> Path:
    """The small trained checkpoints, laid out as the real ones."""
    return Path(__file__).parent / "weights"


def world_folder() -> Path:
    """The mini world: one folder per data set, in the official formats; written at the first call."""
    from gill_bench.mini.world import write_world

    return _written(f"mini-world-{WORLD_VERSION}", write_world)


def _written(name: str, write: Callable[[Path], None]) -> Path:
    folder = cache_folder() / name
    if not folder.is_dir():
        write(folder)
    return folder
