"""Scoring all generated pictures of a cell against a set of reference pictures (FID, KID).

Features are jobs for the engine and are kept, so that all models, runs and tasks find them by the content of the files.
What is made of them is the same wherever they were computed: they are put together in the order of units and pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.engines.engine import CHEAP, Engine
from gill_bench.engines.job import Job, JobGroup, JobResult
from gill_bench.errors import GillBenchError, command
from gill_bench.planning.cells import Cell
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.planning.resolved import ResolvedTask
from gill_bench.progress import Progress
from gill_bench.rundir.load_units import read_samples
from gill_bench.rundir.records import Sample, Unit
from gill_bench.rundir.writer import write_features
from gill_bench.scoring.features import (
    FeaturesLoadable,
    ReferenceFeatures,
    UnitFeatures,
    file_of,
    module_of,
    read_unit_features,
    reference_block,
    stored_features,
)
from gill_bench.scoring.pairs import works_of
from gill_bench.scoring.scores import content_of, store_scores, stored_scores
from gill_bench.storage.files import was_absent

if TYPE_CHECKING:
    from gill_bench.scoring.features import Features

_BLOCK = 1024  # reference pictures in one file of the cache: what a kill can cost


def score(
    asked: ResolvedMetric,
    stored: Sequence[tuple[Cell, Mapping[str, Unit]]],
    run: Path,
    engine: Engine,
    progress: Progress,
) -> None:
    """Compute features that are not kept yet, and write the numbers of cells that are not written yet."""
    due = [
        (cell, units, content, seed)
        for cell, units in stored
        for content in [content_of(cell, units, run)]
        for seed in cell.row_seeds
        if stored_scores(cell, run, asked, seed, content) is None
    ]
    if not due:
        return
    _compute_features(asked, stored, run, engine, progress)
    reference = _reference(asked, due[0][0].task, engine, progress)
    for cell, units, content, seed in due:
        generated, samples = _generated(cell, units, run, asked, seed)
        found = module_of(asked).compare(generated, reference, asked.settings, samples)
        store_scores(cell, run, asked, seed, content, found)


def _compute_features(
    asked: ResolvedMetric,
    stored: Sequence[tuple[Cell, Mapping[str, Unit]]],
    run: Path,
    engine: Engine,
    progress: Progress,
) -> None:
    files = [(work, file_of(work.folder, asked)) for work in works_of(stored, run)]
    todo = [work for work, file in files if was_absent(file) or read_unit_features(work.folder, asked) is None]
    if todo:
        samples = sum(work.samples for work in todo)
        step = progress(f"features for {asked.name}", samples)
        jobs = (UnitFeatures(work.part(), asked) for work in todo)
        engine.work(
            [JobGroup(FeaturesLoadable(asked), jobs, len(todo), lambda job, _: step(job.size))], samples // CHEAP
        )


def _reference(asked: ResolvedMetric, task: ResolvedTask, engine: Engine, progress: Progress) -> list[Features]:
    """Features of a task's reference pictures, block by block."""
    there = [(p.file, task.checked[p.id].sha256) for p in task.references if p.file and task.checked[p.id].sha256]
    blocks = [reference_block(there[start : start + _BLOCK], asked) for start in range(0, len(there), _BLOCK)]
    todo = [block for block in blocks if stored_features(block.file) is None]
    if todo:
        samples = sum(block.size for block in todo)
        step = progress(f"reference features for {asked.name}", samples)

        def keep(job: Job, done: JobResult) -> None:
            assert isinstance(job, ReferenceFeatures)
            job.file.parent.mkdir(parents=True, exist_ok=True)
            write_features(job.file, done.value)
            step(job.size)

        engine.work([JobGroup(FeaturesLoadable(asked), iter(todo), len(todo), keep)], samples // CHEAP)
    kept = {block.file: stored_features(block.file) for block in blocks}
    absent = next((file for file, features in kept.items() if features is None), None)
    if absent is not None:
        raise GillBenchError(f"{absent}: these features were written and are not there; run the same command again")
    return [features for features in kept.values() if features is not None]


def _generated(
    cell: Cell, units: Mapping[str, Unit], run: Path, asked: ResolvedMetric, seed: int
) -> tuple[list[Features], list[Sample]]:
    """Features of one seed's pictures, a unit at a time, and what they are of."""
    blocks, samples = [], []
    seen: set[str] = set()
    for name, unit in sorted(units.items()):
        valid = {example for example, _ in unit.examples}
        folder = cell.folder(run) / name
        mine = [
            sample
            for sample in read_samples(folder)
            if sample.example in valid and sample.seed == seed and sample.example not in seen
        ]
        seen.update(sample.example for sample in mine)
        if mine:
            kept = read_unit_features(folder, asked)
            if kept is None:
                raise GillBenchError(
                    f"{folder}: its outputs were made again while they were scored; score it once more:"
                    f" {command('score', run)}"
                )
            blocks.append(kept[[sample.row for sample in mine]])
            samples += mine
    return blocks, samples
