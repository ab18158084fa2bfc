"""Builds a table as a report card lays it out: its lines, its cells, the best cells, and the paper's numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Literal

from gill_bench.cards.find import Cards, ModelCard, PublishedCard, ReportCard, ReportColumn, ReportRow
from gill_bench.datasets.controls import plain_name
from gill_bench.errors import InputError
from gill_bench.interfaces import ASKED_BY_DEFAULT, CAPABILITY_OF, OutputKind
from gill_bench.models.described import NEEDS_PICTURE
from gill_bench.reporting.caption import notes_of
from gill_bench.reporting.comparability import reasons_against
from gill_bench.reporting.paper import Paper
from gill_bench.reporting.structure import Column, Line, Table, TableCell, in_unit
from gill_bench.reporting.table_columns import axes_of, build_columns, check_models
from gill_bench.reporting.text import number
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.rows import Counts, Results, Row
from gill_bench.statistics.bootstrap import spread
from gill_bench.statistics.mean_interval import MeanInterval

Intervals = Callable[[Sequence[Row]], MeanInterval | None]
"""Computes the interval of the mean of a cell's rows (`gill_bench.analysis.intervals.StoredIntervals`)."""


def build_table(
    card: ReportCard,
    results: Results,
    cards: Cards,
    published: PublishedCard | None = None,
    elsewhere: Collection[str] = (),
    intervals: Intervals | None = None,
) -> Table:
    """Lay out results as a report card says.

    Models in the results that the layout does not list are added below its own. Models without any number are left out,
    unless the table shows the paper's numbers and the paper has some for them.

    Args:
        card: The layout.
        results: The rows of a run, or of several that were merged (`gill_bench.reporting.merge_results`).
        cards: Where model and task cards are found; a model without a card is shown by its name.
        published: The paper's numbers, to compare with; None leaves them out.
        elsewhere: Models that are not added below the layout's, since another table lists them.
        intervals: Computes the interval of each mean; None leaves intervals out.

    Raises:
        InputError: Numbers that are not comparable would share a column, a value is not finite, or the layout names
            no context for a column.
    """
    paper = Paper(card, published)
    columns, rows_of = build_columns(card, results.rows, paper.directions())
    check_finite([row for rows in rows_of for row in rows])
    check_models(card.name, [row for rows in rows_of for row in rows])
    seeds: dict[tuple[str, str], set[int]] = {}
    for row in (row for rows in rows_of for row in rows):
        seeds.setdefault(_seeds_shared_by(row, cards), set()).add(row.seed)

    unread = {probe.cell_key: probe.in_words() for probe in results.probes if not probe.in_full}
    lines = []
    listed = {row.model for row in card.rows}
    for spec in _line_specs(card, rows_of, cards, elsewhere):
        cells = []
        for layout, rows, column in zip(card.columns, rows_of, columns, strict=True):
            context = layout.context or spec.context
            cell_rows = sorted(
                (row for row in rows if (row.model, row.context) == (spec.model, context)), key=lambda row: row.seed
            )
            asks = _asks(layout, spec, cards)
            if cell_rows:
                cell = _cell(cell_rows, seeds[_seeds_shared_by(cell_rows[0], cards)], layout.percent, intervals)
            else:
                cell = TableCell(why_empty(spec.model, layout.task, context, asks, results.rows, cards))
            against = reasons_against(cell_rows, column.variant, results.notes, cards) if cell_rows else ()
            probed = unread.get(CellKey(layout.task, spec.model, context or ""), "") if cell_rows else ""
            number = paper.number(spec, layout)
            cells.append(replace(cell, asks=asks, published=number, incomparable=against, reads=probed))
        was_run = any(cell.rows for cell in cells)
        if was_run or any(cell.published for cell in cells):
            added = spec.model not in listed
            lines.append(Line(spec.model, spec.title, tuple(cells), not was_run, spec.context, added))

    table = Table(
        name=card.name,
        title=card.title,
        caption=card.caption,
        columns=tuple(columns),
        lines=_mark_best(columns, lines),
        compared=published is not None,
        warnings=results.notes,
        figure=axes_of(card),
    )
    return replace(table, notes=notes_of(table, published.source if published else ""))


def _line_specs(
    card: ReportCard, rows_of: Sequence[Sequence[Row]], cards: Cards, elsewhere: Collection[str]
) -> list[ReportRow]:
    """The layout's lines, then lines for all other models with a number in the table, by name and context."""
    asks = {row.context: row.asks for row in card.rows}
    left_out = {*elsewhere, *(row.model for row in card.rows)}
    contexts: dict[str, set[str]] = {}
    for column, rows in zip(card.columns, rows_of, strict=True):
        for row in rows:
            if row.model not in left_out:
                contexts.setdefault(row.model, set()).update(() if column.context else (row.context,))
    titles = {row.title for row in card.rows}
    specs = list(card.rows)
    for name in sorted(contexts):
        model = card_of_model(name, cards)
        title = model.title if model else name
        if title in titles:
            title = f"{title} ({name})"
        titles.add(title)
        for context in sorted(contexts[name]) or [""]:
            line_title = f"{title}, {context}" if len(contexts[name]) > 1 else title
            specs.append(ReportRow(model=name, title=line_title, context=context, asks=asks.get(context)))
    return specs


