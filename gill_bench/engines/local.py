"""The engine "local": workers on this machine, one in this process for little work, else one process per device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gill_bench.devices import choose_device
from gill_bench.engines.dispatcher import Event, WorkerPool
from gill_bench.engines.options import ExecutionOptions, PoolChoice
from gill_bench.engines.processes import ProcessPool
from gill_bench.engines.worker import Worker, WorkRequest
from gill_bench.errors import InputError
from gill_bench.rundir.lock import RunLock
from gill_bench.storage.read_ahead import usable_processors

TAKES_ADDRESS = False
_WORTH_A_WORKER = 200  # samples to make with an embedded model: a process takes seconds to start


def choose_devices(names: str, address: str, threads: int) -> tuple[str, ...]:
    """The devices that the user named; see `EngineModule`."""
    devices = tuple(choose_device(name.strip(), threads) for name in names.split(","))
    if len({device.partition(":")[0] for device in devices}) > 1:
        raise InputError(f"--devices {names}: results may differ between kinds of devices; give one kind")
    return devices


def workers_for_small_models(names: str) -> int:
    """One per processor, unless the user named devices other than the CPU, or several."""
    return usable_processors() if names in ("auto", "cpu") else 1


@contextmanager
def open_pools(run: Path, options: ExecutionOptions, lock: RunLock) -> Iterator[PoolChoice]:
    """A worker in this process and a pool of processes, each made when it is first chosen.

    Processes that have started do little work, too.
    """
    devices = [device for device in options.devices for _ in range(options.workers or 1)]
    in_process: LocalPool | None = None
    processes: ProcessPool | None = None
    started = 0

    def choose(samples: int, alone: bool) -> tuple[WorkerPool, int]:
        nonlocal in_process, processes, started
        worth = len(devices) if len(options.devices) > 1 else samples // _WORTH_A_WORKER
        slots = 1 if alone else max(1, started, min(len(devices), worth))
        if slots == 1 and not started:
            in_process = in_process or LocalPool(Worker(run, lock, options.devices[0]))
            return in_process, 1
        processes = processes or ProcessPool(run, devices, options.threads, options.locks)
        started = max(started, slots)
        return processes, slots

    try:
        yield choose
    finally:
        for pool in (in_process, processes):
            if pool is not None:
                pool.close()


class LocalPool:
    """A pool of one slot in this process: a job is done when the reply to its request is waited for."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def names(self) -> Sequence[str]:
        """One empty name: messages need not tell the only slot from others."""
        return ("",)

    def open(self, wanted: int) -> Sequence[int]:
        """The only slot, at any time."""
        return (0,)

    def give(self, slot: int, request: WorkRequest) -> None:
        """Keep the request until its reply is waited for; its data may be read before."""
        self._worker.give(request)

    def wait(self) -> Sequence[Event]:
        """The reply to the oldest request. Its error is the one that was raised, with its traceback."""
        return (Event(0, self._worker.reply()),)

    def recall(self, slot: int) -> int:
        """Forget the requests whose jobs have not begun."""
        return self._worker.recall()

    def close(self) -> None:
        """Forget the requests whose jobs have not begun, and wait until the outputs of the others are written."""
        self._worker.close()
