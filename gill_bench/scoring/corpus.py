"""Metrics that score all outputs of a cell together: texts, log-likelihoods, embeddings, decisions, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gill_bench.engines.engine import CHEAP, Engine
from gill_bench.engines.job import JobGroup, JobResult
from gill_bench.errors import GillBenchError
from gill_bench.interfaces import Score
from gill_bench.metrics import Question, Reference, Trivial
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.scoring.cell_scores import remove_leftovers, store_scores, stored_scores
from gill_bench.scoring.outputs import outputs_of
from gill_bench.scoring.stored import StoredCell
from gill_bench.storage.digests import digest


def score(metric: ResolvedMetric, cells: Sequence[StoredCell], engine: Engine) -> None:
    """Write the scores of cells and seeds that have none yet. It is quick, so no progress is shown."""
    jobs = [
        ScoreCell(stored, metric, seed)
        for stored in cells
        for seed in stored.cell.row_seeds
        if stored_scores(stored, metric, seed) is None
    ]
    if jobs:
        samples = sum(job.size for job in jobs)
        engine.work([JobGroup(Nothing(), iter(jobs), len(jobs), lambda job, result: None)], samples // CHEAP)


def _beside(
    scores: Sequence[Score],
    metric: ResolvedMetric,
    trivial: Trivial | None,
    references: Mapping[str, Reference],
    question: Question,
) -> list[Score]:
    """The scores, each with the value that trivial outputs have."""
    if trivial is None:
        return list(scores)
    question = question._replace(asks=trivial.asks)
    of_trivial = metric.corpus.scores(trivial.outputs, references, metric.settings, question)
    values = {(score.metric, score.where): score.value for score in of_trivial}
    return [
        replace(score, trivial=value, trivial_answer=trivial.answer)
        if (value := values.get((score.metric, score.where))) is not None
        else score
        for score in scores
    ]


@dataclass(frozen=True)
class Nothing:
    """The loadable of jobs that need no model or network."""

    key: str = ""
    name: str = ""
    folders: frozenset[Path] = frozenset()

    def load(self, device: str) -> None:
        """Load nothing."""


@dataclass(frozen=True)
class ScoreCell:
    """The job of scoring all outputs of a cell with one metric.

    Attributes:
        stored: The cell with its committed units.
        metric: The metric.
        seed: The seed of the outputs, and of what the metric itself draws.
    """

    stored: StoredCell
    metric: ResolvedMetric
    seed: int

    @property
    def key(self) -> str:
        """The digest of the score file's name."""
        return digest([self.stored.cell.key, self.metric.short_name, self.metric.scores_key, self.seed])

    @property
    def size(self) -> int:
        """The number of outputs that are scored."""
        return self.stored.size

    def is_done(self, run: Path) -> bool:
        """Whether the scores are written already."""
        return stored_scores(self.stored, self.metric, self.seed) is not None

    def prepared(self) -> ScoreCell:
        """The job itself: its data is read while it is done."""
        return self

    def do(self, loaded: None, run: Path, device: str, may_fail: int) -> JobResult:
        """Compute the scores and write them."""
        cell, settings = self.stored.cell, self.metric.settings
        remove_leftovers(self.stored, self.metric, self.seed)
        references = {example.id: Reference(example.answers, example.facts) for example, _, _ in cell.usable.values()}
        outputs = outputs_of(self.stored, settings, self.seed)
        question = Question(cell.asks, cell.context.name, self.seed)
        scores = self.metric.corpus.scores(outputs, references, settings, question)
        trivial = getattr(self.metric.corpus, "trivial", None)
        if trivial is not None and outputs:
            scores = _beside(
                scores, self.metric, trivial(outputs, references, settings, question), references, question
            )
        store_scores(self.stored, self.metric, self.seed, scores)
        return JobResult()

    def lost(self, reason: str) -> JobResult:
        """Raise an error, since a cell without its scores has no rows."""
        raise GillBenchError(f"workers died scoring {self.stored.cell.key}: {reason}")
