"""Parts of a page that stay in memory until it is written again, so that only what is new is read and drawn."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from gill_bench.reporting.page.folder import Shelf
from gill_bench.reporting.structure import Table

_EARLIER_PAGES = 2
"""How many earlier pages keep their files: a browser may still show them, and load what it has not loaded yet."""


@dataclass
class PageMemory:
    """The memory of one page. With a new memory, everything is drawn, and files of earlier pages are removed.

    Attributes:
        shelves: The pictures by task and context (the data's pictures by task and ""), which keep their numbers: those
            that come later stand behind the others, and only files with new pictures are written.
        figures: By name and format, each table that was drawn last, and its drawing.
        earlier: The names of the files of earlier pages.
    """

    shelves: dict[tuple[str, str], Shelf] = field(default_factory=dict)
    figures: dict[tuple[str, str], tuple[Table, bytes]] = field(default_factory=dict)
    earlier: deque[frozenset[str]] = field(default_factory=lambda: deque(maxlen=_EARLIER_PAGES))

    def shelf(self, task: str, context: str = "", at_once: int = 1) -> Shelf:
        """The shelf of a context's pictures, or of the pictures of a task's data."""
        return self.shelves.setdefault((task, context), Shelf(at_once))

    def figure(self, table: Table, format: str) -> bytes:
        """The drawing of a table; it is drawn again if it is another table than before."""
        from gill_bench.reporting.figure import render_figure

        drawn = self.figures.get((table.name, format))
        if drawn is None or drawn[0] is not table:
            drawn = self.figures[table.name, format] = table, render_figure(table, format)
        return drawn[1]

    def kept(self, names: Collection[str]) -> frozenset[str]:
        """The names of the files that stay: those of this page, which it remembers, and of the pages before it."""
        earlier = frozenset(name for page in self.earlier for name in page)
        self.earlier.append(frozenset(names))
        return earlier | frozenset(names)
