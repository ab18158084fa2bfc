"""Workers in processes of this machine, one or more per device."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from gill_bench.engines.dispatcher import ATTEMPTS, Event
from gill_bench.engines.worker import Worker, WorkRequest, serve
from gill_bench.errors import GillBenchError

_GOODBYE = 10.0  # seconds in which an idle process ends by itself


class ProcessPool:
    """A pool with one slot for each device in a list, in which a device may stand several times.

    Args:
        run: The run directory.
        devices: Torch devices.
        threads: CPU threads of each process.
        locks: False where the file system of the run has no locks.
    """

    def __init__(self, run: Path, devices: Sequence[str], threads: int, locks: bool = True) -> None:
        self._run, self._devices, self._threads, self._locks = run, devices, threads, locks
        self._running: dict[int, tuple[SpawnProcess, Connection]] = {}  # by slot
        self._began: set[int] = set()  # slots whose process is ready for requests
        self._waiting: Counter[int] = Counter()  # by slot: requests without a reply yet
        self._stillborn = 0  # processes in a row that ended before they began

    def names(self) -> Sequence[str]:
        """Names such as "worker 2 (cuda:1)"."""
        return [f"worker {number} ({device})" for number, device in enumerate(self._devices, start=1)]

    def open(self, wanted: int) -> Sequence[int]:
        """All slots: `give` starts a process that is not running."""
        return range(min(wanted, len(self._devices)))

    def give(self, slot: int, request: WorkRequest) -> None:
        """Send a request to the slot's process, which is started if it is not running."""
        if slot not in self._running:
            self._running[slot] = self._start(slot)
        self._waiting[slot] += 1
        with suppress(BrokenPipeError, ConnectionResetError):  # the process has just died, which `wait` reports
            self._running[slot][1].send(request)

    def wait(self) -> Sequence[Event]:
        """Replies that have come, and processes that have died.

        Raises:
            GillBenchError: Several processes in a row ended before they began.
        """
        slots = {id(channel): slot for slot, (_, channel) in self._running.items()}
        ready = wait([channel for _, channel in self._running.values()])
        return [event for channel in ready for event in self._events(slots[id(channel)])]

    def recall(self, slot: int) -> int:
        """No request: a process does all that it was sent."""
        return 0

    def close(self) -> None:
        """End all processes: idle ones end by themselves and free what they hold, busy ones are ended at once."""
        for slot, (process, channel) in self._running.items():
            channel.close()  # an idle process ends when its channel closes
            if self._waiting[slot]:
                process.terminate()
        for process, _ in self._running.values():
            process.join(_GOODBYE)
            process.terminate()
            process.join()
        self._running.clear()
        self._waiting.clear()

    def _events(self, slot: int) -> Iterator[Event]:
        process, channel = self._running[slot]
        try:
            message = channel.recv()
        except (EOFError, ConnectionResetError):
            del self._running[slot], self._waiting[slot]
            channel.close()
            process.join()
            reason = f"ended with exit code {process.exitcode}"
            self._stillborn = 0 if slot in self._began else self._stillborn + 1
            if self._stillborn == ATTEMPTS:
                raise GillBenchError(f"{self.names()[slot]}: {reason} before it began") from None
            yield Event(slot, None, reason)
            return
        if message is None:
            self._began.add(slot)
        else:
            self._waiting[slot] -= 1
            yield Event(slot, message)

    def _start(self, slot: int) -> tuple[SpawnProcess, Connection]:
        self._began.discard(slot)
        context = multiprocessing.get_context("spawn")  # a fork would share locks and threads of torch
        channel, remote_end = context.Pipe()
        process = context.Process(
            target=_serve,
            args=(remote_end, self._run, self._devices[slot], self._threads, self._locks),
            name=f"gill-bench-worker-{slot + 1}",
        )
        with _ignoring_interrupts():  # workers inherit this: this process ends them, and prints all messages
            process.start()
        remote_end.close()
        return process, channel


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(channel: Connection, run: Path, device: str, threads: int, locks: bool) -> None:
    """Run in a worker's process: reply to requests until the process that sends them is gone, however it ended."""
    from gill_bench.devices import use_threads
    from gill_bench.progress import silent
    from gill_bench.rundir.lock import RunLock

    use_threads(threads)
    with silent(), RunLock(run, locks=locks) as lock:
        worker = Worker(run, lock, device)
        channel.send(None)  # this process is ready
        with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the process that gave the jobs is gone
            worker.give(channel.recv())  # in this thread, since it imports modules, which may insist on the main one
            threading.Thread(target=_receive, args=(channel, worker), daemon=True).start()
            serve(worker, channel.send)


def _receive(channel: Connection, worker: Worker) -> None:
    """Pass a worker the requests that arrive, also while it does a job, until nobody can send any."""
    try:
        while True:
            worker.give(channel.recv())
    except (EOFError, OSError):
        worker.end()
    except BaseException as error:  # a request that cannot be read
        worker.end(error)
