"""From a metric's numbers to rows: with every count that a number needs to be believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import get_args

from gill_bench.datasets import Example
from gill_bench.planning.cells import PICTURE_SIZE, Cell, plan_cell
from gill_bench.planning.metrics import metrics_of
from gill_bench.planning.resolved import ResolvedTask
from gill_bench.rundir.records import LossReason, Unit
from gill_bench.rundir.rows import Missing, Row
from gill_bench.rundir.signatures import with_fields
from gill_bench.scoring import numbers_of
from gill_bench.scoring.number import Number
from gill_bench.scoring.unmade import loss_by_seed, unmade_of
from gill_bench.storage.digests import digest
from gill_bench.storage.files import list_now
from gill_bench.storage.images import RULE
from gill_bench.weights.find import file_digest

VERSION = 1


def rows_of(cell: Cell, units: Mapping[str, Unit], run: Path) -> Iterator[Row]:
    """The rows of a cell, one per metric and seed; none of the candidates'."""
    if cell.asks == "candidates":
        return
    list_now(cell.folder(run))
    counts, protocol, how = _Counts(cell, units, run), protocol_signature(cell), model_signature(cell)
    for asked in metrics_of(cell.task):
        for number in numbers_of(cell, units, run, asked):
            expected, usable = (count - number.left_out for count in counts.of(number.where))
            lost = counts.lost(number, usable, of_pictures=asked.kind == "pairs")
            yield Row(
                task=cell.task.card.name,
                model=cell.model,
                context=cell.context.name,
                seed=number.seed,
                metric=number.metric,
                value=number.value,
                higher_is_better=number.higher_is_better,
                n_available=cell.task.available if number.where is None else expected,
                n_expected=expected,
                n_scored=number.scored,
                n_missing=expected - usable,
                n_failed=lost["failed"],
                n_refused=lost["refused"],
                n_not_made=lost["not made"],
                n_truncated=number.truncated,
                n_flagged=number.flagged,
                signature=f"{protocol}|{with_fields(asked.signature, number.signature)}",
                model_signature=how,
            )


class _Counts:
    """How many examples numbers range over; examples are counted once for all values of a fact."""

    def __init__(self, cell: Cell, units: Mapping[str, Unit], run: Path) -> None:
        self._cell, self._run = cell, run
        self._lost = loss_by_seed(unmade_of(cell, units, run))
        self._by_fact: dict[str, tuple[Counter[str | None], Counter[str | None]]] = {}

    def of(self, where: tuple[str, str] | None) -> tuple[int, int]:
        """Examples that a number ranges over, and those of them that can be asked."""
        cell = self._cell
        if where is None:
            return len(cell.examples), len(cell.usable)
        fact, value = where
        if fact not in self._by_fact:
            self._by_fact[fact] = (
                Counter(example.facts.get(fact) for example in cell.examples),
                Counter(example.facts.get(fact) for example, _, _ in cell.usable.values()),
            )
        expected, usable = self._by_fact[fact]
        return expected[value], usable[value]

    def lost(self, number: Number, usable: int, *, of_pictures: bool) -> Counter[LossReason]:
        """Why examples that a number ranges over are not in it, though they can be asked.

        Args:
            number: The number.
            usable: How many of its examples can be asked.
            of_pictures: Each output is scored by itself; else one may wait for others.
        """
        cell = self._cell
        by_example = self._lost.get(number.seed if cell.asks == "images" else 0, {})
        lost = Counter(
            outcome
            for name, outcome in by_example.items()
            if number.where is None or cell.usable[name][0].facts.get(number.where[0]) == number.where[1]
        )
        unscored = usable - number.scored - lost.total()
        if unscored > 0:  # what has an output, and no value
            lost["failed" if of_pictures or not self._waits else "not made"] += unscored
        elif unscored < 0:  # what has no output is also what the metric's rule leaves out
            for outcome in get_args(LossReason):
                excess = min(lost[outcome], lost.total() - usable + number.scored)
                lost[outcome] -= excess
        return lost

    @cached_property
    def _waits(self) -> bool:
        """Whether something of the cell, or of what it searches, is not made yet."""
        outcomes = {outcome for each in self._lost.values() for outcome in each.values()}
        if (searched := self._cell.candidates) is not None:
            outcomes |= {item.outcome for item in unmade_of(searched, plan_cell(searched, self._run).done, self._run)}
        return "not made" in outcomes


