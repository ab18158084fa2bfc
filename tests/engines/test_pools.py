"""Every pool keeps the contract of `tests/engines/pools.py`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gill_bench.engines.options import ENGINES, EngineModule, engine_module
from tests.conftest import ROOT
from tests.engines.pools import IN_THIS_PROCESS, POOLS, contents, left_of, workers_of


@pytest.mark.parametrize(
    "pool", [pytest.param(name, marks=[pytest.mark.slow] if name == "ray" else []) for name in POOLS]
)
def test_a_pool_keeps_the_contract(pool: str, tmp_path: Path) -> None:
    """The test runs in a process of its own: this process has no sockets, and workers must not see the test runner."""
    words = [sys.executable, "-m", "tests.engines.pools", pool, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout)
    everything = {f"done-{letter}{n}": f"{letter}{n} with {letter} on cpu" for letter in "ab" for n in range(4)}
    assert report["done"] == everything
    assert report["done in another order"] == everything
    assert report["done again"] == []  # a job that is done already is not done twice
    of_our_kind, message = report["raised"]
    assert of_our_kind
    assert "the planted error" in message
    assert report["done after an error"] == [f"done-d{n}" for n in range(4)]
    if pool not in IN_THIS_PROCESS:
        assert report["done after a death"] == [*(f"done-e{n}" for n in range(4)), "done-e9"]
        assert report["failures after a death"] == []
        assert report["done beside a deadly job"] == [f"done-f{n}" for n in range(4)]
        assert report["failures after many deaths"] == ["f9"]
    assert report["workers of other processes"] == (pool not in IN_THIS_PROCESS)
    assert report["workers left"] == []


def test_processes_whose_owner_was_killed_end_and_do_not_go_on_alone(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.engines.pools", "killed", str(tmp_path)]
    assert subprocess.run(words, cwd=ROOT, timeout=300).returncode == -signal.SIGKILL
    workers = workers_of(tmp_path)
    assert len(workers) == 2
    assert left_of(workers) == []
    assert 2 <= len(contents(tmp_path)) < 16


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_says_of_itself_what_it_needs(name: str) -> None:
    module = engine_module(name)
    wanted = {word for word in vars(EngineModule) if not word.startswith("_")} | set(EngineModule.__annotations__)
    assert {word for word in wanted if not hasattr(module, word)} == set()
