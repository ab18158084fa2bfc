"""The engine that was asked for: where jobs of one run are done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gill_bench.engines.dispatcher import Dispatcher, WorkerPool
from gill_bench.engines.job import Failure, JobGroup
from gill_bench.engines.local import Here
from gill_bench.engines.worker import Worker
from gill_bench.rundir.lock import RunLock

LOCAL, RAY = "local", "ray"
ENGINES = (LOCAL, RAY)
MAX_FAILURES = 10
CHEAP = 20
"""To score an output takes about this part of the time that making it takes."""

_WORTH_A_WORKER = 100  # samples to make: a process takes seconds to start


@dataclass(frozen=True)
class ExecutionOptions:
    """How a run is executed; nothing of it changes what comes out.

    Attributes:
        engine: "local" or "ray".
        address: Of a Ray cluster; "" for RAY_ADDRESS, else one is started on this machine.
        devices: Torch devices, one or more of a kind; with Ray the kind.
        workers: Processes per device; with Ray workers in all, 0 for what there is room for.
        threads: CPU threads of each worker.
        max_failures: More failed examples than these stop the run.
        locks: False where the run's file system has no locks, and this is the only command that works on it.
    """

    devices: tuple[str, ...]
    engine: str = LOCAL
    address: str = ""
    workers: int = 1
    threads: int = 1
    max_failures: int = MAX_FAILURES
    locks: bool = True


class Engine:
    """Does the jobs of one run on one machine or many. Workers start when they are first needed, and stay."""

    def __init__(self, run: Path, how: ExecutionOptions, lock: RunLock) -> None:
        self._run, self._how, self._lock = run, how, lock
        self._here: Dispatcher | None = None
        self._far: Dispatcher | None = None
        self._pools: list[WorkerPool] = []

    @property
    def failures(self) -> list[Failure]:
        """Every example that failed so far."""
        return [failure for one in (self._here, self._far) if one is not None for failure in one.failures]

    @property
    def again(self) -> list[str]:
        """A sentence for each call that raised with several prompts and worked with one at a time."""
        return [sentence for one in (self._here, self._far) if one is not None for sentence in one.again]

    def work(self, batches: Sequence[JobGroup], samples: int, *, alone: bool = False) -> None:
        """Do jobs.

        Args:
            batches: What is to do.
            samples: How many samples are made in it, or as long as it takes: few are not worth more processes.
            alone: One after the other by one worker, and nothing else meanwhile: what is timed.

        Raises:
            GillBenchError, OSError: See `Dispatcher.work`.
        """
        how = self._how
        seats = len(how.devices) * (how.workers or 1)
        if how.engine == LOCAL and len(how.devices) == 1:
            seats = min(seats, 1 + samples // _WORTH_A_WORKER)
        if how.engine == LOCAL and (seats == 1 or (alone and self._far is None)):
            self._local().work(batches)
        else:
            self._distant().work(batches, 1 if alone else 0 if how.engine == RAY else seats)

    def close(self) -> None:
        """End all workers."""
        for pool in self._pools:
            pool.close()

    def _local(self) -> Dispatcher:
        if self._here is None:
            self._here = self._dispatcher(Here(Worker(self._run, self._lock, self._how.devices[0])))
        return self._here

    def _distant(self) -> Dispatcher:
        if self._far is None:
            self._far = self._dispatcher(self._pool())
        return self._far

    def _dispatcher(self, pool: WorkerPool) -> Dispatcher:
        self._pools.append(pool)
        return Dispatcher(pool, self._how.max_failures)

    def _pool(self) -> WorkerPool:
        how = self._how
        if how.engine == RAY:
            from gill_bench.engines.ray import Actors, patience_at

            return Actors(self._run, how.devices[0], how.threads, how.workers, how.locks, patience_at(how.address))
        from gill_bench.engines.processes import Processes

        devices = [device for device in how.devices for _ in range(how.workers or 1)]
        return Processes(self._run, devices, how.threads, how.locks)


@contextmanager
def open_engine(run: Path, how: ExecutionOptions, lock: RunLock) -> Iterator[Engine]:
    """The engine of a run while the context lasts."""
    with connected(how):
        one = Engine(run, how, lock)
        try:
            yield one
        finally:
            one.close()


@contextmanager
def connected(how: ExecutionOptions) -> Iterator[None]:
    """Be connected to the Ray cluster while the context lasts, if that is the engine; see `ray.cluster`."""
    if how.engine != RAY:
        yield
        return
    from gill_bench.engines.ray import cluster

    with cluster(how.address, how.workers * how.threads):
        yield
