"""`gill-bench run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gill_bench.cards.limits import MOST
from gill_bench.cli.completion import model_names, task_names
from gill_bench.cli.options import (
    OUT_VARIABLE,
    Address,
    CardFolders,
    Data,
    Device,
    Engine,
    NoLocks,
    Split,
    WeightsFolder,
    device_names,
    listed,
    say_variable,
)
from gill_bench.cli.streams import emit
from gill_bench.engines.options import DEFAULT_ENGINE

if TYPE_CHECKING:
    from gill_bench.analysis.forecast import Forecast
    from gill_bench.planning.plan import Plan
    from gill_bench.planning.request import RunRequest


_ATTRIBUTES = {"no_locks": "locks", "cards": "card_folders"}
"""Attributes of `RunRequest` that have another name than the parameter of `run`."""


def run(
    ctx: typer.Context,
    tasks: Annotated[
        list[str],
        typer.Argument(
            metavar="TASK...",
            help="Tasks by name, a task card's path, or all; or a file such as experiment.toml.",
            autocompletion=task_names,
        ),
    ],
    models: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B",
            help="Models by name or card path; all = every model that can do the task. Repeatable.",
            autocompletion=model_names,
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
        Path | None,
        typer.Option(
            metavar="DIR|URL",
            help="Run directory.",
            show_default="runs/<tasks>",
            envvar=OUT_VARIABLE,
            callback=say_variable,
        ),
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
    cards: CardFolders = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Write the command as a file that run takes.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check and plan only, with time, disk and memory; load and download no weights."
        ),
    ] = False,
    pilot: Annotated[
        bool,
        typer.Option(
            "--pilot", help="With --dry-run: load the models whose time is unknown, and time a few calls of each."
        ),
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
      gill-bench run ./my-task.toml --models gill,./my-model.toml --dry-run --pilot
      gill-bench run vist --data vist --weights weights --devices cuda:0,cuda:1
      gill-bench run vist --models gill --seeds 5 --save experiment.toml
      gill-bench run experiment.toml --seeds 1 --out runs/quick
      gill-bench run vist --data vist --weights weights --shard 3/16
      gill-bench run vist --data vist --weights weights --engine ray --address auto
    """
    from gill_bench.errors import GillBenchError, IncompleteError, InputError

    if pilot and not dry_run:
        raise InputError("--pilot: measures what --dry-run says and keeps nothing; give both, or neither to run")
    options = {
        "models": listed(models) if models else ("all",),
        "contexts": listed(contexts) if contexts else None,
        "seeds": seeds,
        "limit": limit,
        "data": data,
        "split": split,
        "weights": weights,
        "metric_weights": metric_weights,
        "out": out,
        "settings": settings or None,
        "device": device_names(device),
        "batch_size": batch_size,
        "threads": threads,
        "workers": workers,
        "engine": engine,
        "address": address,
        "max_failures": max_failures,
        "shard": _shard(shard) if shard else None,
        "card_folders": cards or None,
        "locks": not no_locks,
        "probe": probe,
    }
    if save is not None:
        _check_saved(save)
    requests = _requests(ctx, tasks, options)
    incomplete = []
    plans = []
    for number, request in enumerate(requests):
        plan, known = _plan(request, dry=dry_run, pilot=pilot)
        if save is not None and not number:
            _save(save, requests)
        if known is not None:
            plans.append((plan, known))
        else:
            incomplete += _execute(plan, json_=json_)
    if dry_run and json_:
        _print_plans(plans)
    if errors := [error for _, known in plans for error in known.pilot_errors]:
        raise GillBenchError("\n".join(errors))
    if incomplete:
        raise IncompleteError("\n".join(incomplete))
    return 0


