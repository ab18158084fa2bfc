"""`gill-bench mini findings`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gill_bench.cards.limits import LARGEST, MOST
from gill_bench.cli.options import listed
from gill_bench.cli.streams import emit

if TYPE_CHECKING:
    from gill_bench.analysis.findings import JudgedFinding


def findings(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN...", help="Runs on the mini world.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST, help="Draw the world of this seed, run what is needed there, and judge that."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --seed: where world and runs are.", show_default="runs/findings"),
    ] = None,
    tasks: Annotated[
        list[str] | None, typer.Option(metavar="A,B", help="With --seed: only these tasks.", show_default="all")
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=MOST["seeds"], help="With --seed: noise seeds of every picture.")
    ] = 2,
    limit: Annotated[
        int | None, typer.Option(min=1, max=MOST["limit"], help="With --seed: at most so many examples of each task.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Check which of the paper's findings runs on the mini world show, by paired differences with 95 % intervals.

    Seeds are averaged within an example; examples of one cluster are resampled together (cluster bootstrap). A finding
    holds if the interval is above zero, and is the opposite if it is below. With --seed, the same command resumes.

    \b
    Examples:
      gill-bench run all --out runs/all
      gill-bench mini findings runs/all
      gill-bench mini findings --seed 7
      gill-bench mini findings --seed 7 --tasks vist --limit 8 --seeds 1
    """
    from gill_bench.analysis.findings import EXPECTED, judge
    from gill_bench.checks.fresh_world import run_on_fresh_world
    from gill_bench.errors import InputError, did_you_mean
    from gill_bench.rundir.reader import RunReader
    from gill_bench.storage.json import to_json

    if bool(runs) == (seed is not None):
        raise InputError("name either runs, or a seed with --seed N")
    if seed is not None:
        chosen = listed(tasks) if tasks else ()
        known = {finding.task for finding in EXPECTED}
        for name in chosen:
            if name not in known:
                raise InputError(f"--tasks {name}: no finding is about it; {did_you_mean(name, known)}")
        cells = [(finding.task, finding.split, cell) for finding in EXPECTED for cell in finding.cells]
        folder = out or Path("runs") / "findings"
        runs = run_on_fresh_world(folder, seed, cells, seeds=seeds, limit=limit or 0, tasks=chosen)
    judged = judge([RunReader.open(run) for run in runs or ()])
    if json_:
        emit(to_json([_record(item) for item in judged], indent=1))
        return 0
    table = ""
    for item in judged:
        if item.finding.table != table:
            table = item.finding.table
            emit(f"{table}:")
        emit(f"  {_sentence(item)}")
    return 0


def _record(item: JudgedFinding) -> dict[str, object]:
    finding, gain = item.finding, item.gain
    return {
        "table": finding.table,
        "task": finding.task,
        "split": finding.split,
        "better": "/".join(finding.better),
        "than": "/".join(finding.than) if finding.than else item.trivial,
        "metric": finding.metric,
        "gain": gain.mean,
        "low": gain.low,
        "high": gain.high,
        "examples": gain.n,
        "stories": gain.n,
        "clusters": gain.clusters,
        "holds": gain.above_zero,
        "verdict": item.verdict,
    }


def _sentence(item: JudgedFinding) -> str:
    finding, gain = item.finding, item.gain
    than = "/".join(finding.than) if finding.than else item.trivial
    split = f" ({finding.split})" if finding.split else ""
    return (
        f"{'/'.join(finding.better)} over {than}, {finding.metric}{split}: {gain.mean:+.3f}"
        f" [{gain.low:+.3f}, {gain.high:+.3f}], {gain.n} examples in {gain.clusters} clusters: {item.verdict}"
    )
