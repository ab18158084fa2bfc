"""A cell with its committed units, as scoring reads them from a run directory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gill_bench.planning.cells import Cell, plan_cell
from gill_bench.rundir.load_units import read_commit, read_samples, unit_content
from gill_bench.rundir.records import Sample, Unit
from gill_bench.storage.digests import digest
from gill_bench.weights.find import file_digest


@dataclass(frozen=True)
class StoredUnit:
    """A committed unit of a cell.

    Attributes:
        cell: The unit's cell.
        folder: The unit's folder.
        unit: The unit with those of its examples that count: they belong to the cell and have not changed.
    """

    cell: Cell
    folder: Path
    unit: Unit

    @property
    def size(self) -> int:
        """The number of outputs of the unit that count."""
        return self.unit.size

    @property
    def content(self) -> str:
        """The digest of the unit's files as they are now; scores and features of the unit hold the same digest."""
        return unit_content(self.folder)

    def samples(self) -> list[Sample]:
        """The outputs that count, in the order in which they were stored."""
        names = {name for name, _ in self.unit.examples}
        return [sample for sample in read_samples(self.folder) if sample.example in names]

    def part(self) -> StoredUnit:
        """The unit with no more of its cell than its own examples, to be sent to a worker."""
        return replace(self, cell=self.cell.part([name for name, _ in self.unit.examples]))


@dataclass(frozen=True)
class StoredCell:
    """A cell with its committed units.

    Attributes:
        cell: The cell.
        run: The run directory.
        units: The committed units that count, sorted by the names of their folders.
    """

    cell: Cell
    run: Path
    units: tuple[StoredUnit, ...]

    @classmethod
    def read(cls, cell: Cell, run: Path) -> StoredCell:
        """Look up the committed units of a cell."""
        folder, units = cell.folder(run), sorted(plan_cell(cell, run).done.items())
        return cls(cell, run, tuple(StoredUnit(cell, folder / name, unit) for name, unit in units))

    @property
    def folder(self) -> Path:
        """The folder of the cell."""
        return self.cell.folder(self.run)

    @property
    def size(self) -> int:
        """The number of stored outputs of the cell."""
        return sum(unit.size for unit in self.units)

    @cached_property
    def batch_size(self) -> str:
        """The most prompts in one call while the units were made, as in `Row.batch_size`."""
        sizes = {read_commit(unit.folder).made.get("batch_size") for unit in self.units}
        return ", ".join(map(str, sorted(size for size in sizes if isinstance(size, int) and size > 0)))

    @cached_property
    def candidates(self) -> StoredCell | None:
        """The cell of the candidates among which this one searches; None if it searches among none."""
        return None if self.cell.candidates is None else StoredCell.read(self.cell.candidates, self.run)

    @cached_property
    def content(self) -> str:
        """The digest of all that the cell's numbers are made of: outputs, answers, candidates, reference pictures."""
        cell = self.cell
        parts: list[Any] = [cell.recipe_digest, cell.answers_digest]
        parts += [[unit.content, unit.unit.examples] for unit in self.units]
        parts += [cell.task.checked[picture.id].sha256 for picture in cell.task.references]
        stored = {name for unit in self.units for name, _ in unit.unit.examples}
        if cell.asks == "embeddings" and len(stored) < len(cell.usable):
            parts.append("the rest is ranked")  # older versions ranked nothing until every query was stored
        if self.candidates is not None:
            parts.append(self.candidates.content)
        elif cell.asks == "embeddings" and (folder := cell.task.converted_candidates(cell.model)):
            parts.append(file_digest(folder / "embeddings.npy"))
        return digest(parts)
