"""The contract of every pool of workers, run against one pool in a process of its own.

Usage: `python -m tests.engines.pools POOL RUN` prints what happened as JSON; `test_pools.py` says what must have.
`python -m tests.engines.pools killed RUN` ends itself while its processes have work.
A new engine adds its pool to `POOLS`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

from gill_bench.engines.dispatcher import Dispatcher, WorkerPool
from gill_bench.engines.job import Failure, JobGroup, JobResult
from gill_bench.errors import GillBenchError
from gill_bench.rundir.lock import RunLock
from gill_bench.rundir.records import CellKey

CELL = CellKey("task", "model", "context")

if __name__ == "__mp_main__":  # a worker of the process pool
    # These jobs need nothing of torch, whose import takes seconds in each of a dozen workers: only its threads are set.
    torch = ModuleType("torch")
    torch.__dict__.update(set_num_threads=lambda threads: None, get_num_threads=lambda: 1)
    sys.modules["torch"] = torch


@dataclass(frozen=True)
class Letter:
    """Something to load: a letter. It notes in a file that it was loaded, and by which process."""

    key: str
    run: Path
    name: str = ""
    folders: frozenset[Path] = frozenset()

    def load(self, device: str) -> str:
        with (self.run / f"loads-{os.getpid()}").open("a") as file:
            file.write(self.key)
        return f"{self.key} on {device}"


@dataclass(frozen=True)
class WriteFile:
    """A job that writes a file, unless it raises or kills its worker.

    Attributes:
        deed: "write", "write slowly", "raise", "die once" or "die always".
    """

    key: str
    deed: str = "write"
    size: int = 1

    def is_done(self, run: Path) -> bool:
        return (run / f"done-{self.key}").exists()

    def prepared(self) -> WriteFile:
        return self

    def do(self, loaded: Any, run: Path, device: str, may_fail: int) -> JobResult:
        if self.deed == "raise":
            raise ValueError("the planted error")
        if self.deed == "write slowly":
            time.sleep(0.5)
        died = run / f"died-{self.key}"
        if self.deed == "die always" or (self.deed == "die once" and not died.exists()):
            died.touch()
            os._exit(7)
        (run / f"done-{self.key}").write_text(f"{self.key} with {loaded}")
        return JobResult(value=os.getpid())

    def lost(self, reason: str) -> JobResult:
        return JobResult((Failure(CELL, self.key, reason),))


@contextmanager
def local(run: Path) -> Iterator[WorkerPool]:
    from gill_bench.engines.local import LocalPool
    from gill_bench.engines.worker import Worker

    with RunLock(run) as lock:
        yield LocalPool(Worker(run, lock, "cpu"))


@contextmanager
def processes(run: Path) -> Iterator[WorkerPool]:
    from gill_bench.engines.processes import ProcessPool

    yield ProcessPool(run, ["cpu", "cpu"], 1)


@contextmanager
def ray(run: Path) -> Iterator[WorkerPool]:
    from gill_bench.engines.ray import RayPool, cluster

    os.environ["PYTHONPATH"] = str(Path.cwd())  # so that Ray's workers find these jobs
    with cluster("", 2):
        yield RayPool(run, "cpu", 1, 2)


POOLS: dict[str, Callable[[Path], Any]] = {"local": local, "processes": processes, "ray": ray}
"""The pool of each engine, with two slots where it has several."""
IN_THIS_PROCESS = {"local"}
"""Pools whose workers cannot die alone."""


def contents(run: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted(run.glob("done-*"))}


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def workers_of(run: Path) -> set[int]:
    """The processes that loaded something."""
    return {int(file.name.partition("-")[2]) for file in run.glob("loads-*")}


def left_of(workers: set[int]) -> list[int]:
    """The workers that are still running after half a minute."""
    for _ in range(300):
        if not any(map(is_running, workers)):
            break
        time.sleep(0.1)
    return [process for process in workers if is_running(process)]


def main(name: str, run: Path) -> dict[str, Any]:
    """Go through the contract, step by step, with the same pool."""
    report: dict[str, Any] = {}
    results: dict[str, Any] = {}

    def groups(*jobs: tuple[str, list[WriteFile]]) -> list[JobGroup]:
        def after(job: Any, result: JobResult) -> None:
            results[job.key] = result.value

        return [JobGroup(Letter(letter, run), iter(some), len(some), after) for letter, some in jobs]

    def jobs(prefix: str, count: int = 4) -> list[WriteFile]:
        return [WriteFile(f"{prefix}{number}") for number in range(count)]

    (run / "spec.json").write_text("{}")  # Ray's workers look for it
    with POOLS[name](run) as pool:
        slots = len(pool.names())
        dispatcher = Dispatcher(pool, 1)
        dispatcher.work(groups(("a", jobs("a")), ("b", jobs("b"))), slots)
        report["done"] = contents(run)
        for file in run.glob("done-*"):
            file.unlink()
        dispatcher.work(groups(("b", jobs("b")[::-1]), ("a", jobs("a")[::-1])), slots)
        report["done in another order"] = contents(run)

        results.clear()
        dispatcher.work(groups(("a", jobs("a"))), slots)
        report["done again"] = sorted(key for key, value in results.items() if value is not None)

        try:
            dispatcher.work(groups(("a", [*jobs("c"), WriteFile("c9", "raise")])), slots)
        except Exception as error:
            report["raised"] = [isinstance(error, GillBenchError | ValueError), str(error)]
        dispatcher.work(groups(("a", jobs("d"))), slots)
        report["done after an error"] = sorted(key for key in contents(run) if key.startswith("done-d"))

        if name not in IN_THIS_PROCESS:
            dispatcher.work(groups(("a", [*jobs("e"), WriteFile("e9", "die once")])), slots)
            report["done after a death"] = sorted(key for key in contents(run) if key.startswith("done-e"))
            report["failures after a death"] = [failure.example for failure in dispatcher.failures]
            dispatcher.work(groups(("a", [*jobs("f"), WriteFile("f9", "die always")])), slots)
            report["done beside a deadly job"] = sorted(key for key in contents(run) if key.startswith("done-f"))
            report["failures after many deaths"] = [failure.example for failure in dispatcher.failures]

        workers = workers_of(run) - {os.getpid()}
        pool.close()
        pool.close()
        report["workers of other processes"] = bool(workers)
        report["workers left"] = left_of(workers)
    return report


def killed(run: Path) -> None:
    """Give two processes eight jobs each, and end without a word when both have done one."""
    from gill_bench.engines.worker import WorkRequest

    with processes(run) as pool:
        for slot, number in product(range(2), range(8)):
            pool.give(slot, WorkRequest(Letter("a", run), WriteFile(f"{slot}{number}", "write slowly"), 0, False))
        while len({name[:6] for name in contents(run)}) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1] == "killed":
        killed(Path(sys.argv[2]))
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
