"""Units of work as jobs for the engine: a model generates a unit's outputs, and they are stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gill_bench.engines.job import Failure, Job, JobGroup, JobResult, Unwritten
from gill_bench.errors import GillBenchError
from gill_bench.generation.calls import CallError, FailedExamplesError, calls_at_once
from gill_bench.generation.generate import UnitOutputs, generate_unit, is_timed, store_unit, unit_prompts
from gill_bench.generation.prompts import ExamplePrompt
from gill_bench.generation.reasons import reason_of
from gill_bench.interfaces import CAPABILITY_OF, PROTOCOLS, UnavailableError
from gill_bench.planning.cells import Cell, CellPlan
from gill_bench.planning.recipe import device_name
from gill_bench.planning.resolved import ResolvedModel
from gill_bench.rundir.kept import KeptOutputs
from gill_bench.rundir.load_units import is_whole
from gill_bench.rundir.records import Reason, Unit
from gill_bench.rundir.writer import write_failure

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelLoadable:
    """A model that the jobs of some cells need loaded.

    Attributes:
        key: The digest of all that decides which model is loaded (`Cell.model_digest`).
        model: The model with its weights and settings.
        cells: One cell for each kind of output that the model is asked for.
    """

    key: str
    model: ResolvedModel
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """The name of the model's card."""
        return self.model.card.name

    @property
    def folders(self) -> frozenset[Path]:
        """The folders of the model's weights."""
        return frozenset(component.path for component in self.model.weights.values())

    def load(self, device: str) -> object:
        """Load the model.

        Raises:
            GillBenchError: The adapter lacks the methods of a capability that the card claims.
        """
        _log.info("%s: loading on %s", self.name, device)
        model = self.model.load(device)
        for cell in self.cells:
            capability = CAPABILITY_OF[cell.asks]
            if not isinstance(model, PROTOCOLS[capability]):
                raise GillBenchError(
                    f"{self.name}: its card says {capability!r}, but the adapter lacks the methods of that protocol"
                )
        return model


