"""Workers in processes of this machine, one or more per device."""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from gill_bench.engines.dispatcher import ATTEMPTS, Event
from gill_bench.engines.worker import Worker, WorkRequest, answer
from gill_bench.errors import GillBenchError

_GOODBYE = 10.0  # seconds in which an idle process ends by itself


class Processes:
    """A pool with a seat per device that is named; a device may be named several times.

    Args:
        run: The run directory.
        devices: Torch devices.
        threads: CPU threads of each.
        locks: As in `RunLock`.
    """

    def __init__(self, run: Path, devices: Sequence[str], threads: int, locks: bool = True) -> None:
        self._run, self._devices, self._threads, self._locks = run, devices, threads, locks
        self._there: dict[int, tuple[SpawnProcess, Connection]] = {}
        self._began: set[int] = set()
        self._waiting: Counter[int] = Counter()  # orders without an answer yet
        self._stillborn = 0  # processes in a row that ended before they began

    def names(self) -> Sequence[str]:
        """Such as "worker 2 (cuda:1)"."""
        return [f"worker {place} ({device})" for place, device in enumerate(self._devices, start=1)]

    def open(self, wanted: int) -> Sequence[int]:
        """All of them: who is not there is started."""
        return range(min(wanted, len(self._devices)))

    def give(self, seat: int, order: WorkRequest) -> None:
        """Send an order, to a process that is started if there is none."""
        if seat not in self._there:
            self._there[seat] = self._start(seat)
        self._waiting[seat] += 1
        with suppress(BrokenPipeError, ConnectionResetError):  # it has just died, which `wait` will tell
            self._there[seat][1].send(order)

    def wait(self) -> Sequence[Event]:
        """Answers, and deaths.

        Raises:
            GillBenchError: One process after the other ended before it began.
        """
        seats = {id(channel): seat for seat, (_, channel) in self._there.items()}
        ready = wait([channel for _, channel in self._there.values()])
        return [event for one in ready for event in self._events(seats[id(one)])]

    def close(self) -> None:
        """End all processes: idle ones by themselves, so that they give back what they hold, others at once."""
        for seat, (process, channel) in self._there.items():
            channel.close()  # an idle process ends when nobody can give it orders any more
            if self._waiting[seat]:
                process.terminate()
        for process, _ in self._there.values():
            process.join(_GOODBYE)
            process.terminate()
            process.join()
        self._there.clear()
        self._waiting.clear()

    def _events(self, seat: int) -> Iterator[Event]:
        process, channel = self._there[seat]
        try:
            heard = channel.recv()
        except (EOFError, ConnectionResetError):
            del self._there[seat], self._waiting[seat]
            channel.close()
            process.join()
            reason = f"ended with exit code {process.exitcode}"
            self._stillborn = 0 if seat in self._began else self._stillborn + 1
            if self._stillborn == ATTEMPTS:
                raise GillBenchError(f"{self.names()[seat]}: {reason} before it began") from None
            yield Event(seat, None, reason)
            return
        if heard is None:
            self._began.add(seat)
        else:
            self._waiting[seat] -= 1
            yield Event(seat, heard)

    def _start(self, seat: int) -> tuple[SpawnProcess, Connection]:
        self._began.discard(seat)
        context = multiprocessing.get_context("spawn")  # a fork would share locks and threads of torch
        channel, far = context.Pipe()
        process = context.Process(
            target=_serve,
            args=(far, self._run, self._devices[seat], self._threads, self._locks),
            name=f"gill-bench-worker-{seat + 1}",
        )
        with _ignoring_interrupts():  # which workers inherit: this process ends them, and says what there is to say
            process.start()
        far.close()
        return process, channel


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(channel: Connection, run: Path, device: str, threads: int, locks: bool) -> None:
    """What a worker's process does: answer orders until the process that gives them is gone, however it ended."""
    from gill_bench.devices import use_threads
    from gill_bench.progress import silent
    from gill_bench.rundir.lock import RunLock

    use_threads(threads)
    parent = multiprocessing.parent_process()
    with silent(), RunLock(run, locks=locks) as lock:
        worker = Worker(run, lock, device)
        channel.send(None)  # it can begin
        while parent is not None and parent.is_alive():
            try:
                channel.send(answer(worker, channel.recv()))
            except (EOFError, BrokenPipeError):
                return