def _requests(ctx: typer.Context, tasks: list[str], options: dict[str, Any]) -> list[RunRequest]:
    """The requests of a command: one, or those of an experiment's file, under the options of the command line."""
    from gill_bench.planning.experiment import experiment_among, overriding, read_experiment
    from gill_bench.planning.request import RunRequest
    from gill_bench.progress import say

    file, others = experiment_among(tasks)
    if file is None:
        return [RunRequest.of(tasks, **options)]
    sources = {_ATTRIBUTES.get(name, name): getattr(ctx.get_parameter_source(name), "name", "") for name in ctx.params}
    given = {name: value for name, value in options.items() if sources[name] == "COMMANDLINE"}
    given |= {"tasks": tuple(others)} if others else {}
    variables = {name: value for name, value in options.items() if sources[name] == "ENVIRONMENT"}
    merged = [overriding(file, described, variables, given) for described in read_experiment(file)]
    for sentence in dict.fromkeys(sentence for run in merged for sentence in run.sentences):
        say(sentence)
    return [RunRequest.of(run.options.pop("tasks"), **run.options) for run in merged]


def _plan(request: RunRequest, *, dry: bool, pilot: bool) -> tuple[Plan, Forecast | None]:
    """The plan of a request, and, for a dry run, its forecast."""
    from gill_bench.cli.run_messages import say_plan
    from gill_bench.planning.plan import make_plan
    from gill_bench.progress import say
    from gill_bench.weights.find import MINI

    if request.data == MINI:
        say("embedded data (mini): a small synthetic world; its numbers are not those of the real data")
    if request.weights == MINI:
        say(
            "embedded weights (mini): small models trained on that world; their numbers are not those of published ones"
        )
    plan = make_plan(request, dry=dry)
    known = None
    if dry:
        from gill_bench.analysis.forecast import forecast

        known = forecast(plan)
        if pilot:
            from gill_bench.analysis.pilot import with_pilot

            known = with_pilot(plan, known)
    say_plan(plan, known)
    return plan, known


def _execute(plan: Plan, *, json_: bool) -> list[str]:
    """Do what a plan says, and print its results; the returned sentences say what is incomplete."""
    from gill_bench.cli.run_messages import incomplete, print_main_tables, say_outcome
    from gill_bench.evaluate import execute
    from gill_bench.rundir.load import results_text

    request = plan.request
    outcome = execute(plan)
    if request.probe and request.shard[0] == 1:
        from gill_bench.checks.probe import probe_run

        probe_run(plan)
    if json_ and not outcome.left:
        emit(results_text(request.out), nl=False)
    elif not outcome.left:
        print_main_tables(plan)
    say_outcome(outcome, request)
    return [] if outcome.complete else [incomplete(outcome, request.out)]


def _print_plans(plans: list[tuple[Plan, Forecast]]) -> None:
    from gill_bench.cli.run_messages import plan_as_json
    from gill_bench.storage.json import to_json

    contents = [plan_as_json(plan, known) for plan, known in plans]
    emit(to_json({key: [item for content in contents for item in content[key]] for key in contents[0]}, indent=1))


def _check_saved(file: Path) -> None:
    from gill_bench.errors import InputError
    from gill_bench.storage.paths import check_utf8, refuse_url

    refuse_url(file, "--save")
    check_utf8(file, "--save")
    if file.suffix != ".toml":
        raise InputError(f"--save {file}: expected a name that ends in .toml, as of every file that run takes")
    if not file.absolute().parent.is_dir():
        raise InputError(f"--save {file}: there is no folder {file.parent}; make it first")


def _save(file: Path, requests: list[RunRequest]) -> None:
    from gill_bench.errors import InputError, command
    from gill_bench.planning.experiment_text import saved_experiment
    from gill_bench.progress import say
    from gill_bench.storage.files import write_atomic

    content = saved_experiment(file, requests).encode()
    if file.exists() and (not file.is_file() or file.read_bytes() != content):
        raise InputError(f"--save {file}: it exists with other content; choose another name, or move it away first")
    write_atomic(file, content)
    say(f"saved: {command('run', file)} does the same")


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
