"""Writes a page: first the data files, last the pages that name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gill_bench import __version__
from gill_bench.analysis.gallery_records import Gallery, ModelTest, RunRecord
from gill_bench.cards.find import ModelCard, builtin_folder
from gill_bench.progress import bars
from gill_bench.reporting import FIGURE_FORMATS, render
from gill_bench.reporting.page.folder import PageFolder, Shelf
from gill_bench.reporting.page.galleries import GalleryPage, write_galleries
from gill_bench.reporting.page.memory import PageMemory
from gill_bench.reporting.page.numbers import Amounts
from gill_bench.reporting.page.overview import Overview
from gill_bench.reporting.page.provenance import GILL, own_citation, view_run
from gill_bench.reporting.page.strip import Values, no_values
from gill_bench.reporting.page.tables import view_tables
from gill_bench.reporting.structure import Table
from gill_bench.reporting.text import title_of
from gill_bench.storage.reading import visible

if TYPE_CHECKING:
    from jinja2 import Environment

_COPIED = {"latex": "LaTeX", "markdown": "Markdown", "csv": "CSV"}


@dataclass(frozen=True)
class PageContent:
    """Everything that a page shows.

    Attributes:
        tables: The tables; the page shows the paper's numbers where these tables have them.
        galleries: The galleries, grouped by task; they may be made while they are read.
        tests: The tests of pairs of models.
        runs: The records of where the numbers come from.
        models: The models' cards by name: what tables call a model, and the licences of its weights.
        to_paste: The tables as they are offered for pasting elsewhere; None for `tables`.
        addresses: By folder of a run, its address as seen from the page, by which the page links to full pictures.
        memory: The memory of the page, if it is written again and again.
        amounts: How many parts the contexts of tasks have.
        gains: By task, what each model gains from its richest context over its poorest.
        values: Gives the values of single examples.
    """

    tables: Sequence[Table]
    galleries: Iterable[Gallery] = ()
    tests: Sequence[ModelTest] = ()
    runs: Sequence[RunRecord] = ()
    models: Mapping[str, ModelCard] = field(default_factory=dict)
    to_paste: Sequence[Table] | None = None
    addresses: Mapping[Path, str] = field(default_factory=dict)
    memory: PageMemory = field(default_factory=PageMemory)
    amounts: Amounts = field(default_factory=dict)
    gains: Mapping[str, Table] = field(default_factory=dict)
    values: Values = no_values

    @property
    def task_titles(self) -> dict[str, str]:
        """The titles of the runs' tasks by name."""
        cards = [task.card for run in self.runs for task in run.spec.tasks.values()]
        return {str(card["name"]): str(card.get("title", card["name"])) for card in cards}


@dataclass(frozen=True, slots=True)
class FigureView:
    """A figure as the page shows it.

    Attributes:
        name: The name of the table that the figure draws.
        title: The table's title.
        svg: The figure's SVG file, as a path in the page's folder.
        png: The figure's PNG file, as a path in the page's folder.
    """

    name: str
    title: str
    svg: str
    png: str


def write_page(path: Path, content: PageContent) -> Path:
    """Write a page, or renew one; files whose content has not changed are kept.

    Args:
        path: A new or empty folder, or one with an earlier page.
        content: Everything that the page shows.

    Returns:
        The page's `index.html`, to be opened in a browser.

    Raises:
        InputError: The folder holds something else, or cannot be written.
    """
    folder = PageFolder(path)
    titles = {name: card.title for name, card in content.models.items()}
    overview = Overview(content.tables, content.amounts, content.gains, content.tests, content.task_titles, titles)
    with bars("pictures") as progress:
        galleries = write_galleries(
            folder,
            overview.watch(content.galleries, content.values),
            content.tests,
            content.addresses,
            content.memory,
            lambda label, total: progress(label, total) if total else lambda _: None,
        )
    to_paste = content.tables if content.to_paste is None else content.to_paste
    copies = {table.name: [(title, render(table, name)) for name, title in _COPIED.items()] for table in to_paste}
    tables, behind = view_tables(content.tables, copies, galleries, content.tests)
    templates = _templates()
    runs = [view_run(run, content.models) for run in content.runs]
    shared = {
        "version": __version__,
        "runs": runs,
        "warnings": list(dict.fromkeys(note for table in content.tables for note in table.warnings)),
        "galleries": galleries,
        "figures": _figures(folder, content.tables, content.memory),
    }
    for file in sorted(_template_folder().iterdir()):
        if file.suffix in (".css", ".js"):
            folder.page(file.name, file.read_text(encoding="utf-8"))
    for page in galleries:
        data = folder.data(_manifest(page, titles))
        folder.page(page.file, templates.get_template("gallery.html").render(page=page, data=data, **shared))
    data = folder.data({"cells": behind, "titles": titles})
    citations = [("The paper", GILL), ("This software", own_citation())]
    data_citations = "\n".join(dict.fromkeys(text for run in runs for text in run.citations))
    citations += [("The data", data_citations)] if data_citations else []
    index = templates.get_template("index.html").render(
        tasks=overview.view(galleries, folder), tables=tables, data=data, citations=citations, **shared
    )
    folder.page("index.html", index)
    folder.sweep(content.memory.kept(folder.names))
    return path / "index.html"


def _figures(folder: PageFolder, tables: Sequence[Table], memory: PageMemory) -> list[FigureView]:
    """Draw the tables that are figures too and have a number to draw, gains of context first."""
    views = []
    for table in sorted(tables, key=lambda table: not table.shows_gains):
        drawn = [number for number, column in enumerate(table.columns) if column.x is not None or column.over]
        if table.figure is not None and any(
            line.cells[number].mean is not None for line in table.lines for number in drawn
        ):
            svg, png = (folder.file("figures", f".{name}", memory.figure(table, name)) for name in FIGURE_FORMATS)
            views.append(FigureView(table.name, title_of(table), svg, png))
    return views


def _manifest(page: GalleryPage, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "task": page.task,
        "titles": dict(titles),
        "contexts": page.contexts,
        "photos": page.photos,
        "originals": page.originals,
        "photosPack": Shelf().size,
    }


def _written_out(value: object) -> object:
    """A text with control characters and line separators written out, which are not seen and can change what is."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return visible(value).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _template_folder() -> Path:
    return builtin_folder() / "reports" / "templates" / "page"


def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_template_folder()),
        autoescape=True,
        finalize=_written_out,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
