"""Tables for machines, in full precision: records of one cell each, as CSV, and JSON with everything."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace

from gill_bench.reporting.structure import Column, Line, Table, TableCell, in_unit
from gill_bench.reporting.table_columns import base_name
from gill_bench.reporting.text import difference, interval, printed_cell, published
from gill_bench.storage.json import to_json

SCHEMA_VERSION = 1
Field = str | int | float | bool | None


def render_csv(tables: Sequence[Table]) -> str:
    """Render all tables as one CSV: a header, then one line for each cell, empty ones included.

    `mean`, `std`, `difference` and the ends of the 95 % interval are in the column's `unit`: percent, or "" for that of
    results.json. `text`, `interval_text`, `published_text` and `difference_text` are what the other formats print.
    """
    out = io.StringIO()
    # The header does not depend on there being a cell.
    writer = csv.DictWriter(out, header(), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _csv_value(value) for name, value in record.items()} for record in records(tables))
    return out.getvalue()


def records(tables: Sequence[Table]) -> list[dict[str, Field]]:
    """One record for each cell, empty ones included, with the names of `header`."""
    return [
        {
            "table": table.name,
            **_column_fields(_of_paper(column) if line.published_only else column),
            "context": column.context or line.context,
            "model": line.model,
            "title": line.title,
            **_cell_fields(cell, column, line),
            "warnings": "" if line.published_only else " / ".join(table.warnings),
        }
        for table in tables
        for line in table.lines
        for column, cell in zip(table.columns, line.cells, strict=True)
    ]


def render_json(tables: Sequence[Table]) -> str:
    """Render all tables as one JSON object with a `schema_version`."""
    value = {
        "schema_version": SCHEMA_VERSION,
        "tables": [
            {
                "name": table.name,
                "title": table.title,
                "caption": table.caption,
                "compared": table.compared,
                "warnings": table.warnings,
                "notes": table.notes,
                "columns": [_column_fields(column) for column in table.columns],
                "rows": [
                    {
                        "model": line.model,
                        "title": line.title,
                        "context": line.context,
                        "published_only": line.published_only,
                        "cells": [
                            {**_cell_fields(cell, column, line), "seeds": cell.seeds, "values": _values(cell, column)}
                            for column, cell in zip(table.columns, line.cells, strict=True)
                        ],
                    }
                    for line in table.lines
                ],
            }
            for table in tables
        ],
    }
    return to_json(value, indent=1) + "\n"


def header() -> list[str]:
    """The names of a record, in order."""
    column = Column("", "", "", "", "", "", None, 0, False, {})
    cell, line = TableCell("not-run"), Line("", "", ())
    return [
        "table",
        *_column_fields(column),
        "model",
        "title",
        *_cell_fields(cell, column, line),
        "warnings",
    ]


def _of_paper(column: Column) -> Column:
    """The column of a number that is the paper's: neither a stand-in's metric nor a signature of ours."""
    return replace(column, metric=base_name(column.metric))


def _column_fields(column: Column) -> dict[str, Field]:
    return {
        "task": column.task,
        "context": column.context,
        "metric": column.metric,
        "group": column.group,
        "column": column.title,
        "higher_is_better": column.higher_is_better,
        "digits": column.digits,
        "unit": "percent" if column.percent else "",
    }


def _cell_fields(cell: TableCell, column: Column, line: Line) -> dict[str, Field]:
    paper = cell.published
    return {
        "status": "published-only" if line.published_only else cell.status,
        "mean": cell.mean,
        "std": cell.std,
        "n_seeds": len(cell.seeds),
        "n_expected": cell.n_expected,
        "n_scored": cell.n_scored,
        "n_missing": cell.n_missing,
        "n_failed": cell.n_failed,
        "n_refused": cell.n_refused,
        "n_not_made": cell.n_not_made,
        "n_truncated": cell.n_truncated,
        "n_flagged": cell.n_flagged,
        "incomplete": "; ".join(cell.gaps),
        "best": cell.best,
        "text": "" if line.published_only else printed_cell(cell, column).text,
        "interval_low": cell.interval.low if cell.interval else None,
        "interval_high": cell.interval.high if cell.interval else None,
        "interval_over": cell.interval.over if cell.interval else "",
        "interval_text": interval(cell, column.digits),
        "published_value": paper.value if paper else None,
        "published_std": paper.std if paper else None,
        "published_unit": paper.unit if paper else None,
        "published_text": published(paper, column.digits),
        "difference": cell.difference,
        "difference_text": difference(cell, column.digits),
        "published_in_interval": cell.published_in_interval,
        "signature": cell.signature,
        "model_signature": cell.model_signature,
    }


def _values(cell: TableCell, column: Column) -> list[float]:
    """Of each seed, in the column's unit."""
    return [in_unit(row.value, column.percent) for row in cell.rows if row.value is not None]


def _csv_value(value: Field) -> str:
    """JSON's words for truth values, nothing for what is not known, `repr` for full precision."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
