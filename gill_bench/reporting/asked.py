"""Whether a run is finished: what its spec.json asks for against the rows of its results.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from gill_bench.errors import InputError
from gill_bench.rows import Results


def unfinished(run: Path, results: Results) -> Iterator[tuple[str, str]]:
    """Every cell with seeds that were asked for and have no row yet: its task, and a sentence.

    Raises:
        InputError: spec.json is damaged.
    """
    file = run / "spec.json"
    if not file.is_file():
        return  # results that came without their run
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        asked = {
            (cell["task"], cell["model"], cell["context"]): set(cell.get("row_seeds", cell["seeds"])) for cell in cells
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: damaged ({error!r}); run the same command again to renew it") from error
    there: dict[tuple[str, str, str], set[int]] = {}
    for row in results.rows:
        there.setdefault((row.task, row.model, row.context), set()).add(row.seed)
    for place, seeds in asked.items():
        absent = sorted(seeds - there.get(place, set()))
        if absent:
            names = ", ".join(map(str, absent))
            yield place[0], f"UNFINISHED: {'/'.join(place)} was asked for with seeds that have no results yet: {names}."
