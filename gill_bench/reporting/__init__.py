"""Reporting: results to tables that mirror the paper's, in five formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from gill_bench.cards import Cards, ReportCard
    from gill_bench.reporting.structure import Table
    from gill_bench.rows import Results, Row

FORMATS = ("terminal", "markdown", "latex", "csv", "json")

__all__ = ["FORMATS", "render", "tables_for"]


def tables_for(
    run_folders: Sequence[Path], cards: Cards, names: Sequence[str] | None = None, compare: bool = False
) -> list[Table]:
    """Build the tables of one run, or of several taken together.

    Args:
        run_folders: Folders that hold a `results.json`.
        cards: Where layouts, models and tasks are found.
        names: Names of report cards, or paths to them; by default all in which a row of the runs appears. Where there
            is none, a plain table of everything.
        compare: Show the paper's numbers beside ours.

    Raises:
        InputError: No folder is given, a file is unreadable, two runs contradict each other, a named layout shows none
            of the rows, or numbers that are not comparable would share a column.
    """
    from gill_bench.reporting.columns import belongs, describe
    from gill_bench.reporting.merge import merge_results
    from gill_bench.reporting.plain import plain_layout
    from gill_bench.reporting.table import build_table

    if not run_folders:
        raise InputError("no run is given; name the folder of a run, for example: gill-bench report runs/NAME")
    results = merge_results([(str(folder), _results_of(folder)) for folder in run_folders])
    layouts = [cards.report(name) for name in dict.fromkeys(names)] if names else cards.reports()

    def shows(layout: ReportCard, rows: Sequence[Row]) -> bool:
        return any(belongs(row, column) for row in rows for column in layout.columns)

    for layout in layouts:
        if names and not shows(layout, results.rows):
            raise InputError(f"{layout.name}: shows nothing of the results, which have {describe(results.rows)}")
    chosen = [layout for layout in layouts if shows(layout, results.rows)]
    if not names:
        chosen = [layout for layout in chosen if not _adds_nothing(layout, chosen, {row.model for row in results.rows})]
    if not results.rows:
        raise InputError(f"{', '.join(map(str, run_folders))}: nothing was scored yet; run or score it first")
    if not chosen:
        chosen = [plain_layout(task, results.rows) for task in sorted({row.task for row in results.rows})]
    published = cards.published() if compare else None
    return [build_table(layout, results, cards, published) for layout in chosen]


def _adds_nothing(layout: ReportCard, chosen: Sequence[ReportCard], models: set[str]) -> bool:
    """Whether a layout compares nothing: one model of its own at most, in columns that another table has too."""

    def columns(card: ReportCard) -> set[tuple[str, str, str]]:
        return {(column.task, column.context, column.metric) for column in card.columns}

    elsewhere = any(other is not layout and columns(layout) < columns(other) for other in chosen)
    return elsewhere and len({row.model for row in layout.rows} & models) < 2


def _results_of(run: Path) -> Results:
    """The results of a run; what it was asked for and does not have yet is in the notes."""
    from gill_bench.reporting.asked import unfinished
    from gill_bench.rows import read_results

    results = read_results(run / "results.json")
    return replace(results, notes=(*results.notes, *unfinished(run, results)))


def render(tables: Table | Sequence[Table], format: str, *, width: int = 120, color: bool = False) -> str:
    """Render one table or several.

    Args:
        tables: What `tables_for` returns, or one of it.
        format: One of `FORMATS`.
        width: Columns of the terminal, for `terminal` only.
        color: Bold and dim as ANSI escapes, for `terminal` only.

    Raises:
        InputError: There is no such format.
    """
    from gill_bench.reporting.structure import Table

    several = [tables] if isinstance(tables, Table) else list(tables)
    if format == "terminal":
        from gill_bench.reporting.terminal import render_terminal

        return "\n".join(render_terminal(table, width, color) for table in several)
    if format == "markdown":
        from gill_bench.reporting.markdown import render_markdown

        return "\n".join(map(render_markdown, several))
    if format == "latex":
        from gill_bench.reporting.latex import render_latex

        return "\n".join(map(render_latex, several))
    if format in ("csv", "json"):
        from gill_bench.reporting.data import render_csv, render_json

        return render_csv(several) if format == "csv" else render_json(several)
    raise InputError(f"no format named {format!r}; {did_you_mean(format, FORMATS)}")
