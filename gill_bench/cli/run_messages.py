"""The messages and tables of `gill-bench run`: its plan, its first tables, and how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gill_bench.analysis.forecast import Forecast
    from gill_bench.evaluate import Outcome
    from gill_bench.planning.plan import Plan
    from gill_bench.planning.request import RunRequest


def say_plan(plan: Plan, known: Forecast | None = None) -> None:
    """Say what the cells of a plan have and lack, what is left out, and, if that is known, what the cells need."""
    from gill_bench.cli.forecast_messages import forecast_lines, need_in_words
    from gill_bench.progress import say

    needs = {cell.cell_key: f", {need_in_words(cell)}" for cell in known.cells if cell.samples} if known else {}

    say(f"run directory: {plan.request.out}")
    for planned in plan.cells:
        cell, name = planned.cell, planned.cell.key
        usable, total, seeds = len(cell.usable), len(cell.examples), len(cell.sample_seeds)
        missing = f", {total - usable} without their pictures" if usable < total else ""
        stored = usable * seeds - planned.samples_pending
        say(
            f"  {name}: {usable} examples{missing} x {seeds} seeds:"
            f" {stored} stored, {planned.samples_pending} to do in {len(planned.pending)} units{needs.get(name, '')}"
            if seeds
            else f"  {name}: {usable} examples: from the labels alone"
        )
    left_out: dict[tuple[str, str], list[str]] = {}
    for task, model, context, reason in plan.cannot:
        left_out.setdefault((task, reason), []).append("/".join(part for part in (model, context) if part))
    for (task, reason), names in left_out.items():
        where = f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if any(names) else ""
        say(f"  {task}: left out: {reason}{where}")
    for line in forecast_lines(known) if known else ():
        say(line)
    if not plan.cells:
        say("nothing to do")


def print_main_tables(plan: Plan) -> None:
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


def plan_as_json(plan: Plan, known: Forecast) -> dict[str, Any]:
    """A plan with its forecast as `--dry-run --json` prints it: a list under each key."""
    from gill_bench.cli.forecast_messages import forecast_as_json

    needs = {cell.cell_key: cell for cell in known.cells}
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
            "seconds": needs[planned.cell.key].seconds if planned.cell.key in needs else 0.0,
            "bytes": needs[planned.cell.key].size if planned.cell.key in needs else 0,
            "measured": needs[planned.cell.key].measured if planned.cell.key in needs else 0,
            "pilot_calls": needs[planned.cell.key].pilot_calls if planned.cell.key in needs else 0,
        }
        for planned in plan.cells
    ]
    cannot = [dict(zip(("task", "model", "context", "reason"), entry, strict=True)) for entry in plan.cannot]
    return {"cells": cells, "cannot": cannot, "forecast": [{"run": str(plan.request.out), **forecast_as_json(known)}]}


def incomplete(outcome: Outcome, out: Path) -> str:
    """The error for a run that lacks outputs."""
    if outcome.left:
        return f"{out}: {len(outcome.failures)} examples of this part failed; the same command tries them again"
    return f"{out}: " + "\n".join(outcome.lacking("the same command"))


def say_outcome(outcome: Outcome, request: RunRequest) -> None:
    """Say how a command ended, and what can be done next."""
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
