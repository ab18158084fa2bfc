"""The page of `gill-bench report --html` and `Run.page`: its content is gathered from the runs' directories here."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from gill_bench.analysis.galleries import TaskData, galleries, model_tests, record_of
from gill_bench.analysis.intervals import StoredIntervals
from gill_bench.analysis.named import named_runs
from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.reporting import tables_for
from gill_bench.reporting.page.build import PageContent, write_page
from gill_bench.reporting.page.context_gains import context_amounts, context_gains
from gill_bench.reporting.page.numbers import task_numbers
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey


def write_report_page(
    runs: Sequence[Path],
    folder: Path | None = None,
    card_folders: Sequence[Path] = (),
    tables: Sequence[str] = (),
    data: str | None = None,
    names: Mapping[str, str] | None = None,
) -> Path:
    """Write the page of one run, or of several runs taken together.

    Args:
        runs: The folders of the runs.
        folder: The folder of the page; None for `page` in the first run's folder.
        card_folders: Additional folders of cards.
        tables: Names of layouts; by default all that show something.
        data: Where the runs' data is now; None for where it was when the runs were made.
        names: Models that are shown besides, `RUN:MODEL` by the name that the page gives them.

    Returns:
        The file to open in a browser.

    Raises:
        InputError: A folder holds no run, or one that was not scored, or the page's folder holds something else.
    """
    readers, cards = named_runs([RunReader.open(run) for run in runs], names or {}, Cards(card_folders))
    if not readers:
        raise InputError("no run is given; name the folder of a run, for example: gill-bench report runs/NAME --html")
    folders = [reader.folder for reader in readers]
    page = folder or folders[0] / "page"
    if not isinstance(page, Path):
        raise InputError(f"{page}: a page is written to a folder on this machine; name one with --html=DIR")
    if folder is None and page.is_symlink():
        raise InputError(f"{page}: a symbolic link, which is not followed; name the page's folder with --html=DIR")
    with without_collector():
        content = content_of(readers, cards, tables, data, addresses=_addresses(folders, page))
        return write_page(page, content)


def content_of(
    readers: Sequence[RunReader],
    cards: Cards,
    tables: Sequence[str] = (),
    data: str | None = None,
    *,
    addresses: Mapping[Path, str],
    keep: dict[str, TaskData] | None = None,
) -> PageContent:
    """The content of the page of several runs taken together; without tables if nothing was scored yet.

    Args:
        readers: The runs.
        cards: The cards of layouts, models and tasks.
        tables: Names of layouts; by default all that show something.
        data: Where the runs' data is now; None for where it was when the runs were made.
        addresses: By folder of a run, its address as seen from the page.
        keep: Keeps the data for the next call (`gill_bench.analysis.galleries.galleries`).
    """
    scored = bool(tables) or any(reader.rows for reader in readers)
    intervals = StoredIntervals(readers)
    compared = tables_for(readers, cards, tables or None, compare=True, intervals=intervals) if scored else []
    amounts = context_amounts([reader.spec for reader in readers])
    return PageContent(
        compared,
        galleries(readers, data, keep),
        model_tests(readers),
        [record_of(reader) for reader in readers],
        {card.name: card for card in cards.models()},
        tables_for(readers, cards, tables or None) if scored else [],
        addresses,
        amounts=amounts,
        gains=context_gains(task_numbers(compared, {}, amounts), readers, cards),
        values=partial(_means, readers),
    )


def _means(runs: Sequence[RunReader], cell: CellKey, metric: str) -> Mapping[str, float]:
    """The mean over seeds of each example of a cell, from the first run that has values of it."""
    values = next((values for run in runs if (values := run.values(cell, metric)) is not None), None)
    return {} if values is None else values.means()


def _addresses(runs: Sequence[Path], page: Path) -> dict[Path, str]:
    """The address of the run in whose folder the page lies; a page elsewhere may be moved away from the runs."""
    inside = (run for run in runs if isinstance(run, Path) and page.resolve().is_relative_to(run.resolve()))
    return {run: Path(os.path.relpath(run, page)).as_posix() for run in inside}


@contextmanager
def without_collector() -> Iterator[None]:
    """Switch Python's garbage collector off, which would go through a run's millions of small values again and again.

    None of these values is part of a cycle: all are freed without the collector, which saves a third of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
