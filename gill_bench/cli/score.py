"""`gill-bench score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gill_bench.cards.limits import MOST
from gill_bench.cli.options import Address, Device, Engine, NoLocks, device_names
from gill_bench.cli.streams import emit
from gill_bench.engines.options import DEFAULT_ENGINE


def score(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    data: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where the run's data is now.", show_default="where it was")
    ] = None,
    device: Device = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST["workers"],
            help="Processes per device; with Ray workers in all.",
            show_default="one per CPU with embedded weights, else 1; with Ray all there is room for",
        ),
    ] = None,
    engine: Engine = DEFAULT_ENGINE,
    address: Address = None,
    no_locks: NoLocks = False,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=MOST["threads"], help="CPU threads.", show_default="as the command that made the run"),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> int:
    """Score what a run has stored and write its results again; generates nothing.

    \b
    Examples:
      gill-bench score runs/vist
      gill-bench score runs/vist --json
    """
    from gill_bench.errors import IncompleteError, command
    from gill_bench.evaluate import score as score_run
    from gill_bench.progress import say
    from gill_bench.rundir.load import results_text
    from gill_bench.storage.files import folder_of

    run = folder_of(run)
    devices = device_names(device)
    outcome = score_run(
        run,
        devices,
        threads or 0,
        data,
        workers=workers or 0,
        engine=engine,
        address=address or "",
        locks=not no_locks,
    )
    if json_:
        emit(results_text(run), nl=False)
    say(f"results: {run / 'results.json'}; tables: {command('report', run)}")
    if not outcome.complete:
        raise IncompleteError(f"{run}: " + "\n".join(outcome.lacking("the command that made the run")))
    return 0
