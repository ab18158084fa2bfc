"""Scoring: a second pass over what is stored, so that a failing metric loses no output.

Scores are kept beside the outputs: one file in each unit's folder for metrics of single pictures (`pairs`), one file in
the cell's folder for metrics of all outputs together (`distribution`, `corpus`). The file's name covers the metric's
signature, its backbone's content and the rules of reading pictures, so that another encoder never reuses a score.
`rows` makes the rows of `results.json` from the scores, and `unmade` says which outputs are not there, and why.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from gill_bench.engines.engine import Engine
from gill_bench.errors import GillBenchError
from gill_bench.interfaces import Score
from gill_bench.planning.metrics import ResolvedMetric, metrics_of
from gill_bench.planning.resolved import ResolvedTask
from gill_bench.progress import Progress
from gill_bench.scoring import corpus, distribution, pairs
from gill_bench.scoring.cell_scores import all_stored_scores
from gill_bench.scoring.pair_values import mean_scores
from gill_bench.scoring.stored import StoredCell

_log = logging.getLogger(__name__)


def score_units(cells: Sequence[StoredCell], engine: Engine, progress: Progress) -> list[str]:
    """Score every stored output that has no score yet; a metric that fails does not stop the others.

    Metrics that compare pictures one by one work together, so that each picture is read once. If they fail, each works
    by itself.

    Args:
        cells: The cells with their committed units.
        engine: Does the work.
        progress: Starts to show progress; see `gill_bench.progress.Progress`.

    Returns:
        A message for each metric that failed.
    """
    failed: list[str] = []
    for task in {id(stored.cell.task): stored.cell.task for stored in cells}.values():
        of_task = [stored for stored in cells if stored.cell.task is task and stored.cell.asks != "candidates"]
        metrics = metrics_of(task)
        pair_metrics = [metric for metric in metrics if metric.kind == "pairs"]
        together = len(pair_metrics) > 1 and not _failures(task, pair_metrics, of_task, engine, progress)
        for metric in metrics:
            if not (together and metric.kind == "pairs"):
                failed += _failures(task, [metric], of_task, engine, progress)
    return failed


def _failures(
    task: ResolvedTask,
    metrics: Sequence[ResolvedMetric],
    cells: Sequence[StoredCell],
    engine: Engine,
    progress: Progress,
) -> list[str]:
    """Score with one metric, or with several that compare pictures; returns a message if a metric failed.

    If several fail, the caller tries them one by one, so that the others have their scores.
    """
    metric = metrics[0]
    _log.info("%s: scoring %d cells with %s", task.card.name, len(cells), ", ".join(item.name for item in metrics))
    try:
        if metric.kind == "pairs":
            pairs.score(metrics, cells, engine, progress)
        elif metric.kind == "distribution":
            distribution.score(metric, cells, engine, progress)
        else:
            corpus.score(metric, cells, engine)
    except GillBenchError as error:
        return [f"{task.card.name}: {metric.name}: {error}"]
    except Exception as error:  # the code of a metric may be a user's own
        return [f"{task.card.name}: {metric.name}: {type(error).__name__}: {error}"]
    return []


def scores_of(stored: StoredCell, metric: ResolvedMetric) -> Iterator[tuple[int, Score]]:
    """The seed and value of each score that a metric has for a cell, read from the score files."""
    return mean_scores(stored, metric) if metric.kind == "pairs" else all_stored_scores(stored, metric)
