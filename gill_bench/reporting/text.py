"""Numbers and marks as printed: only this module rounds, so that all formats print the same digits.

A standard deviation is printed with one digit more than its mean, as in the paper ("0.612 ± 0.0011"): over seeds it is
often smaller than the last digit of the mean. A deviation that would still show only zeros is printed as "<0.0001". The
paper's own numbers keep every digit they were printed with.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from gill_bench.reporting.structure import Column, Line, Published, Status, Table, TableCell

EXTRA_STD_DIGITS = 1
INCOMPLETE = "‡"
PUBLISHED = "†"
NO_GAIN = "n.s."
EMPTY: dict[Status, str] = {"impossible": "-", "not-run": "·", "unscored": "×", "undefined": "n/a"}
ARROWS = {True: "↑", False: "↓", None: ""}


@dataclass(frozen=True, slots=True)
class PrintedCell:
    """One cell as printed.

    Attributes:
        text: A number, a symbol or nothing, without marks.
        best: Whether the text is set in bold.
        mark: The sign of an incomplete cell, or "".
    """

    text: str
    best: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """One line as printed; a model that is compared with the paper has up to four.

    Attributes:
        kind: Our numbers, their intervals, the paper's numbers, the differences, or the values of trivial answers.
        label: The text of the first column.
        cells: The cells, aligned with the columns.
        mark: The sign of a line with the paper's numbers alone, or "".
    """

    kind: Literal["ours", "interval", "paper", "difference", "trivial"]
    label: str
    cells: tuple[PrintedCell, ...]
    mark: str = ""


def number(value: float, digits: int) -> str:
    """A rounded number, without a minus before zero.

    >>> number(0.61249, 3), number(-0.0001, 3)
    ('0.612', '0.000')
    """
    return f"{value:z.{digits}f}"


def mean_std(mean: float, std: float | None, digits: int) -> str:
    """A mean and its standard deviation.

    >>> mean_std(0.612, 0.0011, 3), mean_std(0.612, 0.0003, 3), mean_std(0.612, None, 3)
    ('0.612 ± 0.0011', '0.612 ± 0.0003', '0.612')
    """
    return number(mean, digits) if std is None else f"{number(mean, digits)} ± {_std(std, digits)}"


def _std(std: float, digits: int) -> str:
    printed = number(std, digits + EXTRA_STD_DIGITS)
    if std > 0 and float(printed) == 0:
        return f"<{number(10.0 ** -(digits + EXTRA_STD_DIGITS), digits + EXTRA_STD_DIGITS)}"
    return printed


def published(item: Published | None, digits: int) -> str:
    """The paper's number with at least the column's digits and all digits it was printed with."""
    if item is None:
        return ""
    value = _as_printed(item.value, digits)
    return value if item.std is None else f"{value} ± {_as_printed(item.std, digits)}"


def _as_printed(value: float, digits: int) -> str:
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    own = -exponent if isinstance(exponent, int) else 0
    return number(value, max(digits, own))


def difference(cell: TableCell, digits: int) -> str:
    """Ours minus the paper's, always with a sign."""
    return "" if cell.difference is None else f"{cell.difference:+z.{digits}f}"


def interval(cell: TableCell, digits: int) -> str:
    """The interval of our mean, with one digit more than the mean, as the standard deviation has."""
    if cell.interval is None:
        return ""
    low, high = (number(end, digits + EXTRA_STD_DIGITS) for end in (cell.interval.low, cell.interval.high))
    return f"[{low}, {high}]"


def heading(column: Column) -> tuple[str, str]:
    """Group heading and column heading; the upper one that is not empty has the variant, the unit and the arrow."""
    arrow = ARROWS[column.higher_is_better]
    upper = (column.group or column.title) + (f"[{column.variant}]" if column.variant else "")
    marked = upper + (" (%)" if column.percent else "") + (f" {arrow}" if arrow else "")
    return (marked, column.title) if column.group else ("", marked)


def stacked(title: str, width: int) -> list[str]:
    """A heading split into as few lines as fit, all about equally long.

    >>> stacked("5 captions, 4 images", 14)
    ['5 captions,', '4 images']
    """
    lines = textwrap.wrap(title, width, break_long_words=False) or [""]
    for narrower in range(width - 1, 0, -1):
        tighter = textwrap.wrap(title, narrower, break_long_words=False)
        if len(tighter) > len(lines):
            break
        lines = tighter or lines
    return lines


