"""A worker overlaps its work: it reads ahead, does a job, and writes the outputs of the job before."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from gc import freeze, unfreeze
from pathlib import Path
from typing import Any

import pytest

from gill_bench.engines.job import JobResult, Unwritten
from gill_bench.engines.worker import Worker, WorkReply, WorkRequest
from gill_bench.rundir.lock import RunLock

PATIENCE = 300.0  # seconds after which what was waited for will not happen


class Circle:
    """A network that refers to itself, as one with hooks does: only a collection frees it."""

    def __init__(self) -> None:
        self.me = self


LOADED: dict[str, weakref.ref[Circle]] = {}
"""The networks that were loaded last, by key."""


@dataclass(frozen=True)
class Network:
    key: str
    folders: frozenset[Path] = frozenset()
    name: str = ""

    def load(self, device: str) -> Circle:
        network = Circle()
        LOADED[self.key] = weakref.ref(network)
        return network


@dataclass(frozen=True)
class Nothing:
    key: str = "nothing"
    name: str = ""
    folders: frozenset[Path] = frozenset()

    def load(self, device: str) -> None:
        return None


@dataclass(frozen=True)
class Planned:
    """A job whose steps are functions of a test; without `write` its result is known at once."""

    key: str
    read: Callable[[], None] = lambda: None
    work: Callable[[], None] = lambda: None
    look: Callable[[], None] = lambda: None
    write: Callable[[], None] | None = lambda: None
    data: str = ""
    size: int = 1
    used: list[str] = field(default_factory=list)

    def is_done(self, run: Path) -> bool:
        self.look()
        return False

    def prepared(self) -> Planned:
        self.read()
        return replace(self, data="read ahead")

    def do(self, loaded: Any, run: Path, device: str, may_fail: int) -> JobResult | Unwritten:
        self.used.append(self.data)
        self.work()
        return JobResult(value=self.key) if self.write is None else Unwritten(self._write)

    def _write(self) -> JobResult:
        assert self.write is not None
        self.write()
        return JobResult(value=self.key)

    def lost(self, reason: str) -> JobResult:
        raise AssertionError(reason)


@pytest.fixture(autouse=True)
def _the_collector_itself(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The collector's own functions, in whose place a session of tests has functions that do nothing."""
    monkeypatch.setattr(gc, "freeze", freeze)
    monkeypatch.setattr(gc, "unfreeze", unfreeze)
    yield
    freeze()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with RunLock(tmp_path) as lock:
        worker = Worker(tmp_path, lock, "cpu")
        yield worker
        worker.close()


def give(worker: Worker, *jobs: Planned) -> None:
    for job in jobs:
        worker.give(WorkRequest(Nothing(), job, 0, False))


def key_of(reply: WorkReply | None) -> str:
    assert reply is not None
    assert reply.error is None
    assert reply.done is not None
    return str(reply.done.value)


def raising(error: Exception) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step


def waiting_for(event: threading.Event) -> Callable[[], None]:
    def step() -> None:
        assert event.wait(PATIENCE)

    return step


def test_outputs_are_written_while_the_next_job_is_done(worker: Worker) -> None:
    second_began = threading.Event()
    give(worker, Planned("a1", write=waiting_for(second_began)), Planned("a2", work=second_began.set))
    assert [key_of(worker.reply()) for _ in range(2)] == ["a1", "a2"]


def test_data_is_read_while_the_job_before_is_done(worker: Worker) -> None:
    read = threading.Event()
    second = Planned("a2", read=read.set)
    give(worker, Planned("a1", work=waiting_for(read)), second)
    assert [key_of(worker.reply()) for _ in range(2)] == ["a1", "a2"]
    assert second.used == ["read ahead"]


def test_data_of_two_jobs_is_read_while_one_is_done(worker: Worker) -> None:
    both = threading.Barrier(2)
    read = threading.Event()

    def reading() -> None:
        both.wait(PATIENCE)
        read.set()

    give(worker, Planned("a1", work=waiting_for(read)), *(Planned(f"a{number}", read=reading) for number in (2, 3)))
    assert [key_of(worker.reply()) for _ in range(3)] == ["a1", "a2", "a3"]


def test_the_next_job_is_looked_for_while_this_one_is_done(worker: Worker) -> None:
    seen = threading.Event()
    give(worker, Planned("a1", work=waiting_for(seen)), Planned("a2", look=seen.set))
    assert [key_of(worker.reply()) for _ in range(2)] == ["a1", "a2"]


