"""Writing the mini world's data from a seed: one folder for each data set, in the official formats."""

from __future__ import annotations

import shutil
from pathlib import Path

from gill_bench.mini.writers.cc3m import write_cc3m
from gill_bench.mini.writers.coco import write_coco, write_vqa
from gill_bench.mini.writers.partiprompts import write_partiprompts
from gill_bench.mini.writers.visdial import write_visdial
from gill_bench.mini.writers.vist import write_vist
from gill_bench.storage.paths import temporary_beside

SEED = 0


def write_world(folder: Path, seed: int = SEED, *, train: bool = False) -> None:
    """Write the whole world into a new folder, which appears only when it is complete.

    Args:
        folder: The folder that gets `vist`, `cc3m`, `coco`, `vqav2`, `visdial` and `partiprompts`.
        seed: The seed; the same seed gives the same bytes.
        train: Whether to write the data for training too, which takes most of the time and space.
    """
    temporary = temporary_beside(folder)
    shutil.rmtree(temporary, ignore_errors=True)
    more = ("train",) if train else ()
    write_vist(temporary / "vist", seed, (*more, "val", "test", "test-large", "test-described"))
    write_cc3m(temporary / "cc3m", seed, (*more, "val"))
    write_coco(temporary / "coco", seed, (*more, "val"))
    write_vqa(temporary / "vqav2", seed, (*more, "val"))
    write_visdial(temporary / "visdial", seed)
    write_partiprompts(temporary / "partiprompts", seed)
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(temporary)  # another process has written the same folder
