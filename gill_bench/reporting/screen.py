"""The terminal that a table is printed for."""

from __future__ import annotations

from typing import NamedTuple


class Screen(NamedTuple):
    """The terminal that a text is for.

    Attributes:
        width: Its width in characters.
        color: Whether bold and dim may be used (ANSI escapes).
        notes: Whether all notes are printed, and signatures as a whole; otherwise the few that nobody can do without.
    """

    width: int = 120
    color: bool = False
    notes: bool = True