def test_a_job_that_another_process_does_is_waited_for_in_its_own_turn(tmp_path: Path) -> None:
    waited: list[str] = []

    class Lock(RunLock):
        def _lock(self, byte: int, *, wait: bool) -> bool:
            if wait:
                waited.append(threading.current_thread().name)
            return super()._lock(byte, wait=wait)

    with Lock(tmp_path) as lock:
        worker = Worker(tmp_path, lock, "cpu")
        give(worker, Planned("a1"))
        worker.give(WorkRequest(Nothing(), Planned("a2"), 0, True))
        assert [key_of(worker.reply()) for _ in range(2)] == ["a1", "a2"]
        worker.close()
    assert waited == [threading.current_thread().name]


def test_a_job_that_is_recalled_can_be_locked_by_others(worker: Worker, tmp_path: Path) -> None:
    """Locks of POSIX belong to a process: another one looks."""
    taken = threading.Event()
    give(worker, Planned("a1", work=waiting_for(taken), write=None), Planned("a2", read=taken.set))
    assert key_of(worker.reply()) == "a1"
    code = (
        "import sys; from pathlib import Path; from gill_bench.rundir.lock import RunLock\n"
        "with RunLock(Path(sys.argv[1])) as lock:\n"
        "    for _ in sys.stdin:\n"
        "        with lock.unit('a2', wait=False) as held: print(held, flush=True)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        print(file=other.stdin, flush=True)
        assert other.stdout.readline() == "False\n"
        assert worker.recall() == 1
        print(file=other.stdin, flush=True)
        assert other.stdout.readline() == "True\n"
        other.stdin.close()


def test_data_is_not_freed_by_the_thread_of_the_model(worker: Worker) -> None:
    """Photos of prompts take longer to free than all else between two calls of a model.

    The outputs are written when the next job is done: the model's thread has nothing of the job before by then.
    """
    freed, next_began = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    class Photo(str):
        def __del__(self) -> None:
            threads.append(threading.current_thread())
            freed.set()

    class WithPhoto(Planned):
        def prepared(self) -> Planned:
            return Planned(self.key, write=self.write, data=Photo())

    second = WithPhoto("a2", write=waiting_for(next_began))
    give(worker, Planned("a1"), second, Planned("a3", work=next_began.set))
    assert [key_of(worker.reply()) for _ in range(3)] == ["a1", "a2", "a3"]
    assert freed.wait(PATIENCE)
    assert threading.current_thread() not in threads


def test_threads_take_short_turns_while_there_is_a_worker(tmp_path: Path) -> None:
    before = sys.getswitchinterval()
    with RunLock(tmp_path) as lock:
        worker = Worker(tmp_path, lock, "cpu")
        assert sys.getswitchinterval() == pytest.approx(0.0005)
        worker.close()
    assert sys.getswitchinterval() == pytest.approx(before)


def test_threads_begin_when_the_next_job_does(worker: Worker) -> None:
    """Between two jobs, when a model waits, no thread of the worker takes turns with its own."""
    began: list[str] = []
    written = threading.Event()

    def write() -> None:
        began.append("writing a1")
        written.set()

    second = Planned("a2", look=lambda: began.append("looking for a2"), work=waiting_for(written))
    give(worker, Planned("a1", write=write), second)
    assert [key_of(worker.reply()) for _ in range(2)] == ["a1", "a2"]
    assert began == ["looking for a2", "writing a1"]


def test_outputs_are_written_while_the_next_model_is_loaded(worker: Worker) -> None:
    written = threading.Event()

    class Model(Nothing):
        def load(self, device: str) -> None:
            assert written.wait(PATIENCE)

    give(worker, Planned("a1", write=written.set))
    worker.give(WorkRequest(Model("other"), Planned("b1"), 0, False))
    assert [key_of(worker.reply()) for _ in range(2)] == ["a1", "b1"]


def test_data_is_read_while_a_model_is_loaded(worker: Worker) -> None:
    read = threading.Event()

    class Model(Nothing):
        def load(self, device: str) -> None:
            assert read.wait(PATIENCE)

    first = Planned("a1", read=read.set)
    worker.give(WorkRequest(Model(), first, 0, False))
    assert key_of(worker.reply()) == "a1"
    assert first.used == ["read ahead"]


def test_weights_of_the_next_model_are_read_while_this_one_works(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = threading.Event()
    folders_read: list[frozenset[Path]] = []

    def reading(folders: frozenset[Path]) -> None:
        folders_read.append(folders)
        if folders == frozenset({Path("b")}):
            read.set()

    monkeypatch.setattr("gill_bench.engines.worker.read_into_page_cache", reading)
    first, second = (Network(name, frozenset({Path(name)})) for name in "ab")
    jobs = (Planned("a1"), Planned("a2", work=waiting_for(read)), Planned("a3"), Planned("a4"))
    for network, job in zip((first, first, second, second), jobs, strict=True):
        worker.give(WorkRequest(network, job, 0, False))
    assert [key_of(worker.reply()) for _ in jobs] == ["a1", "a2", "a3", "a4"]
    assert folders_read.count(frozenset({Path("b")})) == 1


def test_data_that_is_given_during_a_job_is_read_at_once(worker: Worker) -> None:
    read = threading.Event()

    def work() -> None:
        give(worker, Planned("a2", read=read.set))
        assert read.wait(PATIENCE)

    give(worker, Planned("a1", work=work))
    assert [key_of(worker.reply()) for _ in range(2)] == ["a1", "a2"]


def test_data_that_cannot_be_read_ahead_is_left_to_the_job(worker: Worker) -> None:
    second = Planned("a2", read=raising(OSError("no such file")))
    give(worker, Planned("a1"), second)
    assert [key_of(worker.reply()) for _ in range(2)] == ["a1", "a2"]
    assert second.used == [""]


def test_an_error_is_the_reply_of_its_own_job(worker: Worker) -> None:
    full = OSError(28, "No space left on device")
    give(worker, Planned("a1", write=raising(full)), Planned("a2", work=raising(ValueError("planted"))), Planned("a3"))
    first, second = worker.reply(), worker.reply()
    assert first is not None
    assert second is not None
    assert first.error is full
    assert str(second.error) == "planted"
    assert key_of(worker.reply()) == "a3"


def test_no_job_begins_before_the_failure_of_an_earlier_one_is_known(worker: Worker) -> None:
    third = Planned("a3")
    give(worker, Planned("a1"), Planned("a2", write=None), third)
    assert [key_of(worker.reply()) for _ in range(2)] == ["a1", "a2"]
    assert third.used == []
    assert worker.recall() == 1
    worker.end()
    assert worker.reply() is None


def test_a_job_is_locked_until_its_outputs_are_written(tmp_path: Path) -> None:
    held: list[str] = []

    class Lock(RunLock):
        def _lock(self, byte: int, *, wait: bool) -> bool:
            held.append("lock")
            return super()._lock(byte, wait=wait)

        def _unlock(self, byte: int) -> None:
            held.append("unlock")
            super()._unlock(byte)

    with Lock(tmp_path) as lock:
        worker = Worker(tmp_path, lock, "cpu")
        give(worker, Planned("a1", work=lambda: held.append("work"), write=lambda: held.append("write")))
        assert key_of(worker.reply()) == "a1"
    assert held == ["lock", "work", "write", "unlock"]


def test_closing_a_worker_waits_for_its_writes(worker: Worker) -> None:
    written: list[str] = []
    began, go_on = threading.Event(), threading.Event()

    def write() -> None:
        began.set()
        assert go_on.wait(PATIENCE)
        written.append("a1")

    def interrupt() -> None:
        assert began.wait(PATIENCE)
        threading.Timer(0.05, go_on.set).start()
        raise KeyboardInterrupt

    give(worker, Planned("a1", write=write), Planned("a2", work=interrupt), Planned("a3"))
    with pytest.raises(KeyboardInterrupt):
        worker.reply()
    worker.close()
    assert written == ["a1"]


def test_requests_that_cannot_be_read_end_the_worker_with_their_error(worker: Worker) -> None:
    give(worker, Planned("a1"))
    worker.end(AttributeError("no class Job"))
    assert key_of(worker.reply()) == "a1"
    with pytest.raises(AttributeError, match="no class Job"):
        worker.reply()


def alive_at_each(worker: Worker, *networks: Network) -> list[set[str]]:
    """The networks in memory during a job with each network, when only the worker collects garbage."""
    alive: list[set[str]] = []

    def look() -> None:
        alive.append({name for name, network in LOADED.items() if network() is not None})

    LOADED.clear()
    gc.disable()
    try:
        for number, network in enumerate(networks):
            worker.give(WorkRequest(network, Planned(f"a{number}", work=look), 0, False))
            key_of(worker.reply())
    finally:
        gc.enable()
        worker.close()
    return alive


def test_the_network_before_is_freed_before_another_is_loaded(worker: Worker) -> None:
    assert alive_at_each(worker, *map(Network, "aabca")) == [{"a"}, {"a"}, {"b"}, {"c"}, {"a"}]


def test_a_network_that_shares_weights_is_loaded_before_the_other_goes(worker: Worker) -> None:
    shared = frozenset({Path("weights")})
    alive = alive_at_each(worker, Network("a", shared), Network("b", shared), Network("c"))
    assert alive == [{"a"}, {"a", "b"}, {"c"}]


def test_only_objects_that_came_since_the_last_change_are_collected(worker: Worker) -> None:
    worker.give(WorkRequest(Network("a"), Planned("a1"), 0, False))
    key_of(worker.reply())
    assert gc.get_freeze_count() > len(gc.get_objects())
    worker.close()
    assert gc.get_freeze_count() == 0
