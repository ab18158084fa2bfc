"""A table as GitHub Markdown."""

from __future__ import annotations

import re

from gill_bench.reporting.structure import Table
from gill_bench.reporting.text import PrintedCell, PrintedLine, heading, legend, printed_lines, title_of
from gill_bench.reporting.trivial import trivial_lines

# The characters that GitHub reads as emphasis, code, link, table, HTML, heading, strike-through or mathematics.
_SPECIAL = re.compile(r"([\\`*_|\[\]<>#~$&])")
_LIST_MARK = re.compile(r"^(\d*)([-+.)])(?=\s|$)")


def escape(text: str) -> str:
    r"""Make a text literal in one line of Markdown.

    >>> print(escape("a|b *c*"))
    a\|b \*c\*
    """
    literal = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return _LIST_MARK.sub(r"\1\\\2", literal)


def render_markdown(table: Table) -> str:
    """Render as a title line, a pipe table and a list of notes."""
    titles = ["Model"]
    for column in table.columns:
        upper, lower = heading(column)
        titles.append("<br>".join(escape(part) for part in (upper, lower) if part))
    out = [escape(title_of(table)), "", _row(titles), _row(["---"] * len(titles))]
    for line in table.lines:
        for item in printed_lines(table, line):
            out.append(_row([_label(item), *map(_cell, item.cells)]))
    out += [_row([_label(item), *map(_cell, item.cells)]) for item in trivial_lines(table)]
    out += ["", *(f"- {escape(note)}" for note in (*table.warnings, *legend(table, "Bold"), *table.notes))]
    return "\n".join(out) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _label(line: PrintedLine) -> str:
    if line.mark:
        return f"{escape(line.label)} {line.mark}"
    return escape(line.label) if line.kind in ("ours", "trivial") else f"&nbsp;&nbsp;_{escape(line.label)}_"


def _cell(cell: PrintedCell) -> str:
    text = cell.text if cell.text == "-" else escape(cell.text)
    return (f"**{text}**" if cell.best else text) + cell.mark
