"""Workers of one machine: in this process, or in processes of their own."""

from __future__ import annotations

from pathlib import Path

from gill_bench.engines.local import LocalPool, open_pools
from gill_bench.engines.options import ExecutionOptions
from gill_bench.engines.processes import ProcessPool
from gill_bench.rundir.lock import RunLock


def test_timed_jobs_have_one_worker_on_several_devices(tmp_path: Path) -> None:
    options = ExecutionOptions(devices=("cpu", "cpu"))
    with RunLock(tmp_path) as lock, open_pools(tmp_path, options, lock) as choose:
        before, slots = choose(1000, True)
        assert (type(before), slots) == (LocalPool, 1)
        processes, slots = choose(1000, False)
        assert (type(processes), slots) == (ProcessPool, 2)
        assert choose(1000, True) == (processes, 1)


def test_processes_that_have_started_do_little_work_too(tmp_path: Path) -> None:
    options = ExecutionOptions(devices=("cpu",), workers=4)
    with RunLock(tmp_path) as lock, open_pools(tmp_path, options, lock) as choose:
        little, slots = choose(399, False)
        assert (type(little), slots) == (LocalPool, 1)
        processes, slots = choose(400, False)
        assert (type(processes), slots) == (ProcessPool, 2)
        assert choose(10, False) == (processes, 2), "and no other process starts for it"
        assert choose(10, True) == (processes, 1)
        assert choose(800, True) == (processes, 1)
        assert choose(10, False) == (processes, 2), "timed work has started no other process either"
        assert choose(600, False) == (processes, 3)
