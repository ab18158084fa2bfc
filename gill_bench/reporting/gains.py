"""A table of gains: how much better each model's numbers are in one context than in another, paired over examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from gill_bench.analysis.align import ComparedCell
from gill_bench.analysis.compare import Comparison, compare_cells
from gill_bench.cards.find import Cards, ReportCard
from gill_bench.interfaces import ASKED_BY_DEFAULT
from gill_bench.reporting.caption import notes_of
from gill_bench.reporting.structure import Column, Line, Table, TableCell, in_unit
from gill_bench.reporting.table import card_of_model, check_finite, gaps_of, why_empty
from gill_bench.reporting.table_columns import axes_of, base_name, build_columns, check_models
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.rows import Results, Row
from gill_bench.statistics.mean_interval import MeanInterval
from gill_bench.statistics.significance import holm


def build_gains_table(card: ReportCard, results: Results, cards: Cards, runs: Sequence[RunReader]) -> Table:
    """Lay out the gains of one context over another as a report card says.

    Every model with a gain in the table has a line: those that the layout lists first, then the others by name. Columns
    of tasks and metrics that the results do not have are left out.

    Args:
        card: The layout, all of whose columns have an `over`.
        results: The rows of a run, or of several that were merged.
        cards: Where model and task cards are found.
        runs: The runs, which have the values of single examples.

    Raises:
        InputError: Numbers that are not comparable would share a column, or a run directory is damaged.
    """
    known = {(row.task, metric) for row in results.rows for metric in (row.metric, base_name(row.metric))}
    present = tuple(column for column in card.columns if (column.task, column.metric) in known)
    layout = card.model_copy(update={"columns": present})
    columns, rows_of = build_columns(layout, results.rows, [None] * len(layout.columns))
    check_finite([row for rows in rows_of for row in rows])
    check_models(card.name, [row for rows in rows_of for row in rows])
    gains = _Gains([run for run in runs if run.spec.cells])
    models = {row.model for row in results.rows}
    names = [row.model for row in card.rows if row.model in models]
    titles = {row.model: row.title for row in card.rows}
    lines = []
    for name in [*names, *sorted(models - set(names))]:
        model = card_of_model(name, cards)
        title = titles.get(name) or (model.title if model else name)
        cells = tuple(
            gains.cell(name, column, rows, results.rows, cards) for column, rows in zip(columns, rows_of, strict=True)
        )
        if any(cell.mean is not None for cell in cells):
            lines.append(Line(name, title, cells, added=name not in names))
    # A gain points up, whichever way its metric does.
    shown = tuple(replace(column, higher_is_better=None) for column in columns)
    table = Table(
        name=card.name,
        title=card.title,
        caption=card.caption,
        columns=shown,
        lines=_adjusted(lines),
        compared=False,
        warnings=results.notes,
        figure=axes_of(card),
    )
    return replace(table, notes=notes_of(table, ""))


class _Gains:
    def __init__(self, runs: Sequence[RunReader]) -> None:
        self._runs = runs
        self._compared: dict[tuple[int, CellKey], ComparedCell] = {}

    def cell(self, model: str, column: Column, rows: Sequence[Row], all_rows: Sequence[Row], cards: Cards) -> TableCell:
        own = sorted((row for row in rows if row.model == model), key=lambda row: row.seed)
        keys = CellKey(column.task, model, column.over), CellKey(column.task, model, column.context)
        comparison = self._compare(keys, column.metric) if own else None
        if comparison is None:
            return TableCell(_why_no_gain(model, column, all_rows, cards))
        over = [row for row in all_rows if row.cell_key == keys[0] and row.metric == column.metric]
        sign = 1.0 if comparison.higher_is_better else -1.0
        ends = sorted((sign * comparison.difference.low, sign * comparison.difference.high))
        low, high = (in_unit(end, column.percent) for end in ends)
        gaps = gaps_of(own, {row.seed for row in over}) or gaps_of(over, {row.seed for row in own})
        return TableCell(
            "measured",
            tuple(own),
            in_unit(sign * comparison.difference.mean, column.percent) + 0.0,
            gaps=gaps,
            interval=MeanInterval(low, high, "clusters", comparison.difference.clusters),
            p=comparison.p,
            pairs=comparison.difference.n,
        )

    def _compare(self, keys: tuple[CellKey, CellKey], metric: str) -> Comparison | None:
        """The comparison of two contexts of a model, each in the first run that has values of it; None without both."""
        readers = [next((run for run in self._runs if run.values(key, metric) is not None), None) for key in keys]
        if readers[0] is None or readers[1] is None:
            return None
        # Cells are remembered by side and key, and a key has one reader on either side.
        outcome = compare_cells((readers[0], readers[1]), keys, metric, 0, self._compared)
        return outcome if isinstance(outcome, Comparison) else None


def _why_no_gain(
    model: str, column: Column, rows: Sequence[Row], cards: Cards
) -> Literal["undefined", "impossible", "not-run"]:
    """Why a model has no gain: it cannot be asked in one of the contexts, was not run in one, or lacks the metric."""
    known = column.task in cards.files["task"]
    asks = ASKED_BY_DEFAULT[cards.task(column.task).capability] if known else None
    lacking = [
        context
        for context in (column.context, column.over)
        if not any((row.task, row.model, row.context) == (column.task, model, context) for row in rows)
    ]
    reasons = [why_empty(model, column.task, context, asks, rows, cards) for context in lacking]
    return "undefined" if not reasons else "impossible" if "impossible" in reasons else "not-run"


def _adjusted(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines with p-values adjusted for the number of gains in all of them."""
    p_values = [cell.p for line in lines for cell in line.cells if cell.p is not None]
    following = iter(holm(p_values))
    return tuple(
        replace(
            line,
            cells=tuple(cell if cell.p is None else replace(cell, p_holm=next(following)) for cell in line.cells),
        )
        for line in lines
    )
