from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gill_bench.storage import read_ahead as module
from gill_bench.storage.read_ahead import AHEAD, one_ahead, read_ahead, usable_processors

PATIENCE = 300.0  # seconds after which what was waited for will not happen


@pytest.fixture(params=[1, 2, 4])
def processors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(module, "usable_processors", lambda: request.param)
    count: int = request.param
    return count


def test_results_read_ahead_come_in_order(processors: int) -> None:
    waits = [threading.Event() for _ in range(2)]

    def read(item: int) -> int:
        if item == 0 and processors > 1:
            assert waits[0].wait(PATIENCE)  # the second is read before the first is done
        if item == 1:
            waits[0].set()
        return item * item

    assert list(read_ahead(read, range(200))) == [item * item for item in range(200)]


def test_an_error_read_ahead_is_raised_at_its_item(processors: int) -> None:
    def read(item: int) -> int:
        if item == 3:
            raise OSError("damaged")
        return item

    results = read_ahead(read, range(100))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="damaged"):
        next(results)


def test_no_more_items_are_read_ahead_than_allowed(processors: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(10 * AHEAD):
            taken.append(item)
            yield item

    results = read_ahead(lambda item: item, items())
    for expected in range(5):
        assert next(results) == expected
        assert len(taken) <= expected + 1 + AHEAD


def test_items_that_were_not_begun_are_not_read_when_the_caller_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_processors", lambda: 2)
    read: list[int] = []
    go = threading.Event()

    def slow(item: int) -> int:
        if item:
            assert go.wait(PATIENCE)
        read.append(item)
        return item

    before = set(threading.enumerate())  # an error in another test may keep its threads until memory is tidied
    results = read_ahead(slow, range(AHEAD + 1))
    assert next(results) == 0
    shutdown = ThreadPoolExecutor.shutdown

    def stopped(self: ThreadPoolExecutor, *arguments: Any, **options: Any) -> None:
        go.set()  # only now, when no more is to be begun, do the calls end that are under way
        shutdown(self, *arguments, **options)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", stopped)
    results.close()  # type: ignore[attr-defined]
    assert len(read) <= 3  # the first, and one in each thread
    threads = set(threading.enumerate()) - before
    assert not [thread for thread in threads if thread.name.startswith("read-ahead")]


def test_an_empty_list_can_be_read_ahead(processors: int) -> None:
    assert list(read_ahead(str, [])) == []


def test_processors_are_those_of_this_process() -> None:
    assert 1 <= usable_processors() <= (os.cpu_count() or 1)


def test_one_call_runs_ahead_while_its_caller_works() -> None:
    begun = [threading.Event() for _ in range(4)]

    def read(item: int) -> int:
        begun[item].set()
        return item * item

    results = []
    for number, result in enumerate(one_ahead(read, range(4))):
        assert begun[min(number + 1, 3)].wait(PATIENCE)
        assert not any(event.is_set() for event in begun[number + 2 :])
        results.append(result)
    assert results == [0, 1, 4, 9]


def test_an_error_one_ahead_is_raised_at_its_item() -> None:
    results = one_ahead(lambda item: 6 // item, [2, 1, 0])
    assert [next(results), next(results)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(one_ahead(str, [])) == []
