"""Cells, and the units of work that a cell still lacks.

Cards and data alone decide which examples make up a unit: blocks of `unit_size` examples in the order of the data. When
a plan grows (more seeds, a higher limit), stored units are kept, and only the rest of each block is planned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from gill_bench.datasets import Context, Example
from gill_bench.datasets.controls import plain_of
from gill_bench.interfaces import ASKED_BY_DEFAULT, OutputKind
from gill_bench.planning.resolved import ResolvedTask
from gill_bench.planning.selection import output_kind
from gill_bench.progress import say
from gill_bench.rundir.folders import cell_folder, unit_folders
from gill_bench.rundir.load_units import DamagedUnitError, read_unit
from gill_bench.rundir.records import CellKey, Unit
from gill_bench.storage.digests import digest
from gill_bench.storage.files import list_now

PICTURE_SIZE = "picture_size"
_CANDIDATES_A_UNIT = 64


def stored_seeds(asks: str, seeds: tuple[int, ...]) -> tuple[int, ...]:
    """The seeds of a cell's stored outputs, by the kind of output and the seeds of the request.

    >>> stored_seeds("images", (0, 1)), stored_seeds("texts", (0, 1)), stored_seeds("nothing", (0, 1))
    ((0, 1), (0,), ())
    """
    return seeds if asks == "images" else () if asks == "nothing" else (0,)


def digest_of_model(model: str, recipe: Mapping[str, Any]) -> str:
    """The SHA-256 of all in a recipe that decides which model must be loaded, with the name of the model's card."""
    return digest([model, *(recipe.get(field) for field in ("adapter", "weights", "settings"))])


def output_kind_in(recipe: Mapping[str, Any]) -> str:
    """The kind of output that a model is asked for, by a stored recipe, which may be of an older version."""
    usual: Mapping[str, str] = {str(name): kind for name, kind in ASKED_BY_DEFAULT.items()}
    return str(recipe.get("asks") or usual.get(recipe.get("capability", ""), "images"))


class UsableExample(NamedTuple):
    """An example that a model can be asked about: every picture that it needs is there.

    Attributes:
        example: The example.
        position: The number of examples before this one that are usable in the cell's plain context.
        digest: The SHA-256 of what the model is given for the example.
    """

    example: Example
    position: int
    digest: str


