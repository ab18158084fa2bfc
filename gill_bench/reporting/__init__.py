"""Reporting: results to tables and figures that mirror the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from gill_bench.cards.find import Cards
    from gill_bench.reporting.structure import Table
    from gill_bench.reporting.table import Intervals

FORMATS = ("terminal", "markdown", "latex", "html", "csv", "json")
"""Of tables, as text."""
FIGURE_FORMATS = ("svg", "png")
"""Of one figure, as a file."""
FILE_FORMATS = (*FORMATS, "parquet", *FIGURE_FORMATS)
"""All that `render_file` writes."""
SUFFIXES = {
    ".md": "markdown",
    ".tex": "latex",
    ".html": "html",
    ".csv": "csv",
    ".json": "json",
    ".parquet": "parquet",
    ".svg": "svg",
    ".png": "png",
}
"""The format that the ending of a file stands for."""

__all__ = ["FIGURE_FORMATS", "FILE_FORMATS", "FORMATS", "SUFFIXES", "render", "render_file", "tables_for"]


def tables_for(
    run_folders: Sequence[Path],
    cards: Cards,
    names: Sequence[str] | None = None,
    compare: bool = False,
    intervals: Intervals | None = None,
) -> list[Table]:
    """Build the tables of one run, or of several taken together.

    Args:
        run_folders: Folders that hold a `results.json`.
        cards: Where layouts, models and tasks are found.
        names: Names of report cards, or paths to them; by default all that show something of their own, as the paper
            orders them, and a plain table of everything for a task that none of them shows.
        compare: Show the paper's numbers beside ours.
        intervals: Gives means their intervals (`gill_bench.analysis.intervals.StoredIntervals`), in tables that show
        them:     beside the paper's numbers, and as bands of a figure. None leaves them out.

    Raises:
        InputError: No folder is given, a file is unreadable, two runs contradict each other, a named layout shows none
            of the rows, or numbers that are not comparable would share a column.
    """
    from gill_bench.reporting.layouts import choose_layouts
    from gill_bench.reporting.merge import merge_results
    from gill_bench.reporting.table import build_table
    from gill_bench.reporting.unfinished import unfinished_cells
    from gill_bench.rundir.rows import read_results

    if not run_folders:
        raise InputError("no run is given; name the folder of a run, for example: gill-bench report runs/NAME")
    read = [(folder, read_results(folder / "results.json")) for folder in run_folders]
    results = merge_results([(str(folder), one) for folder, one in read])
    pending = list(dict.fromkeys(item for folder, one in read for item in unfinished_cells(folder, one)))
    if not results.rows and not names:
        raise InputError(f"{', '.join(map(str, run_folders))}: nothing was scored yet; run or score it first")
    published = cards.published() if compare else None
    layouts = choose_layouts(cards, results.rows, names)
    shown = {column.task for chosen in layouts for column in chosen.layout.columns}
    tables = []
    for layout, elsewhere in layouts:
        # What is missing of a task stands under the task's own tables, or under all where it has none.
        others = shown - {column.task for column in layout.columns}
        notes = (*results.notes, *(sentence for task, sentence in pending if task not in others))
        # They take a pass over all single examples.
        shown_intervals = intervals if compare or layout.figure else None
        tables.append(build_table(layout, replace(results, notes=notes), cards, published, elsewhere, shown_intervals))
    return [table for table in tables if table.lines]


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
    if format == "html":
        from gill_bench.reporting.html import render_html

        return "\n".join(map(render_html, several))
    if format in ("csv", "json"):
        from gill_bench.reporting.export_columns import render_csv, render_json

        return render_csv(several) if format == "csv" else render_json(several)
    raise InputError(f"no format named {format!r}; {did_you_mean(format, FORMATS)}")


def render_file(tables: Sequence[Table], format: str) -> bytes:
    """Render tables, or one figure, as the content of a file.

    Args:
        tables: What `tables_for` returns.
        format: One of `FILE_FORMATS`.

    Raises:
        InputError: There is no such format, pyarrow is missing for Parquet, or a figure is asked for and the tables are
            not one that is a figure too.
    """
    if format == "parquet":
        from gill_bench.reporting.parquet import render_parquet

        return render_parquet(tables)
    if format in FIGURE_FORMATS:
        from gill_bench.reporting.figure import render_figure

        return render_figure(only_figure(tables), format)
    if format not in FORMATS:
        raise InputError(f"no format named {format!r}; {did_you_mean(format, FILE_FORMATS)}")
    return render(tables, format).encode()


def only_figure(tables: Sequence[Table]) -> Table:
    """The one of some tables that is a figure too.

    Raises:
        InputError: None is, or several are.
    """
    figures = [table for table in tables if table.figure]
    if not figures:
        shown = ", ".join(table.name for table in tables) or "nothing"
        raise InputError(
            f"a figure is asked for, and none is among {shown}; name one with --table (gill-bench list tables)"
        )
    if len(figures) > 1:
        raise InputError(
            f"a file holds one figure, these are {len(figures)}: {', '.join(table.name for table in figures)};"
            " name one with --table"
        )
    return figures[0]
