r"""A table as LaTeX that needs `\usepackage{booktabs}` and nothing else.

Characters beyond Latin in people's own names and notes pass unchanged; they need a Unicode engine (XeLaTeX, LuaLaTeX).
"""

from __future__ import annotations

import re

from gill_bench.reporting.structure import Table
from gill_bench.reporting.text import (
    PrintedCell,
    PrintedLine,
    groups,
    heading,
    legend,
    printed_lines,
    stacked,
)

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "%": r"\%",
    "_": r"\_\allowbreak{}",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # In LaTeX's default encoding these would print as other characters; a signature may break after "|".
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}\allowbreak{}",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
}
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPES)))
_LONGEST_TITLE = 12
# More columns of the form "0.612 ± 0.0011" than these need smaller print to fit the text width of NeurIPS (397 pt).
_MOST_COLUMNS = 4


def escape(text: str) -> str:
    r"""Make a text literal in LaTeX.

    >>> print(escape("50% of a_b & c"))
    50\% of a\_\allowbreak{}b \& c
    """
    literal = _SPECIAL.sub(lambda match: _ESCAPES[match[0]], " ".join(text.split()))
    return re.sub("-(?=-)", "-{}", literal)


def render_latex(table: Table) -> str:
    """Render as a floating table with a label made of its name; the number of the table is up to the document."""
    notes = [table.caption, *table.warnings, *legend(table, "Bold"), *table.notes]
    titles = ["Model", *(_title(heading(column)[1]) for column in table.columns)]
    out = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{' '.join(map(_sentence, notes))}}}",
        rf"\label{{tab:{re.sub('[^a-zA-Z0-9-]', '-', table.name)}}}",
        r"\scriptsize" if len(table.columns) > _MOST_COLUMNS else r"\footnotesize",
        r"\setlength{\tabcolsep}{2pt}",
        rf"\begin{{tabular}}{{@{{}}l{'l' * len(table.columns)}@{{}}}}",
        r"\toprule",
        *_group_lines(table),
        " & ".join(titles) + r" \\",
        r"\midrule",
    ]
    for index, line in enumerate(table.lines):
        if table.compared and index:
            out.append(r"\addlinespace")
        out += [" & ".join([_label(item), *map(_cell, item.cells)]) + r" \\" for item in printed_lines(table, line)]
    out += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(out) + "\n"


def _group_lines(table: Table) -> list[str]:
    """The headings over several columns and the rules below them."""
    heads, rules = [], []
    first = 2  # the first column names the models
    for title, count in groups(table):
        heads.append(rf"\multicolumn{{{count}}}{{c}}{{{escape(title)}}}")
        if title:
            rules.append(rf"\cmidrule(lr){{{first}-{first + count - 1}}}")
        first += count
    return [f" & {' & '.join(heads)} \\\\", " ".join(rules)] if rules else []


def _title(title: str) -> str:
    """A column heading; a long one is stacked, since it would widen its column."""
    parts = [escape(part) for part in stacked(title, _LONGEST_TITLE)]
    return parts[0] if len(parts) == 1 else r"\shortstack[l]{" + r" \\ ".join(map(_start, parts)) + "}"


def _sentence(note: str) -> str:
    text = escape(note)
    return text if note.endswith((".", "!", "?")) else f"{text}."


def _start(text: str) -> str:
    """Keep a bracket or star at the start of a line from being taken for an argument of the line break before it."""
    return "{}" + text if text.startswith(("[", "*")) else text


def _label(line: PrintedLine) -> str:
    if line.mark:
        return f"{_start(escape(line.label))} {escape(line.mark)}"
    return _start(escape(line.label)) if line.kind == "ours" else rf"\quad {escape(line.label)}"


def _cell(cell: PrintedCell) -> str:
    # A hyphen before digits is a minus; alone it is the sign of an empty cell.
    text = re.sub(r"^-(?=\d)", "$-$", escape(cell.text)) if cell.text != "-" else "--"
    text = text.replace(r" $\pm$ ", r"\,$\pm$\,")
    return (rf"\textbf{{{text}}}" if cell.best else text) + escape(cell.mark)