def groups(table: Table) -> list[tuple[str, int]]:
    """Group headings with the number of columns under each; "" for columns without a group."""
    spans: list[tuple[str, int]] = []
    for column in table.columns:
        upper = heading(column)[0]
        if spans and spans[-1][0] == upper:
            spans[-1] = (upper, spans[-1][1] + 1)
        else:
            spans.append((upper, 1))
    return spans


def printed_cell(cell: TableCell, column: Column) -> PrintedCell:
    """Our number, or the symbol that says why there is none."""
    if cell.mean is None:
        return PrintedCell(EMPTY[cell.status], mark=INCOMPLETE if cell.gaps else "")
    text = gain(cell, column.digits) if column.over else mean_std(cell.mean, cell.std, column.digits)
    return PrintedCell(text, cell.best, INCOMPLETE if cell.gaps else "")


def gain(cell: TableCell, digits: int) -> str:
    """A gain with its sign and interval, and a mark if it does not stand out; "" without a number."""
    if cell.mean is None or cell.interval is None:
        return ""
    low, high = number(cell.interval.low, digits), number(cell.interval.high, digits)
    return f"{cell.mean:+z.{digits}f} [{low}, {high}]{'' if cell.stands_out else f' {NO_GAIN}'}"


def printed_lines(table: Table, line: Line) -> list[PrintedLine]:
    """The one to four printed lines of a model."""
    pairs = list(zip(line.cells, table.columns, strict=True))
    paper = tuple(PrintedCell(published(cell.published, column.digits)) for cell, column in pairs)
    if line.published_only:
        return [PrintedLine("paper", line.title, paper, PUBLISHED)]
    lines = [PrintedLine("ours", line.title, tuple(printed_cell(cell, column) for cell, column in pairs))]
    if any(cell.published for cell in line.cells):
        ends = tuple(PrintedCell(interval(cell, column.digits)) for cell, column in pairs)
        if any(cell.text for cell in ends):
            lines.append(PrintedLine("interval", "95 % interval", ends))
        change = tuple(PrintedCell(" ".join(_change(cell, column.digits))) for cell, column in pairs)
        lines.append(PrintedLine("paper", "paper", paper))
        if any(cell.text for cell in change):
            lines.append(PrintedLine("difference", "difference", change))
    return lines


def _change(cell: TableCell, digits: int) -> tuple[str, ...]:
    """The difference, and whether the paper's number lies in our interval."""
    inside = cell.published_in_interval
    return difference(cell, digits), *([] if inside is None else ["in" if inside else "out"])


def title_of(table: Table) -> str:
    """Title and caption of a table as sentences."""
    return f"{table.title}. {table.caption.rstrip('.')}."


def legend(table: Table, best: str) -> list[str]:
    """Sentences that explain the marks of a table.

    Args:
        table: The table.
        best: The word for how the format shows the best cell, such as "Bold".
    """
    cells = [cell for line in table.lines if not line.published_only for cell in line.cells]
    states = {cell.status for cell in cells}
    parts = []
    if any(cell.best for cell in cells):
        parts.append(f"{best}: best of the column at the printed digits.")
    if "impossible" in states:
        parts.append(f'"{EMPTY["impossible"]}" the model cannot do this.')
    if "not-run" in states:
        parts.append(f'"{EMPTY["not-run"]}" not run.')
    if "unscored" in states:
        parts.append(f'"{EMPTY["unscored"]}" run, but nothing could be scored.')
    if "undefined" in states:
        parts.append(f'"{EMPTY["undefined"]}" run, but without this metric.')
    if table.shows_gains and any(cell.mean is not None and not cell.stands_out for cell in cells):
        parts.append(f"{NO_GAIN} no gain that stands out.")
    if any(cell.gaps for cell in cells):
        parts.append(f"{INCOMPLETE} incomplete, not compared.")
    if any(line.published_only for line in table.lines):
        parts.append(f"{PUBLISHED} the paper's numbers; not run here.")
    return [" ".join(parts)] if parts else []
