"""More processes of this machine on the same run: each claims units of its own, as any process on a run does."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gill_bench.progress import say

if TYPE_CHECKING:
    from gill_bench.runs.planning import Ask


@contextmanager
def helping(count: int, ask: Ask) -> Iterator[None]:
    """Let `count` more processes do units of what was asked while the context lasts, and end them with it.

    A helper that dies costs nothing but its time: its units are done by the others. What one is at when the context
    ends is of no use any more: either everything is done, or the run was stopped.
    """
    if not count:
        yield
        return
    context = multiprocessing.get_context("spawn")  # a fork would share locks and threads of torch
    processes = [context.Process(target=_help, args=(ask,), name=f"helper-{n + 1}") for n in range(count)]
    with _ignoring_interrupts():  # which helpers inherit: the first process ends them, and says what there is to say
        for process in processes:
            process.start()
    try:
        yield
        for process in processes:
            if process.exitcode:
                say(f"warning: {process.name} ended with exit code {process.exitcode}; the others did its units")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _help(ask: Ask) -> None:
    """What a helper does: plan the same, and do units until none is left."""
    from gill_bench.engines.local import run_units
    from gill_bench.errors import GillBenchError
    from gill_bench.progress import silent
    from gill_bench.runs.lock import RunLock
    from gill_bench.runs.planning import make_plan

    try:
        with silent(), RunLock(ask.out) as lock:
            plan = make_plan(ask)
            run_units(
                [planned for planned in plan.cells if not planned.cell.timed],
                plan.models,
                ask.out,
                lock,
                device=plan.device,
                batch_size=ask.batch_size,
                step=_stop_if_alone,
            )
    except GillBenchError:
        return  # the first process meets the same and reports it
    except Exception as error:
        name = multiprocessing.current_process().name
        sys.exit(f"warning: {name}: {type(error).__name__}: {error}")


def _stop_if_alone(count: int) -> None:
    """A helper does not outlive the process that it helps, however that one ended."""
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():
        sys.exit(0)
