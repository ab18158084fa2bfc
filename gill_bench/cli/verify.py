"""`gill-bench verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from gill_bench.cli.streams import emit


def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory.")],
    json_: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> int:
    """Is every stored output as it was written? Exit code 0 if so, 1 if anything is damaged.

    Every file of every unit is read and compared with the hash that was written with it. A damaged unit is withdrawn
    (its unit.json becomes unit.json.damaged; nothing is deleted), so that the command that made the run makes it again.

    \b
    Examples:
      gill-bench verify runs/vist
      gill-bench verify runs/vist --json
    """
    from dataclasses import asdict

    from gill_bench.errors import GillBenchError
    from gill_bench.progress import say
    from gill_bench.rundir import verify as verification
    from gill_bench.storage.files import folder_of
    from gill_bench.storage.json import to_json

    report = verification.verify(folder_of(run))
    if json_:
        emit(to_json({**asdict(report), "whole": report.whole}, indent=1))
    else:
        for unit in report.damaged:
            emit(f"{'withdrawn' if unit.withdrawn else 'damaged':9}  {unit.unit}: {unit.reason}")
        for problem in report.problems:
            emit(f"{'problem':9}  {problem.file}: {problem.reason}")
    say(f"{report.units} units, {report.files} files: {'all as they were written' if report.whole else 'damaged'}")
    if report.whole:
        return 0
    steps = []
    if any(unit.withdrawn for unit in report.damaged):
        steps.append("run the command that made it again: it makes the withdrawn units again and keeps the others")
    if not all(unit.withdrawn for unit in report.damaged):
        steps.append(
            "units that were not withdrawn (read-only, or in work): delete their folders, then the same command"
        )
    count = len(report.damaged) + len(report.problems)
    raise GillBenchError("\n".join([f"{run}: {count} of what is stored is not as it was written", *steps]))
