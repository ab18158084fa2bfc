"""The calls for the outputs that a unit lacks: one after the other, or several at once where the model says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

from gill_bench.devices import free_memory
from gill_bench.errors import memory_ran_out
from gill_bench.interfaces import OutputKind
from gill_bench.progress import say
from gill_bench.rundir.kept import KeptOutputs
from gill_bench.rundir.records import Unit
from gill_bench.rundir.writer import Output

PROMPTS_PER_CALL = 16
"""How many prompts a model on the CPU is given in one call without `--batch-size`, unless it generates pictures: these
are made for all prompts of a unit together, with all seeds. On an accelerator a call has all prompts of any unit."""

_fitting: dict[tuple[str, OutputKind], int] = {}
"""The largest number of prompts for which memory lasted after it had run out, by model and kind of output."""


class CallError(Exception):
    """A call of a model failed; the cause (`__cause__`) is what the model raised, or the unusable value.

    Attributes:
        prompts: How many prompts the call had.
    """

    def __init__(self, prompts: int) -> None:
        super().__init__(prompts)
        self.prompts = prompts


class FailedExamplesError(Exception):
    """Examples failed that were each asked for alone.

    Attributes:
        causes: What the model raised, or the unusable value, by example id.
    """

    def __init__(self, causes: Mapping[str, BaseException]) -> None:
        super().__init__(len(causes))
        self.causes = causes


class Call(NamedTuple):
    """One call of a model.

    Attributes:
        numbers: The examples, by their numbers in the unit.
        seeds: The seeds of their outputs.
    """

    numbers: Sequence[int]
    seeds: Sequence[int]


Ask = Callable[[Call], list[list[Output]]]
"""Makes a call and returns its outputs, per example and seed."""


def calls_at_once(model: object) -> int:
    """The number of calls that a model takes at the same time (`gill_bench.interfaces`); 0 if it does not say."""
    value = getattr(model, "at_once", 0)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def ask_in_turn(
    ask: Ask, unit: Unit, kind: tuple[str, OutputKind], batch_size: int, device: str, kept: KeptOutputs
) -> int:
    """Make the calls for the examples of which an output lacks, in batches, each example with all its seeds.

    If memory runs out, the batch is halved and the call is made again; later units of the process begin with what fits.

    Args:
        ask: Makes a call.
        unit: The unit.
        kind: The model's digest, and the kind of output.
        batch_size: The most prompts in one call.
        device: The torch device that the model is on.
        kept: Outputs that are there already, and to which those of each call are added.

    Returns:
        The most prompts in one call, whether or not the unit has so many.

    Raises:
        CallError: The first call that failed; the outputs of those before are in `kept`.
    """
    lacking = list(dict.fromkeys(number for number, _ in _lacking(unit, kept)))
    size = min(batch_size, _fitting.get(kind, batch_size))
    while lacking:
        call = Call(lacking[:size], unit.seeds)
        outputs = _ask_unless_memory_runs_out(ask, call)
        if outputs is None:
            size = _fitting[kind] = len(call.numbers) // 2
            say(f"out of memory with {len(call.numbers)} prompts in one call: from now on there are {size}")
            free_memory(device)
        else:
            _keep(unit, kept, call, outputs)
            lacking = lacking[size:]
    return size


def _ask_unless_memory_runs_out(ask: Ask, call: Call) -> list[list[Output]] | None:
    """The outputs of a call; None if memory ran out and the call had several prompts.

    A function of its own, since the memory that an error's traceback holds is free only when the error is gone.
    """
    try:
        return ask(call)
    except CallError as error:
        if len(call.numbers) == 1 or not memory_ran_out(error.__cause__):
            raise
        return None


def usual_batch_size(asks: OutputKind, unit_size: int, device: str) -> int:
    """The most prompts that a model is given in one call without `--batch-size`."""
    return unit_size if asks == "images" or device != "cpu" else min(PROMPTS_PER_CALL, unit_size)


def ask_at_once(ask: Ask, unit: Unit, threads: int, kept: KeptOutputs, may_fail: int) -> None:
    """Make a call for each output that lacks, from several threads, and keep each answer as it comes.

    Raises:
        FailedExamplesError: Some calls failed; all others were made, or as many as it took to fail too often.
        ReturnedError, UnavailableError: What a call raised; no further call is made, and those under way are finished.
    """
    causes: dict[str, BaseException] = {}
    stopped = threading.Event()

    def ask_unless_stopped(call: Call) -> list[list[Output]] | None:
        if stopped.is_set():
            return None
        try:
            return ask(call)
        except CallError:
            raise
        except BaseException:
            stopped.set()
            raise

    pool = ThreadPoolExecutor(threads, thread_name_prefix="gill-bench-call")
    calls = [Call([number], [seed]) for number, seed in _lacking(unit, kept)]
    futures = {pool.submit(ask_unless_stopped, call): call for call in calls}
    try:
        for future in as_completed(futures):
            try:
                _keep(unit, kept, futures[future], future.result())
            except CallError as error:
                example, _ = unit.examples[futures[future].numbers[0]]
                causes.setdefault(example, error.__cause__ or error)
                if len(causes) > may_fail:
                    break
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)
        for future, call in futures.items():
            if not future.cancelled() and future.exception() is None:
                _keep(unit, kept, call, future.result())
    if causes:
        raise FailedExamplesError(causes)


def _lacking(unit: Unit, kept: KeptOutputs) -> Iterator[tuple[int, int]]:
    """(number of the example, seed) of each output that is not there."""
    for number, (example, _) in enumerate(unit.examples):
        yield from ((number, seed) for seed in unit.seeds if (example, seed) not in kept)


def _keep(unit: Unit, kept: KeptOutputs, call: Call, outputs: Sequence[Sequence[Output]] | None) -> None:
    if outputs is None:  # the call was not made any more
        return
    for number, by_seed in zip(call.numbers, outputs, strict=True):
        for seed, output in zip(call.seeds, by_seed, strict=True):
            kept.add(unit.examples[number][0], seed, output)
