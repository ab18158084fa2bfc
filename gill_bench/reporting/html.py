"""A table as a fragment of HTML, to paste into a page or show in a notebook: no style, no script, all texts escaped."""

from __future__ import annotations

from html import escape

from gill_bench.reporting.structure import Table
from gill_bench.reporting.text import (
    PrintedCell,
    PrintedLine,
    groups,
    heading,
    legend,
    printed_lines,
    title_of,
)
from gill_bench.reporting.trivial import trivial_lines


def render_html(table: Table) -> str:
    """Render as a table with its title as caption, and a list of notes.

    Each line has the class `ours`, `interval`, `paper`, `difference` or `trivial`, so that a page can style it.
    """
    out = [
        '<div class="gill-bench-table">',
        "<table>",
        f"<caption>{escape(title_of(table))}</caption>",
        "<thead>",
        *_headings(table),
        "</thead>",
        "<tbody>",
        *(_row(item) for line in table.lines for item in printed_lines(table, line)),
        *map(_row, trivial_lines(table)),
        "</tbody>",
        "</table>",
        "<ul>",
        *(f"<li>{escape(note)}</li>" for note in (*table.warnings, *legend(table, "Bold"), *table.notes)),
        "</ul>",
        "</div>",
    ]
    return "\n".join(out) + "\n"


def _headings(table: Table) -> list[str]:
    """One line of headings, or two if there are groups; the heading of a column without a group spans both lines."""
    titles = [heading(column) for column in table.columns]
    if not any(upper for upper, _ in titles):
        return [f'<tr><th scope="col">Model</th>{"".join(_column(lower) for _, lower in titles)}</tr>']
    upper, start = ['<th scope="col" rowspan="2">Model</th>'], 0
    for group, count in groups(table):
        if group:
            upper.append(f'<th scope="colgroup" colspan="{count}">{escape(group)}</th>')
        else:
            upper += [_column(lower, ' rowspan="2"') for _, lower in titles[start : start + count]]
        start += count
    return [
        f"<tr>{''.join(upper)}</tr>",
        f"<tr>{''.join(_column(lower) for group, lower in titles if group)}</tr>",
    ]


def _column(title: str, attributes: str = "") -> str:
    return f'<th scope="col"{attributes}>{escape(title)}</th>'


def _row(line: PrintedLine) -> str:
    label = escape(f"{line.label} {line.mark}" if line.mark else line.label)
    first = label if line.kind in ("ours", "trivial") or line.mark else f"<em>{label}</em>"
    return f'<tr class="{line.kind}"><th scope="row">{first}</th>{"".join(map(_cell, line.cells))}</tr>'


def _cell(cell: PrintedCell) -> str:
    text = escape(cell.text)
    return f"<td>{f'<strong>{text}</strong>' if cell.best else text}{escape(cell.mark)}</td>"
