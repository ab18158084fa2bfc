"""Contrasts inside a run: the paired difference of two cells over the same examples, with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gill_bench.errors import InputError, did_you_mean
from gill_bench.planning.cells import Cell, plan_cell
from gill_bench.planning.metrics import metrics_of
from gill_bench.scoring import numbers_of
from gill_bench.scoring.number import Number
from gill_bench.statistics.bootstrap import Interval, paired_interval


@dataclass(frozen=True, slots=True)
class Contrast:
    """One cell minus another, in a metric.

    Attributes:
        better: (model, context) that is expected to be better.
        than: (model, context) that it is compared with.
        metric: Registered name, with or without a stand-in's brackets.
        gain: Difference in the metric's good direction, over examples; a mean over seeds each.
    """

    better: tuple[str, str]
    than: tuple[str, str]
    metric: str
    gain: Interval


def contrast(
    run: Path, cells: dict[tuple[str, str], Cell], better: tuple[str, str], than: tuple[str, str], metric: str
) -> Contrast:
    """Compare two cells of one task over the examples that both have, seeds averaged, clusters kept together.

    Args:
        run: The run directory.
        cells: By (model, context).
        better: Minuend.
        than: Subtrahend.
        metric: Of the task.

    Raises:
        InputError: A cell is not in the run, the task has no such metric, or the examples are of one cluster.
    """
    values = {place: _story_means(run, cells, place, metric) for place in (better, than)}
    common = [name for name in values[better][0] if name in values[than][0]]
    sign = 1.0 if values[better][1] else -1.0
    asked = cells[better].usable
    differences = [sign * (values[better][0][name] - values[than][0][name]) for name in common]
    clusters = [asked[name][0].cluster for name in common]
    if len(set(clusters)) < 2:
        raise InputError(
            f"{run}: {'/'.join(better)} and {'/'.join(than)} share {len(common)} scored examples of"
            f" {len(set(clusters))} photo sequence(s), and an interval needs two; make more with a higher --limit"
        )
    return Contrast(better, than, metric, paired_interval(differences, clusters))


def _story_means(
    run: Path, cells: dict[tuple[str, str], Cell], place: tuple[str, str], metric: str
) -> tuple[dict[str, float], bool]:
    if place not in cells:
        names = ["/".join(known) for known in cells]
        raise InputError(f"{run}: has no {'/'.join(place)}; {did_you_mean('/'.join(place), names)}")
    cell = cells[place]
    units = plan_cell(cell, run).done
    known: dict[str, list[Number]] = {}
    for asked in metrics_of(cell.task):
        for number in numbers_of(cell, units, run, asked):
            if number.each is not None:
                known.setdefault(number.metric.partition("[")[0], []).append(number)
    if metric not in known:
        raise InputError(
            f"{cell.task.card.name} has no metric {metric!r} of single examples; {did_you_mean(metric, known)}"
        )
    seeds = [number.each for number in known[metric] if number.each is not None]
    complete = {
        name: sum(each[name] for each in seeds) / len(seeds)
        for name in cell.usable
        if all(name in each for each in seeds)
    }
    return complete, known[metric][0].higher_is_better
