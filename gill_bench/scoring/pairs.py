"""Metrics that compare pictures one by one: each generated picture with the target picture of its example."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from gill_bench.engines.engine import CHEAP, Engine
from gill_bench.engines.job import JobGroup
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.progress import Progress
from gill_bench.scoring.pair_jobs import PairLoadable, ScorePairs
from gill_bench.scoring.pair_values import read_values
from gill_bench.scoring.stored import StoredCell, StoredUnit
from gill_bench.storage.files import was_absent


def in_order_of_data(cells: Sequence[StoredCell]) -> list[StoredUnit]:
    """The units of several cells of one task in the order of the data.

    Units with the same examples follow one another, so that the features of a target picture are computed once for all
    models and contexts.
    """
    units = [unit for stored in cells for unit in stored.units]
    if units:
        position = {example.id: number for number, example in enumerate(units[0].cell.task.examples)}
        units.sort(key=lambda unit: min(position.get(name, len(position)) for name, _ in unit.unit.examples))
    return units


def score(metrics: Sequence[ResolvedMetric], cells: Sequence[StoredCell], engine: Engine, progress: Progress) -> None:
    """Write one value per stored picture and metric into `score-<metric>-<key>.json` of its unit.

    Each picture is read once for all metrics that lack a value.
    """
    lacking: dict[str, ResolvedMetric] = {}
    todo = []
    for unit in in_order_of_data(cells):
        metrics_of_unit = {metric.file_name: metric for metric in metrics if _lacks(unit, metric)}
        if metrics_of_unit:
            todo.append(unit)
            lacking |= metrics_of_unit
    if not todo:
        return
    used = tuple(metric for metric in metrics if metric.file_name in lacking)
    # Units with the same examples are one job, so that a target's features serve all models and contexts.
    groups = [tuple(group) for _, group in groupby(todo, key=lambda unit: [name for name, _ in unit.unit.examples])]
    samples = sum(unit.size for unit in todo)
    step = progress(f"scoring {', '.join(metric.name for metric in used)}", samples)
    jobs = (ScorePairs(tuple(unit.part() for unit in group), used) for group in groups)
    group = JobGroup(PairLoadable(used), jobs, len(groups), lambda job, _: step(job.size))
    engine.work([group], samples // CHEAP)


def _lacks(unit: StoredUnit, metric: ResolvedMetric) -> bool:
    return was_absent(unit.folder / metric.file_name) or read_values(unit, metric) is None
