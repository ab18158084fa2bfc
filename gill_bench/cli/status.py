"""`gill-bench status`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gill_bench.cli.streams import emit

if TYPE_CHECKING:
    from gill_bench.analysis.status import CellStatus, RunStatus


def status(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory, or a folder of runs.")],
    json_: Annotated[bool, typer.Option("--json", help="Print JSON: everything, each unit and each failure.")] = False,
) -> int:
    """Print how much of a run is done and how fast, what failed, and how long the rest takes; also while it runs.

    Nothing is written, and neither data nor weights are opened, so that it can be asked at any time and anywhere the
    folder can be read. Exit code 0 for any run that can be read, finished or not: --json says its state.

    \b
    Examples:
      gill-bench status runs/vist
      gill-bench status runs
      gill-bench status runs/vist --json
    """
    from gill_bench.analysis.status import status
    from gill_bench.rundir.folders import runs_below
    from gill_bench.storage.files import folder_of
    from gill_bench.storage.json import to_json

    folder = folder_of(run)
    folders = runs_below(folder)
    statuses = [status(each) for each in folders]
    if json_:
        contents = [_content(each) for each in statuses]
        emit(to_json(contents[0] if folders == [folder] else {"runs": contents}, indent=1))
    elif folders == [folder]:
        emit("\n".join(_lines(statuses[0])))
    else:
        names = [each.folder.relative_to(folder).as_posix() for each in statuses]
        width = max(map(len, names))
        emit("\n".join(f"{name:<{width}}  {_summary(each)}" for name, each in zip(names, statuses, strict=True)))
    return 0


def _content(each: RunStatus) -> dict[str, Any]:
    from dataclasses import asdict

    cells = [
        {**asdict(cell), "expected": cell.expected, "failed": cell.failed, "seconds_a_sample": cell.seconds_a_sample}
        for cell in each.cells
    ]
    return {
        "run": str(each.folder),
        "state": each.state,
        "done": each.done,
        "expected": each.expected,
        "missing": each.missing,
        "workers": each.workers,
        "seconds_left": each.seconds_left,
        "pictures": list(map(str, each.pictures())),
        "cells": cells,
    }


def _summary(each: RunStatus) -> str:
    expected = "unknown" if each.expected is None else each.expected
    parts = [each.state, f"{each.done} of {expected} samples"]
    failed = sum(cell.failed for cell in each.cells)
    if failed:
        parts.append(f"{failed} failed")
    if each.missing:
        parts.append(f"{each.missing} examples without their data")
    if each.state == "under way" or each.seconds_left:
        left = each.seconds_left
        parts.append("time left unknown" if left is None else f"about {in_words(left)} left")
    return ", ".join(parts)


def _lines(each: RunStatus) -> Iterator[str]:
    from gill_bench.errors import command

    yield f"{each.folder}: {_summary(each)}"
    rows = [("cell", "samples", "units", "s/sample", ""), *(_row(cell) for cell in each.cells)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, *numbers, words in rows:
        columns = [f"{text:>{width}}" for text, width in zip(numbers, widths[1:], strict=True)]
        yield f"  {name:<{widths[0]}}  {'  '.join(columns)}  {words}".rstrip()
    for item in each.failures:
        where = f" at {item.where}" if item.where else ""
        names = ", ".join(item.examples[:3]) + (", ..." if len(item.examples) > 3 else "")
        seeds = f"seed{'s' * (len(item.seeds) > 1)} {', '.join(map(str, item.seeds))}"
        yield f"{item.outcome}: {item.cell_key}, {len(item.examples)} examples ({names}), {seeds}: {item.reason}{where}"
        yield f"    traceback: {each.folder / item.record}"
    yield from (f"damaged: {sentence}" for sentence in each.damaged)
    if each.damaged:
        yield f"    {command('verify', each.folder)} says which units must be made again"
    pictures = each.pictures()
    if pictures:
        yield "last pictures:"
        yield from (f"  {picture}" for picture in pictures)


def _row(cell: CellStatus) -> tuple[str, str, str, str, str]:
    expected = "unknown" if cell.expected is None else cell.expected
    seconds = cell.seconds_a_sample
    words = ["scored"] if cell.scored and not cell.pending else []
    words += [f"{cell.failed} failed"] if cell.failed else []
    words += [f"{cell.kept} more of units in work"] if cell.kept else []
    samples = f"{cell.done} of {expected}" if cell.seeds else "none to make"
    return (
        str(cell.cell_key),
        samples,
        f"{len(cell.units)}",
        "-" if seconds is None else f"{seconds:.3g}",
        ", ".join(words),
    )


def in_words(seconds: float) -> str:
    """A span of time as words.

    >>> in_words(0.2), in_words(95), in_words(5400), in_words(200_000)
    ('1 s', '95 s', '90 min', '55.6 h')
    """
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
