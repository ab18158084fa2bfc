"""Handing out jobs to workers: which one next, what comes back, what failed, and when it is too much.

Workers sit in a pool's seats. A seat has at most two jobs at a time, so that what is under way does not grow with the
run. A worker that dies costs its job one of `ATTEMPTS`; whatever else it had goes to others untouched.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gill_bench.engines.job import Failure, Job, JobGroup, JobResult, NotLoadedError
from gill_bench.engines.worker import WorkReply, WorkRequest
from gill_bench.errors import GillBenchError
from gill_bench.progress import say, say_when_debugging

ATTEMPTS = 3
"""Workers that may die of a job before it counts as failed."""

_SHOWN = 5  # failures of one job that are named


class Event(NamedTuple):
    """What happened at a seat: the answer to its oldest order, or the death of its worker with all its orders."""

    seat: int
    answer: WorkReply | None
    reason: str = ""


class WorkerPool(Protocol):
    """Places where workers sit. A worker is started by the first order that its seat is given."""

    def names(self) -> Sequence[str]:
        """What the seats are called; "" if there is only one and it needs no name."""

    def open(self, wanted: int) -> Sequence[int]:
        """Seats that can be given orders now, of the first `wanted` there are; asks for more workers if need be."""

    def give(self, seat: int, order: WorkRequest) -> None:
        """Give a seat an order."""

    def wait(self) -> Sequence[Event]:
        """Wait until something happened; () if what happened is that a seat can be given orders."""

    def close(self) -> None:
        """End all workers, whatever they are at."""


class _Flight(NamedTuple):
    batch: JobGroup
    job: Job


class Dispatcher:
    """Gives jobs to the workers of a pool.

    Args:
        pool: Where they sit.
        max_failures: More failed examples than these stop the run.

    Attributes:
        failures: Every example that failed so far.
        again: A sentence for each call that raised with several prompts and worked with one at a time.
    """

    def __init__(self, pool: WorkerPool, max_failures: int) -> None:
        self.failures: list[Failure] = []
        self.again: list[str] = []
        self._pool, self._max = pool, max_failures
        self._holds: dict[int, str] = {}
        self._flying: dict[int, deque[_Flight]] = {}
        self._deaths: Counter[str] = Counter()
        self._closed: set[int] = set()
        self._error: Exception | None = None

    def work(self, batches: Sequence[JobGroup], seats: int = 0) -> None:
        """Do all jobs.

        What stops it (an error in a job, too many failures) is raised when the jobs under way have ended.

        Args:
            batches: What is to do, in the order that one worker does it.
            seats: At most so many workers; 0 for all.

        Raises:
            GillBenchError: Too many examples failed, or a worker met something that nobody foresaw.
            OSError: The disk is full, or something else that no other worker would be spared.
        """
        self._error = None
        self._busy: list[_Flight] = []
        self._deaths.clear()
        while True:
            if self._error is None:
                self._hand_out(batches, seats or len(self._pool.names()))
            if not any(self._flying.values()):
                if self._error is not None:
                    raise self._error
                if not any(batch.left for batch in batches) and not self._busy:
                    return
            for event in self._wait():
                self._handle(event)

    def _wait(self) -> Sequence[Event]:
        try:
            return self._pool.wait()
        except BaseException:  # no worker can be had, or it was interrupted: what is under way is of no use any more
            self._pool.close()
            self._flying.clear()
            self._holds.clear()
            raise

    def _hand_out(self, batches: Sequence[JobGroup], seats: int) -> None:
        """Give every free seat its next job."""
        open_ = [seat for seat in self._pool.open(seats + len(self._closed)) if seat not in self._closed][:seats]
        left = sum(batch.left for batch in batches)
        # A second one hides the time it takes to hand out; near the end it would keep a job from a free worker.
        depth = 2 if len(open_) > 1 and left > 2 * len(open_) else 1
        for level in range(1, depth + 1):
            for seat in open_:
                if len(self._flying.get(seat, ())) < level:
                    self._give_next(seat, batches)

    def _give_next(self, seat: int, batches: Sequence[JobGroup]) -> None:
        batch = self._choose(seat, batches)
        if batch is not None:
            self._give(seat, _Flight(batch, batch.take()), wait=False)
        elif self._busy and not self._flying.get(seat):  # others finish these, or died and left them to us
            self._give(seat, self._busy.pop(0), wait=True)

    def _choose(self, seat: int, batches: Sequence[JobGroup]) -> JobGroup | None:
        """What the seat has loaded; else what nobody has; else that of which most is left for each who has it."""
        there = [batch for batch in batches if batch.left]
        holders = Counter(self._holds.values())
        for batch in there:
            if batch.loadable.key == self._holds.get(seat):
                return batch
        for batch in there:
            if not holders[batch.loadable.key]:
                return batch
        return max(there, key=lambda batch: batch.left / holders[batch.loadable.key], default=None)

    def _give(self, seat: int, flight: _Flight, *, wait: bool) -> None:
        loadable = flight.batch.loadable
        if self._holds.get(seat) != loadable.key:
            name = self._pool.names()[seat]
            if loadable.name:
                say(f"{loadable.name}: loading" + (f" on {name}" if name else ""))
            self._holds[seat] = loadable.key
        self._flying.setdefault(seat, deque()).append(flight)
        self._pool.give(seat, WorkRequest(loadable, flight.job, self._max - len(self.failures), wait))

    def _handle(self, event: Event) -> None:
        flying = self._flying.setdefault(event.seat, deque())
        if event.answer is None:
            self._lost(event, flying)
            return
        flight = flying.popleft()
        error, done = event.answer.error, event.answer.done
        if isinstance(error, NotLoadedError) and self._others(event.seat):
            say(f"warning: {self._pool.names()[event.seat]}: {error}; it is left out")
            self._closed.add(event.seat)
            self._holds.pop(event.seat, None)
            flight.batch.put_back(flight.job)
        elif error is not None:
            self._stop(error)
        elif done is None:
            self._busy.append(flight)
        else:
            self._finished(flight, done)

    def _others(self, seat: int) -> bool:
        return bool(set(range(len(self._pool.names()))) - self._closed - {seat})

    def _lost(self, event: Event, flying: deque[_Flight]) -> None:
        """The worker died of its oldest job; the others it had not begun."""
        self._holds.pop(event.seat, None)
        flights = list(flying)
        flying.clear()
        if not flights:
            return
        first = flights[0]
        self._deaths[first.job.key] += 1
        again = self._deaths[first.job.key] < ATTEMPTS
        say(
            f"warning: {self._pool.names()[event.seat]}: {event.reason};"
            + (" its work is done again" if again else f" {ATTEMPTS} workers died of the same work: it is left out")
        )
        for flight in flights[0 if again else 1 :]:
            flight.batch.put_back(flight.job)
        if not again:
            try:
                self._finished(first, first.job.lost(event.reason))
            except GillBenchError as error:
                self._stop(error)

    def _finished(self, flight: _Flight, done: JobResult) -> None:
        done = flight.batch.after(flight.job, done) or done
        for failure in done.failures[:_SHOWN]:
            say(f"{failure.outcome}: {'/'.join(failure.cell)}, example {failure.example}: {failure}{_log(failure)}")
            say_when_debugging(failure.traceback)
        if len(done.failures) > _SHOWN:
            say(f"failed: {len(done.failures) - _SHOWN} more of the same {len(done.failures)}")
        for sentence in done.again:
            say(f"warning: {sentence}")
        self.again += done.again
        self.failures += done.failures
        if len(self.failures) > self._max and done.failures:
            last = self.failures[-1]
            self._stop(
                GillBenchError(
                    f"{len(self.failures)} examples failed, more than --max-failures {self._max},"
                    f" the last with {last}{_log(last)}\n"
                    "what was made is kept; when the reason is mended, or with a higher --max-failures,"
                    " the same command goes on"
                )
            )

    def _stop(self, error: Exception) -> None:
        if self._error is None:
            self._error = error


def _log(failure: Failure) -> str:
    return f"\n  the traceback: {failure.record}" if failure.record else ""
