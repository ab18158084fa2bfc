"""The cell of a run whose samples are exported: it is chosen, and its samples are read in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gill_bench.cards.find import TaskCard
from gill_bench.datasets import Example, dataset
from gill_bench.errors import InputError, did_you_mean
from gill_bench.planning.candidates import CANDIDATES
from gill_bench.planning.resolved import data_folder
from gill_bench.planning.spec import task_arguments
from gill_bench.rundir.folders import no_spec
from gill_bench.rundir.load import read_spec
from gill_bench.rundir.load_units import read_commit
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey, Sample, SpecCell
from gill_bench.rundir.rows import Results


@dataclass(frozen=True)
class ExportedCell:
    """A cell with its stored samples.

    Attributes:
        reader: The reader of the run.
        spec: The cell as the run was asked for it.
        samples: Its samples by example and seed, sorted by these.
        data: The folder of the data; None for the folder that the run names.
    """

    reader: RunReader
    spec: SpecCell
    samples: Mapping[tuple[str, int], Sample]
    data: str | None = None

    @property
    def key(self) -> CellKey:
        """The cell's name."""
        return self.spec.cell_key

    @property
    def has_pictures(self) -> bool:
        """Whether the samples are pictures, and not texts."""
        return any(sample.image for sample in self.samples.values())

    @property
    def card(self) -> TaskCard:
        """The task's card, as the run read it."""
        card: TaskCard = self._arguments["card"]
        return card

    @cached_property
    def examples(self) -> Sequence[Example]:
        """All examples of the data, which is read again.

        Raises:
            InputError: The data is not where it was, or is damaged.
        """
        folder = data_folder(self.card, self._arguments["data"])
        return dataset(self.card.data.format).load(folder, self.card.data.split, self.card.data.options).examples

    def given(self, sample: Sample) -> str:
        """The digest of what the model was given for a sample."""
        if sample.folder not in self._given:
            self._given[sample.folder] = dict(read_commit(sample.folder).unit.examples)
        return self._given[sample.folder][sample.example]

    def picture(self, sample: Sample) -> bytes:
        """The content of a sample's picture; a picture that is not as it was written is an error."""
        return self.reader.picture(sample)

    @cached_property
    def _given(self) -> dict[Path, dict[str, str]]:
        return {}

    @cached_property
    def _arguments(self) -> dict[str, Any]:
        return task_arguments(self.reader.folder, self.reader.spec.tasks[self.spec.task_as], self.data)


def exported_cell(run: Path, task: str, model: str, context: str, data: str | None) -> ExportedCell:
    """The cell of some names; a name may be "" where it leaves no choice.

    Args:
        run: The run directory, scored or not.
        task: The task's name, or "".
        model: The model's name, or "".
        context: The context's name, or "".
        data: The folder of the data; None for the folder that the run names.

    Raises:
        InputError: The folder is no run, there is no such cell, there are several, or nothing of it is stored.
    """
    spec = read_spec(run)
    cells = [cell for cell in spec.cells if cell.context != CANDIDATES]
    if not cells:
        raise no_spec(run)
    for number, (option, name) in enumerate((("--task", task), ("--model", model), ("--context", context))):
        names = {cell.cell_key[number] for cell in cells}
        if name and name not in names:
            raise InputError(f"{run}: {option} {name}: the run has no such cell; {did_you_mean(name, names)}")
        cells = [cell for cell in cells if name in ("", cell.cell_key[number])]
    if len(cells) > 1:
        some = ", ".join(str(cell.cell_key) for cell in cells[:4]) + (", ..." if len(cells) > 4 else "")
        raise InputError(f"{run}: {len(cells)} cells ({some}); choose one with --task, --model and --context")
    reader = RunReader(run, Results(()), spec)
    samples = {sample.key: sample for sample in sorted(_samples(reader, cells[0]), key=lambda sample: sample.key)}
    if not samples:
        raise InputError(f"{run}: {cells[0].cell_key}: no pictures or texts are stored that could be exported")
    return ExportedCell(reader, cells[0], samples, data)


def _samples(reader: RunReader, cell: SpecCell) -> Iterator[Sample]:
    return (sample for sample in reader.samples(cell.cell_key) if sample.image or "text" in sample.output)