def _asks(column: ReportColumn, row: ReportRow, cards: Cards) -> OutputKind | None:
    """The kind of output that a cell's context asks for; None if unknown, since the task has no card here."""
    asks = column.asks if column.context else row.asks
    if asks is not None or column.task not in cards.files["task"]:
        return asks
    return ASKED_BY_DEFAULT[cards.task(column.task).capability]


def _seeds_shared_by(row: Row, cards: Cards) -> tuple[str, str]:
    """The task, and the context unless the task asks for pictures alone, whose cells should all have the same seeds.

    A context in which no output depends on a seed has one seed, however many the other contexts of its task have.
    """
    known = row.task in cards.files["task"]
    pictures = not known or cards.task(row.task).capability == "image-generator"
    return row.task, "" if pictures else row.context


def card_of_model(name: str, cards: Cards) -> ModelCard | None:
    """The card of a model; None if there is none here, since results may come from a machine with other cards."""
    return cards.model(name) if name in cards.files["model"] else None


def _cell(rows: Sequence[Row], all_seeds: set[int], percent: bool, intervals: Intervals | None) -> TableCell:
    values = [in_unit(row.value, percent) for row in rows if row.value is not None]
    gaps = gaps_of(rows, all_seeds)
    if not values:
        return TableCell("unscored", tuple(rows), gaps=gaps)
    over_seeds = spread(values)
    interval = intervals(rows) if intervals else None
    if interval is not None:
        interval = replace(interval, low=in_unit(interval.low, percent), high=in_unit(interval.high, percent))
    return TableCell("measured", tuple(rows), over_seeds.mean, over_seeds.std, gaps, interval=interval)


def gaps_of(rows: Sequence[Row], all_seeds: set[int]) -> tuple[str, ...]:
    """The reasons why a cell is incomplete: seeds that other cells have, and examples without a score."""
    gaps = []
    absent = sorted(all_seeds - {row.seed for row in rows if row.value is not None})
    if absent:
        gaps.append(f"{'seed' if len(absent) == 1 else 'seeds'} {', '.join(map(str, absent))} missing")
    lacking = list(Counts.of(rows).in_words().values())
    gaps += lacking
    if not lacking and len({(row.n_expected, row.n_scored) for row in rows}) > 1:
        gaps.append("seeds are scored on different numbers of examples")
    return tuple(gaps)


def why_empty(
    name: str, task: str, context: str, asks: OutputKind | None, rows: Sequence[Row], cards: Cards
) -> Literal["undefined", "impossible", "not-run"]:
    """The reason for an empty cell: the model's card rules it out, the run lacks it, or the model did not run."""
    models_run = {row.model for row in rows if (row.task, row.context) == (task, context)}
    if name in models_run:
        return "undefined"
    model = card_of_model(name, cards)
    if model is None:
        return "not-run"
    capability_needed = CAPABILITY_OF[asks] if asks else None
    usable = [capability for capability in model.capabilities if capability_needed in (None, capability)]
    own = {part for row in rows if row.model == name for part in row.model_signature.split("|")}
    pictures = plain_name(context).endswith(("-image", "-images")) and "@no-" not in context
    if NEEDS_PICTURE in own and not pictures:
        return "impossible"
    if pictures and not any("image" in model.reads(capability) for capability in usable):
        return "impossible"
    cards_run = [card for card in (card_of_model(model_run, cards) for model_run in models_run) if card is not None]
    # If a model without the capability was run, the context asks for something else than the layout says.
    certain = capability_needed is not None and all(capability_needed in card.capabilities for card in cards_run)
    return "impossible" if certain and capability_needed not in model.capabilities else "not-run"


def _mark_best(columns: Sequence[Column], lines: Sequence[Line]) -> tuple[Line, ...]:
    """Mark the best cells of each column that has at least two complete cells, all scored on equally many samples."""
    best: set[tuple[int, int]] = set()
    for number_of_column, column in enumerate(columns):
        cells = [(index, line.cells[number_of_column]) for index, line in enumerate(lines)]
        complete = [(index, cell) for index, cell in cells if cell.mean is not None and not cell.gaps]
        if len(complete) < 2 or len({n for _, cell in complete for n in cell.n_examples}) > 1:
            continue
        printed = {index: float(number(cell.mean, column.digits)) for index, cell in complete if cell.mean is not None}
        top = max(printed.values()) if column.higher_is_better else min(printed.values())
        best.update((index, number_of_column) for index, value in printed.items() if value == top)
    return tuple(
        replace(line, cells=tuple(replace(cell, best=(index, at) in best) for at, cell in enumerate(line.cells)))
        for index, line in enumerate(lines)
    )


def check_finite(rows: Sequence[Row]) -> None:
    """Refuse rows with values that are no numbers.

    Raises:
        InputError: A value is not finite; names its row.
    """
    for row in rows:
        if row.value is not None and not math.isfinite(row.value):
            where = f"{row.task} {row.model} {row.context} seed {row.seed} {row.metric}"
            raise InputError(f"{where}: value = {row.value}, expected a finite number; score the run again")
