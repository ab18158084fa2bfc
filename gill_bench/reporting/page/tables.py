"""Tables as the page shows them, and the details that each number opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gill_bench.analysis.gallery_records import ModelTest
from gill_bench.reporting.caption import brief_notes
from gill_bench.reporting.page.galleries import GalleryPage, test_fields
from gill_bench.reporting.structure import Column, Line, Table, TableCell
from gill_bench.reporting.text import (
    PUBLISHED,
    difference,
    groups,
    heading,
    interval,
    legend,
    printed_cell,
    published,
    title_of,
)
from gill_bench.reporting.trivial import trivial_lines

_STATUS = {
    "measured": "",
    "unscored": "Run, but nothing could be scored.",
    "undefined": "Run, but this metric is not among its numbers.",
    "impossible": "The model cannot do this: it lacks the capability, or does not read the pictures of the context.",
    "not-run": "Not run.",
}


@dataclass(frozen=True, slots=True)
class CellView:
    """A cell as the page shows it.

    Attributes:
        text: The printed text, as in every format, without the standard deviation.
        measured: Whether the text is a number.
        spread: The standard deviation, as printed after the plus-minus sign, or "".
        best: Whether the cell is the best of its column.
        mark: The sign of an incomplete cell, or "".
        paper: The paper's number, or "".
        inside: "in" or "out" of our interval, for the paper's number; "" where that tells nothing.
        link: The address of the samples behind the number, or "".
        key: The key of the details behind the number; "" if there are none.
    """

    text: str
    measured: bool
    spread: str
    best: bool
    mark: str
    paper: str
    inside: str
    link: str
    key: str


@dataclass(frozen=True, slots=True)
class LineView:
    """A line as the page shows it; `mark` is the sign of a line with the paper's numbers alone, or ""."""

    title: str
    mark: str
    cells: tuple[CellView, ...]


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as the page shows it.

    Attributes:
        name: The name of the report card.
        title: Title and caption.
        short: The title alone, such as "Table 1".
        groups: Headings over neighbouring columns, each with its number of columns; empty if there are none.
        columns: The headings of the columns.
        lines: The lines, in order.
        legend: Sentences that explain the marks.
        notes: The few sentences that nobody can do without, which stand under the table.
        folded: The other sentences and signatures, which a reader unfolds.
        copies: Pairs of a format's title and the table in this format, to paste elsewhere.
    """

    name: str
    title: str
    short: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    lines: tuple[LineView, ...]
    legend: tuple[str, ...]
    notes: tuple[str, ...]
    folded: tuple[str, ...]
    copies: tuple[tuple[str, str], ...]


def view_tables(
    tables: Sequence[Table],
    copies: Mapping[str, Sequence[tuple[str, str]]],
    galleries: Sequence[GalleryPage],
    tests: Sequence[ModelTest],
) -> tuple[list[TableView], dict[str, dict[str, Any]]]:
    """Lay out tables.

    Args:
        tables: The tables, with the paper's numbers or without.
        copies: For each table, by name, pairs of a format's title and the table in this format.
        galleries: The galleries that numbers link to.
        tests: The tests that the details of numbers show.

    Returns:
        The tables, and the details behind each cell by the cell's key.
    """
    views: list[TableView] = []
    behind: dict[str, dict[str, Any]] = {}
    page_of = {page.task: page for page in galleries}
    for table in tables:
        lines = []
        for number, line in enumerate(table.lines):
            cells = []
            for position, (cell, column) in enumerate(zip(line.cells, table.columns, strict=True)):
                key = f"{table.name}.{number}.{position}"
                link = _link(page_of.get(column.task), line, column)
                if cell.rows or cell.published or cell.status != "measured":
                    behind[key] = _behind(line, cell, column, tests, link)
                cells.append(_cell(line, cell, column, link, key if key in behind else ""))
            lines.append(LineView(line.title, PUBLISHED if line.published_only else "", tuple(cells)))
        for trivial in trivial_lines(table):
            values = (CellView(cell.text, False, "", False, "", "", "", "", "") for cell in trivial.cells)
            lines.append(LineView(trivial.label, "", tuple(values)))
        spans = tuple(groups(table))
        shown = tuple(note for note in brief_notes(table) if note not in table.warnings)
        views.append(
            TableView(
                table.name,
                title_of(table),
                table.title,
                spans if any(title for title, _ in spans) else (),
                tuple(heading(column)[1] for column in table.columns),
                tuple(lines),
                tuple(legend(table, "Bold")),
                shown,
                tuple(note for note in table.notes if note not in shown),
                tuple(copies.get(table.name, ())),
            )
        )
    return views, behind


def _link(page: GalleryPage | None, line: Line, column: Column) -> str:
    return (page and page.link(column.context or line.context, column.metric, line.model)) or ""


def _cell(line: Line, cell: TableCell, column: Column, link: str, key: str) -> CellView:
    paper = published(cell.published, column.digits)
    if line.published_only:
        return CellView("", False, "", False, "", paper, "", "", key if paper else "")
    printed = printed_cell(cell, column)
    text, _, spread = printed.text.partition(" ± ")
    inside = {None: "", True: "in", False: "out"}[cell.published_in_interval]
    return CellView(
        text,
        cell.mean is not None,
        spread,
        printed.best,
        printed.mark,
        paper,
        inside,
        link if cell.rows else "",
        key,
    )


def _behind(line: Line, cell: TableCell, column: Column, tests: Sequence[ModelTest], link: str) -> dict[str, Any]:
    context = column.context or line.context
    upper, lower = heading(column)
    printed = printed_cell(cell, column)
    return {
        "title": line.title,
        "column": " · ".join(part for part in (upper, lower) if part),
        "task": column.task,
        "context": context,
        "metric": column.metric,
        "model": line.model,
        "printed": "" if line.published_only else f"{printed.text}{printed.mark}",
        "status": "Not run here: the paper's number." if line.published_only else _STATUS[cell.status],
        "mean": cell.mean,
        "interval": f"{interval(cell, column.digits)}, over {cell.interval.n} {cell.interval.over}"
        if cell.interval
        else "",
        "gaps": list(cell.gaps),
        "rows": [
            {
                "seed": row.seed,
                "value": row.value,
                "scored": row.n_scored,
                "expected": row.n_expected,
                "missing": row.n_missing,
                "failed": row.n_failed,
                "refused": row.n_refused,
                "not_made": row.n_not_made,
                "truncated": row.n_truncated,
                "flagged": row.n_flagged,
            }
            for row in cell.rows
        ],
        "signature": cell.signature,
        "model_signature": cell.model_signature,
        "published": {
            "text": published(cell.published, column.digits),
            "unit": cell.published.unit,
            "source": cell.published.source,
            "note": cell.published.note,
            "difference": difference(cell, column.digits),
        }
        if cell.published
        else None,
        "tests": [
            test_fields(test)
            for test in tests
            if (test.task, test.context, test.metric) == (column.task, context, column.metric)
            and line.model in test.models
            and cell.rows
        ],
        "link": link if cell.rows else "",
    }
