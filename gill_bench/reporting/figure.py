"""Draws a table whose columns lie on an axis: a curve and a band of intervals for each model, hollow for the paper.

Equal tables give equal bytes. Markers and dashes tell curves apart without colour.
"""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gill_bench.errors import InputError
from gill_bench.reporting.caption import figure_notes
from gill_bench.reporting.figure_style import COLOURS, MARKERS, SETTINGS, metadata_of
from gill_bench.reporting.gains_figure import render_gains
from gill_bench.reporting.structure import Column, Line, Table, TableCell
from gill_bench.reporting.text import ARROWS, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1)), (0, (1, 3)))
# Inches.
_WIDTH, _PLOT, _LEFT, _RIGHT, _AXIS = 7.0, 3.4, 0.75, 0.15, 0.55
_TITLE_LINE, _NOTE_LINE, _LEGEND_LINE = 0.19, 0.145, 0.2
_TITLE_CHARACTERS, _NOTE_CHARACTERS, _LABEL_CHARACTERS = 88, 122, 38
# Curves are moved aside by at most this share of the distance of two columns on the axis.
_ASIDE = 0.2


@dataclass(frozen=True, slots=True)
class _Curve:
    """One model in one series.

    Attributes:
        label: The text in the legend.
        colour: The number of the model's colour.
        style: The number of the curve's marker and dash.
        points: Pairs of a position on the axis and a cell, sorted by position.
    """

    label: str
    colour: int
    style: int
    points: tuple[tuple[float, TableCell], ...]

    @property
    def measured(self) -> list[tuple[float, TableCell, float]]:
        """Position, cell and mean of each measured point."""
        return [(x, cell, cell.mean) for x, cell in self.points if cell.mean is not None]

    @property
    def published(self) -> list[tuple[float, float]]:
        """Position and number of each point of the paper."""
        return [(x, cell.published.value) for x, cell in self.points if cell.published]

    @property
    def marker(self) -> str:
        """The name of the marker in matplotlib."""
        return MARKERS[self.style % len(MARKERS)]


def render_figure(table: Table, format: str) -> bytes:
    """Draw a figure.

    Args:
        table: The table of a layout with a `[figure]`; the intervals of its cells are the bands.
        format: `svg` or `png`. Both files carry the notes of the table as their description.

    Raises:
        InputError: The layout has no `[figure]`, or no cell on its axis was measured.
    """
    import matplotlib
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if table.figure is None:
        raise InputError(f"{table.name}: is a table only; a layout with [figure] is a figure too")
    if table.shows_gains:
        return render_gains(table, format)
    table, left_out = _without_single_points(table)
    curves = _aside(_curves(table))
    if not any(curve.measured for curve in curves):
        raise InputError(f"{table.name}: nothing on its axis was measured, so there is nothing to draw")
    title = textwrap.wrap(title_of(table), _TITLE_CHARACTERS)
    notes = [line for note in figure_notes(table, left_out) for line in textwrap.wrap(note, _NOTE_CHARACTERS)]
    below = _AXIS + _legend_lines(_labels(curves)) * _LEGEND_LINE + 0.15 + len(notes) * _NOTE_LINE + 0.1
    height = len(title) * _TITLE_LINE + 0.25 + _PLOT + below
    # The style "default" gives the same figure whatever the user's own settings are.
    with style.context("default"), matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(_WIDTH, height))
        FigureCanvasAgg(figure)
        width = 1 - (_LEFT + _RIGHT) / _WIDTH
        axes = figure.add_axes((_LEFT / _WIDTH, below / height, width, _PLOT / height))
        for curve in curves:
            _draw(axes, curve)
        _label_axes(axes, table)
        figure.text(0.02, 1 - 0.08 / height, "\n".join(title), va="top", weight="bold", linespacing=1.3)
        handles = _handles(curves)
        corner = (_LEFT / _WIDTH, (below - _AXIS) / height)
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, ncols=2, frameon=False, borderaxespad=0)
        figure.text(0.02, 0.08 / height, "\n".join(notes), va="bottom", size=7, linespacing=1.35)
        out = io.BytesIO()
        figure.savefig(out, format=format, dpi=200, metadata=metadata_of(table, format))
    return out.getvalue()


def has_bands(table: Table) -> bool:
    """Whether a table is a figure too, and the intervals of its points are known."""
    if table.shows_gains:
        return table.figure is not None and any(cell.interval for line in table.lines for cell in line.cells)
    pairs = [(column, cell) for line in table.lines for column, cell in zip(table.columns, line.cells, strict=True)]
    return table.figure is not None and any(column.x is not None and cell.interval for column, cell in pairs)


def render_figure_html(table: Table) -> str:
    """A figure as an HTML element, for use below its table, which has the numbers for readers who cannot see it.

    Raises:
        InputError: The figure cannot be drawn (see `render_figure`).
    """
    source = base64.b64encode(render_figure(table, "svg")).decode()
    return (
        f'<img src="data:image/svg+xml;base64,{source}" alt="{escape(title_of(table))} Drawn from the table above.">\n'
    )


