"""Locks of a run directory are held by one process at a time; a file system without locks is named in a message."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.rundir.lock import RunLock
from tests.support.runs import CARDS, run, run_request, tree


@pytest.fixture(params=[errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A file system that refuses every lock, as NFS without its lock service and Lustre without flock do."""

    def refuse(*_: Any) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    number: int = request.param
    return number


def test_a_file_system_without_locks_is_named_before_anything_is_loaded(tmp_path: Path, no_locks: int) -> None:
    with pytest.raises(InputError) as refused:
        run(tmp_path / "run")
    lines = str(refused.value).splitlines()
    assert lines[0].startswith(f"{tmp_path / 'run'}/.write-test.")
    assert f"this file system has no locks ({os.strerror(no_locks)})" in lines[0]
    assert "--out" in lines[1]
    assert lines[2].endswith("the same command with --no-locks")
    assert not list((tmp_path / "run").iterdir())


def test_without_locks_one_command_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "locked", limit=3)

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    assert run(tmp_path / "run", limit=3, locks=False).complete
    assert tree(tmp_path / "run") == tree(tmp_path / "locked")
    assert main(["score", str(tmp_path / "run"), "--no-locks"]) == 0
    assert main(["score", str(tmp_path / "run")]) == 2
    words = ["--models", "noisy", "--cards", str(CARDS), "--data", run_request(tmp_path).data, "--split", "test"]
    words = ["run", "vist", *words, "--limit", "3", "--seeds", "2", "--out", str(tmp_path / "run")]
    assert main([*words, "--no-locks"]) == 0
    assert main(words) == 2


def test_a_unit_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gill_bench.rundir.lock import RunLock\n"
        "with RunLock(Path(sys.argv[1])) as lock, lock.unit('ab', wait=False) as held: print(held)"
    )
    with RunLock(tmp_path) as lock, lock.unit("ab", wait=True) as held:
        assert held
        other = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
        assert other.stdout == "False\n"
    other = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert other.stdout == "True\n"


def test_the_lock_of_a_unit_may_end_after_the_file_was_closed(tmp_path: Path) -> None:
    """Jobs that a worker leaves behind when it ends are thrown away after it has closed the locks."""
    with ExitStack() as left_behind:
        with RunLock(tmp_path) as locks:
            assert left_behind.enter_context(locks.unit("f" * 16, wait=False))
        left_behind.close()
    with RunLock(tmp_path) as locks, locks.unit("f" * 16, wait=False) as held:
        assert held


def test_a_folder_in_the_place_of_the_lock_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(InputError, match=r"\.lock: cannot be opened \(Is a directory\)"):
        RunLock(tmp_path)
