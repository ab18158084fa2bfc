"""The look of all figures: colours, markers, settings of matplotlib, and the description that a file carries."""

from __future__ import annotations

from typing import Any

from gill_bench.reporting.structure import Table
from gill_bench.reporting.text import title_of

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The colours of curves, by Okabe and Ito (2008): colour-blind readers tell them apart."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
_INK = "#222222"
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "gill-bench",  # otherwise ids are random
    "svg.fonttype": "none",  # text stays text: it can be searched, copied and read aloud
    "text.parse_math": False,  # a dollar sign in a name stays a dollar sign
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": "#888888",
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def metadata_of(table: Table, format: str) -> dict[str, Any]:
    """The title and description of a figure's file: the warnings and notes of its table, and no date."""
    description = "\n".join((*table.warnings, *table.notes))
    own: dict[str, Any] = {"Date": None, "Creator": "gill-bench"} if format == "svg" else {"Software": "gill-bench"}
    return {"Title": title_of(table), "Description": description, **own}
