"""The numbers of a report by task, metric, context and model, as its tables have them, for findings and charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gill_bench.datasets.controls import MARK
from gill_bench.reporting.structure import Column, Table, TableCell

Amounts = Mapping[tuple[str, str], int]
"""By task and context, how many parts a prompt has at most; contexts that do not say so are absent."""


@dataclass(frozen=True, slots=True)
class Number:
    """A measured cell of a table, with its column, which has the unit and the digits."""

    cell: TableCell
    column: Column

    @property
    def mean(self) -> float:
        """The mean over seeds, in the column's unit."""
        assert self.cell.mean is not None
        return self.cell.mean


@dataclass(frozen=True, slots=True)
class TaskNumbers:
    """The numbers of a task in its plain contexts; controls have tables and a figure of their own.

    Attributes:
        task: The name of the task's card.
        title: The title of the task's card.
        by_metric: The number by metric, context and model, in the order of the tables; contexts with more parts come
            later where their parts are known. A metric of a group of examples (`vqa-accuracy/answer_type/other`) is
            left out.
        amounts: By context, how many parts a prompt has at most, where that is known.
    """

    task: str
    title: str
    by_metric: Mapping[str, Mapping[str, Mapping[str, Number]]]
    amounts: Mapping[str, int]

    @property
    def metric(self) -> str:
        """The metric that the tables show first."""
        return next(iter(self.by_metric))

    @property
    def first(self) -> Number:
        """The first number of that metric, whose column has the metric's unit and direction."""
        return next(number for models in self.by_metric[self.metric].values() for number in models.values())

    @property
    def models(self) -> tuple[str, ...]:
        """All models with a number, in the order of the tables."""
        contexts = [models for contexts in self.by_metric.values() for models in contexts.values()]
        return tuple(dict.fromkeys(model for models in contexts for model in models))

    def contexts_of(self, model: str, metric: str) -> list[str]:
        """The contexts in which a model has a number, those with more parts later."""
        return [context for context, models in self.by_metric[metric].items() if model in models]


def task_numbers(tables: Sequence[Table], titles: Mapping[str, str], amounts: Amounts) -> list[TaskNumbers]:
    """Collect the numbers of tables; a number that several tables show is taken from the first.

    Args:
        tables: The tables of a report.
        titles: The titles of tasks by name; a task without one is called by its name.
        amounts: How many parts the contexts of tasks have.
    """
    collected: dict[str, dict[str, dict[str, dict[str, Number]]]] = {}
    for table in tables:
        for number, column in enumerate(table.columns):
            for line in table.lines:
                cell, context = line.cells[number], column.context or line.context
                if cell.mean is None or column.over or MARK in context or "/" in column.metric:
                    continue
                models = collected.setdefault(column.task, {}).setdefault(column.metric, {}).setdefault(context, {})
                models.setdefault(line.model, Number(cell, column))
    return [
        TaskNumbers(
            task,
            titles.get(task, task),
            {metric: _by_amount(contexts, task, amounts) for metric, contexts in metrics.items()},
            {context: count for (name, context), count in amounts.items() if name == task},
        )
        for task, metrics in collected.items()
    ]


def _by_amount(
    contexts: Mapping[str, Mapping[str, Number]], task: str, amounts: Amounts
) -> dict[str, Mapping[str, Number]]:
    if any((task, context) not in amounts for context in contexts):
        return dict(contexts)
    return dict(sorted(contexts.items(), key=lambda item: amounts[task, item[0]]))
