"""More processes of this machine on the same run: each claims units of its own, as any process on a run does."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gill_bench.progress import say

if TYPE_CHECKING:
    from gill_bench.runs.planning import Ask

_PATIENCE = 30.0  # seconds that a helper gets to finish its unit


@contextmanager
def helping(count: int, ask: Ask) -> Iterator[None]:
    """Let `count` more processes do units of what was asked while the context lasts, and wait for them at its end.

    A helper that dies costs nothing but its time: its units are done by the others.
    """
    context = multiprocessing.get_context("spawn")  # a fork would share locks and threads of torch
    processes = [context.Process(target=_help, args=(ask,), name=f"helper-{n + 1}") for n in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        for process in processes:
            process.join(_PATIENCE)
            if process.is_alive():
                process.terminate()
                process.join()
    for process in processes:
        if process.exitcode:
            say(f"warning: {process.name} ended with exit code {process.exitcode}; its units were done by the others")


def _help(ask: Ask) -> None:
    """What a helper does: plan the same, and do units until none is left."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the first process says what there is to say
    from gill_bench.engines.local import run_units
    from gill_bench.errors import GillBenchError
    from gill_bench.progress import silent
    from gill_bench.runs.lock import RunLock
    from gill_bench.runs.planning import make_plan

    with silent(), RunLock(ask.out) as lock:
        plan = make_plan(ask)
        try:
            run_units(
                [planned for planned in plan.cells if not planned.cell.timed],
                plan.models,
                ask.out,
                lock,
                device=plan.device,
                batch_size=ask.batch_size,
                step=lambda count: None,
            )
        except GillBenchError:
            return  # the first process meets the same and reports it
