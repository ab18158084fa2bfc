"""Units of work as jobs: a model is asked for a unit's outputs, and they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gill_bench.engines.job import Failure, Job, JobGroup, JobResult
from gill_bench.errors import GillBenchError
from gill_bench.generation.generate import CallError, generate_unit, store
from gill_bench.generation.reasons import reason_of
from gill_bench.interfaces import CAPABILITY_OF, PROTOCOLS
from gill_bench.planning.cells import Cell, CellPlan
from gill_bench.planning.resolved import ResolvedModel
from gill_bench.rundir.load_units import is_whole
from gill_bench.rundir.records import Reason, Unit
from gill_bench.rundir.writer import write_failure


@dataclass(frozen=True)
class ModelLoadable:
    """A model as what units need loaded.

    Attributes:
        cells: Some cell for each thing that it is asked, to see that it can.
    """

    key: str
    asked: ResolvedModel
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """The model's."""
        return self.asked.card.name

    @property
    def folders(self) -> frozenset[Path]:
        """Those of its weights."""
        return frozenset(found.path for found in self.asked.weights.values())

    def load(self, device: str) -> object:
        """Load it.

        Raises:
            GillBenchError: It cannot do what its card says.
        """
        model = self.asked.load(device)
        for cell in self.cells:
            capability = CAPABILITY_OF[cell.asks]
            if not isinstance(model, PROTOCOLS[capability]):
                raise GillBenchError(
                    f"{self.name}: its card says {capability!r}, but the adapter lacks the methods of that protocol"
                )
        return model


@dataclass(frozen=True)
class GenerateUnit:
    """A unit of work, with what it needs of its cell.

    Attributes:
        after: What a call with more examples than these raised, or "".
    """

    cell: Cell
    unit: Unit
    batch_size: int
    after: str = ""

    @property
    def key(self) -> str:
        """The unit's."""
        return self.unit.key

    @property
    def size(self) -> int:
        """Outputs."""
        return len(self.unit.examples) * len(self.unit.seeds)

    def is_done(self, run: Path) -> bool:
        """Whether it is committed."""
        return is_whole(self.unit.folder(self.cell.folder(run)))

    def do(self, loaded: Any, run: Path, device: str, may_fail: int) -> JobResult:
        """Ask the model and store what it says.

        A unit on which the model raises is tried again example by example: the others are not to suffer for one.

        Raises:
            ReturnedError: The model returned something of another form than its interface says.
        """
        try:
            made = generate_unit(self.unit, self.cell, loaded, self.batch_size, device)
        except CallError as error:
            cause, prompts = error.__cause__ or error, error.prompts
        else:
            how = {"device": device, "batch_size": self.batch_size}
            store(self.unit, self.cell, made, run, {**how, "after": self.after} if self.after else how)
            return JobResult()
        reason = reason_of(cause, loaded)
        if len(self.unit.examples) > 1:
            return self._one_by_one(loaded, run, device, may_fail, reason, prompts)
        return JobResult(tuple(self._keep(run, reason)))

    def lost(self, reason: str) -> JobResult:
        """All its examples count as failed; they are kept by whoever is told so."""
        return JobResult(tuple(Failure(self.cell.key, example, reason) for example, _ in self.unit.examples))

    def keep_lost(self, run: Path, done: JobResult) -> JobResult:
        """Write the records of failures that no worker could write, since it died."""
        unwritten = {failure.example: failure.reason for failure in done.failures if not failure.record}
        if not unwritten:
            return done
        reason = Reason("failed", "", next(iter(unwritten.values())))
        written = replace(
            self, unit=replace(self.unit, examples=tuple(e for e in self.unit.examples if e[0] in unwritten))
        )
        return replace(done, failures=(*(f for f in done.failures if f.record), *written._keep(run, reason)))

    def _keep(self, run: Path, reason: Reason) -> Iterator[Failure]:
        folder = self.cell.folder(run)
        for example in self.unit.examples:
            file = write_failure(folder, self.unit, example, reason)
            yield Failure(
                self.cell.key, example[0], str(reason), reason.outcome, reason.where, str(file), reason.traceback
            )

    def _one_by_one(
        self, loaded: Any, run: Path, device: str, may_fail: int, reason: Reason, prompts: int
    ) -> JobResult:
        failures: list[Failure] = []
        raised = f"the call with {prompts} prompt{'s' * (prompts > 1)} raised {reason}"
        for example in self.unit.examples:
            alone = replace(self, unit=replace(self.unit, examples=(example,)), after=raised)
            if not alone.is_done(run):  # another process may have tried the unit before
                failures += alone.do(loaded, run, device, 0).failures
            if len(failures) > may_fail:
                break
        if any(failure.reason == str(reason) for failure in failures):  # one of the examples explains it
            return JobResult(tuple(failures))
        worked = len(self.unit.examples) - len(failures)
        told = f"{self.cell.key}: {raised}; one by one {worked} of {len(self.unit.examples)} examples worked"
        return JobResult(tuple(failures), again=(told,))


def batches_of(
    plans: Sequence[CellPlan], models: Mapping[str, ResolvedModel], batch_size: int, step: Any, run: Path
) -> list[JobGroup]:
    """All pending units, by model: a model is loaded for all that it is asked.

    Args:
        plans: What is to do.
        models: By `Cell.model_digest`.
        batch_size: Prompts a model call; 0 for the default of what is asked.
        step: Called with the number of samples that are behind us.
        run: The run directory.
    """

    def after(job: Job, done: JobResult) -> JobResult:
        assert isinstance(job, GenerateUnit)
        step(job.size)
        return job.keep_lost(run, done)

    found = []
    for key, asked in models.items():
        mine = [plan for plan in plans if plan.cell.model_digest == key and plan.pending]
        if mine:
            cells = {plan.cell.asks: plan.cell.part(()) for plan in mine}
            found.append(
                JobGroup(
                    ModelLoadable(key, asked, tuple(cells.values())),
                    _jobs(mine, batch_size),
                    sum(len(plan.pending) for plan in mine),
                    after,
                )
            )
    return found


def _jobs(plans: Sequence[CellPlan], batch_size: int) -> Iterator[GenerateUnit]:
    for plan in plans:
        for unit in plan.pending:
            yield GenerateUnit(plan.cell.part([name for name, _ in unit.examples]), unit, batch_size)
