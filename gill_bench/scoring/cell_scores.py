"""The scores of a cell over all its outputs together, in `score-<metric>-<key>-<seed>.json` beside its units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gill_bench.interfaces import Score
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.progress import say
from gill_bench.rundir.load import read_cell_scores
from gill_bench.rundir.records import CellScores
from gill_bench.rundir.writer import write_scores
from gill_bench.scoring.stored import StoredCell
from gill_bench.storage.files import remove_temporary
from gill_bench.storage.sealed import DamagedFileError


def all_stored_scores(stored: StoredCell, metric: ResolvedMetric) -> Iterator[tuple[int, Score]]:
    """The stored scores of every seed, each under the metric's name in rows."""
    for seed in stored.cell.row_seeds:
        for score in stored_scores(stored, metric, seed) or ():
            yield seed, replace(score, metric=metric.named(score.metric))


def stored_scores(stored: StoredCell, metric: ResolvedMetric, seed: int) -> Sequence[Score] | None:
    """The stored scores of one seed; None if there are none, or if they were made of other content."""
    try:
        scores = read_cell_scores(_file(stored, metric, seed), "scored again")
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        say(f"warning: {error}")
        return None
    return scores.scores if scores.content == stored.content else None


def store_scores(stored: StoredCell, metric: ResolvedMetric, seed: int, scores: Sequence[Score]) -> None:
    """Write the scores of one seed."""
    write_scores(_file(stored, metric, seed), CellScores(metric.signature, stored.content, tuple(scores)))


def remove_leftovers(stored: StoredCell, metric: ResolvedMetric, seed: int) -> None:
    """Remove temporary files that a killed process left of one seed's scores; the caller holds the job's lock."""
    file = _file(stored, metric, seed)
    remove_temporary(file.parent, f".{file.name}.*.tmp")


def _file(stored: StoredCell, metric: ResolvedMetric, seed: int) -> Path:
    return stored.folder / f"score-{metric.short_name}-{metric.scores_key}-{seed}.json"