def missing_of(cells: Sequence[Cell]) -> list[Missing]:
    """Every example that some cell could not ask and every absent reference picture, with its reason, once per task."""
    found: dict[Missing, None] = {}
    for task in {id(cell.task): cell.task for cell in cells}.values():
        for picture in task.references:
            if task.checked[picture.id].problem:
                found[Missing(task.card.name, f"reference {picture.id}", task.checked[picture.id].problem)] = None
    for cell in cells:
        for example in cell.examples:
            problem = cell.task.problem(example, cell.context)
            if problem:
                name = f"candidate {example.id}" if cell.asks == "candidates" else example.id
                found[Missing(cell.task.card.name, name, problem)] = None
    return sorted(found, key=lambda item: item.task)


def protocol_signature(cell: Cell) -> str:
    """The part of a signature that is not the metric's: data, prompt, scoring. The same for every model."""
    task = cell.task
    # Whether unreadable pictures stop a run does not change a number: which examples are left is in `examples`.
    options = {name: value for name, value in task.card.data.options.items() if name != "unreadable"}
    fields = {
        "gill-bench": VERSION,
        "task": task.card.name,
        "data": task.world(),
        **dict(sorted({**options, **task.card.prompt, **task.card.scoring}.items())),
        "images": RULE.replace("|", ",").replace(":", "-"),
        "examples": _examples_digest(task, [example for example, _, _ in cell.usable.values()]),
    }
    if cell.candidates is not None:
        fields["candidates"] = _pictures_digest(task, list(cell.candidates.usable))
    elif cell.asks == "embeddings" and (folder := task.converted_candidates(cell.model)):
        # "converted/": the pictures are not here, and these are their URLs.
        fields["candidates"] = f"converted/{file_digest(folder / 'paths.txt')[:8]}"
    if task.references:
        fields["reference-set"] = _pictures_digest(task, [picture.id for picture in task.references])
    return _joined(fields)


def model_signature(cell: Cell) -> str:
    """How the model was run, from the cell's recipe: the same for every context."""
    recipe = cell.recipe
    fields: dict[str, object] = {"adapter": recipe["adapter"], **dict(sorted(recipe["settings"].items()))}
    fields |= {name: recipe[name] for name in ("auto_on", "measured_on") if name in recipe}
    if cell.picture_size != cell.task.card.prompt.get(PICTURE_SIZE, 0):
        # Only the model's prompts have pictures of this size; references have the size in the protocol's signature.
        fields[f"prompt.{PICTURE_SIZE}"] = cell.picture_size
    fields |= {f"weights.{name}": content[:8] for name, content in sorted(recipe["weights"].items())}
    return _joined(fields)


def _joined(fields: Mapping[str, object]) -> str:
    """A signature on one line, with every bar between two fields."""
    return "|".join(f"{name}:{value}".replace("|", "/").replace("\n", "\\n") for name, value in fields.items())


def _examples_digest(task: ResolvedTask, examples: Sequence[Example]) -> str:
    """Eight digits that tell two sets of examples apart: their ids, texts, pictures, answers and facts."""
    return digest(
        [
            [
                example.id,
                [turn.text for turn in example.turns],
                [task.checked[p.id].sha256 for p in example.pictures],
                *([list(example.answers), dict(example.facts)] if example.answers or example.facts else []),
            ]
            for example in examples
        ]
    )[:8]


def _pictures_digest(task: ResolvedTask, names: Sequence[str]) -> str:
    """How many pictures, and eight digits of their content."""
    there = [task.checked[name].sha256 for name in names if task.checked[name].sha256]
    return f"{len(there)}@{digest(there)[:8]}"
