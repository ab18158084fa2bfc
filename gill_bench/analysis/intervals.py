"""Intervals of the means in a table, from what the runs behind it stored of single examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.rows import Row
from gill_bench.statistics.mean_interval import MeanInterval, interval_over_clusters, interval_over_seeds


class StoredIntervals:
    """Intervals of means over seeds, for `gill_bench.reporting.tables_for`.

    Args:
        runs: The runs that the table shows, or their folders. One of which only results.json is left has no single
            examples.
    """

    def __init__(self, runs: Sequence[Path | RunReader]) -> None:
        self._asked = runs
        self._clusters: dict[CellKey, dict[str, str]] = {}

    def __call__(self, rows: Sequence[Row]) -> MeanInterval | None:
        """The 95 % interval of the mean of a cell's rows, in their unit.

        Over clusters of examples and what seeds add, where there are values of single examples and their mean is the
        number (the median of times and the BLEU of a corpus are no such means); else over seeds, where there are
        several; else None.

        Args:
            rows: Of one task, model, context and metric, one a seed.

        Raises:
            InputError: A run is damaged.
        """
        import numpy as np

        values = [row.value for row in rows if row.value is not None]
        if not values:
            return None
        place = rows[0].cell_key
        examples = self._examples(place, rows)
        if examples:
            table = np.array(list(examples.values()))
            if math.isclose(float(table.mean()), math.fsum(values) / len(values), rel_tol=1e-6, abs_tol=1e-9):
                known = self._clusters_of(place)
                found = interval_over_clusters(table, [known.get(name, name) for name in examples])
                if found is not None:
                    return found
        return interval_over_seeds(values)

    @cached_property
    def _runs(self) -> list[RunReader]:
        opened = (run for run in self._asked if isinstance(run, RunReader) or (run / "spec.json").is_file())
        return [run if isinstance(run, RunReader) else RunReader.open(run) for run in opened]

    def _examples(self, place: CellKey, rows: Sequence[Row]) -> dict[str, list[float]]:
        """Values with each of the rows' seeds of each example that all of them have."""
        by_seed: dict[int, dict[str, float]] = {}
        for run in self._runs:
            stored = run.values(place, rows[0].metric)
            if stored is not None and stored.signature == rows[0].signature:
                by_seed = {**stored.by_seed, **by_seed}
        seeds = [by_seed.get(row.seed, {}) for row in rows if row.value is not None]
        return {name: [each[name] for each in seeds] for name in seeds[0] if all(name in each for each in seeds[1:])}

    def _clusters_of(self, place: CellKey) -> dict[str, str]:
        if place not in self._clusters:
            self._clusters[place] = {name: group for run in self._runs for name, group in run.clusters(place).items()}
        return self._clusters[place]
