"""The cells of a table that were run, and texts about them with as few names of cells as possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gill_bench.reporting.structure import Column, Line, Table, TableCell


def cells_of(table: Table) -> Iterator[tuple[Line, Column, TableCell]]:
    """The cells of a table that were run, each with its line and column."""
    for line in table.lines:
        for column, cell in zip(table.columns, line.cells, strict=True):
            if cell.rows:
                yield line, column, cell


def cell_name(table: Table, line: Line, column: Column, cells: Counter[str]) -> str:
    """The name of a cell in words, with its metric only where cells under the same heading have different texts."""
    short = f"{line.title}, {column.title}"
    same = sum(1 for other in table.columns if other.title == column.title)
    return short if same == 1 or cells[short] == same else f"{short}, {column.metric}"


def list_cells(table: Table, cells: list[tuple[Line, Column, str]]) -> str:
    """Each text once with the cells that have it, to keep a long list short: `text (cell / cell); text (cell)`."""
    shorts = {text: Counter[str]() for _, _, text in cells}
    for line, column, text in cells:
        shorts[text][f"{line.title}, {column.title}"] += 1
    names = {text: dict[str, None]() for text in shorts}
    for line, column, text in cells:
        names[text][cell_name(table, line, column, shorts[text])] = None
    return "; ".join(f"{text} ({' / '.join(cell_names)})" for text, cell_names in names.items())
