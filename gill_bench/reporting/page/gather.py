"""The page of `gill-bench report --html` and `Run.page`: gathered here from the parts that know it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def write_report_page(
    runs: Sequence[Path],
    folder: Path | None = None,
    card_folders: Sequence[Path] = (),
    tables: Sequence[str] = (),
    data: str | None = None,
) -> Path:
    """Write the page of runs taken together.

    Args:
        runs: Their folders.
        folder: Of the page; None for `page` in the first run.
        card_folders: Additional folders of cards.
        tables: Names of layouts; all that fit, if none.
        data: Where the runs' data is now; None where it was.

    Returns:
        The file to open.

    Raises:
        InputError: A run is none or was not scored, or the folder has something else in it.
    """
    from gill_bench.analysis.galleries import galleries, model_tests, record_of
    from gill_bench.analysis.intervals import StoredIntervals
    from gill_bench.cards.find import Cards
    from gill_bench.errors import InputError
    from gill_bench.reporting import tables_for
    from gill_bench.reporting.page import PageContent, write_page
    from gill_bench.rundir.reader import RunReader

    if not runs:
        raise InputError("no run is given; name the folder of a run, for example: gill-bench report runs/NAME --html")
    page = folder or runs[0] / "page"
    if not isinstance(page, Path):
        raise InputError(f"{page}: a page is written to a folder on this machine; name one with --html=DIR")
    if folder is None and page.is_symlink():
        raise InputError(f"{page}: a symbolic link, which is not followed; name the page's folder with --html=DIR")
    cards = Cards(card_folders)
    stored = [RunReader.open(run) for run in runs]
    records = [record_of(run) for run in stored]
    with _without_collector():
        compared = tables_for(runs, cards, tables or None, compare=True, intervals=StoredIntervals(stored))
        content = PageContent(
            compared,
            galleries(stored, data),
            model_tests(stored),
            records,
            {card.name: card.title for card in cards.models()},
            tables_for(runs, cards, tables or None),
            next((run for run in runs if isinstance(run, Path) and page.resolve().is_relative_to(run.resolve())), None),
        )
        return write_page(page, content)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep Python's garbage collector from going through a run's millions of small values again and again.

    None of them is part of a cycle, so that all are freed without it; it takes a third of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
