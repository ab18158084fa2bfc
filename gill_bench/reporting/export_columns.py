"""The columns of a report for machines, in full precision: CSV and Parquet have a row for each cell, JSON has all.

`p` and `p_holm` are those of a gain of one context over another (`gains.py`): approximate randomisation over clusters,
adjusted by Holm's method for the number of gains in the table, both in `gill_bench/statistics/significance.py`.

A new column is one line in `_ColumnFields` or `_CellFields`, which say each column's name, type and order, and one line
in the function below that class, which fills it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import NoneType
from typing import Any, TypedDict, get_args, get_type_hints

from gill_bench.reporting.structure import Column, Line, Table, TableCell, in_unit
from gill_bench.reporting.table_columns import base_name
from gill_bench.reporting.text import difference, interval, printed_cell, published
from gill_bench.storage.json import to_json

SCHEMA_VERSION = 1
CsvValue = str | int | float | bool | None


class _ColumnFields(TypedDict):
    """The fields that a table's column gives each of its cells; `unit` is "percent", or "" for that of results.json."""

    task: str
    context: str
    over: str
    metric: str
    group: str
    column: str
    higher_is_better: bool | None
    digits: int
    unit: str


def _column_fields(column: Column) -> _ColumnFields:
    return {
        "task": column.task,
        "context": column.context,
        "over": column.over,
        "metric": column.metric,
        "group": column.group,
        "column": column.title,
        "higher_is_better": column.higher_is_better,
        "digits": column.digits,
        "unit": "percent" if column.percent else "",
    }


class _CellFields(TypedDict):
    """The fields of one cell.

    `mean`, `std`, `difference` and the ends of the 95 % interval are in the column's unit. `text`, `interval_text`,
    `published_text` and `difference_text` are printed as in the other formats.
    """

    status: str
    mean: float | None
    std: float | None
    n_seeds: int
    n_expected: int
    n_scored: int
    n_missing: int
    n_failed: int
    n_refused: int
    n_not_made: int
    n_truncated: int
    n_flagged: int
    incomplete: str
    best: bool
    text: str
    interval_low: float | None
    interval_high: float | None
    interval_over: str
    interval_text: str
    p: float | None
    p_holm: float | None
    n_pairs: int
    published_value: float | None
    published_std: float | None
    published_unit: str | None
    published_text: str
    difference: float | None
    difference_text: str
    published_in_interval: bool | None
    trivial: float | None
    trivial_answer: str
    signature: str
    model_signature: str


def _cell_fields(cell: TableCell, column: Column, line: Line) -> _CellFields:
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
        "p": cell.p,
        "p_holm": cell.p_holm,
        "n_pairs": cell.pairs,
        "published_value": paper.value if paper else None,
        "published_std": paper.std if paper else None,
        "published_unit": paper.unit if paper else None,
        "published_text": published(paper, column.digits),
        "difference": cell.difference,
        "difference_text": difference(cell, column.digits),
        "published_in_interval": cell.published_in_interval,
        "trivial": None if cell.trivial is None else in_unit(cell.trivial, column.percent),
        "trivial_answer": cell.trivial_answer,
        "signature": cell.signature,
        "model_signature": cell.model_signature,
    }


def _types_of(fields: type) -> dict[str, type]:
    """The type of each field by name; of `float | None` that is `float`."""
    hints = get_type_hints(fields)
    return {name: next((part for part in get_args(hint) if part is not NoneType), hint) for name, hint in hints.items()}


COLUMN_TYPES: Mapping[str, type] = {
    "table": str,
    **_types_of(_ColumnFields),
    "model": str,
    "title": str,
    **_types_of(_CellFields),
    "warnings": str,
}
"""The columns of CSV and Parquet in order, and the type of their values beside None."""


def records(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """One record for each cell, empty cells included, with the names and types of `COLUMN_TYPES`."""
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


def render_csv(tables: Sequence[Table]) -> str:
    """Render all tables as one CSV: a header, then one line for each cell, empty cells included."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(COLUMN_TYPES), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _csv_value(value) for name, value in record.items()} for record in records(tables))
    return out.getvalue()


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


def _of_paper(column: Column) -> Column:
    """A column as the paper has it: its metric without the name of a stand-in backbone."""
    return replace(column, metric=base_name(column.metric))


def _values(cell: TableCell, column: Column) -> list[float]:
    """The value of each seed, in the column's unit."""
    return [in_unit(row.value, column.percent) for row in cell.rows if row.value is not None]


def _csv_value(value: CsvValue) -> str:
    """A value as CSV has it: true or false as in JSON, nothing for None, `repr` of a float for full precision."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
