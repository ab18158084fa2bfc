"""`gill-bench check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gill_bench.cli.streams import emit


def check(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    against: Annotated[Path, typer.Option(metavar="GOLDEN", help="The golden file.")],
    tolerance: Annotated[
        list[str] | None,
        typer.Option(metavar="[METRIC=]X", help="A loss up to this is none; repeatable.", show_default="0"),
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Write the golden file from this run.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Is a run as good as it was? Exit code 3 for a regression, 4 if something is missing.

    Where a metric has values of single examples, a loss counts only if its paired 95 % interval excludes zero, also
    after allowing for the number of metrics, and exceeds the tolerance.

    \b
    Examples:
      gill-bench check runs/vist --against goldens/vist.json --update
      gill-bench check runs/vist --against goldens/vist.json --tolerance 0.005 --tolerance fid=1
    """
    from dataclasses import asdict

    from gill_bench.analysis import golden
    from gill_bench.errors import IncompleteError, RegressionError
    from gill_bench.progress import say
    from gill_bench.rundir.reader import RunReader
    from gill_bench.storage.files import folder_of
    from gill_bench.storage.json import to_json
    from gill_bench.storage.paths import refuse_url

    refuse_url(against, "--against")
    stored = RunReader.open(folder_of(run))
    if update:
        golden.write_golden(against, stored)
        say(f"written: {against}")
        return 0
    verdicts = golden.check(stored, golden.read_golden(against, stored.folder), _tolerances(tolerance or []))
    if json_:
        emit(to_json([asdict(verdict) for verdict in verdicts], indent=1))
    else:
        for verdict in verdicts:
            values = " -> ".join("-" if value is None else f"{value:.4f}" for value in (verdict.was, verdict.now))
            emit(f"{verdict.state:11} {verdict.name}: {values}, {verdict.note}")
    worse = [verdict.name for verdict in verdicts if verdict.state in ("regression", "changed")]
    if worse:
        raise RegressionError(f"{run}: {len(worse)} of {len(verdicts)} numbers do not hold: {', '.join(worse[:3])}")
    missing = [verdict.name for verdict in verdicts if verdict.state == "incomplete"]
    if missing:
        raise IncompleteError(f"{run}: {len(missing)} of {len(verdicts)} numbers are missing: {', '.join(missing[:3])}")
    return 0


def _tolerances(texts: list[str]) -> dict[str, float]:
    from gill_bench.errors import InputError

    tolerances = {}
    for text in texts:
        metric, _, value = text.rpartition("=")
        try:
            tolerances[metric] = float(value)
        except ValueError:
            raise InputError(f"--tolerance {text}: expected a number, or METRIC=NUMBER") from None
    return tolerances
