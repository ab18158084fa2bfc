"""The terminal that a command prints on: its width, and whether it shows bold and dim."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from gill_bench.cli.streams import emit
from gill_bench.reporting.screen import Screen

if TYPE_CHECKING:
    from gill_bench.reporting.structure import Table

_WITHOUT_TERMINAL = 120
_STREAMS = (1, 2, 0)  # stdout, or, where it is a pipe (| less), the terminal that the command was started from


def screen(*, notes: bool = False) -> Screen:
    """The screen that stdout is shown on.

    Args:
        notes: Whether all notes are printed.
    """
    terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return Screen(_width(), terminal and not os.environ.get("NO_COLOR"), notes)


def _width() -> int:
    """The width that COLUMNS names, else that of a terminal, else 120."""
    width = shutil.get_terminal_size((0, 0)).columns
    for stream in () if width else _STREAMS:
        with suppress(OSError, ValueError):  # closed, or no terminal
            width = width or os.get_terminal_size(stream).columns
    return width or _WITHOUT_TERMINAL


def print_tables(tables: Sequence[Table], *, notes: bool = False) -> None:
    """Print tables on stdout.

    Args:
        tables: The tables.
        notes: Whether all notes are printed.
    """
    from gill_bench.reporting import render

    on = screen(notes=notes)
    text = render(tables, "terminal", width=on.width, color=on.color, notes=notes)
    # UTF-8 bytes, because a redirected stdout may have an encoding without the arrows of the tables.
    emit(text.encode(), nl=False)
