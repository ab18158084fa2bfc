"""Rows are made from scores, with the counts of examples that a reader needs to judge a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import get_args

from gill_bench.datasets import Example
from gill_bench.interfaces import Score
from gill_bench.planning.cells import PICTURE_SIZE, Cell
from gill_bench.planning.metrics import metrics_of
from gill_bench.planning.resolved import ResolvedTask
from gill_bench.planning.settings import UNREADABLE
from gill_bench.rundir.records import LossReason
from gill_bench.rundir.rows import Missing, Row
from gill_bench.rundir.signatures import with_fields
from gill_bench.scoring import scores_of
from gill_bench.scoring.stored import StoredCell
from gill_bench.scoring.unmade import loss_by_seed, unmade_of
from gill_bench.storage.digests import digest
from gill_bench.storage.files import list_now
from gill_bench.storage.images import RULE
from gill_bench.weights.find import file_digest

VERSION = 1


def rows_of(stored: StoredCell) -> Iterator[Row]:
    """The rows of a cell, one per metric and seed; a cell of candidates has none."""
    cell = stored.cell
    if cell.asks == "candidates":
        return
    list_now(stored.folder)
    counts, protocol, model = _Counts(stored), protocol_signature(cell), model_signature(cell)
    for metric in metrics_of(cell.task):
        for seed, score in scores_of(stored, metric):
            expected, usable = (count - score.left_out for count in counts.of(score.where))
            lost = counts.lost(score, seed, usable, alone=metric.kind == "pairs")
            yield Row(
                task=cell.task.card.name,
                model=cell.model,
                context=cell.context.name,
                seed=seed,
                metric=score.metric,
                value=score.value,
                higher_is_better=score.higher_is_better,
                n_available=cell.task.available if score.where is None else expected,
                n_expected=expected,
                n_scored=score.scored,
                n_missing=expected - usable,
                n_failed=lost["failed"],
                n_refused=lost["refused"],
                n_not_made=lost["not made"],
                n_truncated=score.truncated,
                n_flagged=score.flagged,
                signature=f"{protocol}|{with_fields(metric.signature, score.signature)}",
                model_signature=model,
                batch_size=stored.batch_size,
                trivial=score.trivial,
                trivial_answer=score.trivial_answer,
            )


class _Counts:
    """Counts the examples that a score ranges over; for each fact, the examples are counted once for all its values."""

    def __init__(self, stored: StoredCell) -> None:
        self._stored, self._cell = stored, stored.cell
        self._lost = loss_by_seed(unmade_of(stored))
        self._by_fact: dict[str, tuple[Counter[str | None], Counter[str | None]]] = {}

    def of(self, where: tuple[str, str] | None) -> tuple[int, int]:
        """The number of examples that a score ranges over, and how many of them are usable."""
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

    def lost(self, score: Score, seed: int, usable: int, *, alone: bool) -> Counter[LossReason]:
        """Count the usable examples that a score ranges over and that are not in it, by reason.

        Args:
            score: The score.
            seed: The seed of the score.
            usable: How many of its examples are usable.
            alone: Whether each output is scored by itself, and waits for no other.
        """
        cell = self._cell
        by_example = self._lost.get(seed if cell.asks == "images" else 0, {})
        lost = Counter(
            outcome
            for name, outcome in by_example.items()
            if score.where is None or cell.usable[name][0].facts.get(score.where[0]) == score.where[1]
        )
        unscored = usable - score.scored - lost.total()
        if unscored > 0:  # these have an output and no value
            lost["failed" if alone or not self._waits else "not made"] += unscored
        elif unscored < 0:  # the metric's rule leaves out some that have no output
            for outcome in get_args(LossReason):
                excess = min(lost[outcome], lost.total() - usable + score.scored)
                lost[outcome] -= excess
        return lost

    @cached_property
    def _waits(self) -> bool:
        """Whether an output of the cell, or of the candidates among which it searches, is not made yet."""
        outcomes = {outcome for each in self._lost.values() for outcome in each.values()}
        if self._stored.candidates is not None:
            outcomes |= {item.outcome for item in unmade_of(self._stored.candidates)}
        return "not made" in outcomes


def missing_of(cells: Sequence[Cell]) -> list[Missing]:
    """Every example that some cell cannot use and every absent reference picture, with the reason, once per task."""
    missing: dict[Missing, None] = {}
    for task in {id(cell.task): cell.task for cell in cells}.values():
        for picture in task.references:
            if task.checked[picture.id].problem:
                missing[Missing(task.card.name, f"reference {picture.id}", task.checked[picture.id].problem)] = None
    for cell in cells:
        for example in cell.examples:
            problem = cell.task.problem(example, cell.context)
            if problem:
                name = f"candidate {example.id}" if cell.asks == "candidates" else example.id
                missing[Missing(cell.task.card.name, name, problem)] = None
    return sorted(missing, key=lambda item: item.task)


def protocol_signature(cell: Cell) -> str:
    """The part of a row's signature that is the same for every model and metric: data, prompt and scoring."""
    task = cell.task
    # Whether unreadable pictures stop a run does not change a number: which examples are left is in `examples`.
    options = {name: value for name, value in task.card.data.options.items() if name != UNREADABLE.key}
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
        # There are no pictures: the file has the URLs of the pictures whose embeddings were converted.
        fields["candidates"] = f"converted/{file_digest(folder / 'paths.txt')[:8]}"
    if task.references:
        fields["reference-set"] = _pictures_digest(task, [picture.id for picture in task.references])
    return _joined(fields)


def model_signature(cell: Cell) -> str:
    """The text that says how the model was run, from the cell's recipe; it is the same for every context."""
    recipe = cell.recipe
    fields: dict[str, object] = {"adapter": recipe["adapter"], **dict(sorted(recipe["settings"].items()))}
    fields |= dict(sorted(recipe.get("facts", {}).items()))
    fields |= {name: recipe[name] for name in ("auto_on", "measured_on") if name in recipe}
    if cell.picture_size != cell.task.card.prompt.get(PICTURE_SIZE, 0):
        # Only the model's prompts have pictures of this size; references have the size in the protocol's signature.
        fields[f"prompt.{PICTURE_SIZE}"] = cell.picture_size
    fields |= {f"weights.{name}": content[:8] for name, content in sorted(recipe["weights"].items())}
    return _joined(fields)


def _joined(fields: Mapping[str, object]) -> str:
    """A signature on one line; a bar in a value becomes a slash, since bars stand between fields."""
    return "|".join(f"{name}:{value}".replace("|", "/").replace("\n", "\\n") for name, value in fields.items())


def _examples_digest(task: ResolvedTask, examples: Sequence[Example]) -> str:
    """Eight digits of the digest of a set of examples: their ids, texts, pictures, answers and facts."""
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
    """The number of readable pictures, and eight digits of the digest of their content."""
    readable = [task.checked[name].sha256 for name in names if task.checked[name].sha256]
    return f"{len(readable)}@{digest(readable)[:8]}"
