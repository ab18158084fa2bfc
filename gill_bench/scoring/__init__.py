"""Scoring: a second pass over what is stored, so that a failing scorer loses no output.

Values are kept beside what they are of: one file a unit for metrics of single pictures, one file a cell for metrics of
all outputs together. Its name covers the metric's signature, its backbone's content and the picture rules, so another
encoder never reuses a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gill_bench.engines.engine import Engine
from gill_bench.errors import GillBenchError
from gill_bench.planning.cells import Cell
from gill_bench.planning.metrics import ResolvedMetric, metrics_of
from gill_bench.progress import Progress
from gill_bench.rundir.records import Unit
from gill_bench.scoring import corpus, distribution, pairs
from gill_bench.scoring import scores as kept
from gill_bench.scoring.number import Number

Stored = tuple[Cell, Mapping[str, Unit]]


def score_units(stored: Sequence[Stored], run: Path, engine: Engine, progress: Progress) -> list[str]:
    """Score every stored sample that a metric of its task has not seen; one metric that fails stops no other.

    Args:
        stored: Per cell its committed units by folder name.
        run: The run directory.
        engine: Where it is done.
        progress: Given a label and a total, returns a function that is called with the number of samples done.

    Returns:
        What failed, and why.
    """
    failed = []
    for task in {id(cell.task): cell.task for cell, _ in stored}.values():
        mine = [(cell, units) for cell, units in stored if cell.task is task and cell.asks != "candidates"]
        for asked in metrics_of(task):
            try:
                if asked.kind == "pairs":
                    pairs.score(asked, mine, run, engine, progress)
                elif asked.kind == "distribution":
                    distribution.score(asked, mine, run, engine, progress)
                else:
                    corpus.score(asked, mine, run, engine)
            except GillBenchError as error:
                failed.append(f"{task.card.name}: {asked.name}: {error}")
            except Exception as error:  # of a metric's own code, which may be anybody's
                failed.append(f"{task.card.name}: {asked.name}: {type(error).__name__}: {error}")
    return failed


def numbers_of(cell: Cell, units: Mapping[str, Unit], run: Path, asked: ResolvedMetric) -> list[Number]:
    """What a metric says of a cell, from the values that were kept."""
    of = pairs.numbers if asked.kind == "pairs" else kept.numbers
    return of(cell, units, run, asked)
