"""Draws a table of gains: a panel for each task and metric, in it a line for each gain and a point for each model."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Any

from gill_bench.errors import InputError
from gill_bench.reporting.figure_style import COLOURS, MARKERS, SETTINGS, metadata_of
from gill_bench.reporting.structure import Column, Line, Table, TableCell
from gill_bench.reporting.text import title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches.
_WIDTH, _LEFT, _RIGHT = 7.0, 2.1, 0.2
_ROW, _PANEL, _TITLE_LINE, _NOTE_LINE, _LEGEND_LINE = 0.34, 0.75, 0.19, 0.145, 0.2
_TITLE_CHARACTERS, _NOTE_CHARACTERS, _LABEL_CHARACTERS = 88, 122, 30
_SPREAD = 0.6  # of the height of a row, over which models are spread


def render_gains(table: Table, format: str) -> bytes:
    """Draw the gains of a table.

    Args:
        table: A table of gains whose layout has a `[figure]`.
        format: `svg` or `png`.

    Raises:
        InputError: No gain was measured.
    """
    import matplotlib
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    assert table.figure is not None
    panels = _panels(table)
    if not panels:
        raise InputError(f"{table.name}: no gain was measured, so there is nothing to draw")
    title = textwrap.wrap(title_of(table), _TITLE_CHARACTERS)
    notes = [line for note in _notes(table) for line in textwrap.wrap(note, _NOTE_CHARACTERS)]
    heights = [len(columns) * _ROW for columns in panels.values()]
    legend = (len(table.lines) + 1) // 2 * _LEGEND_LINE
    below = 0.1 + len(notes) * _NOTE_LINE + 0.15 + legend
    height = len(title) * _TITLE_LINE + 0.2 + sum(heights) + _PANEL * len(panels) + below
    with style.context("default"), matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(_WIDTH, height))
        FigureCanvasAgg(figure)
        top = height - len(title) * _TITLE_LINE - 0.2
        for (heading, columns), own in zip(panels.items(), heights, strict=True):
            top -= 0.3 + own
            box = (_LEFT / _WIDTH, top / height, 1 - (_LEFT + _RIGHT) / _WIDTH, own / height)
            axes = figure.add_axes(box)
            _draw(axes, table, columns)
            axes.set_title(heading, loc="left", size=9)
            axes.set_xlabel(table.figure.x)
            top -= _PANEL - 0.3
        figure.text(0.02, 1 - 0.08 / height, "\n".join(title), va="top", weight="bold", linespacing=1.3)
        handles = [
            Line2D([], [], label=line.title, color=_colour(number), marker=_marker(number), linestyle="none")
            for number, line in enumerate(table.lines)
        ]
        corner = (0.02, (below - 0.05) / height)
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, ncols=2, frameon=False, borderaxespad=0)
        figure.text(0.02, 0.08 / height, "\n".join(notes), va="bottom", size=7, linespacing=1.35)
        out = io.BytesIO()
        figure.savefig(out, format=format, dpi=200, metadata=metadata_of(table, format))
    return out.getvalue()


def _panels(table: Table) -> dict[str, list[int]]:
    """By heading the numbers of the columns that have a gain; a panel has one task and metric, and so one unit."""
    panels: dict[str, list[int]] = {}
    for number, column in enumerate(table.columns):
        if any(line.cells[number].mean is not None for line in table.lines):
            panels.setdefault(_heading(column), []).append(number)
    return panels


def _heading(column: Column) -> str:
    return f"{column.task}, {column.metric}{' (%)' if column.percent else ''}"


def _draw(axes: Axes, table: Table, columns: list[int]) -> None:
    axes.axvline(0, color="#888888", linewidth=0.8, zorder=1)
    for row, column in enumerate(columns):
        for number, line in enumerate(table.lines):
            cell = line.cells[column]
            if cell.mean is None or cell.interval is None:
                continue
            y = row + _aside(number, table.lines)
            colour = _colour(number)
            axes.hlines(y, cell.interval.low, cell.interval.high, color=colour, linewidth=1.6, zorder=2)
            filled = colour if cell.stands_out else "white"
            axes.plot(
                [cell.mean], [y], marker=_marker(number), markersize=5.5, color=colour, markerfacecolor=filled, zorder=3
            )
    titles = ["\n".join(textwrap.wrap(table.columns[column].title, _LABEL_CHARACTERS)) for column in columns]
    axes.set_yticks(range(len(columns)), titles)
    axes.set_ylim(len(columns) - 0.5, -0.5)
    axes.grid(axis="x", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _aside(number: int, lines: tuple[Line, ...]) -> float:
    return _SPREAD * (number / (len(lines) - 1) - 0.5) if len(lines) > 1 else 0.0


def _notes(table: Table) -> tuple[str, ...]:
    cells: list[TableCell] = [cell for line in table.lines for cell in line.cells if cell.interval is not None]
    pairs = sorted({cell.pairs for cell in cells})
    number = str(pairs[0]) if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
    return (
        *table.warnings,
        f"Points: mean gain over {number} examples; lines: its 95 % interval over clusters, with what seeds add."
        " Filled: the gain stands out (interval above 0, Holm's p over all gains at most 0.05). Hollow: it does not.",
    )


def _colour(number: int) -> Any:
    return COLOURS[number % len(COLOURS)]


def _marker(number: int) -> str:
    return MARKERS[number % len(MARKERS)]
