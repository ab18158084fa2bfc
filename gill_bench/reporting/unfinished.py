"""The cells of a run that are not finished: its spec.json names seeds for which its results.json has no row."""

from __future__ import annotations

from collections.abc import Iterator

from gill_bench.rundir.records import CellKey, Spec
from gill_bench.rundir.rows import Results


def unfinished_cells(spec: Spec, results: Results) -> Iterator[tuple[str, str]]:
    """Yield the task of every unfinished cell, and a sentence that names the cell and the seeds without a row.

    Results that came without their run directory have an empty spec, so that none of their cells is unfinished.
    """
    requested = {cell.cell_key: set(cell.seeds if cell.row_seeds is None else cell.row_seeds) for cell in spec.cells}
    scored: dict[CellKey, set[int]] = {}
    for row in results.rows:
        scored.setdefault(row.cell_key, set()).add(row.seed)
    for cell_key, seeds in requested.items():
        absent = sorted(seeds - scored.get(cell_key, set()))
        if absent:
            numbers = ", ".join(map(str, absent))
            yield cell_key.task, f"UNFINISHED: {cell_key} was asked for with seeds that have no results yet: {numbers}."
