"""The local engine: one model at a time on one device of this machine.

Any number of processes may work on one run directory: each unit is claimed, so that it is done once.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from gill_bench.errors import GillBenchError
from gill_bench.interfaces import CAPABILITY_OF, PROTOCOLS
from gill_bench.progress import say
from gill_bench.runs.asked import ModelAsked
from gill_bench.runs.asking import ask, store
from gill_bench.runs.claims import work_through
from gill_bench.runs.lock import RunLock
from gill_bench.runs.plan import CellPlan
from gill_bench.runs.units import Unit, is_whole

MAX_FAILURES_IN_A_ROW = 3


class Failure(NamedTuple):
    """A unit that the model failed on, and why."""

    unit: Unit
    reason: str


def run_units(
    plans: Sequence[CellPlan],
    models: Mapping[str, ModelAsked],
    run: Path,
    lock: RunLock,
    *,
    device: str,
    batch_size: int,
    step: Callable[[int], None],
) -> list[Failure]:
    """Do all pending units.

    A unit on which the model raises is tried again example by example. An example on which it raises is reported and
    left undone; after three in a row the run stops. A full disk or an interruption stops it at once. Whatever was
    committed stays.

    Args:
        plans: What is to do.
        models: The models by `Cell.model_digest`; loaded one after the other, and only if they have something to do.
        run: The run directory.
        lock: Its lock.
        device: A torch device.
        batch_size: Prompts a model call; 0 for the default of what is asked.
        step: Called with the number of samples done.

    Returns:
        The examples that failed, as units.
    """
    failures: list[Failure] = []
    model: object = None
    held: set[Path] = set()
    for key, asked in models.items():
        mine = [plan for plan in plans if plan.cell.model_digest == key and plan.pending]
        if not mine:
            continue
        say(f"{asked.card.name}: loading")
        folders = {found.path for found in asked.weights.values()}
        if not folders & held:  # else the next model takes over what both have, so the last one stays until it has
            model = None
            gc.collect()
        model, held = asked.load(device), folders
        for plan in mine:
            _check_capability(model, plan, asked.card.name)
        todo = [(plan, unit) for plan in mine for unit in plan.pending]
        failures += _run_model(model, todo, run, lock, device, batch_size, step)
    return failures


def _run_model(
    model: object,
    todo: Sequence[tuple[CellPlan, Unit]],
    run: Path,
    lock: RunLock,
    device: str,
    batch_size: int,
    step: Callable[[int], None],
) -> list[Failure]:
    failures: list[Failure] = []
    in_a_row = 0

    def folder(item: tuple[CellPlan, Unit]) -> Path:
        return item[0].cell.folder(run) / item[1].key

    def work(item: tuple[CellPlan, Unit]) -> None:
        nonlocal in_a_row
        plan, unit = item
        try:
            made = ask(unit, plan.cell, model, batch_size, device)
        except Exception as error:
            if len(unit.examples) > 1:  # the others are not to suffer for one
                for example in unit.examples:
                    alone = (plan, replace(unit, examples=(example,)))
                    if not is_whole(folder(alone)):  # another process may have tried the unit before
                        work(alone)
                return
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            failures.append(Failure(unit, reason))
            say(f"failed: {'/'.join(plan.cell.name)}, example {unit.examples[0][0]}: {reason}")
            in_a_row += 1
            if in_a_row >= MAX_FAILURES_IN_A_ROW:
                raise GillBenchError(
                    f"{unit.model}: failed on {in_a_row} examples in a row, the last with {reason}"
                ) from error
            return
        in_a_row = 0
        store(unit, plan.cell, made, run, {"device": device, "batch_size": batch_size})

    work_through(
        todo,
        lock,
        key=lambda item: item[1].key,
        done=lambda item: is_whole(folder(item)),
        work=work,
        after=lambda item: step(len(item[1].examples) * len(item[1].seeds)),
    )
    return failures


def _check_capability(model: object, plan: CellPlan, name: str) -> None:
    capability = CAPABILITY_OF[plan.cell.asks]
    if not isinstance(model, PROTOCOLS[capability]):
        raise GillBenchError(
            f"{name}: its card says {capability!r}, but the adapter lacks the methods of that protocol"
        )
