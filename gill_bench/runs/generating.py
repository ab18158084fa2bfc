"""Units of work as jobs: a model is asked for a unit's outputs, and they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gill_bench.checkpoints import first_line
from gill_bench.engines.job import Batch, Done, Failure
from gill_bench.errors import GillBenchError
from gill_bench.interfaces import CAPABILITY_OF, PROTOCOLS
from gill_bench.runs.asked import ModelAsked
from gill_bench.runs.asking import ask, store
from gill_bench.runs.plan import Cell, CellPlan
from gill_bench.runs.units import Unit, is_whole


@dataclass(frozen=True)
class ModelTool:
    """A model as what units need loaded.

    Attributes:
        cells: Some cell for each thing that it is asked, to see that it can.
    """

    key: str
    asked: ModelAsked
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
    """A unit of work, with what it needs of its cell."""

    cell: Cell
    unit: Unit
    batch_size: int

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

    def do(self, loaded: Any, run: Path, device: str, may_fail: int) -> Done:
        """Ask the model and store what it says.

        A unit on which the model raises is tried again example by example: the others are not to suffer for one.
        """
        try:
            made = ask(self.unit, self.cell, loaded, self.batch_size, device)
        except Exception as error:
            if len(self.unit.examples) > 1:
                return self._one_by_one(loaded, run, device, may_fail)
            return self.lost(f"{type(error).__name__}: {first_line(error) if str(error) else ''}")
        store(self.unit, self.cell, made, run, {"device": device, "batch_size": self.batch_size})
        return Done()

    def lost(self, reason: str) -> Done:
        """All its examples count as failed."""
        return Done(tuple(Failure(self.cell.name, example, reason) for example, _ in self.unit.examples))

    def _one_by_one(self, loaded: Any, run: Path, device: str, may_fail: int) -> Done:
        failures: list[Failure] = []
        for example in self.unit.examples:
            alone = replace(self, unit=replace(self.unit, examples=(example,)))
            if not alone.is_done(run):  # another process may have tried the unit before
                failures += alone.do(loaded, run, device, 0).failures
            if len(failures) > may_fail:
                break
        return Done(tuple(failures))


def batches_of(plans: Sequence[CellPlan], models: Mapping[str, ModelAsked], batch_size: int, step: Any) -> list[Batch]:
    """All pending units, by model: a model is loaded for all that it is asked.

    Args:
        plans: What is to do.
        models: By `Cell.model_digest`.
        batch_size: Prompts a model call; 0 for the default of what is asked.
        step: Called with the number of samples that are behind us.
    """
    found = []
    for key, asked in models.items():
        mine = [plan for plan in plans if plan.cell.model_digest == key and plan.pending]
        if mine:
            cells = {plan.cell.asks: plan.cell.part(()) for plan in mine}
            found.append(
                Batch(
                    ModelTool(key, asked, tuple(cells.values())),
                    _jobs(mine, batch_size),
                    sum(len(plan.pending) for plan in mine),
                    lambda job, _: step(job.size),
                )
            )
    return found


def _jobs(plans: Sequence[CellPlan], batch_size: int) -> Iterator[GenerateUnit]:
    for plan in plans:
        for unit in plan.pending:
            yield GenerateUnit(plan.cell.part([name for name, _ in unit.examples]), unit, batch_size)
