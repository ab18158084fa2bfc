"""The cells of a run that are not finished: its spec.json names seeds for which its results.json has no row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gill_bench.rundir.rows import Results
from gill_bench.rundir.spec import read_spec


def unfinished_cells(run: Path, results: Results) -> Iterator[tuple[str, str]]:
    """Yield the task of every unfinished cell, and a sentence that names the cell and the seeds without a row.

    Results that came without their run directory have no spec.json, so that none of their cells is unfinished.

    Raises:
        InputError: spec.json is damaged, or another version of gill-bench wrote it.
    """
    requested = {
        (cell["task"], cell["model"], cell["context"]): set(cell.get("row_seeds", cell["seeds"]))
        for cell in read_spec(run)["cells"]
    }
    scored: dict[tuple[str, str, str], set[int]] = {}
    for row in results.rows:
        scored.setdefault((row.task, row.model, row.context), set()).add(row.seed)
    for cell_key, seeds in requested.items():
        absent = sorted(seeds - scored.get(cell_key, set()))
        if absent:
            numbers = ", ".join(map(str, absent))
            cell = "/".join(cell_key)
            yield cell_key[0], f"UNFINISHED: {cell} was asked for with seeds that have no results yet: {numbers}."
