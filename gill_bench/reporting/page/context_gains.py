"""The gain of each model from its poorest context to its richest: the question that a page answers first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from gill_bench.cards.find import Cards, ReportCard, ReportColumn
from gill_bench.datasets import dataset
from gill_bench.datasets.controls import MARK
from gill_bench.datasets.parts import parts_at_most
from gill_bench.errors import InputError
from gill_bench.reporting.gains import build_gains_table
from gill_bench.reporting.merge import merge_results
from gill_bench.reporting.page.numbers import Amounts, TaskNumbers
from gill_bench.reporting.page.words import context_words
from gill_bench.reporting.structure import Table
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import Spec
from gill_bench.rundir.signatures import signature_differences


def context_amounts(specs: Sequence[Spec]) -> Amounts:
    """How many parts the plain contexts of runs have; a context that this installation does not know is left out."""
    amounts: dict[tuple[str, str], int] = {}
    for spec in specs:
        for cell in spec.cells:
            if MARK in cell.context or (cell.task, cell.context) in amounts:
                continue
            try:
                context = dataset(spec.tasks[cell.task_as].card["data"]["format"]).context(cell.context)
            except InputError:
                continue  # the run comes from a machine with other readers: its contexts are shown without an order
            count = parts_at_most(context)
            if count is not None:
                amounts[cell.task, cell.context] = count
    return amounts


def context_gains(tasks: Sequence[TaskNumbers], runs: Sequence[RunReader], cards: Cards) -> dict[str, Table]:
    """By task, a table of each model's gain in the task's first metric: its richest context over its poorest.

    A model is left out if it was asked in contexts of one size, or was run or scored in two ways in the two contexts.

    Args:
        tasks: The numbers of the report.
        runs: The runs that the report shows, which have the values of single examples.
        cards: Where model and task cards are found.

    Raises:
        InputError: A run directory is damaged.
    """
    results = merge_results([(str(run.folder), run.results) for run in runs])
    tables = {}
    for numbers in tasks:
        pairs = {model: pair for model in numbers.models if (pair := _pair(numbers, model)) is not None}
        rows = tuple(
            row
            for row in results.rows
            if row.task == numbers.task and row.metric == numbers.metric and row.context in pairs.get(row.model, ())
        )
        if rows:
            table = build_gains_table(_layout(numbers, pairs), replace(results, rows=rows), cards, runs)
            if table.lines:
                tables[numbers.task] = table
    return tables


class _Pair(NamedTuple):
    poorest: str
    richest: str


def _pair(numbers: TaskNumbers, model: str) -> _Pair | None:
    """A model's poorest and richest context in the first metric; None if there are no two that can be compared."""
    known = [name for name in numbers.contexts_of(model, numbers.metric) if name in numbers.amounts]
    contexts = sorted(known, key=numbers.amounts.__getitem__)
    if len(contexts) < 2 or numbers.amounts[contexts[0]] == numbers.amounts[contexts[-1]]:
        return None
    first, last = (numbers.by_metric[numbers.metric][name][model].cell for name in (contexts[0], contexts[-1]))
    same_model = first.model_signature == last.model_signature
    return _Pair(contexts[0], contexts[-1]) if same_model and _scored_alike(first.signature, last.signature) else None


def _scored_alike(first: str, second: str) -> bool:
    """Whether two signatures differ at most in which examples were selected."""
    return first == second or all(name == "examples" for name, _, _ in signature_differences(first, second))


def _layout(numbers: TaskNumbers, pairs: Mapping[str, _Pair]) -> ReportCard:
    first = numbers.first.column
    columns = [
        ReportColumn(
            task=numbers.task,
            context=pair.richest,
            over=pair.poorest,
            metric=numbers.metric,
            title=f"{context_words(pair.richest)} over {context_words(pair.poorest)}",
            digits=first.digits,
            percent=first.percent,
        )
        for pair in dict.fromkeys(pairs.values())
    ]
    return ReportCard(
        schema=1,
        name=f"{numbers.task}-context",
        title=numbers.title,
        caption="The richest context over the poorest",
        published_table="",
        rows=(),
        columns=tuple(columns),
    )
