"""The server's answer when the page's script asks how a run is: plain values, which the script shows above the page."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from gill_bench.analysis.status import CellStatus, RunStatus
from gill_bench.reporting.view.library import Library
from gill_bench.reporting.view.viewed import PICTURES, ViewedRun
from gill_bench.rundir.records import UNITS

_MOST_FAILURES, _MOST_PICTURES = 20, 6


def state_of_run(viewed: ViewedRun, *, alone: bool) -> dict[str, Any]:
    """The state of a run whose page is shown; `alone` if no other run is served."""
    state: dict[str, Any] = {"version": viewed.version, "problem": viewed.problem, "alone": alone}
    known = viewed.status
    if known is None:
        return state
    failures = [
        {
            "where": f"{item.cell_key}, {', '.join(item.examples[:3])}{', ...' if len(item.examples) > 3 else ''}",
            "reason": f"{item.outcome}: {item.reason}{f' at {item.where}' if item.where else ''}",
            "record": item.record,
        }
        for item in known.failures[:_MOST_FAILURES]
    ]
    pictures = [picture.relative_to(known.folder / UNITS).as_posix() for picture in known.pictures(_MOST_PICTURES)]
    return {
        **state,
        **_counts(known),
        "cells": [_cell(cell) for cell in known.cells],
        "failures": failures,
        "more_failures": len(known.failures) - len(failures),
        "damaged": list(known.damaged),
        "pictures": [f"{PICTURES}/{quote(picture)}" for picture in pictures],
    }


def state_of_library(library: Library) -> dict[str, Any]:
    """The state of all runs of a folder."""
    runs = []
    for name, known in library.statuses().items():
        counts = {"problem": known} if isinstance(known, str) else _counts(known)
        runs.append({"name": name, "address": f"{quote(name, safe='')}/", **counts})
    return {"runs": runs}


def _counts(known: RunStatus) -> dict[str, Any]:
    return {
        "state": known.state,
        "done": known.done,
        "expected": known.expected,
        "failed": sum(cell.failed for cell in known.cells),
        "missing": known.missing,
        "left": known.seconds_left,
    }


def _cell(cell: CellStatus) -> dict[str, Any]:
    return {
        "name": str(cell.cell_key),
        "done": cell.done,
        "expected": cell.expected,
        "kept": cell.kept,
        "failed": cell.failed,
        "seconds": cell.seconds_a_sample,
        "scored": cell.scored and not cell.pending,
        "makes": bool(cell.seeds),
    }
