"""A table for a terminal. The best cell has a star, so that colour is not needed."""

from __future__ import annotations

import textwrap

from gill_bench.reporting.caption import brief_notes, signature_ids
from gill_bench.reporting.columns import (
    NARROWEST_TITLE,
    GridColumn,
    GridGroup,
    GridLabel,
    aligned,
    lay_out,
    printed,
    wrapped,
)
from gill_bench.reporting.screen import Screen
from gill_bench.reporting.structure import Table
from gill_bench.reporting.text import (
    PrintedCell,
    PrintedLine,
    groups,
    heading,
    legend,
    printed_lines,
    title_of,
)
from gill_bench.reporting.trivial import trivial_lines

BEST = "*"


def render_terminal(table: Table, screen: Screen) -> str:
    """Render for a terminal.

    Args:
        table: The table.
        screen: The terminal's width, whether to use bold and dim (ANSI escapes), and whether all notes are printed.
    """
    from rich.text import Text

    lines = [*(item for line in table.lines for item in printed_lines(table, line)), *trivial_lines(table)]
    labels = [_label(line, max(NARROWEST_TITLE, screen.width // 3)) for line in lines]
    parts = [Text(part, style="bold") for part in wrapped(title_of(table), screen.width)]
    parts += lay_out(_groups(table, lines), labels, screen.width)
    parts.append(Text(""))
    for note in _notes(table, screen):
        parts += [Text(part) for part in wrapped(note, screen.width)]
    return printed(parts, screen)


def _notes(table: Table, screen: Screen) -> tuple[str, ...]:
    marks = legend(table, f"{BEST} (bold)")
    if screen.notes:
        return (*table.warnings, *marks, *table.notes)
    return (*marks, *brief_notes(table), *(f"Signature {id}: {names}." for id, names in signature_ids(table).items()))


def _groups(table: Table, lines: list[PrintedLine]) -> list[GridGroup]:
    columns = [_column(heading(column)[1], [line.cells[n] for line in lines]) for n, column in enumerate(table.columns)]
    table_groups = []
    start = 0
    for upper, count in groups(table):
        table_groups.append(GridGroup(upper, tuple(columns[start : start + count])))
        start += count
    return table_groups


def _column(title: str, cells: list[PrintedCell]) -> GridColumn:
    return aligned(title, [(cell.text, f"{BEST if cell.best else ''}{cell.mark}", cell.best) for cell in cells])


def _label(line: PrintedLine, width: int) -> GridLabel:
    """The first column: long names take several lines, and lines that belong to the model above are indented."""
    mark = f" {line.mark}" if line.mark else ""
    subordinate = line.kind not in ("ours", "trivial") and not line.mark
    parts = textwrap.wrap(line.label + mark, width, break_long_words=False) or [""]
    return GridLabel(tuple(f"  {part}" if subordinate else part for part in parts), line.kind != "ours")
