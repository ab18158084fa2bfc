"""Reporting: results as tables and figures that mirror the paper's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.errors import InputError, did_you_mean
from gill_bench.reporting.formats import BINARY_FORMATS, TEXT_FORMATS
from gill_bench.reporting.screen import Screen

if TYPE_CHECKING:
    from gill_bench.cards.find import Cards
    from gill_bench.reporting.structure import Table
    from gill_bench.reporting.table import Intervals
    from gill_bench.rundir.reader import RunReader

FORMATS = tuple(format.name for format in TEXT_FORMATS)
"""Names of the formats that `render` writes: tables as text."""
FIGURE_FORMATS = tuple(format.name for format in BINARY_FORMATS if format.is_figure)
"""Names of the formats that draw one figure."""
FILE_FORMATS = (*FORMATS, *(format.name for format in BINARY_FORMATS))
"""Names of the formats that `render_file` writes: all of them."""
SUFFIXES = {
    **{format.suffix: format.name for format in TEXT_FORMATS if format.suffix},
    **{format.suffix: format.name for format in BINARY_FORMATS if format.suffix},
}
"""The name of the format that the ending of a file's name stands for."""

__all__ = ["FIGURE_FORMATS", "FILE_FORMATS", "FORMATS", "SUFFIXES", "render", "render_file", "tables_for"]


def tables_for(
    runs: Sequence[Path | RunReader],
    cards: Cards,
    names: Sequence[str] | None = None,
    compare: bool = False,
    intervals: Intervals | None = None,
    *,
    main_of: Collection[str] = (),
) -> list[Table]:
    """Build the tables of one run, or of several runs taken together.

    Args:
        runs: Folders that hold a `results.json`, or runs that are open already.
        cards: The cards of layouts, models and tasks.
        names: Names of report cards, or paths to them. By default every layout is shown that adds something to those
            before it, in the paper's order, and a plain table of all numbers of a task that no layout shows.
        compare: Show the paper's numbers beside the measured ones.
        intervals: Computes the interval of each mean (`gill_bench.analysis.intervals.StoredIntervals`). Tables show
            intervals beside the paper's numbers and as the bands of a figure; None leaves them out.
        main_of: Names of tasks: only the first table of each is built. By default all are.

    Raises:
        InputError: No folder is given, a file is unreadable, two runs contradict each other, a named layout shows none
            of the rows, or numbers that are not comparable would share a column.
    """
    from gill_bench.reporting.gains import build_gains_table
    from gill_bench.reporting.layouts import choose_layouts, first_layouts
    from gill_bench.reporting.merge import merge_results
    from gill_bench.reporting.table import build_table
    from gill_bench.reporting.unfinished import unfinished_cells
    from gill_bench.rundir.load import read_results, read_spec
    from gill_bench.rundir.reader import RunReader

    if not runs:
        raise InputError("no run is given; name the folder of a run, for example: gill-bench report runs/NAME")
    readers = [
        run if isinstance(run, RunReader) else RunReader(run, read_results(run / "results.json"), read_spec(run))
        for run in runs
    ]
    results = merge_results([(str(reader.folder), reader.results) for reader in readers])
    unfinished = list(
        dict.fromkeys(item for reader in readers for item in unfinished_cells(reader.spec, reader.results))
    )
    if not results.rows and not names:
        folders = ", ".join(str(reader.folder) for reader in readers)
        raise InputError(f"{folders}: nothing was scored yet; run or score it first")
    published = cards.published() if compare else None
    chosen = choose_layouts(cards, results.rows, names)
    if main_of:
        chosen = first_layouts(chosen, results.rows, main_of)
    shown_tasks = {column.task for layout, _ in chosen for column in layout.columns}
    tables = []
    for layout, elsewhere in chosen:
        # A sentence about an unfinished cell stands under the tables of its task, or under all if none shows the task.
        other_tasks = shown_tasks - {column.task for column in layout.columns}
        notes = (*results.notes, *(sentence for task, sentence in unfinished if task not in other_tasks))
        if layout.shows_gains:
            tables.append(build_gains_table(layout, replace(results, notes=notes), cards, readers))
            continue
        # Intervals are left out where nothing shows them: computing them takes a pass over the scores of all examples.
        shown_intervals = intervals if compare or layout.figure else None
        tables.append(build_table(layout, replace(results, notes=notes), cards, published, elsewhere, shown_intervals))
    return [table for table in tables if table.lines]


def render(
    tables: Table | Sequence[Table], format: str, *, width: int = 120, color: bool = False, notes: bool = True
) -> str:
    """Render one table, or several, as text.

    Args:
        tables: The tables that `tables_for` returns, or one of them.
        format: One of `FORMATS`.
        width: The terminal's width in characters; only for `terminal`.
        color: Whether bold and dim may be used (ANSI escapes); only for `terminal`.
        notes: Whether all notes are printed, and signatures as a whole; only for `terminal`.

    Raises:
        InputError: There is no such format.
    """
    from gill_bench.reporting.structure import Table

    several = [tables] if isinstance(tables, Table) else list(tables)
    for text_format in TEXT_FORMATS:
        if text_format.name == format:
            return text_format.render(several, Screen(width, color, notes))
    raise InputError(f"no format named {format!r}; {did_you_mean(format, FORMATS)}")


def render_file(tables: Sequence[Table], format: str) -> bytes:
    """Render tables, or one figure, as the content of a file.

    Args:
        tables: The tables that `tables_for` returns.
        format: One of `FILE_FORMATS`.

    Raises:
        InputError: There is no such format, pyarrow is missing for Parquet, or the format draws a figure and not
            exactly one of the tables is a figure too.
    """
    for binary_format in BINARY_FORMATS:
        if binary_format.name == format:
            return binary_format.render(tables, Screen())
    if format not in FORMATS:
        raise InputError(f"no format named {format!r}; {did_you_mean(format, FILE_FORMATS)}")
    return render(tables, format).encode()
