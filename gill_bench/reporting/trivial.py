"""Trivial answers beside the numbers of a table: the last line, and the sentences under it.

A trivial answer knows nothing of the prompt (`gill_bench.metrics.Trivial`); a number that is no better says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from gill_bench.reporting.listing import cells_of, list_cells
from gill_bench.reporting.structure import Column, Line, Table, TableCell, in_unit
from gill_bench.reporting.text import PrintedCell, PrintedLine, number

TRIVIAL = "trivial answer"


def trivial_lines(table: Table) -> list[PrintedLine]:
    """The last line of a table, with the values of the trivial answers; no line where there are none."""
    cells = tuple(_cell(table, position) for position in range(len(table.columns)))
    if table.shows_gains or not any(cell.text for cell in cells):
        return []
    return [PrintedLine("trivial", TRIVIAL, cells)]


def no_better_notes(table: Table) -> tuple[str, ...]:
    """A sentence with the cells whose number is no better than that of an answer that knows nothing of the prompt."""
    cells = [
        (line, column, f"{_value(cell, column)} beside {trivial}") for line, column, cell, trivial in _no_better(table)
    ]
    return (f"NO BETTER than the trivial answer, as far as this shows: {list_cells(table, cells)}.",) if cells else ()


def trivial_notes(table: Table) -> Iterator[str]:
    """Sentences that say what the trivial answers are, and that times have none."""
    columns: dict[str, dict[str, None]] = {}
    for _, column, cell in cells_of(table):
        if cell.trivial_answer:
            columns.setdefault(cell.trivial_answer, {})[column.group or column.title] = None
    if columns:
        listed = "; ".join(f"{answer} ({' / '.join(names)})" for answer, names in columns.items())
        yield f"Trivial answer, which knows nothing of the prompt, on the same examples: {listed}."
    if any((cell.asks or "").endswith("-seconds") for _, _, cell in cells_of(table)):
        yield "Times have no trivial answer beside them."


def _cell(table: Table, position: int) -> PrintedCell:
    """The trivial value of a column; the smallest and the largest where lines differ in it, as in their examples."""
    column = table.columns[position]
    cells = [line.cells[position] for line in table.lines]
    values = sorted(in_unit(cell.trivial, column.percent) for cell in cells if cell.trivial is not None)
    ends = dict.fromkeys(number(value, column.digits) for value in (*values[:1], *values[-1:]))
    return PrintedCell(" to ".join(ends))


def _no_better(table: Table) -> Iterator[tuple[Line, Column, TableCell, str]]:
    """The cells that are not better than their trivial value, by their intervals where these are known."""
    for line, column, cell in cells_of(table):
        if cell.trivial is None or cell.mean is None or column.higher_is_better is None:
            continue
        trivial = in_unit(cell.trivial, column.percent)
        low, high = (cell.interval.low, cell.interval.high) if cell.interval else (cell.mean, cell.mean)
        if low <= trivial if column.higher_is_better else high >= trivial:
            yield line, column, cell, number(trivial, column.digits)


def _value(cell: TableCell, column: Column) -> str:
    return "" if cell.mean is None else number(cell.mean, column.digits)
