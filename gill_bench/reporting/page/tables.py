"""Tables as the page shows them, and what stands behind each number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gill_bench.analysis.gallery_records import ModelTest
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

_LONGEST_NOTE = 240
"""Characters of a note that is read under the table."""
_STATUS = {
    "measured": "",
    "unscored": "Run, but nothing could be scored.",
    "undefined": "Run, but this metric is not among its numbers.",
    "impossible": "The model cannot do this: it lacks the capability, or does not read the pictures of the context.",
    "not-run": "Not run.",
}


@dataclass(frozen=True, slots=True)
class CellView:
    """A cell as shown.

    Attributes:
        text: As in every format, without the spread.
        measured: It is a number.
        spread: What stands after the plus-minus sign, or "".
        paper: The paper's number, or "".
        inside: "in" or "out": whether it lies in our interval; "" where that tells nothing.
        link: To the samples, or to what stands behind it.
        key: Of what stands behind it; "" if nothing does.
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
    """A line as shown."""

    title: str
    mark: str
    cells: tuple[CellView, ...]


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as shown.

    Attributes:
        groups: (heading, columns) over neighbouring columns; empty if there are none.
        notes: Sentences to read.
        folded: Long ones: signatures.
        copies: (format, text) to paste elsewhere.
    """

    name: str
    title: str
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
        tables: Compared with the paper, or not.
        copies: (format, text) of each, by its name.
        galleries: That numbers lead to.
        tests: That numbers lead to.

    Returns:
        The tables, and what stands behind each cell by its key.
    """
    views, behind = [], {}
    at = {page.task: page for page in galleries}
    for table in tables:
        lines = []
        for number, line in enumerate(table.lines):
            cells = []
            for place, (cell, column) in enumerate(zip(line.cells, table.columns, strict=True)):
                key = f"{table.name}.{number}.{place}"
                link = _link(at.get(column.task), line, column)
                if cell.rows or cell.published or cell.status != "measured":
                    behind[key] = _behind(line, cell, column, tests, link)
                cells.append(_cell(line, cell, column, link, key if key in behind else ""))
            lines.append(LineView(line.title, PUBLISHED if line.published_only else "", tuple(cells)))
        spans = tuple(groups(table))
        views.append(
            TableView(
                table.name,
                title_of(table),
                spans if any(title for title, _ in spans) else (),
                tuple(heading(column)[1] for column in table.columns),
                tuple(lines),
                tuple(legend(table, "Bold")),
                tuple(note for note in table.notes if not _is_folded(note)),
                tuple(note for note in table.notes if _is_folded(note)),
                tuple(copies.get(table.name, ())),
            )
        )
    return views, behind


def _is_folded(note: str) -> bool:
    """Whether a note is a signature, or too long to be read under a table."""
    return "|" in note or len(note) > _LONGEST_NOTE


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
            test_fields(one)
            for one in tests
            if (one.task, one.context, one.metric) == (column.task, context, column.metric)
            and line.model in one.models
            and cell.rows
        ],
        "link": link if cell.rows else "",
    }
