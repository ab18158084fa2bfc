"""From rows to a table that mirrors the paper's: which models, which cells, which is best, what the paper says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gill_bench.cards import Cards, ModelCard, PublishedCard, PublishedNumber, ReportCard, ReportColumn, ReportRow
from gill_bench.errors import InputError
from gill_bench.reporting.caption import notes_of
from gill_bench.reporting.columns import build_columns, check_models
from gill_bench.reporting.structure import Cell, Column, Line, Published, Table
from gill_bench.reporting.text import number
from gill_bench.rows import Results, Row
from gill_bench.statistics import spread


def build_table(card: ReportCard, results: Results, cards: Cards, published: PublishedCard | None = None) -> Table:
    """Lay out results as a report card says.

    Models in the results that the layout does not list are added below it. Models without any number are left out,
    unless the paper's numbers are asked for and it has some.

    Args:
        card: The layout.
        results: The rows of a run, or of several that were merged (`gill_bench.reporting.merge_results`).
        cards: Where model and task cards are found; a model without a card is shown by its name.
        published: The paper's numbers, to compare with; None leaves them out.

    Raises:
        InputError: Numbers that are not comparable would share a column, or a value is not finite.
    """
    columns, rows_of = build_columns(card, results.rows, _published_directions(card, published))
    _check_finite([row for rows in rows_of for row in rows])
    check_models(card.name, [row for rows in rows_of for row in rows])
    paper = _Paper(card, published)
    all_seeds = {column.task: set[int]() for column in columns}
    for column, rows in zip(columns, rows_of, strict=True):
        all_seeds[column.task].update(row.seed for row in rows)

    lines = []
    for spec in _line_specs(card, rows_of, cards):
        model = _model_card(spec.model, cards)
        cells = []
        for column, layout, rows in zip(columns, card.columns, rows_of, strict=True):
            own = sorted((row for row in rows if row.model == spec.model), key=lambda row: row.seed)
            cell = _cell(own, all_seeds[column.task]) if own else _empty_cell(model, column, cards)
            cells.append(replace(cell, published=paper.number(spec, layout)))
        was_run = any(cell.rows for cell in cells)
        if was_run or any(cell.published for cell in cells):
            lines.append(Line(spec.model, spec.title, tuple(cells), published_only=not was_run))

    table = Table(
        name=card.name,
        title=card.title,
        caption=card.caption,
        columns=tuple(columns),
        lines=_mark_best(columns, lines),
        compared=published is not None,
        warnings=results.notes,
    )
    source = f"{card.published_table} of {published.source}" if published else ""
    return replace(table, notes=notes_of(table, source))


def _line_specs(card: ReportCard, rows_of: Sequence[Sequence[Row]], cards: Cards) -> list[ReportRow]:
    """The layout's models, then all others that have a number in the table, by name."""
    listed = {row.model for row in card.rows}
    titles = {row.title for row in card.rows}
    specs = list(card.rows)
    for name in sorted({row.model for rows in rows_of for row in rows} - listed):
        model = _model_card(name, cards)
        title = model.title if model else name
        if title in titles:
            title = f"{title} ({name})"
        titles.add(title)
        specs.append(ReportRow(model=name, title=title))
    return specs


def _model_card(name: str, cards: Cards) -> ModelCard | None:
    """The card of a model, or None: results may come from a machine with other cards."""
    return cards.model(name) if name in cards.files["model"] else None


def _cell(rows: Sequence[Row], all_seeds: set[int]) -> Cell:
    values = [row.value for row in rows if row.value is not None]
    gaps = _gaps(rows, all_seeds)
    if not values:
        return Cell("unscored", tuple(rows), gaps=gaps)
    over_seeds = spread(values)
    return Cell("measured", tuple(rows), over_seeds.mean, over_seeds.std, gaps)


def _gaps(rows: Sequence[Row], all_seeds: set[int]) -> tuple[str, ...]:
    """Why the rows of a cell are not all that others have."""
    gaps = []
    absent = sorted(all_seeds - {row.seed for row in rows if row.value is not None})
    if absent:
        gaps.append(f"{'seed' if len(absent) == 1 else 'seeds'} {', '.join(map(str, absent))} missing")
    failed = sum(row.n_failed for row in rows)
    if failed:
        gaps.append(f"{failed} of {sum(row.n_expected for row in rows)} samples failed")
    elif len({(row.n_expected, row.n_scored) for row in rows}) > 1:
        gaps.append("seeds are scored on different numbers of examples")
    return tuple(gaps)


def _empty_cell(model: ModelCard | None, column: Column, cards: Cards) -> Cell:
    """Tell what the model cannot do, known from its card, from what was just not run."""
    if model is None:
        return Cell("not-run")
    if column.context.endswith(("-image", "-images")) and "image" not in model.inputs:
        return Cell("impossible")
    if column.task in cards.files["task"] and cards.task(column.task).capability not in model.capabilities:
        return Cell("impossible")
    return Cell("not-run")


def _mark_best(columns: Sequence[Column], lines: Sequence[Line]) -> tuple[Line, ...]:
    """Mark the best cells of each column: of at least two complete ones that are scored on equally many samples."""
    best: set[tuple[int, int]] = set()
    for at, column in enumerate(columns):
        cells = [(index, line.cells[at]) for index, line in enumerate(lines)]
        complete = [(index, cell) for index, cell in cells if cell.mean is not None and not cell.gaps]
        if len(complete) < 2 or len({cell.n_scored for _, cell in complete}) > 1:
            continue
        printed = {index: float(number(cell.mean, column.digits)) for index, cell in complete if cell.mean is not None}
        top = max(printed.values()) if column.higher_is_better else min(printed.values())
        best.update((index, at) for index, value in printed.items() if value == top)
    return tuple(
        replace(line, cells=tuple(replace(cell, best=(index, at) in best) for at, cell in enumerate(line.cells)))
        for index, line in enumerate(lines)
    )


def _check_finite(rows: Sequence[Row]) -> None:
    for row in rows:
        if row.value is not None and not math.isfinite(row.value):
            where = f"{row.task} {row.model} {row.context} seed {row.seed} {row.metric}"
            raise InputError(f"{where}: value = {row.value}, expected a finite number; score the run again")


class _Paper:
    """The paper's numbers of one table, by row, column and metric."""

    def __init__(self, card: ReportCard, published: PublishedCard | None) -> None:
        numbers = published.numbers if published else ()
        self._numbers: Mapping[tuple[str, str, str], PublishedNumber] = {
            (item.row, item.column, item.metric): item for item in numbers if item.table == card.published_table
        }

    def find(self, row: str, column: ReportColumn) -> PublishedNumber | None:
        return self._numbers.get((row, column.published, column.published_metric))

    def number(self, row: ReportRow, column: ReportColumn) -> Published | None:
        found = self.find(row.published, column) if row.published else None
        return Published(found.value, found.std, found.unit, found.note) if found else None

    def direction(self, row: ReportRow, column: ReportColumn) -> bool | None:
        found = self.find(row.published, column)
        return found.higher_is_better if found else None


def _published_directions(card: ReportCard, published: PublishedCard | None) -> list[bool | None]:
    """Per column, which way its metric points according to the paper."""
    paper = _Paper(card, published)
    found = []
    for column in card.columns:
        known = (paper.direction(row, column) for row in card.rows)
        found.append(next((direction for direction in known if direction is not None), None))
    return found