def only_figure(tables: Sequence[Table]) -> Table:
    """The only table among several that is a figure too.

    Raises:
        InputError: None of the tables is a figure too, or several are.
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


def _curves(table: Table) -> list[_Curve]:
    """The curves with at least one point, in the order of models and series."""
    series = list(dict.fromkeys(column.series for column in table.columns if column.x is not None))
    curves: list[_Curve] = []
    for colour, line in enumerate(table.lines):
        for name in series:
            points = sorted(_points(table, line, name), key=lambda point: point[0])
            if any(cell.mean is not None or cell.published for _, cell in points):
                label = f"{line.title}, {name}" if name else line.title
                curves.append(_Curve(label, colour % len(COLOURS), len(curves), tuple(points)))
    return curves


def _without_single_points(table: Table) -> tuple[Table, tuple[str, ...]]:
    """The table without models that its layout does not list and that have one point at most; and their titles.

    If no model has two points, all models stay.
    """
    curved = {
        line.title
        for line in table.lines
        for series in {column.series for column in table.columns}
        if sum(cell.mean is not None for _, cell in _points(table, line, series)) > 1
    }
    single = [line for line in table.lines if line.added and curved and line.title not in curved]
    kept = tuple(line for line in table.lines if line not in single)
    return replace(table, lines=kept), tuple(line.title for line in single)


def _aside(curves: list[_Curve]) -> list[_Curve]:
    """The curves, moved aside a little, so that points and intervals at one position do not hide one another."""
    positions = sorted({x for curve in curves for x, _ in curve.points})
    distance = min((right - left for left, right in pairwise(positions)), default=1.0)
    step = _ASIDE * distance / len(curves) if curves else 0.0
    return [
        replace(curve, points=tuple((x + (number - (len(curves) - 1) / 2) * step, cell) for x, cell in curve.points))
        for number, curve in enumerate(curves)
    ]


def _points(table: Table, line: Line, series: str) -> list[tuple[float, TableCell]]:
    pairs = zip(table.columns, line.cells, strict=True)
    return [(column.x, cell) for column, cell in pairs if column.x is not None and column.series == series]


def _draw(axes: Axes, curve: _Curve) -> None:
    colour = COLOURS[curve.colour]
    measured = curve.measured
    if measured:
        xs, means = [x for x, _, _ in measured], [mean for _, _, mean in measured]
        dash = _DASHES[curve.style % len(_DASHES)]
        axes.plot(xs, means, color=colour, linestyle=dash, marker=curve.marker, markersize=5, linewidth=1.6, zorder=3)
        nothing = float("nan")
        low = [cell.interval.low if cell.interval else nothing for _, cell, _ in measured]
        high = [cell.interval.high if cell.interval else nothing for _, cell, _ in measured]
        axes.fill_between(xs, low, high, color=colour, alpha=0.18, linewidth=0, zorder=1)
        # A point without neighbours has no band, so that each interval is drawn as a vertical line too.
        axes.vlines(xs, low, high, color=colour, alpha=0.7, linewidth=0.9, zorder=2)
    if curve.published:
        positions, values = zip(*curve.published, strict=True)
        axes.plot(positions, values, **_hollow(curve.marker, colour), zorder=4)


def _hollow(marker: str, colour: str) -> dict[str, Any]:
    return {
        "marker": marker,
        "linestyle": "none",
        "markerfacecolor": "white",
        "markeredgecolor": colour,
        "markersize": 7.5,
        "markeredgewidth": 1.3,
    }


def _labels(curves: list[_Curve]) -> list[str]:
    """The texts of the legend."""
    labels = [curve.label if curve.measured else f"{curve.label} (paper)" for curve in curves]
    both = any(curve.measured and curve.published for curve in curves)
    return ["\n".join(textwrap.wrap(label, _LABEL_CHARACTERS)) for label in [*labels, *["paper"] * both]]


def _legend_lines(labels: list[str]) -> int:
    """The number of lines of a legend with two columns, which are filled one after the other."""
    lines = [label.count("\n") + 1 for label in labels]
    half = (len(labels) + 1) // 2
    return max(sum(lines[:half]), sum(lines[half:]))


def _handles(curves: list[_Curve]) -> list[Any]:
    from matplotlib.lines import Line2D

    handles = []
    for label, curve in zip(_labels(curves), [*curves, None], strict=False):
        if curve is None:
            handles.append(Line2D([], [], label=label, **_hollow("o", "#666666")))
        elif curve.measured:
            dash = _DASHES[curve.style % len(_DASHES)]
            colour = COLOURS[curve.colour]
            handles.append(Line2D([], [], label=label, color=colour, linestyle=dash, marker=curve.marker, markersize=5))
        else:
            handles.append(Line2D([], [], label=label, **_hollow(curve.marker, COLOURS[curve.colour])))
    return handles


def _label_axes(axes: Axes, table: Table) -> None:
    assert table.figure is not None
    drawn = [column for column in table.columns if column.x is not None]
    axes.set_xlabel(table.figure.x)
    axes.set_ylabel(_y_label(table.figure.y, drawn[0]))
    axes.set_xticks(sorted({column.x for column in drawn if column.x is not None}))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _y_label(name: str, column: Column) -> str:
    """The title of the vertical axis, with stand-in backbone, unit and arrow as in a heading."""
    variant = f" [{column.variant}]" if column.variant else ""
    arrow = ARROWS[column.higher_is_better]
    return name + variant + (" (%)" if column.percent else "") + (f" {arrow}" if arrow else "")
