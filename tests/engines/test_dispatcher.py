"""The dispatcher with workers that do what a test says: request, retries, limits, what is under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gill_bench.engines.dispatcher import ATTEMPTS, DEPTH, Dispatcher, Event
from gill_bench.engines.job import Failure, JobGroup, JobResult, NotLoadedError
from gill_bench.engines.worker import WorkReply, WorkRequest
from gill_bench.errors import GillBenchError
from gill_bench.rundir.records import CellKey

CELL = CellKey("task", "model", "context")


@dataclass(frozen=True)
class Number:
    """A job that is only counted."""

    key: str
    size: int = 1

    def is_done(self, run: Path) -> bool:
        return False

    def prepared(self) -> Number:
        return self

    def do(self, loaded: Any, run: Path, device: str, may_fail: int) -> JobResult:
        raise AssertionError("nobody here does it")

    def lost(self, reason: str) -> JobResult:
        return JobResult((Failure(CELL, self.key, reason),))


@dataclass(frozen=True)
class Named:
    key: str
    folders: frozenset[Path] = frozenset()

    @property
    def name(self) -> str:
        return self.key

    def load(self, device: str) -> Any:
        raise AssertionError("nobody here loads it")


class Scripted:
    """A pool whose slots reply when the test says so, each to its oldest request first.

    Attributes:
        given: (slot, tool, job, wait) in the order of giving.
        most: The most requests that were under way at a slot.
    """

    def __init__(self, slots: int, says: Callable[[int, WorkRequest], WorkReply | None]) -> None:
        self.given: list[tuple[int, str, str, bool]] = []
        self.most = 0
        self._requests: list[deque[WorkRequest]] = [deque() for _ in range(slots)]
        self._says = says
        self._turn = 0

    def names(self) -> Sequence[str]:
        return [f"slot {slot}" for slot in range(len(self._requests))]

    def open(self, wanted: int) -> Sequence[int]:
        return range(min(wanted, len(self._requests)))

    def give(self, slot: int, request: WorkRequest) -> None:
        self.given.append((slot, request.loadable.key, request.job.key, request.wait))
        self._requests[slot].append(request)
        self.most = max(self.most, len(self._requests[slot]))

    def recall(self, slot: int) -> int:
        return 0

    def wait(self) -> Sequence[Event]:
        for _ in self._requests:  # the slots take turns
            self._turn = (self._turn + 1) % len(self._requests)
            if self._requests[self._turn]:
                request = self._requests[self._turn][0]
                answer = self._says(self._turn, request)
                if answer is None:
                    self._requests[self._turn].clear()
                    return [Event(self._turn, None, "fell asleep")]
                self._requests[self._turn].popleft()
                return [Event(self._turn, answer)]
        raise AssertionError("nothing is under way: the dispatcher would wait for ever")

    def close(self) -> None:
        for requests in self._requests:
            requests.clear()


def batch(tool: str, count: int, done: list[str]) -> JobGroup:
    jobs = (Number(f"{tool}{number}") for number in range(count))
    return JobGroup(Named(tool), jobs, count, lambda job, _: done.append(job.key))


def fine(slot: int, request: WorkRequest) -> WorkReply:
    return WorkReply(JobResult())


@pytest.mark.parametrize("slots", [1, 2, 3, 7])
def test_every_job_is_done_once(slots: int) -> None:
    done: list[str] = []
    pool = Scripted(slots, fine)
    Dispatcher(pool, 0).work([batch("a", 9, done), batch("b", 5, done)])
    assert sorted(done) == sorted([f"a{n}" for n in range(9)] + [f"b{n}" for n in range(5)])
    assert len(pool.given) == 14


def test_one_worker_does_the_jobs_in_order() -> None:
    done: list[str] = []
    Dispatcher(Scripted(1, fine), 0).work([batch("a", 3, done), batch("b", 2, done)])
    assert done == ["a0", "a1", "a2", "b0", "b1"]


def test_two_workers_begin_with_different_models_and_stay_with_them() -> None:
    pool = Scripted(2, fine)
    Dispatcher(pool, 0).work([batch("a", 8, []), batch("b", 2, [])])
    assert {tool for slot, tool, _, _ in pool.given if slot == 0} == {"a"}
    tools = [tool for slot, tool, _, _ in pool.given if slot == 1]
    assert tools == sorted(tools, reverse=True)  # first all of b, then it helps with a
    assert set(tools) == {"a", "b"}


def test_requests_under_way_are_bounded_however_long_the_run() -> None:
    taken = 0
    pool = Scripted(2, fine)

    def jobs() -> Any:
        nonlocal taken
        for number in range(500):
            taken += 1
            assert taken - finished[0] <= 2 * DEPTH
            yield Number(str(number))

    finished = [0]

    def after(job: object, done: JobResult) -> None:
        finished[0] += 1

    Dispatcher(pool, 0).work([JobGroup(Named("a"), jobs(), 500, after)])
    assert pool.most == DEPTH
    assert finished == [500]


def test_no_free_worker_waits_for_the_second_job_of_another() -> None:
    held: dict[int, int] = {}

    def says(slot: int, request: WorkRequest) -> WorkReply:
        held[slot] = held.get(slot, 0) + 1
        return WorkReply(JobResult())

    Dispatcher(Scripted(4, says), 0).work([batch("a", 4, [])])
    assert held == {0: 1, 1: 1, 2: 1, 3: 1}


def test_a_worker_that_dies_costs_only_time(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[str] = []
    deaths = iter([None])
    dispatcher = Dispatcher(Scripted(2, lambda slot, request: next(deaths, WorkReply(JobResult()))), 0)
    dispatcher.work([batch("a", 9, done)])
    assert sorted(done) == [f"a{n}" for n in range(9)]
    assert dispatcher.failures == []
    assert "warning: slot 1: fell asleep; its work is done again" in capsys.readouterr().err


def test_a_job_that_kills_every_worker_fails_and_the_run_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[str] = []
    tried = []

    def says(slot: int, request: WorkRequest) -> WorkReply | None:
        if request.job.key == "a3":
            tried.append(slot)
            return None
        return WorkReply(JobResult())

    dispatcher = Dispatcher(Scripted(2, says), 1)
    dispatcher.work([batch("a", 9, done)])
    assert len(tried) == ATTEMPTS
    assert sorted(done) == [f"a{n}" for n in range(9)]  # behind us, one of them as failed
    assert dispatcher.failures == [Failure(CELL, "a3", "fell asleep")]
    assert "failed: task/model/context, example a3: fell asleep" in capsys.readouterr().err


class Forgetful(Scripted):
    """A pool whose workers die of a job as soon as they have it; replies to the jobs before it are lost with them."""

    def wait(self) -> Sequence[Event]:
        for slot, requests in enumerate(self._requests):
            if any(request.job.key == "a3" for request in requests):
                requests.clear()
                return [Event(slot, None, "fell asleep")]
        return super().wait()


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_a_job_is_not_blamed_for_the_death_that_another_caused(slots: int) -> None:
    done: list[str] = []
    dispatcher = Dispatcher(Forgetful(slots, fine), 1)
    dispatcher.work([batch("a", 30, done)])
    assert sorted(done) == sorted(f"a{n}" for n in range(30))
    assert dispatcher.failures == [Failure(CELL, "a3", "fell asleep")]


def test_more_failures_than_allowed_stop_the_run_and_keep_jobs_under_way() -> None:
    done: list[str] = []

    def says(slot: int, request: WorkRequest) -> WorkReply:
        return WorkReply(JobResult((Failure(CELL, request.job.key, "planted"),)))

    dispatcher = Dispatcher(Scripted(2, says), 3)
    with pytest.raises(GillBenchError, match=r"4 examples failed, more than --max-failures 3, the last with planted"):
        dispatcher.work([batch("a", 50, done)])
    assert len(done) <= 4 + 2 * DEPTH - 1  # those that were given before the fourth failed


def test_failures_up_to_the_limit_do_not_stop_it() -> None:
    done: list[str] = []

    def says(slot: int, request: WorkRequest) -> WorkReply:
        return WorkReply(
            JobResult((Failure(CELL, request.job.key, "planted"),) if request.job.key in ("a1", "a5") else ())
        )

    dispatcher = Dispatcher(Scripted(2, says), 2)
    dispatcher.work([batch("a", 9, done)])
    assert len(done) == 9
    assert {failure.example for failure in dispatcher.failures} == {"a1", "a5"}


def test_jobs_that_another_process_works_on_come_last_and_are_waited_for() -> None:
    done: list[str] = []

    def says(slot: int, request: WorkRequest) -> WorkReply:
        return WorkReply(None if request.job.key == "a0" and not request.wait else JobResult())

    pool = Scripted(1, says)
    Dispatcher(pool, 0).work([batch("a", 4, done)])
    assert done == ["a1", "a2", "a3", "a0"]
    assert pool.given[-1] == (0, "a", "a0", True)


def test_an_error_ends_the_run_after_the_jobs_under_way() -> None:
    done: list[str] = []

    def says(slot: int, request: WorkRequest) -> WorkReply:
        return (
            WorkReply(error=OSError(28, "No space left on device"))
            if request.job.key == "a2"
            else WorkReply(JobResult())
        )

    dispatcher = Dispatcher(Scripted(2, says), 0)
    with pytest.raises(OSError, match="No space left"):
        dispatcher.work([batch("a", 50, done)])
    assert 2 <= len(done) <= 3 * DEPTH
    dispatcher.work([batch("b", 3, done)])  # such as the next metric
    assert done[-3:] == ["b0", "b1", "b2"]


def test_a_worker_that_cannot_load_is_left_out_while_there_are_others(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[str] = []

    def says(slot: int, request: WorkRequest) -> WorkReply:
        return WorkReply(error=NotLoadedError("a: could not be loaded")) if slot == 1 else WorkReply(JobResult())

    pool = Scripted(2, says)
    Dispatcher(pool, 0).work([batch("a", 6, done)])
    assert sorted(done) == [f"a{n}" for n in range(6)]
    assert "slot 1: a: could not be loaded; it is left out" in capsys.readouterr().err
    with pytest.raises(NotLoadedError):
        Dispatcher(Scripted(1, lambda slot, request: says(1, request)), 0).work([batch("a", 6, done)])


def test_workers_that_cannot_start_leave_the_pool_usable_for_the_next_jobs() -> None:
    done: list[str] = []
    broken = [True]

    def says(slot: int, request: WorkRequest) -> WorkReply:
        if broken:
            broken.clear()
            raise GillBenchError("no worker can begin")
        return WorkReply(JobResult())

    pool = Scripted(2, says)
    dispatcher = Dispatcher(pool, 0)
    with pytest.raises(GillBenchError, match="no worker can begin"):
        dispatcher.work([batch("a", 9, done)])
    dispatcher.work([batch("b", 3, done)])
    assert sorted(done) == ["b0", "b1", "b2"]
