"""The dispatcher gives jobs to workers: it chooses the next job of each, counts failures, and stops at too many.

Each worker of a pool has a slot, a number from 0. A slot has at most `DEPTH` jobs at a time (one whose outputs are
written, one that is done, two whose data is read), so that the jobs under way do not grow with the run. When a worker
dies, each of its jobs has lost one of its `ATTEMPTS`, and is done again with no other beside it.
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
"""A job fails when this many workers have died with it."""

DEPTH = 4
"""A slot has at most so many jobs at a time."""

_SHOWN = 5  # failures of one job that are named


class Event(NamedTuple):
    """Something that happened at a slot.

    Attributes:
        slot: The number of the slot.
        reply: The reply to the oldest request that the slot was given; None if its worker died, with all its requests.
        reason: Why the worker died, or "".
    """

    slot: int
    reply: WorkReply | None
    reason: str = ""


class WorkerPool(Protocol):
    """The workers of an engine, one in each slot. A worker is started by the first request that its slot is given."""

    def names(self) -> Sequence[str]:
        """A name for each slot, used in messages; "" for the only slot of a pool."""

    def open(self, wanted: int) -> Sequence[int]:
        """Slots that can be given requests now, of the first `wanted`; a pool may ask for more workers here."""

    def give(self, slot: int, request: WorkRequest) -> None:
        """Give a slot a request; its reply comes out of `wait`."""

    def wait(self) -> Sequence[Event]:
        """Wait until something happens; () if the only news is that another slot can be given requests."""

    def recall(self, slot: int) -> int:
        """Take back requests whose jobs have not begun, the last that the slot was given; returns their number."""

    def close(self) -> None:
        """End all workers, also those that are doing a job."""


class _Flight(NamedTuple):
    group: JobGroup
    job: Job


class Dispatcher:
    """Gives jobs to the workers of a pool.

    Args:
        pool: The workers.
        max_failures: More failed examples than these stop the run.

    Attributes:
        failures: Every example that failed so far.
        again: A sentence for each call that raised with several prompts and worked with one at a time.
    """

    def __init__(self, pool: WorkerPool, max_failures: int) -> None:
        self.failures: list[Failure] = []
        self.again: list[str] = []
        self._pool, self._max = pool, max_failures
        self._holds: dict[int, str] = {}  # by slot: the key of the loadable that its worker has loaded
        self._flying: dict[int, deque[_Flight]] = {}  # by slot: jobs that were given and have no reply yet
        self._deaths: Counter[str] = Counter()  # by key of a job that is not finished: workers that died with it
        self._closed: set[int] = set()  # slots whose worker cannot load a model or network
        self._error: Exception | None = None

    def work(self, groups: Sequence[JobGroup], slots: int = 0, depth: int = DEPTH) -> None:
        """Do all jobs.

        An error in a job, or too many failures, is raised when the jobs under way have ended.

        Args:
            groups: The jobs, in the order in which one worker does them.
            slots: At most so many workers; 0 for all.
            depth: Jobs that a slot has at a time; 1 if nothing may happen beside a job.

        Raises:
            GillBenchError: Too many examples failed, or a worker met an error that nobody foresaw.
            OSError: The disk is full, or another error of the system that every worker would meet.
        """
        self._error = None
        self._busy: list[_Flight] = []
        self._deaths.clear()
        while True:
            if self._error is None:
                self._hand_out(groups, slots or len(self._pool.names()), depth)
            if not any(self._flying.values()):
                if self._error is not None:
                    raise self._error
                if not any(group.left for group in groups) and not self._busy:
                    return
            for event in self._wait():
                self._handle(event)

    def _wait(self) -> Sequence[Event]:
        try:
            return self._pool.wait()
        except BaseException:  # no worker can be started, or a user interrupted: nobody waits for the jobs under way
            self._pool.close()
            self._flying.clear()
            self._holds.clear()
            raise

    def _hand_out(self, groups: Sequence[JobGroup], slots: int, depth: int) -> None:
        """Give every free slot its next jobs."""
        free = [slot for slot in self._pool.open(slots + len(self._closed)) if slot not in self._closed][:slots]
        left = sum(group.left for group in groups)
        if self._deaths or (len(free) > 1 and left <= depth * len(free)):
            depth = 1  # near the end a second job of a slot would keep another slot idle
        for level in range(1, depth + 1):
            for slot in free:
                if len(self._flying.get(slot, ())) < level:
                    self._give_next(slot, groups)

    def _give_next(self, slot: int, groups: Sequence[JobGroup]) -> None:
        group = self._choose(slot, groups)
        if group is not None:
            self._give(slot, _Flight(group, group.take()), wait=False)
        elif self._busy and not self._flying.get(slot):  # another command was doing these jobs: wait for its end
            self._give(slot, self._busy.pop(0), wait=True)

    def _choose(self, slot: int, groups: Sequence[JobGroup]) -> JobGroup | None:
        """The group whose loadable the slot has; else one that no slot has; else the one with most jobs per holder."""
        waiting = [group for group in groups if group.left]
        holders = Counter(self._holds.values())
        for group in waiting:
            if group.loadable.key == self._holds.get(slot):
                return group
        for group in waiting:
            if not holders[group.loadable.key]:
                return group
        return max(waiting, key=lambda group: group.left / holders[group.loadable.key], default=None)

    def _give(self, slot: int, flight: _Flight, *, wait: bool) -> None:
        loadable = flight.group.loadable
        if self._holds.get(slot) != loadable.key:
            name = self._pool.names()[slot]
            if loadable.name:
                say(f"{loadable.name}: loading" + (f" on {name}" if name else ""))
            self._holds[slot] = loadable.key
        self._flying.setdefault(slot, deque()).append(flight)
        self._pool.give(slot, WorkRequest(loadable, flight.job, self._max - len(self.failures), wait))

    def _handle(self, event: Event) -> None:
        flying = self._flying.setdefault(event.slot, deque())
        if event.reply is None:
            self._lost(event, flying)
            return
        flight = flying.popleft()
        error, done = event.reply.error, event.reply.done
        if isinstance(error, NotLoadedError) and self._has_others(event.slot):
            say(f"warning: {self._pool.names()[event.slot]}: {error}; it is left out")
            self._closed.add(event.slot)
            self._holds.pop(event.slot, None)
            flight.group.put_back(flight.job)
        elif error is not None:
            self._stop(error)
        elif done is None:
            self._busy.append(flight)
        else:
            self._finished(flight, done)

    def _has_others(self, slot: int) -> bool:
        return bool(set(range(len(self._pool.names()))) - self._closed - {slot})

    def _lost(self, event: Event, flying: deque[_Flight]) -> None:
        """Put back the jobs of a worker that died.

        Replies may be lost with a worker, so that it is not known which of several jobs it was doing. From here on a
        worker is given one job at a time, until those that were put back are finished: an innocent one finishes.
        """
        self._holds.pop(event.slot, None)
        flights = list(flying)
        flying.clear()
        if not flights:
            return
        first = flights[0]
        self._deaths.update(flight.job.key for flight in flights)
        again = self._deaths[first.job.key] < ATTEMPTS
        say(
            f"warning: {self._pool.names()[event.slot]}: {event.reason};"
            + (" its work is done again" if again else f" {ATTEMPTS} workers died of the same work: it is left out")
        )
        for flight in flights[0 if again else 1 :]:
            flight.group.put_back(flight.job)
        if not again:
            try:
                self._finished(first, first.job.lost(event.reason))
            except GillBenchError as error:
                self._stop(error)

    def _finished(self, flight: _Flight, done: JobResult) -> None:
        self._deaths.pop(flight.job.key, None)
        done = flight.group.after(flight.job, done) or done
        for failure in done.failures[:_SHOWN]:
            say(f"{failure.outcome}: {failure.cell}, example {failure.example}: {failure}{_log(failure)}")
            say_when_debugging(failure.traceback)
        if len(done.failures) > _SHOWN:
            say(f"failed: {len(done.failures) - _SHOWN} more examples of the same unit")
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
                    "all outputs made so far are kept; remove the cause, or give a higher --max-failures, and run"
                    " the same command again"
                )
            )

    def _stop(self, error: Exception) -> None:
        """Have an error raised when the jobs that have begun have ended."""
        if self._error is None:
            self._error = error
        for slot, flying in self._flying.items():
            for _ in range(self._pool.recall(slot)):
                flight = flying.pop()
                flight.group.put_back(flight.job)


def _log(failure: Failure) -> str:
    return f"\n  the traceback: {failure.record}" if failure.record else ""
