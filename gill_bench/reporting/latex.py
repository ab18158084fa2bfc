r"""A table as LaTeX that needs `\usepackage{booktabs}` and nothing else.

Characters beyond Latin in people's own names and notes pass unchanged; they need a Unicode engine (XeLaTeX, LuaLaTeX).
"""

from __future__ import annotations

import re
from dataclasses import replace

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
from gill_bench.reporting.trivial import trivial_lines

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
# More than _MOST_COLUMNS columns of the form "0.612 ± 0.0011" need smaller print to fit the text width of NeurIPS
# (397 pt), and more than _MOST_SMALL_COLUMNS do not fit at all.
_MOST_COLUMNS = 4
_MOST_SMALL_COLUMNS = 6
# More columns with intervals, such as "[0.6105, 0.6131]", do not fit.
_MOST_INTERVAL_COLUMNS = 5
# LaTeX sets a caption on one line first, to see whether it fits, and fails beyond 16383 pt, some 3500 characters.
_LONGEST_CAPTION = 2000
# Longer notes are set smaller, so that a table stays within a page.
_LONG_NOTES = 1500


def escape(text: str) -> str:
    r"""Make a text literal in LaTeX.

    >>> print(escape("50% of a_b & c"))
    50\% of a\_\allowbreak{}b \& c
    """
    literal = _SPECIAL.sub(lambda match: _ESCAPES[match[0]], " ".join(text.split()))
    return re.sub("-(?=-)", "-{}", literal)


def render_latex(table: Table) -> str:
    """Render as a floating table whose label is made of the table's name; LaTeX numbers it.

    The run's warnings are in the caption; the legend and all other notes stand below the table.
    """
    caption, notes = [table.caption], [*legend(table, "Bold"), *table.notes]
    for index, warning in enumerate(table.warnings):
        if len(" ".join((*caption, warning))) > _LONGEST_CAPTION:
            notes = [*table.warnings[index:], *notes]
            break
        caption.append(warning)
    parts = _parts(table)
    out = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{' '.join(map(_sentence, caption))}}}",
        rf"\label{{tab:{re.sub('[^a-zA-Z0-9-]', '-', table.name)}}}",
        r"\scriptsize" if max(stop - start for start, stop in parts) > _MOST_COLUMNS else r"\footnotesize",
        r"\setlength{\tabcolsep}{2pt}",
    ]
    for index, (start, stop) in enumerate(parts):
        out += [*(["", r"\medskip"] if index else []), *_tabular(table, start, stop)]
    if notes:
        below = " ".join(map(_sentence, notes))
        size = r"\scriptsize" if len(below) <= _LONG_NOTES else r"\tiny"
        out += ["", r"\smallskip", rf"\begin{{minipage}}{{\linewidth}}{size} {below}\end{{minipage}}"]
    out.append(r"\end{table}")
    return "\n".join(out) + "\n"


def _parts(table: Table) -> list[tuple[int, int]]:
    """First and last column of each tabular; tabulars stand below one another, with whole groups where these fit."""
    intervals = any(cell.interval for line in table.lines for cell in line.cells) and table.compared
    most = _MOST_INTERVAL_COLUMNS if intervals else _MOST_SMALL_COLUMNS
    parts = [(0, 0)]
    for _, count in groups(table):
        start, stop = parts[-1]
        if start < stop and stop - start + count > most:
            parts.append((stop, stop))
        while count:
            start, stop = parts[-1]
            taken = min(count, most - (stop - start))
            parts[-1] = (start, stop + taken)
            count -= taken
            if count:
                parts.append((stop + taken, stop + taken))
    return parts


def _tabular(table: Table, start: int, stop: int) -> list[str]:
    """One tabular: all models, with the columns from `start` to before `stop`."""
    titles = ["Model", *(_title(heading(column)[1]) for column in table.columns[start:stop])]
    out = [
        rf"\begin{{tabular}}{{@{{}}l{'l' * (stop - start)}@{{}}}}",
        r"\toprule",
        *_group_lines(table, start, stop),
        " & ".join(titles) + r" \\",
        r"\midrule",
    ]
    for index, line in enumerate(table.lines):
        if table.compared and index:
            out.append(r"\addlinespace")
        for item in printed_lines(table, line):
            out.append(" & ".join([_label(item), *map(_cell, item.cells[start:stop])]) + r" \\")
    for item in trivial_lines(table):
        out += [r"\midrule", " & ".join([_label(item), *map(_cell, item.cells[start:stop])]) + r" \\"]
    return [*out, r"\bottomrule", r"\end{tabular}"]


def _group_lines(table: Table, start: int, stop: int) -> list[str]:
    """The headings over groups of columns, and the rules below them."""
    heads, rules = [], []
    first = 2  # the first column names the models
    for title, count in groups(replace(table, columns=table.columns[start:stop])):
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
    return _start(escape(line.label)) if line.kind in ("ours", "trivial") else rf"\quad {escape(line.label)}"


def _cell(cell: PrintedCell) -> str:
    # A hyphen before digits is a minus sign; a hyphen alone is the sign of an empty cell.
    text = re.sub(r"^-(?=\d)", "$-$", escape(cell.text)) if cell.text != "-" else "--"
    mean, sign, std = text.partition(r" $\pm$ ")
    # Bold letters are wider, so that only the mean is bold.
    mean = rf"\textbf{{{mean}}}" if cell.best else mean
    return mean + (rf"\,$\pm$\,{std}" if sign else "") + escape(cell.mark)