@dataclass(frozen=True)
class GenerateUnit:
    """A unit of work as a job.

    Attributes:
        cell: The unit's cell. A job that is sent to another process has the data of the unit's examples alone.
        unit: The unit.
        folder: The cell's folder in the run. It is looked up once for all units, since the model waits meanwhile.
        batch_size: Prompts in one call of the model; 0 for the usual number of the output kind.
        after: The error of an earlier call that had more examples than this unit; "" if there was none.
        prompts: The prompts of the unit's examples; () if they are still to be read.
        kept: Outputs of earlier attempts; None if they are still to be read.
    """

    cell: Cell
    unit: Unit
    folder: Path
    batch_size: int
    after: str = ""
    prompts: tuple[ExamplePrompt, ...] = ()
    kept: KeptOutputs | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "cell": self.cell.part([name for name, _ in self.unit.examples])}

    @cached_property
    def key(self) -> str:
        """The unit's key."""
        return self.unit.key

    @property
    def size(self) -> int:
        """The number of outputs of the unit."""
        return self.unit.size

    def is_done(self, run: Path) -> bool:
        """Whether the unit is stored already."""
        return is_whole(self.unit.folder(self.folder))

    def prepared(self) -> GenerateUnit:
        """The job with its prompts and what was kept of its outputs; what is timed reads its prompts itself."""
        prompts = () if is_timed(self.cell) else tuple(unit_prompts(self.unit, self.cell))
        return replace(self, prompts=prompts, kept=KeptOutputs(self.folder, self.unit))

    def do(self, loaded: Any, run: Path, device: str, may_fail: int) -> JobResult | Unwritten:
        """Generate the unit's outputs; if a call fails, the examples are tried one by one, and stored at once.

        Outputs that are made before an error are kept for the next attempt.

        Raises:
            ReturnedError: The model returned something of another form than its interface says.
            UnavailableError: The model answers no prompt now.
        """
        kept = self.kept or KeptOutputs(self.folder, self.unit)
        kept.as_they_come = calls_at_once(loaded) > 0
        try:
            outputs = generate_unit(self.unit, self.cell, loaded, self.batch_size, device, self.prompts, kept, may_fail)
        except CallError as error:
            kept.save()
            cause, prompts = error.__cause__ or error, error.prompts
        except FailedExamplesError as error:
            return self._settle(loaded, run, device, error.causes, kept)
        except UnavailableError as error:
            kept.save()
            raise UnavailableError(f"{self.cell.model}: {error}") from error
        except BaseException:
            kept.save()
            raise
        else:
            record = self._record(loaded, device)
            return Unwritten(lambda: self._store(outputs, record, kept))
        reason = reason_of(cause, loaded)
        if len(self.unit.examples) > 1:
            return self._one_by_one(loaded, run, device, may_fail, reason, prompts)
        return JobResult(tuple(self._write_failures(reason)))

    def _record(self, loaded: Any, device: str) -> dict[str, Any]:
        """The record of how the unit was made (`gill_bench.rundir.records.Commit.made`)."""
        record: dict[str, Any] = {"device": device}
        if device.startswith("cuda"):
            record["device_name"] = device_name(device)
        if self.after:
            record["after"] = self.after
        answered_by = getattr(loaded, "answered_by", None)
        return {**record, "answered_by": dict(answered_by())} if callable(answered_by) else record

    def _settle(
        self, loaded: Any, run: Path, device: str, causes: Mapping[str, BaseException], kept: KeptOutputs
    ) -> JobResult:
        """Store the examples that worked, and record why others failed; no example is asked for again."""
        failures: list[Failure] = []
        for number, example in enumerate(self.unit.examples):
            alone = self._alone(number, self.after)
            if example[0] in causes:
                failures += alone._write_failures(reason_of(causes[example[0]], loaded))
            elif all((example[0], seed) in kept for seed in self.unit.seeds):
                alone._do_and_write(loaded, run, device)
        return JobResult(tuple(failures))

    def _alone(self, number: int, after: str) -> GenerateUnit:
        """The job of one of the unit's examples."""
        unit = replace(self.unit, examples=(self.unit.examples[number],))
        return replace(self, unit=unit, after=after, prompts=self.prompts[number:][:1], kept=None)

    def _do_and_write(self, loaded: Any, run: Path, device: str) -> tuple[Failure, ...]:
        if self.is_done(run):  # another process may have tried the unit before
            return ()
        result = self.do(loaded, run, device, 0)
        return (result if isinstance(result, JobResult) else result.write()).failures

    def lost(self, reason: str) -> JobResult:
        """All examples of the unit failed, because every worker that tried it died; no record is written yet."""
        return JobResult(tuple(Failure(self.cell.key, example, reason) for example, _ in self.unit.examples))

    def with_records(self, result: JobResult) -> JobResult:
        """Write the records of failures that no worker wrote, since it died, and return the result with them."""
        reasons = {failure.example: failure.reason for failure in result.failures if not failure.record}
        if not reasons:
            return result
        examples = tuple(example for example in self.unit.examples if example[0] in reasons)
        lost = replace(self, unit=replace(self.unit, examples=examples))
        failures = lost._write_failures(Reason("failed", "", next(iter(reasons.values()))))
        return replace(result, failures=(*(failure for failure in result.failures if failure.record), *failures))

    def _store(self, outputs: UnitOutputs, record: Mapping[str, Any], kept: KeptOutputs) -> JobResult:
        store_unit(self.unit, self.cell, outputs, self.folder, record)
        kept.remove()
        return JobResult()

    def _write_failures(self, reason: Reason) -> Iterator[Failure]:
        for example in self.unit.examples:
            file = write_failure(self.folder, self.unit, example, reason)
            yield Failure(
                self.cell.key, example[0], str(reason), reason.outcome, reason.where, str(file), reason.traceback
            )

    def _one_by_one(
        self, loaded: Any, run: Path, device: str, may_fail: int, reason: Reason, prompts: int
    ) -> JobResult:
        """Generate for each example alone, so that one that fails does not cost the others their outputs."""
        failures: list[Failure] = []
        raised = f"the call with {prompts} prompt{'s' * (prompts > 1)} raised {reason}"
        for number in range(len(self.unit.examples)):
            failures += self._alone(number, raised)._do_and_write(loaded, run, device)
            if len(failures) > may_fail:
                break
        if any(failure.reason == str(reason) for failure in failures):  # one of the examples explains the error
            return JobResult(tuple(failures))
        worked = len(self.unit.examples) - len(failures)
        sentence = f"{self.cell.key}: {raised}; one by one {worked} of {len(self.unit.examples)} examples worked"
        return JobResult(tuple(failures), again=(sentence,))


def generation_jobs(
    plans: Sequence[CellPlan],
    models: Mapping[str, ResolvedModel],
    batch_size: int,
    step: Callable[[int], None],
    run: Path,
) -> list[JobGroup]:
    """All pending units as jobs, grouped by model, so that each model is loaded once.

    Args:
        plans: Cells with their pending units.
        models: The models by `Cell.model_digest`.
        batch_size: Prompts in one call of a model; 0 for the usual number of the output kind.
        step: Called with the number of samples of each unit that is done.
        run: The run directory.
    """

    def after(job: Job, result: JobResult) -> JobResult:
        assert isinstance(job, GenerateUnit)
        step(job.size)
        failed = len(result.failures)
        stored = f"{failed} of {len(job.unit.examples)} examples failed" if failed else f"{job.size} samples stored"
        _log.info("%s: unit %s: %s", job.cell.key, job.key, stored)
        return job.with_records(result)

    groups = []
    for digest, model in models.items():
        plans_of_model = [plan for plan in plans if plan.cell.model_digest == digest and plan.pending]
        if plans_of_model:
            cells = {plan.cell.asks: plan.cell.part(()) for plan in plans_of_model}
            units = sum(len(plan.pending) for plan in plans_of_model)
            loadable = ModelLoadable(digest, model, tuple(cells.values()))
            groups.append(JobGroup(loadable, _jobs(plans_of_model, batch_size, run), units, after))
    return groups


def _jobs(plans: Sequence[CellPlan], batch_size: int, run: Path) -> Iterator[GenerateUnit]:
    for plan in plans:
        folder = plan.cell.folder(run)
        for unit in plan.pending:
            _log.info("%s: unit %s: %d samples are handed to a worker", plan.cell.key, unit.key, unit.size)
            yield GenerateUnit(plan.cell, unit, folder, batch_size)
