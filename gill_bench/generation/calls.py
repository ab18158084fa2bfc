"""The calls for the outputs that a unit lacks: one after the other, or several at once where the model says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

from gill_bench.interfaces import OutputKind
from gill_bench.rundir.kept import KeptOutputs
from gill_bench.rundir.records import Unit
from gill_bench.rundir.writer import Output

PICTURE_PROMPTS_PER_CALL, PROMPTS_PER_CALL = 1, 16
"""How many prompts a model is given in one call without `--batch-size`: to generate pictures, each prompt with all its
seeds; and for any other output."""


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


def ask_in_turn(ask: Ask, unit: Unit, asks: OutputKind, batch_size: int, kept: KeptOutputs) -> None:
    """Make the calls for the examples of which an output lacks, in batches, each example with all its seeds.

    Raises:
        CallError: The first call that failed; the outputs of those before are in `kept`.
    """
    size = batch_size or (PICTURE_PROMPTS_PER_CALL if asks == "images" else PROMPTS_PER_CALL)
    lacking = list(dict.fromkeys(number for number, _ in _lacking(unit, kept)))
    for first in range(0, len(lacking), size):
        call = Call(lacking[first:][:size], unit.seeds)
        _keep(unit, kept, call, ask(call))


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
