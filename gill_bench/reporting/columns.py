"""Lays out rows and columns for a terminal: numbers are aligned; groups of columns stand side by side, or below.

This is done here, since `rich.table` has no headings over several columns and cuts numbers that do not fit. Here a
column wider than the terminal overflows, and columns that do not fit beside others stand in a block below them.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gill_bench.reporting.screen import Screen
from gill_bench.reporting.text import stacked

if TYPE_CHECKING:
    from rich.text import Text

GAP = 2
GROUP_GAP = 4
NARROWEST_TITLE = 12


@dataclass(frozen=True, slots=True)
class GridColumn:
    """The texts of one column, all padded to `width`; make one with `aligned`.

    Attributes:
        titles: The lines of the heading.
        cells: The texts, from top to bottom.
        bold: For each cell, whether it is set in bold.
        width: The width of all texts in characters.
    """

    titles: tuple[str, ...]
    cells: tuple[str, ...]
    bold: tuple[bool, ...]
    width: int


@dataclass(frozen=True, slots=True)
class GridGroup:
    """Columns that stay together where they fit, under one heading.

    Attributes:
        heading: The text over the columns, or "".
        columns: The columns.
    """

    heading: str
    columns: tuple[GridColumn, ...]

    @property
    def width(self) -> int:
        """The width of the group in characters."""
        inner = sum(column.width for column in self.columns) + GAP * (len(self.columns) - 1)
        return max(inner, length(self.heading))


@dataclass(frozen=True, slots=True)
class GridLabel:
    """The first column of a row.

    Attributes:
        parts: The text, in lines that stand below one another.
        dim: Whether the text is less prominent than others.
    """

    parts: tuple[str, ...]
    dim: bool = False


def aligned(title: str, cells: Sequence[tuple[str, str, bool]], narrowest: int = NARROWEST_TITLE) -> GridColumn:
    """A column whose numbers end at the same position.

    Args:
        title: The heading; it is split into lines about as wide as the cells.
        cells: From top to bottom, each cell's text, the marks after it, and whether it is bold. Of a text with spaces,
            such as a mean and its deviation, the first word is aligned; an interval in brackets is not split.
        narrowest: A heading of this width is not split, however narrow the cells are.
    """
    halves = [("", "", text) if text.startswith("[") else text.partition(" ") for text, _, _ in cells]
    number_width = max((length(number) for number, _, _ in halves), default=0)
    texts = []
    for (_, mark, _), (number, space, rest) in zip(cells, halves, strict=True):
        start = number.rjust(number_width) if len(number) > 1 else number.center(number_width if number else 0)
        texts.append(f"{start}{space}{rest}{mark}")
    widest = max(map(length, texts), default=0)
    titles = stacked(title, max(widest, narrowest))
    width = max(widest, *map(length, titles))
    bold = tuple(is_bold for _, _, is_bold in cells)
    return GridColumn(
        tuple(fit(part, width) for part in titles), tuple(fit(text, width) for text in texts), bold, width
    )


def lay_out(groups: Sequence[GridGroup], labels: Sequence[GridLabel], width: int, corner: str = "") -> list[Text]:
    """The lines of a table, with an empty line before each block of columns.

    Args:
        groups: The columns.
        labels: The first column of each row.
        width: The terminal's width in characters.
        corner: The heading of the first column.
    """
    from rich.text import Text

    label_width = max(length(part) for part in (corner, *(part for label in labels for part in label.parts)))
    lines = []
    for block in _blocks(groups, width - label_width - GAP):
        lines += [Text(""), *_block(block, labels, label_width, corner)]
    return lines


def printed(lines: Sequence[Text], screen: Screen) -> str:
    """The lines as a terminal gets them, without spaces at their ends."""
    from rich.console import Console

    out = io.StringIO()
    color = screen.color
    console = Console(file=out, force_terminal=color, color_system="standard" if color else None, highlight=False)
    for line in lines:
        line.rstrip()
        console.print(line, soft_wrap=True, markup=False)
    return out.getvalue()


def length(text: str) -> int:
    """The width of a text in columns of the terminal; some characters take two."""
    from rich.cells import cell_len

    return cell_len(text)


def fit(text: str, width: int) -> str:
    """A text with spaces up to a width."""
    return text + " " * (width - length(text))


def wrapped(text: str, width: int) -> list[str]:
    """A sentence split into lines; signatures stay whole, so that they can be copied."""
    return textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False)


def _blocks(groups: Sequence[GridGroup], width: int) -> list[list[GridGroup]]:
    """Pack groups side by side while they fit; a group wider than the terminal is split into parts that fit."""
    units = [unit for group in groups for unit in ([group] if group.width <= width else _parts(group, width))]
    blocks: list[list[GridGroup]] = []
    for unit in units:
        used = sum(group.width + GROUP_GAP for group in blocks[-1]) if blocks else 0
        if blocks and used + unit.width <= width:
            blocks[-1].append(unit)
        else:
            blocks.append([unit])
    return blocks


def _parts(group: GridGroup, width: int) -> list[GridGroup]:
    """A group split into several with the same heading, each with as many columns as fit, at least one."""
    parts: list[GridGroup] = []
    for column in group.columns:
        wider = GridGroup(group.heading, (*parts[-1].columns, column)) if parts else None
        if wider is not None and wider.width <= width:
            parts[-1] = wider
        else:
            parts.append(GridGroup(group.heading, (column,)))
    return parts


def _block(block: list[GridGroup], labels: Sequence[GridLabel], label_width: int, corner: str) -> list[Text]:
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
    for number in range(height):
        # Titles of fewer lines stand at the bottom, next to their numbers.
        start = Text(fit(corner, label_width + GAP) if number == height - 1 else margin)
        rows.append(_row(start, block, [_from_bottom(column, number, height) for column in _columns_of(block)]))
    total = sum(group.width for group in block) + GROUP_GAP * (len(block) - 1)
    rows.append(Text("─" * (label_width + GAP + total), style="dim"))
    for number, label in enumerate(labels):
        cells = [
            Text(column.cells[number], style="bold" if column.bold[number] else "") for column in _columns_of(block)
        ]
        first = Text(fit(label.parts[0], label_width + GAP), style="dim" if label.dim else "")
        rows += [_row(first, block, cells), *map(Text, label.parts[1:])]
    return rows


def _columns_of(block: list[GridGroup]) -> list[GridColumn]:
    return [column for group in block for column in group.columns]


def _from_bottom(column: GridColumn, number: int, height: int) -> Text:
    from rich.text import Text

    index = number - (height - len(column.titles))
    return Text(column.titles[index] if index >= 0 else " " * column.width)


def _row(start: Text, block: list[GridGroup], cells: list[Text]) -> Text:
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


def _centered(text: str, width: int) -> str:
    left = (width - length(text)) // 2
    return fit(" " * left + text, width)
