"""Scoring all outputs of a cell together: texts, log-likelihoods, embeddings, decisions, times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gill_bench.engines.engine import CHEAP, Engine
from gill_bench.engines.job import JobGroup, JobResult
from gill_bench.errors import GillBenchError
from gill_bench.metrics import CorpusMetricModule, Question, Reference, metric
from gill_bench.planning.cells import Cell
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.rundir.records import Unit
from gill_bench.scoring.outputs import outputs_of
from gill_bench.scoring.scores import content_of, remove_leftovers, store_scores, stored_scores
from gill_bench.storage.digests import digest


def score(asked: ResolvedMetric, stored: Sequence[tuple[Cell, Mapping[str, Unit]]], run: Path, engine: Engine) -> None:
    """Write the numbers of cells that are not written yet."""
    jobs = list(_jobs(asked, stored, run))
    if jobs:
        samples = sum(job.size for job in jobs)
        engine.work([JobGroup(Nothing(), iter(jobs), len(jobs), _nothing_more)], samples // CHEAP)


def _jobs(asked: ResolvedMetric, stored: Sequence[tuple[Cell, Mapping[str, Unit]]], run: Path) -> Iterator[ScoreCell]:
    for cell, units in stored:
        content = content_of(cell, units, run)
        for seed in cell.row_seeds:
            if stored_scores(cell, run, asked, seed, content) is None:
                yield ScoreCell(cell, units, content, seed, asked)


@dataclass(frozen=True)
class Nothing:
    """What jobs that compute with stored outputs need loaded."""

    key: str = ""
    name: str = ""
    folders: frozenset[Path] = frozenset()

    def load(self, device: str) -> None:
        """Nothing."""


@dataclass(frozen=True)
class ScoreCell:
    """All outputs of a cell, to be scored with one metric and one seed of whatever it draws.

    Attributes:
        units: The cell's committed units by folder name.
        content: Digest of what the numbers are made of.
    """

    cell: Cell
    units: Mapping[str, Unit]
    content: str
    seed: int
    asked: ResolvedMetric

    @property
    def key(self) -> str:
        """Of the file that is written."""
        return digest([self.cell.key, self.asked.spec.name, self.asked.scores_key, self.seed])

    @property
    def size(self) -> int:
        """Outputs."""
        return sum(len(unit.examples) * len(unit.seeds) for unit in self.units.values())

    def is_done(self, run: Path) -> bool:
        """Whether the numbers are written."""
        return stored_scores(self.cell, run, self.asked, self.seed, self.content) is not None

    def prepared(self) -> ScoreCell:
        """The job itself: its data is read while it is done."""
        return self

    def do(self, loaded: None, run: Path, device: str, may_fail: int) -> JobResult:
        """Compute and write them."""
        cell, settings = self.cell, self.asked.settings
        remove_leftovers(cell, run, self.asked, self.seed)
        references = {example.id: Reference(example.answers, example.facts) for example, _, _ in cell.usable.values()}
        outputs = outputs_of(cell, self.units, run, settings, self.seed)
        question = Question(cell.asks, cell.context.name, self.seed)
        module = cast(CorpusMetricModule, metric(self.asked.spec.name))
        found = module.scores(outputs, references, settings, question)
        store_scores(cell, run, self.asked, self.seed, self.content, found)
        return JobResult()

    def lost(self, reason: str) -> JobResult:
        """Nothing can be said without them."""
        raise GillBenchError(f"workers died scoring {self.cell.key}: {reason}")


def _nothing_more(job: object, done: JobResult) -> None:
    """It is quick: nothing is shown of its progress."""
