"""Whether a run is finished: what its spec.json asks for against the rows of its results.json."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gill_bench.rundir.rows import Results
from gill_bench.rundir.spec import read_spec


def unfinished_cells(run: Path, results: Results) -> Iterator[tuple[str, str]]:
    """Every cell with seeds that were asked for and have no row yet: its task, and a sentence.

    Raises:
        InputError: spec.json is damaged, or of another version.
    """
    # Of results that came without their run nothing was asked.
    asked = {
        (cell["task"], cell["model"], cell["context"]): set(cell.get("row_seeds", cell["seeds"]))
        for cell in read_spec(run)["cells"]
    }
    there: dict[tuple[str, str, str], set[int]] = {}
    for row in results.rows:
        there.setdefault((row.task, row.model, row.context), set()).add(row.seed)
    for place, seeds in asked.items():
        absent = sorted(seeds - there.get(place, set()))
        if absent:
            names = ", ".join(map(str, absent))
            yield place[0], f"UNFINISHED: {'/'.join(place)} was asked for with seeds that have no results yet: {names}."
