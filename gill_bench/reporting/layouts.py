"""Chooses the tables of a report: the named tables, or all tables that show something that no earlier table shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from gill_bench.cards.find import Cards, ReportCard
from gill_bench.datasets.controls import MARK
from gill_bench.errors import InputError
from gill_bench.reporting.plain import controls_layout, plain_layout
from gill_bench.reporting.table_columns import base_name, belongs, describe
from gill_bench.rundir.rows import Row


class _Shown(NamedTuple):
    """The results that a layout shows.

    Attributes:
        cells: Task, context, metric and model of each number that the layout shows.
        listed: The cells of models that the layout lists.
    """

    cells: frozenset[tuple[str, str, str, str]]
    listed: frozenset[tuple[str, str, str, str]]

    @property
    def columns(self) -> set[tuple[str, str, str]]:
        return {cell[:3] for cell in self.cells}


class Chosen(NamedTuple):
    """A table of a report.

    Attributes:
        layout: The table's layout.
        elsewhere: Models that are not added below the layout's own, because another table of the report lists the same
            numbers for them: Table 1 is not followed by the rows of Tables 3 and 4.
    """

    layout: ReportCard
    elsewhere: frozenset[str] = frozenset()


def choose_layouts(cards: Cards, rows: Sequence[Row], names: Sequence[str] | None) -> list[Chosen]:
    """Choose the tables of a report.

    Args:
        cards: The cards, which have the layouts.
        rows: All rows of results.
        names: Names of report cards, or paths to them. Without names, the results decide: first the paper's tables,
            then other layouts that add something, then a plain layout for each task that no layout shows, last what
            control contexts have: their numbers, and the layouts of gains.

    Raises:
        InputError: A named layout shows none of the rows.
    """
    if names:
        layouts = [cards.report(name) for name in dict.fromkeys(names)]
        for layout in layouts:
            if not _shown(layout, rows).columns:
                raise InputError(f"{layout.name}: shows nothing of the results, which have {describe(rows)}")
        return [Chosen(layout) for layout in layouts]
    chosen: list[tuple[ReportCard, _Shown]] = []
    unasked = [layout for layout in cards.reports() if not layout.on_request]
    offered = (layout for layout in unasked if not layout.shows_gains)
    for layout in sorted(offered, key=lambda card: not card.name.startswith("table-")):
        shown = _shown(layout, rows)
        if shown.columns and not any(_adds_nothing(shown, earlier) for _, earlier in chosen):
            chosen.append((layout, shown))
    tasks = {task for _, shown in chosen for task, _, _ in shown.columns}
    plain = [plain_layout(task, rows) for task in sorted({row.task for row in rows} - tasks)]
    listed = {cell for _, shown in chosen for cell in shown.listed}
    return [
        *(
            Chosen(layout, frozenset(cell[3] for cell in (shown.cells - shown.listed) & listed))
            for layout, shown in chosen
        ),
        *map(Chosen, plain),
        *(Chosen(controls_layout(task, rows)) for task in sorted(_with_controls(rows) & tasks)),
        *(Chosen(layout) for layout in unasked if layout.shows_gains and _over_controls(layout, rows)),
    ]


def first_layouts(chosen: Sequence[Chosen], rows: Sequence[Row], tasks: Collection[str]) -> list[Chosen]:
    """For each of the tasks, the first of a report's tables that shows numbers of it; each table once."""
    first: dict[str, Chosen] = {}
    for table in chosen:
        for task in {task for task, _, _ in _shown(table.layout, rows).columns} & set(tasks):
            first.setdefault(task, table)
    return [table for table in chosen if any(table is other for other in first.values())]


def _with_controls(rows: Sequence[Row]) -> set[str]:
    return {row.task for row in rows if MARK in row.context}


def _over_controls(layout: ReportCard, rows: Sequence[Row]) -> bool:
    """Whether a layout of gains has one of a context over a control, or of a control."""
    columns = [column for column in layout.columns if MARK in column.over + column.context]
    return bool(_shown(layout.model_copy(update={"columns": tuple(columns)}), rows).columns)


def _shown(layout: ReportCard, rows: Sequence[Row]) -> _Shown:
    listed = {row.model for row in layout.rows}
    known = {(row.task, row.context, row.metric, row.model) for row in rows}
    cells = {
        (row.task, row.context, base_name(row.metric), row.model)
        for column in layout.columns
        for row in rows
        if belongs(row, column, layout) and (not column.over or (row.task, column.over, row.metric, row.model) in known)
    }
    return _Shown(frozenset(cells), frozenset(cell for cell in cells if cell[3] in listed))


def _adds_nothing(shown: _Shown, earlier: _Shown) -> bool:
    """Whether an earlier table has a layout's listed numbers, or its columns if it lists fewer than two models."""
    if shown.listed and shown.listed <= earlier.listed:
        return True
    return len({cell[3] for cell in shown.listed}) < 2 and shown.columns <= earlier.columns
