"""Intervals of the means in a table, from the values of single examples that the table's runs stored."""

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
        runs: The runs that the table shows, or their folders. A folder with nothing but results.json has no values of
            single examples.
    """

    def __init__(self, runs: Sequence[Path | RunReader]) -> None:
        self._given_runs = runs
        self._clusters: dict[CellKey, dict[str, str]] = {}

    def __call__(self, rows: Sequence[Row]) -> MeanInterval | None:
        """The 95 % interval of the mean of a cell's rows, in their unit.

        If single examples have values whose mean is the number (which a median of times or the BLEU of a corpus is
        not), the interval is over clusters of examples, widened for the choice of seeds. Otherwise it is over seeds.

        Args:
            rows: The rows of one task, model, context and metric, one for each seed.

        Returns:
            The interval; None if it would be over seeds and there is one seed, or all seeds give the same value.

        Raises:
            InputError: A run is damaged.
        """
        import numpy as np

        values = [row.value for row in rows if row.value is not None]
        if not values:
            return None
        key = rows[0].cell_key
        examples = self._examples(key, rows)
        if examples:
            table = np.array(list(examples.values()))
            if math.isclose(float(table.mean()), math.fsum(values) / len(values), rel_tol=1e-6, abs_tol=1e-9):
                clusters = self._clusters_of(key)
                interval = interval_over_clusters(table, [clusters.get(name, name) for name in examples])
                if interval is not None:
                    return interval
        return interval_over_seeds(values)

    @cached_property
    def _runs(self) -> list[RunReader]:
        opened = (run for run in self._given_runs if isinstance(run, RunReader) or (run / "spec.json").is_file())
        return [run if isinstance(run, RunReader) else RunReader.open(run) for run in opened]

    def _examples(self, key: CellKey, rows: Sequence[Row]) -> dict[str, list[float]]:
        """For each example that has a value with every seed of the rows: its values, in the order of the rows."""
        by_seed: dict[int, dict[str, float]] = {}
        for run in self._runs:
            stored = run.values(key, rows[0].metric)
            if stored is not None and stored.signature == rows[0].signature:
                by_seed = {**stored.by_seed, **by_seed}
        seeds = [by_seed.get(row.seed, {}) for row in rows if row.value is not None]
        shared = [name for name in seeds[0] if all(name in values for values in seeds[1:])]
        return {name: [values[name] for values in seeds] for name in shared}

    def _clusters_of(self, key: CellKey) -> dict[str, str]:
        if key not in self._clusters:
            self._clusters[key] = {name: cluster for run in self._runs for name, cluster in run.clusters(key).items()}
        return self._clusters[key]
