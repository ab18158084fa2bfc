"""Metrics that compare all generated pictures of a cell with a set of reference pictures (FID, KID).

Features are computed by jobs of the engine. Those of generated pictures are kept in their unit; those of reference
pictures in the cache of this machine, where all models, runs and tasks find them by the content of the files. The
features of a cell are put together in the order of units and samples, so that it makes no difference where each was
computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gill_bench.engines.engine import CHEAP, Engine
from gill_bench.engines.job import Job, JobGroup, JobResult
from gill_bench.errors import GillBenchError, command
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.planning.resolved import ResolvedTask
from gill_bench.progress import Progress
from gill_bench.rundir.records import Sample
from gill_bench.rundir.writer import write_features
from gill_bench.scoring.cell_scores import store_scores, stored_scores
from gill_bench.scoring.features import (
    ExtractorLoadable,
    ReferenceFeatures,
    UnitFeatures,
    features_file,
    read_unit_features,
    reference_block,
    stored_features,
)
from gill_bench.scoring.pairs import in_order_of_data
from gill_bench.scoring.stored import StoredCell
from gill_bench.storage.files import was_absent

if TYPE_CHECKING:
    from gill_bench.scoring.features import Features

_BLOCK = 1024  # reference pictures in one file of the cache; a killed run computes at most one block again


def score(metric: ResolvedMetric, cells: Sequence[StoredCell], engine: Engine, progress: Progress) -> None:
    """Compute the features that are not kept yet, and write the scores of cells and seeds that have none yet."""
    todo = [
        (stored, seed)
        for stored in cells
        for seed in stored.cell.row_seeds
        if stored_scores(stored, metric, seed) is None
    ]
    if not todo:
        return
    _compute_features(metric, cells, engine, progress)
    reference = _reference(metric, cells[0].cell.task, engine, progress)
    for stored, seed in todo:
        generated, samples = _generated(stored, metric, seed)
        scores = metric.distribution.compare(generated, reference, metric.settings, samples)
        store_scores(stored, metric, seed, scores)


def _compute_features(metric: ResolvedMetric, cells: Sequence[StoredCell], engine: Engine, progress: Progress) -> None:
    todo = [
        unit
        for unit in in_order_of_data(cells)
        if was_absent(features_file(unit.folder, metric)) or read_unit_features(unit, metric) is None
    ]
    if todo:
        samples = sum(unit.size for unit in todo)
        step = progress(f"features for {metric.name}", samples)
        jobs = (UnitFeatures(unit.part(), metric) for unit in todo)
        group = JobGroup(ExtractorLoadable(metric), jobs, len(todo), lambda job, _: step(job.size))
        engine.work([group], samples // CHEAP)


def _reference(metric: ResolvedMetric, task: ResolvedTask, engine: Engine, progress: Progress) -> list[Features]:
    """The features of a task's reference pictures, block by block."""
    readable = [(p.file, task.checked[p.id].sha256) for p in task.references if p.file and task.checked[p.id].sha256]
    blocks = [reference_block(readable[start : start + _BLOCK], metric) for start in range(0, len(readable), _BLOCK)]
    todo = [block for block in blocks if stored_features(block.file) is None]
    if todo:
        samples = sum(block.size for block in todo)
        step = progress(f"reference features for {metric.name}", samples)

        def keep(job: Job, result: JobResult) -> None:
            assert isinstance(job, ReferenceFeatures)
            job.file.parent.mkdir(parents=True, exist_ok=True)
            write_features(job.file, result.value)
            step(job.size)

        engine.work([JobGroup(ExtractorLoadable(metric), iter(todo), len(todo), keep)], samples // CHEAP)
    kept = {block.file: stored_features(block.file) for block in blocks}
    absent = next((file for file, features in kept.items() if features is None), None)
    if absent is not None:
        raise GillBenchError(
            f"{absent}: the reference features that were just written are not there; run the same command again"
        )
    return [features for features in kept.values() if features is not None]


def _generated(stored: StoredCell, metric: ResolvedMetric, seed: int) -> tuple[list[Features], list[Sample]]:
    """The features of one seed's pictures, unit by unit, and their samples in the same order."""
    blocks, samples = [], []
    seen: set[str] = set()
    for unit in stored.units:
        new = [sample for sample in unit.samples() if sample.seed == seed and sample.example not in seen]
        seen.update(sample.example for sample in new)
        if new:
            features = read_unit_features(unit, metric)
            if features is None:
                raise GillBenchError(
                    f"{unit.folder}: its outputs were made again while they were scored; score the run again with:"
                    f" {command('score', stored.run)}"
                )
            blocks.append(features[[sample.row for sample in new]])
            samples += new
    return blocks, samples
