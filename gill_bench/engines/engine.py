"""`Engine` does the jobs of one run: it gives them to workers, which are those of "local", "ray" or another engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gill_bench.engines.dispatcher import DEPTH, Dispatcher
from gill_bench.engines.job import Failure, JobGroup
from gill_bench.engines.options import ExecutionOptions, PoolChoice, engine_module
from gill_bench.rundir.lock import RunLock

CHEAP = 20
"""Scoring an output takes about this part of the time that making it takes."""


class Engine:
    """Does the jobs of one run, on one machine or many. Workers start when they are first needed, and stay.

    Args:
        choose_pool: Says which workers do which jobs.
        max_failures: More failed examples than these stop the run.
    """

    def __init__(self, choose_pool: PoolChoice, max_failures: int) -> None:
        self._choose_pool, self._max_failures = choose_pool, max_failures
        self._dispatchers: dict[int, Dispatcher] = {}  # by the identity of their pool

    @property
    def failures(self) -> list[Failure]:
        """Every example that failed so far."""
        return [failure for dispatcher in self._dispatchers.values() for failure in dispatcher.failures]

    @property
    def again(self) -> list[str]:
        """A sentence for each call that raised with several prompts and worked with one at a time."""
        return [sentence for dispatcher in self._dispatchers.values() for sentence in dispatcher.again]

    def work(self, groups: Sequence[JobGroup], samples: int, *, alone: bool = False) -> None:
        """Do jobs.

        Args:
            groups: The jobs.
            samples: How many samples the jobs make, or as many as take the same time: few are not worth more processes.
            alone: The jobs are timed: one worker does them one after the other, and nothing else runs meanwhile.

        Raises:
            GillBenchError: Too many examples failed, or a worker met an error that nobody foresaw.
            OSError: The disk is full, or another error of the system that every worker would meet.
        """
        pool, slots = self._choose_pool(samples, alone)
        if id(pool) not in self._dispatchers:
            self._dispatchers[id(pool)] = Dispatcher(pool, self._max_failures)
        self._dispatchers[id(pool)].work(groups, slots, 1 if alone else DEPTH)


@contextmanager
def open_engine(run: Path, options: ExecutionOptions, lock: RunLock) -> Iterator[Engine]:
    """Have the engine of a run while the context lasts; at its end all workers are ended."""
    with engine_module(options.engine).open_pools(run, options, lock) as choose_pool:
        yield Engine(choose_pool, options.max_failures)
