"""From values of samples to rows: one mean per seed, with every count that it needs to be believed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gill_bench.datasets import Example
from gill_bench.files import digest
from gill_bench.images import RULE
from gill_bench.rows import Missing, Row
from gill_bench.runs.asked import TaskAsked, world_label
from gill_bench.runs.plan import Cell
from gill_bench.runs.score import MetricAsked, metrics_of, read_values
from gill_bench.runs.units import Unit, read_samples

VERSION = 1
_PER_TARGET = "lpips"  # the authors average it over files, not over stories (protocol 3.1)


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: float
    truncated: bool
    flagged: bool


def rows_of(cell: Cell, units: Mapping[str, Unit], run: Path) -> Iterator[Row]:
    """The rows of a cell, one per metric and seed."""
    usable = [example for example, _, _ in cell.asked.values()]
    n_missing = len(cell.task.examples) - len(usable)
    for asked in metrics_of(cell.task):
        outcomes = _outcomes(cell, units, run, asked)
        signature = f"{protocol_signature(cell)}|{asked.signature}"
        for seed in cell.seeds:
            scored = {e.id: outcomes[e.id, seed] for e in usable if (e.id, seed) in outcomes}
            yield Row(
                task=cell.task.card.name,
                model=cell.model,
                context=cell.context.name,
                seed=seed,
                metric=asked.name,
                value=_mean(cell, usable, scored, asked),
                higher_is_better=asked.higher_is_better,
                n_available=cell.task.available,
                n_expected=len(cell.task.examples),
                n_scored=len(scored),
                n_missing=n_missing,
                n_failed=len(usable) - len(scored),
                n_truncated=sum(outcome.truncated for outcome in scored.values()),
                n_flagged=sum(outcome.flagged for outcome in scored.values()),
                signature=signature,
                model_signature=model_signature(cell),
            )


def missing_of(cells: Sequence[Cell]) -> list[Missing]:
    """Every example that some cell could not ask, with the reason, once per task."""
    found: dict[Missing, None] = {}
    for cell in cells:
        for example in cell.task.examples:
            problem = cell.task.problem(example, cell.context)
            if problem:
                found[Missing(cell.task.card.name, example.id, problem)] = None
    return sorted(found, key=lambda item: item.task)


def protocol_signature(cell: Cell) -> str:
    """The part of a signature that is not the metric's: data, prompt, scoring. The same for every model."""
    task = cell.task
    # Whether unreadable pictures stop a run does not change a number: which examples are left is in `examples`.
    options = {name: value for name, value in task.card.data.options.items() if name != "unreadable"}
    fields = {
        "gill-bench": VERSION,
        "task": task.card.name,
        "data": world_label(task.data, task.card),
        **dict(sorted({**options, **task.card.prompt, **task.card.scoring}.items())),
        "images": RULE.replace("|", ",").replace(":", "-"),
        "examples": _examples_digest(task, [example for example, _, _ in cell.asked.values()]),
    }
    return "|".join(f"{name}:{value}" for name, value in fields.items())


def model_signature(cell: Cell) -> str:
    """How the model was run, from the cell's recipe: the same for every context."""
    recipe = cell.recipe
    fields: dict[str, object] = {"adapter": recipe["adapter"], **dict(sorted(recipe["settings"].items()))}
    if "auto_on" in recipe:
        fields["auto_on"] = recipe["auto_on"]
    fields |= {f"weights.{name}": content[:8] for name, content in sorted(recipe["weights"].items())}
    return "|".join(f"{name}:{value}" for name, value in fields.items())


def _examples_digest(task: TaskAsked, examples: Sequence[Example]) -> str:
    """Eight digits that tell two sets of examples apart: their ids, texts and pictures."""
    return digest(
        [
            [example.id, [turn.text for turn in example.turns], [task.checked[p.id].sha256 for p in example.pictures]]
            for example in examples
        ]
    )[:8]


def _outcomes(cell: Cell, units: Mapping[str, Unit], run: Path, asked: MetricAsked) -> dict[tuple[str, int], _Outcome]:
    found: dict[tuple[str, int], _Outcome] = {}
    for name, unit in sorted(units.items()):
        folder = cell.folder(run) / name
        valid = {example for example, _ in unit.examples}
        values = read_values(folder, asked, cell)
        if values is None:
            continue
        for sample in read_samples(folder):
            place = (sample.example, sample.seed)
            if sample.example in valid and place in values and place not in found:
                found[place] = _Outcome(values[place], sample.truncated, sample.flagged)
    return found


def _mean(cell: Cell, usable: Sequence[Example], scored: Mapping[str, _Outcome], asked: MetricAsked) -> float | None:
    if not scored:
        return None
    if cell.task.card.scoring.get("layout") != "authors_layout":
        return math.fsum(outcome.value for outcome in scored.values()) / len(scored)
    # Outputs are named by target picture: of the stories that share one, the last overwrites the others.
    last = {example.target: scored[example.id].value for example in usable if example.id in scored}
    if asked.spec.name == _PER_TARGET:
        return math.fsum(last.values()) / len(last)
    return math.fsum(last[example.target] for example in usable if example.id in scored) / len(scored)
