"""`gill-bench run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gill_bench.cards.limits import MOST
from gill_bench.cli.options import (
    Address,
    Data,
    Device,
    Engine,
    NoLocks,
    Split,
    WeightsFolder,
    device_names,
    listed,
)
from gill_bench.cli.streams import emit
from gill_bench.engines.options import DEFAULT_ENGINE

if TYPE_CHECKING:
    from gill_bench.evaluate import Outcome
    from gill_bench.planning.plan import Plan
    from gill_bench.planning.request import RunRequest


def run(
    tasks: Annotated[list[str], typer.Argument(metavar="TASK...", help="Tasks by name, a task card's path, or all.")],
    models: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B",
            help="Models by name or card path; all = every model that can do the task. Repeatable.",
            show_default="all",
        ),
    ] = None,
    contexts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B",
            help="paper, sweep, all, or names such as 5-captions-4-images. Repeatable.",
            show_default="paper; all with TASK all",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST["seeds"], help="How many seeds: 0, 1, ...", show_default="as the task's card says"
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST["limit"], help="At most so many examples that can be asked, from the start of the data."
        ),
    ] = None,
    data: Data = "mini",
    split: Split = None,
    weights: WeightsFolder = "mini",
    metric_weights: Annotated[
        str | None,
        typer.Option(metavar="DIR|mini", help="The same for the metrics' backbones.", show_default="as --weights"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR|URL", help="Run directory.", show_default="runs/<tasks>")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="CARD.KEY=VALUE", help="A setting of a task or model card; repeatable."),
    ] = None,
    device: Device = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST["batch_size"],
            help="Prompts a model call, each with all its seeds.",
            show_default="all of a unit; 16 on a CPU for anything but pictures",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST["threads"],
            help="CPU threads.",
            show_default="1 with embedded weights, else torch's own choice",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST["workers"],
            help="Processes per device that make and score outputs; with Ray workers in all.",
            show_default="one per CPU with embedded weights, else 1; with Ray all there is room for",
        ),
    ] = None,
    engine: Engine = DEFAULT_ENGINE,
    address: Address = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="PART/PARTS", help="Only one of equal parts, such as 3/16, for arrays of jobs."),
    ] = None,
    no_locks: NoLocks = False,
    max_failures: Annotated[
        int, typer.Option(min=0, max=MOST["max_failures"], help="More failed examples than these stop the run.")
    ] = 10,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="Also find out which parts of each context are read (60 calls a cell), and keep it."
        ),
    ] = False,
    cards: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="A folder with cards of your own; repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and plan only; load and download no weights.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the plan (--dry-run) or the rows as JSON.")] = False,
) -> int:
    """Generate and score; the same command again resumes.

    \b
    Examples:
      gill-bench run vist
      gill-bench run vist --models gill --contexts sweep --limit 8 --seeds 1
      gill-bench run vist --data vist --weights weights --contexts paper --seeds 5
      gill-bench run vist --set gill.guidance_scale=3.0 --out runs/vist-cfg3
      gill-bench run ./my-task.toml --models gill,./my-model.toml --dry-run
      gill-bench run vist --data vist --weights weights --devices cuda:0,cuda:1
      gill-bench run vist --data vist --weights weights --shard 3/16
      gill-bench run vist --data vist --weights weights --engine ray --address auto
    """
    from gill_bench.errors import IncompleteError
    from gill_bench.planning.plan import make_plan
    from gill_bench.planning.request import RunRequest
    from gill_bench.progress import say
    from gill_bench.rundir.load import results_text
    from gill_bench.weights.find import MINI

    request = RunRequest.of(
        tasks,
        out,
        models=listed(models) if models else ("all",),
        contexts=listed(contexts) if contexts else (),
        seeds=seeds or 0,
        limit=limit or 0,
        data=data,
        split=split,
        weights=weights,
        metric_weights=metric_weights,
        settings=settings or (),
        device=device_names(device),
        batch_size=batch_size or 0,
        threads=threads or 0,
        workers=workers or 0,
        engine=engine,
        address=address or "",
        max_failures=max_failures,
        shard=_shard(shard) if shard else (1, 1),
        card_folders=cards or (),
        locks=not no_locks,
    )
    if data == MINI:
        say("embedded data (mini): a small synthetic world; its numbers are not those of the real data")
    if weights == MINI:
        say(
            "embedded weights (mini): small models trained on that world; their numbers are not those of published ones"
        )
    plan = make_plan(request, dry=dry_run)
    _say_plan(plan)
    if dry_run:
        if json_:
            emit(_plan_json(plan))
        return 0
    from gill_bench.evaluate import execute

    outcome = execute(plan)
    if probe and request.shard[0] == 1:
        from gill_bench.checks.probe import probe_run

        probe_run(plan)
    if json_ and not outcome.left:
        emit(results_text(request.out), nl=False)
    elif not outcome.left:
        _print_main_tables(plan)
    _say_outcome(outcome, request)
    if not outcome.complete:
        raise IncompleteError(_incomplete(outcome, request.out))
    return 0


def _say_plan(plan: Plan) -> None:
    from gill_bench.progress import say

    say(f"run directory: {plan.request.out}")
    for planned in plan.cells:
        cell, name = planned.cell, planned.cell.key
        usable, total, seeds = len(cell.usable), len(cell.examples), len(cell.sample_seeds)
        missing = f", {total - usable} without their pictures" if usable < total else ""
        stored = usable * seeds - planned.samples_pending
        say(
            f"  {name}: {usable} examples{missing} x {seeds} seeds:"
            f" {stored} stored, {planned.samples_pending} to do in {len(planned.pending)} units"
            if seeds
            else f"  {name}: {usable} examples: from the labels alone"
        )
    left_out: dict[tuple[str, str], list[str]] = {}
    for task, model, context, reason in plan.cannot:
        left_out.setdefault((task, reason), []).append("/".join(part for part in (model, context) if part))
    for (task, reason), names in left_out.items():
        where = f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if any(names) else ""
        say(f"  {task}: left out: {reason}{where}")
    if not plan.cells:
        say("nothing to do")


def _print_main_tables(plan: Plan) -> None:
    """Print the first table of each task; where a model was run in two ways, the reason why there is none."""
    from gill_bench.cards.find import Cards
    from gill_bench.cli.screen import print_tables
    from gill_bench.errors import InputError
    from gill_bench.progress import say
    from gill_bench.reporting import tables_for

    tasks = {planned.cell.key.task for planned in plan.cells if planned.cell.task.card.metrics}
    try:
        tables = tables_for([plan.request.out], Cards(plan.request.card_folders), main_of=tasks) if tasks else []
    except InputError as error:
        say(f"no table: {error}")
        return
    say("")
    print_tables(tables)
    say("")


def _plan_json(plan: Plan) -> str:
    from gill_bench.storage.json import to_json

    cells = [
        {
            "task": planned.cell.key[0],
            "model": planned.cell.key[1],
            "context": planned.cell.key[2],
            "examples": len(planned.cell.usable),
            "missing": len(planned.cell.examples) - len(planned.cell.usable),
            "seeds": list(planned.cell.sample_seeds),
            "samples_pending": planned.samples_pending,
            "units_pending": len(planned.pending),
        }
        for planned in plan.cells
    ]
    cannot = [dict(zip(("task", "model", "context", "reason"), entry, strict=True)) for entry in plan.cannot]
    return to_json({"cells": cells, "cannot": cannot}, indent=1)


def _incomplete(outcome: Outcome, out: Path) -> str:
    if outcome.left:
        return f"{out}: {len(outcome.failures)} examples of this part failed; the same command tries them again"
    return f"{out}: " + "\n".join(outcome.lacking("the same command"))


def _shard(text: str) -> tuple[int, int]:
    """The two numbers of a text such as `3/16`; `RunRequest` says which numbers are a part."""
    from gill_bench.errors import InputError
    from gill_bench.storage.reading import shorten

    number, _, parts = text.partition("/")
    digits = len(str(MOST["parts"]))
    if not all(part.isdecimal() and len(part) <= digits for part in (number, parts)):
        raise InputError(
            f"--shard {shorten(text)}: expected PART/PARTS, such as 3/16; the first is 1, and there are at most"
            f" {MOST['parts']}"
        )
    return int(number), int(parts)


def _say_outcome(outcome: Outcome, request: RunRequest) -> None:
    from gill_bench.errors import command
    from gill_bench.progress import say

    out = request.out
    if outcome.again:
        calls = "a call" if len(outcome.again) == 1 else f"{len(outcome.again)} calls"
        say(
            f"{calls} with several prompts raised, and worked with one at a time (said above, and in their unit.json);"
            " a smaller --batch-size may avoid it"
        )
    if outcome.left:
        state = f"{len(outcome.failures)} of its examples failed" if outcome.failures else "done"
        say(
            f"part {request.shard[0]} of {request.shard[1]}: {state}; {outcome.left} outputs of the whole run are left."
            f" The part that makes the last one scores; or, at the end: {command('score', out)}"
        )
        return
    missing = outcome.results.missing
    if missing:
        some = "; ".join(f"{item.example}: {item.reason}" for item in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        say(f"{len(missing)} examples could not be asked ({some}{more}); all are listed in {out / 'results.json'}")
    say(f"results: {out / 'results.json'}; tables: {command('report', out)}")
