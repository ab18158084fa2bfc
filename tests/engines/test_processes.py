"""Workers in processes: how they end."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gill_bench.engines.job import JobResult
from gill_bench.engines.processes import ProcessPool
from gill_bench.engines.worker import Worker, WorkRequest
from gill_bench.rundir.lock import RunLock
from tests.conftest import ROOT

KEPT: list[Any] = []


@dataclass(frozen=True)
class Nothing:
    """A tool without weights, whose loading takes a semaphore of the system."""

    key: str = "nothing"
    name: str = ""
    folders: frozenset[Path] = frozenset()

    def load(self, device: str) -> None:
        import multiprocessing

        KEPT.append(multiprocessing.get_context("spawn").Lock())


@dataclass(frozen=True)
class Easy:
    key: str = "ab"
    size: int = 1

    def is_done(self, run: Path) -> bool:
        return False

    def prepared(self) -> Easy:
        return self

    def do(self, loaded: Any, run: Path, device: str, may_fail: int) -> JobResult:
        return JobResult(value=len(KEPT))

    def lost(self, reason: str) -> JobResult:
        raise AssertionError(reason)


def main(run: Path) -> None:
    """Have one job done by a worker, and end it."""
    pool = ProcessPool(run, ["cpu"], 1)
    pool.give(0, WorkRequest(Nothing(), Easy(), 0, False))
    events: list[Any] = []
    while not events:
        events += pool.wait()
    ((process, _),) = pool._running.values()
    pool.close()
    print(events[0].reply.done.value, process.exitcode)


def test_an_idle_worker_ends_by_itself_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The test runs in a process of its own, at whose end multiprocessing warns of semaphores that were left behind."""
    code = (
        "import sys; from pathlib import Path; from tests.engines.test_processes import main; main(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 0\n", "")


def test_progress_bars_of_libraries_take_no_semaphore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tqdm import tqdm

    monkeypatch.delattr(tqdm, "_lock", raising=False)
    with RunLock(tmp_path) as lock:
        Worker(tmp_path, lock, "cpu")
    assert isinstance(tqdm.get_lock(), type(threading.RLock()))
