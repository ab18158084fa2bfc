"""Why a number may not be compared with the paper's: stand-in weights, other data, a part of the data, warnings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gill_bench.cards.find import Cards
from gill_bench.mini.embedded import NOTE_DATA
from gill_bench.reporting.structure import Table, TableCell
from gill_bench.rundir.rows import Row
from gill_bench.rundir.signatures import field_of
from gill_bench.weights.embedded import NOTE_WEIGHTS

_SHORT = {NOTE_DATA: "embedded data", NOTE_WEIGHTS: "embedded weights"}
_STAND_INS = "small stand-in weights are behind "


def reasons_against(rows: Sequence[Row], variant: str, notes: Sequence[str], cards: Cards) -> tuple[str, ...]:
    """The reasons why the number of a cell means nothing beside the paper's; none if it may be compared.

    Args:
        rows: The results behind the cell.
        variant: The stand-in backbone of the metric, or "".
        notes: The notes of the run.
        cards: Where the task's card is found, which names the paper's data.
    """
    reasons = [short for note, short in _SHORT.items() if note in notes]
    if variant and NOTE_WEIGHTS not in notes:
        reasons.append(f"{_STAND_INS}{rows[0].metric}")
    if any(row.n_expected != row.n_available for row in rows):
        reasons.append("only a part of the data was asked")
    if NOTE_DATA not in notes:
        reasons += _other_data(rows, cards)
    if not set(notes) <= set(_SHORT):
        reasons.append("the notes of the run")
    return tuple(reasons)


def _other_data(rows: Sequence[Row], cards: Cards) -> Iterable[str]:
    """A reason for each data set or split that is not the one on the task's card."""
    for task, data in dict.fromkeys((row.task, field_of(row.signature, "data")) for row in rows):
        if data and task in cards.files["task"]:
            card = cards.task(task).data
            if data != f"{card.format}/{card.split}":
                yield f"the data is {data}, not {card.format}/{card.split}"


def not_comparable(cells: Iterable[TableCell]) -> tuple[str, ...]:
    """A sentence that says why some of the cells may not be compared with the paper's; none if all may."""
    reasons = dict.fromkeys(reason for cell in cells for reason in cell.incomparable)
    metrics = sorted(reason.removeprefix(_STAND_INS) for reason in reasons if reason.startswith(_STAND_INS))
    listed = [
        *([_STAND_INS + ", ".join(metrics)] if metrics else []),
        *(r for r in reasons if not r.startswith(_STAND_INS)),
    ]
    return (f"Not comparable with the paper: {'; '.join(listed)}.",) if listed else ()


def other_warnings(table: Table) -> tuple[str, ...]:
    """The notes of a table's run, without those that `not_comparable` says in two words."""
    return tuple(note for note in table.warnings if note not in _SHORT)
