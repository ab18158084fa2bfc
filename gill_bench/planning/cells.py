"""The plan: tasks x models x contexts x seeds, cut into units of work.

A unit's composition depends on the cards and the data alone: blocks of `unit_size` examples in the order of the data.
When a plan grows (more seeds, a higher limit), what is stored is kept, and only the rest of each block is planned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gill_bench.datasets import Context, Example
from gill_bench.interfaces import OutputKind
from gill_bench.planning.resolved import ResolvedTask
from gill_bench.planning.selection import asks_of
from gill_bench.progress import say
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.units import DamagedUnitError, Unit, cell_folder, read_unit, unit_folders
from gill_bench.storage.digests import digest
from gill_bench.storage.files import list_now

_CANDIDATES_A_UNIT = 64


@dataclass(frozen=True)
class Cell:
    """One model in one context of one task.

    Attributes:
        seeds: The seeds asked for.
        recipe: See `gill_bench.planning.recipe`.
        notes: What every table with this cell must say.
        candidates: The cell with the candidates' embeddings, for a cell that retrieves.
    """

    task: ResolvedTask
    model: str
    context: Context
    seeds: tuple[int, ...]
    recipe: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    candidates: Cell | None = None

    @property
    def key(self) -> CellKey:
        """The cell's name: task, model and context."""
        return CellKey(self.task.card.name, self.model, self.context.name)

    @property
    def asks(self) -> OutputKind:
        """What the model is asked for."""
        return asks_of(self.task.card, self.context)

    @property
    def timed(self) -> bool:
        """Whether what is asked for is how long something takes."""
        return self.asks.endswith("-seconds")

    @property
    def sample_seeds(self) -> tuple[int, ...]:
        """The seeds of stored outputs: those asked for, or one where an output does not depend on a seed."""
        return self.seeds if self.asks == "images" else () if self.asks == "nothing" else (0,)

    @property
    def row_seeds(self) -> tuple[int, ...]:
        """The seeds of its rows; a classifier of decision features is trained once a seed."""
        return self.seeds if self.asks in ("images", "features") else () if self.asks == "candidates" else (0,)

    @property
    def unit_size(self) -> int:
        """Examples in one unit of work."""
        return _CANDIDATES_A_UNIT if self.asks == "candidates" else self.task.card.unit_size

    @cached_property
    def examples(self) -> Sequence[Example]:
        """What is asked, whether it can be or not, in the order of the data."""
        return self.task.examples_of(self.context)

    def folder(self, run: Path) -> Path:
        """Where its units are."""
        return cell_folder(run, self.key)

    @cached_property
    def recipe_digest(self) -> str:
        """SHA-256 of the recipe."""
        return digest(self.recipe)

    @cached_property
    def model_digest(self) -> str:
        """SHA-256 of what decides which model must be loaded: cells with the same one share it."""
        return digest([self.model, *(self.recipe[field] for field in ("adapter", "weights", "settings"))])

    @cached_property
    def answers_digest(self) -> str:
        """SHA-256 of what outputs are scored against: answers and facts of what is asked, and which pictures it has."""
        return digest(
            [
                [example.id, list(example.answers), dict(example.facts), [picture.id for picture in example.pictures]]
                for example, _, _ in self.usable.values()
            ]
        )

    @cached_property
    def usable(self) -> dict[str, tuple[Example, int, str]]:
        """By example id: the example, its place among the usable ones, and the digest of what the model is given."""
        usable = self.task.usable(self.context)
        return {
            example.id: (example, place, self.task.example_digest(example, self.context, place))
            for place, example in enumerate(usable)
        }

    def part(self, names: Collection[str]) -> Cell:
        """The cell with the data of some asked examples and no other: small enough to be sent to another machine."""
        asked = {name: self.usable[name] for name in names}
        pictures = {picture.id for example, _, _ in asked.values() for picture in example.pictures}
        pictures |= {example.target.id for example, _, _ in asked.values() if example.target is not None}
        checked = {name: self.task.checked[name] for name in pictures}
        task = replace(self.task, examples=(), candidates=(), references=(), checked=checked, warnings=())
        found = replace(self, task=task, candidates=None)
        found.__dict__["usable"] = asked  # what the property keeps: places are counted over all examples
        return found


@dataclass(frozen=True)
class CellPlan:
    """What is stored for a cell, and what is still to do.

    Attributes:
        done: Committed units by folder name, reduced to the examples that are asked for and still the same.
        pending: Units to do, in the order of the data.
        other_recipe: Committed units of another recipe, left as they are.
        changed: Ids of examples whose text or pictures are no longer those of the stored samples.
    """

    cell: Cell
    done: dict[str, Unit]
    pending: tuple[Unit, ...]
    other_recipe: int
    changed: tuple[str, ...]

    @property
    def samples_pending(self) -> int:
        """Outputs still to be made."""
        return sum(len(unit.examples) * len(unit.seeds) for unit in self.pending)

    @property
    def blocks_pending(self) -> list[int]:
        """The number of the block that each pending unit is of: `unit_size` examples in the order of the data."""
        place = {example.id: number for number, example in enumerate(self.cell.examples)}
        return [place[unit.examples[0][0]] // self.cell.unit_size for unit in self.pending]


def plan_cell(cell: Cell, run: Path) -> CellPlan:
    """Compare what is asked with what is stored."""
    done: dict[str, Unit] = {}
    have: dict[str, set[int]] = {}
    changed: set[str] = set()
    other_recipe = 0
    for name, unit in stored_units(cell.folder(run)):
        if unit.recipe != cell.recipe_digest:
            other_recipe += 1
            continue
        valid = []
        for example, content in unit.examples:
            entry = cell.usable.get(example)
            if entry is None:
                continue
            if entry[2] == content:
                have.setdefault(example, set()).update(unit.seeds)
                valid.append((entry[0].id, entry[2]))  # the same texts, which are in memory already
            else:
                changed.add(example)
        if valid:
            done[name] = replace(unit, examples=tuple(valid))
    pending = tuple(_missing_units(cell, have))
    return CellPlan(cell, done, pending, other_recipe, tuple(sorted(changed - set(have))))


def stored_units(folder: Path) -> Iterator[tuple[str, Unit]]:
    """The committed units of a cell's folder, by name; one that is damaged is named and passed over."""
    list_now(folder)
    for entry in unit_folders(folder):
        try:
            yield entry.name, read_unit(entry)
        except DamagedUnitError as error:
            say(f"warning: {error}; its samples count as not made")


def _missing_units(cell: Cell, have: Mapping[str, set[int]]) -> Iterator[Unit]:
    for start in range(0, len(cell.examples), cell.unit_size):
        groups: dict[tuple[int, ...], list[tuple[str, str]]] = {}
        for example in cell.examples[start : start + cell.unit_size]:
            if example.id not in cell.usable:
                continue
            seeds = tuple(seed for seed in cell.sample_seeds if seed not in have.get(example.id, ()))
            if seeds:
                groups.setdefault(seeds, []).append((example.id, cell.usable[example.id][2]))
        for seeds, examples in groups.items():
            yield Unit(*cell.key, cell.recipe_digest, tuple(examples), seeds)
