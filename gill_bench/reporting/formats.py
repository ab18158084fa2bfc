"""The formats of a report: each entry says its name, the file suffix that stands for it, and what it renders.

A new format is one entry here. Its renderer is imported when it is used, so that listing the formats stays quick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from gill_bench.reporting.screen import Screen

if TYPE_CHECKING:
    from gill_bench.reporting.structure import Table

Content = TypeVar("Content", str, bytes)


@dataclass(frozen=True, slots=True)
class ReportFormat(Generic[Content]):
    """One format: a `ReportFormat[str]` is text that can be printed, a `ReportFormat[bytes]` is only for files.

    Attributes:
        name: The name that `--format` takes.
        suffix: The ending of a file's name that stands for the format; "" if none does.
        render: Turns tables into the content of a file; only the terminal's format looks at the screen.
        is_figure: Whether the format draws one figure instead of writing tables.
    """

    name: str
    suffix: str
    render: Callable[[Sequence[Table], Screen], Content]
    is_figure: bool = False


def _terminal(tables: Sequence[Table], screen: Screen) -> str:
    from gill_bench.reporting.terminal import render_terminal

    return "\n".join(render_terminal(table, screen) for table in tables)


def _markdown(tables: Sequence[Table], screen: Screen) -> str:
    from gill_bench.reporting.markdown import render_markdown

    return "\n".join(map(render_markdown, tables))


def _latex(tables: Sequence[Table], screen: Screen) -> str:
    from gill_bench.reporting.latex import render_latex

    return "\n".join(map(render_latex, tables))


def _html(tables: Sequence[Table], screen: Screen) -> str:
    from gill_bench.reporting.html import render_html

    return "\n".join(map(render_html, tables))


def _csv(tables: Sequence[Table], screen: Screen) -> str:
    from gill_bench.reporting.export_columns import render_csv

    return render_csv(tables)


def _json(tables: Sequence[Table], screen: Screen) -> str:
    from gill_bench.reporting.export_columns import render_json

    return render_json(tables)


def _parquet(tables: Sequence[Table], screen: Screen) -> bytes:
    from gill_bench.reporting.parquet import render_parquet

    return render_parquet(tables)


def _svg(tables: Sequence[Table], screen: Screen) -> bytes:
    from gill_bench.reporting.figure import only_figure, render_figure

    return render_figure(only_figure(tables), "svg")


def _png(tables: Sequence[Table], screen: Screen) -> bytes:
    from gill_bench.reporting.figure import only_figure, render_figure

    return render_figure(only_figure(tables), "png")


TEXT_FORMATS: tuple[ReportFormat[str], ...] = (
    ReportFormat("terminal", "", _terminal),
    ReportFormat("markdown", ".md", _markdown),
    ReportFormat("latex", ".tex", _latex),
    ReportFormat("html", ".html", _html),
    ReportFormat("csv", ".csv", _csv),
    ReportFormat("json", ".json", _json),
)
BINARY_FORMATS: tuple[ReportFormat[bytes], ...] = (
    ReportFormat("parquet", ".parquet", _parquet),
    ReportFormat("svg", ".svg", _svg, is_figure=True),
    ReportFormat("png", ".png", _png, is_figure=True),
)
