"""A table for a terminal: means are aligned; groups of columns stand side by side, or, if narrow, below one another.

This module lays the table out itself, since `rich.table` has no headings over several columns and cuts numbers that do
not fit. Here a column wider than the terminal overflows. The best cell has a star, so that colour is not needed.
"""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gill_bench.reporting.structure import Table
from gill_bench.reporting.text import (
    PrintedCell,
    PrintedLine,
    groups,
    heading,
    legend,
    printed_lines,
    stacked,
    title_of,
)

if TYPE_CHECKING:
    from rich.text import Text

BEST = "*"
GAP = 2
GROUP_GAP = 4
NARROWEST_TITLE = 12


@dataclass(frozen=True, slots=True)
class _Column:
    """The texts of one column, all padded to `width`."""

    titles: tuple[str, ...]
    cells: tuple[str, ...]
    best: tuple[bool, ...]
    width: int


@dataclass(frozen=True, slots=True)
class _Group:
    heading: str
    columns: tuple[_Column, ...]

    @property
    def width(self) -> int:
        inner = sum(column.width for column in self.columns) + GAP * (len(self.columns) - 1)
        return max(inner, _length(self.heading))


def render_terminal(table: Table, width: int, color: bool) -> str:
    """Render for a terminal.

    Args:
        table: The table.
        width: Columns of the terminal.
        color: Whether to use bold and dim (ANSI escapes).
    """
    from rich.console import Console
    from rich.text import Text

    lines = [item for line in table.lines for item in printed_lines(table, line)]
    labels = _labels(lines, max(NARROWEST_TITLE, width // 3))
    label_width = max((_length(part) for parts in labels for part in parts), default=0)
    parts = [Text(part, style="bold") for part in _wrapped(title_of(table), width)]
    for block in _blocks(_groups(table, lines), width - label_width - GAP):
        parts += [Text(""), *_block(block, lines, labels, label_width)]
    parts.append(Text(""))
    for note in (*table.warnings, *legend(table, f"{BEST} (bold)"), *table.notes):
        parts += [Text(part) for part in _wrapped(note, width)]
    out = io.StringIO()
    console = Console(file=out, force_terminal=color, color_system="standard" if color else None, highlight=False)
    for part in parts:
        part.rstrip()
        console.print(part, soft_wrap=True, markup=False)
    return out.getvalue()


def _groups(table: Table, lines: list[PrintedLine]) -> list[_Group]:
    columns = []
    for number, column in enumerate(table.columns):
        cells = [line.cells[number] for line in lines]
        columns.append(_column(heading(column)[1], cells))
    table_groups = []
    start = 0
    for upper, count in groups(table):
        table_groups.append(_Group(upper, tuple(columns[start : start + count])))
        start += count
    return table_groups


def _column(title: str, cells: list[PrintedCell]) -> _Column:
    """A column whose means end at the same position; deviations follow them, and intervals are not split."""
    halves = [("", "", cell.text) if cell.text.startswith("[") else cell.text.partition(" ") for cell in cells]
    mean_width = max((_length(mean) for mean, _, _ in halves), default=0)
    texts = []
    for cell, (mean, space, rest) in zip(cells, halves, strict=True):
        number = mean.rjust(mean_width) if len(mean) > 1 else mean.center(mean_width if mean else 0)
        texts.append(f"{number}{space}{rest}{BEST if cell.best else ''}{cell.mark}")
    widest = max(map(_length, texts), default=0)
    titles = stacked(title, max(widest, NARROWEST_TITLE))
    width = max(widest, *map(_length, titles))
    return _Column(
        tuple(_fit(part, width) for part in titles),
        tuple(_fit(text, width) for text in texts),
        tuple(cell.best for cell in cells),
        width,
    )


def _blocks(parts: list[_Group], width: int) -> list[list[_Group]]:
    """Pack groups side by side while they fit; a group wider than the terminal is split into parts that fit."""
    units = [unit for group in parts for unit in ([group] if group.width <= width else _parts(group, width))]
    blocks: list[list[_Group]] = []
    for unit in units:
        used = sum(group.width + GROUP_GAP for group in blocks[-1]) if blocks else 0
        if blocks and used + unit.width <= width:
            blocks[-1].append(unit)
        else:
            blocks.append([unit])
    return blocks


def _parts(group: _Group, width: int) -> list[_Group]:
    """A group split into several with the same heading, each with as many columns as fit, at least one."""
    parts: list[_Group] = []
    for column in group.columns:
        wider = _Group(group.heading, (*parts[-1].columns, column)) if parts else None
        if wider is not None and wider.width <= width:
            parts[-1] = wider
        else:
            parts.append(_Group(group.heading, (column,)))
    return parts


def _block(block: list[_Group], lines: list[PrintedLine], labels: list[list[str]], label_width: int) -> list[Text]:
    """Headings, rules and body of one block."""
    from rich.text import Text

    margin = " " * (label_width + GAP)
    between = " " * GROUP_GAP
    rows = []
    if any(group.heading for group in block):
        rows.append(Text(margin + between.join(_centered(group.heading, group.width) for group in block)))
        rules = between.join(("─" if group.heading else " ") * group.width for group in block)
        rows.append(Text(margin + rules, style="dim"))
    height = max(len(column.titles) for group in block for column in group.columns)
    for line_number in range(height):
        # Titles of fewer lines stand at the bottom, next to their numbers.
        rows.append(
            _row(Text(margin), block, [_from_bottom(column, line_number, height) for column in _columns_of(block)])
        )
    total = sum(group.width for group in block) + GROUP_GAP * (len(block) - 1)
    rows.append(Text("─" * (label_width + GAP + total), style="dim"))
    for number, (line, label) in enumerate(zip(lines, labels, strict=True)):
        cells = [
            Text(column.cells[number], style="bold" if column.best[number] else "") for column in _columns_of(block)
        ]
        first = Text(_fit(label[0], label_width + GAP), style="" if line.kind == "ours" else "dim")
        rows += [_row(first, block, cells), *map(Text, label[1:])]
    return rows


def _columns_of(block: list[_Group]) -> list[_Column]:
    return [column for group in block for column in group.columns]


def _from_bottom(column: _Column, line_number: int, height: int) -> Text:
    from rich.text import Text

    index = line_number - (height - len(column.titles))
    return Text(column.titles[index] if index >= 0 else " " * column.width)


def _row(start: Text, block: list[_Group], cells: list[Text]) -> Text:
    """One line of a block: the cells of a group stand close together, groups further apart."""
    rest = iter(cells)
    for index, group in enumerate(block):
        used = 0
        for position, column in enumerate(group.columns):
            start.append(" " * (GAP if position else GROUP_GAP if index else 0))
            start.append_text(next(rest))
            used += column.width + (GAP if position else 0)
        start.append(" " * (group.width - used))
    return start


def _labels(lines: list[PrintedLine], width: int) -> list[list[str]]:
    """The first column: long names take several lines, and lines that belong to the model above are indented."""
    labels = []
    for line in lines:
        mark = f" {line.mark}" if line.mark else ""
        subordinate = line.kind != "ours" and not line.mark
        wrapped = textwrap.wrap(line.label + mark, width, break_long_words=False) or [""]
        labels.append([f"  {part}" if subordinate else part for part in wrapped])
    return labels


def _length(text: str) -> int:
    """The width of a text in columns of the terminal; some characters take two."""
    from rich.cells import cell_len

    return cell_len(text)


def _fit(text: str, width: int) -> str:
    return text + " " * (width - _length(text))


def _centered(text: str, width: int) -> str:
    left = (width - _length(text)) // 2
    return _fit(" " * left + text, width)


def _wrapped(text: str, width: int) -> list[str]:
    """A sentence split into lines; signatures stay whole, so that they can be copied."""
    return textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False)