@dataclass(frozen=True)
class Cell:
    """One model in one context of one task.

    Attributes:
        task: The task with its data.
        model: The name of the model's card.
        context: The context, which says how much of an example the model is given.
        seeds: The seeds of the request.
        recipe: Everything that changes the cell's outputs (`gill_bench.planning.recipe`).
        notes: Sentences that every table with this cell must say.
        candidates: The cell with the embeddings of the candidates; None for a cell that does not retrieve.
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
        """The kind of output that the model is asked for."""
        return output_kind(self.task.card, self.context)

    @property
    def timed(self) -> bool:
        """Whether the output is the time that something takes."""
        return self.asks.endswith("-seconds")

    @property
    def sample_seeds(self) -> tuple[int, ...]:
        """The seeds of stored outputs: those of the request, or only 0 where an output does not depend on a seed."""
        return stored_seeds(self.asks, self.seeds)

    @property
    def row_seeds(self) -> tuple[int, ...]:
        """The seeds of the cell's rows; of decision features, a classifier is trained once a seed."""
        return self.seeds if self.asks in ("images", "features") else () if self.asks == "candidates" else (0,)

    @property
    def unit_size(self) -> int:
        """The number of examples of a unit of work."""
        return _CANDIDATES_A_UNIT if self.asks == "candidates" else self.task.card.unit_size

    @property
    def picture_size(self) -> int:
        """Width and height, in pixels, to which pictures of prompts are squashed; 0 leaves them as they are."""
        return int(self.recipe.get("prompt", self.task.card.prompt).get(PICTURE_SIZE, 0))

    @cached_property
    def examples(self) -> Sequence[Example]:
        """The examples of the cell, usable or not, in the order of the data."""
        return self.task.examples_of(self.context)

    def folder(self, run: Path) -> Path:
        """The folder of the cell's units."""
        return cell_folder(run, self.key)

    @cached_property
    def recipe_digest(self) -> str:
        """The SHA-256 of the recipe."""
        return digest(self.recipe)

    @cached_property
    def model_digest(self) -> str:
        """The SHA-256 of all that decides which model must be loaded; cells with the same digest share the model."""
        return digest_of_model(self.model, self.recipe)

    @cached_property
    def answers_digest(self) -> str:
        """The SHA-256 of what outputs are scored against: answers, facts and picture ids of the usable examples."""
        return digest(
            [
                [example.id, list(example.answers), dict(example.facts), [picture.id for picture in example.pictures]]
                for example, _, _ in self.usable.values()
            ]
        )

    @cached_property
    def usable(self) -> dict[str, UsableExample]:
        """The examples that the model can be asked about, by example id.

        Positions, from which shared noise follows, are those in the plain context: a control has the same noise.
        """
        plain = plain_of(self.context)
        examples = self.task.usable(plain)
        positions = {example.id: position for position, example in enumerate(examples)}
        return {
            example.id: UsableExample(
                example, positions[example.id], self.task.example_digest(example, self.context, positions[example.id])
            )
            for example in (examples if plain is self.context else self.task.usable(self.context))
        }

    def part(self, names: Collection[str]) -> Cell:
        """The cell with the data of some usable examples only: small enough to be sent to another machine."""
        usable = {name: self.usable[name] for name in names}
        task = replace(self.task, examples=[item.example for item in usable.values()], candidates=(), references=())
        pictures = {picture.id for picture in task.pictures()["examples"]}
        pictures |= {example.target.id for example, _, _ in usable.values() if example.target is not None}
        checked = {name: self.task.checked[name] for name in pictures}
        others = {name: task.others[name] for name in names if name in task.others}
        task = replace(task, examples=(), checked=checked, warnings=(), others=others)
        part = replace(self, task=task, candidates=None)
        part.__dict__["usable"] = usable  # the value of the cached property: positions count all examples of the cell
        return part


@dataclass(frozen=True)
class CellPlan:
    """A cell with its stored units and the units that it lacks.

    Attributes:
        cell: The cell.
        done: The committed units that count, by folder name, reduced to the cell's examples that have not changed.
        pending: The units still to make, in the order of the data.
        other_recipe: How many committed units have another recipe; they are kept and ignored.
        changed: Ids of examples whose text or pictures are not those of the stored samples.
    """

    cell: Cell
    done: dict[str, Unit]
    pending: tuple[Unit, ...]
    other_recipe: int
    changed: tuple[str, ...]

    @property
    def samples_pending(self) -> int:
        """The number of outputs that are still to be made."""
        return sum(len(unit.examples) * len(unit.seeds) for unit in self.pending)

    @property
    def blocks_pending(self) -> list[int]:
        """For each pending unit the number of its block, of `unit_size` examples in the order of the data."""
        position = {example.id: number for number, example in enumerate(self.cell.examples)}
        return [position[unit.examples[0][0]] // self.cell.unit_size for unit in self.pending]


def plan_cell(cell: Cell, run: Path) -> CellPlan:
    """Compare a cell with its stored units."""
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
            usable = cell.usable.get(example)
            if usable is None:
                continue
            if usable.digest == content:
                have.setdefault(example, set()).update(unit.seeds)
                valid.append((usable.example.id, usable.digest))  # equal texts, of which one copy stays in memory
            else:
                changed.add(example)
        if valid:
            done[name] = replace(unit, examples=tuple(valid))
    pending = tuple(_missing_units(cell, have))
    return CellPlan(cell, done, pending, other_recipe, tuple(sorted(changed - set(have))))


def stored_units(folder: Path) -> Iterator[tuple[str, Unit]]:
    """The committed units of a cell's folder, by name. A damaged unit is left out, with a warning."""
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
                groups.setdefault(seeds, []).append((example.id, cell.usable[example.id].digest))
        for seeds, examples in groups.items():
            yield Unit(*cell.key, cell.recipe_digest, tuple(examples), seeds)
