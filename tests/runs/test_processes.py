"""Helpers: other processes that do units of the same run, killed, failing and interrupted."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gill_bench.engines.processes import helping
from gill_bench.runs.planning import make_plan
from gill_bench.runs.run import execute
from tests.cli.helpers import COMMAND
from tests.runs.able import ask as ask_able
from tests.runs.able import run as run_able
from tests.runs.helpers import ask, run, tree
from tests.runs.test_faults import command, wait_for_units


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert run(out, limit=16).complete
    return out


def until(true: Callable[[], bool]) -> None:
    """Wait for something, at most two minutes."""
    for _ in range(1200):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("still not after two minutes")


def test_several_processes_give_the_same_bytes(tmp_path: Path) -> None:
    def both(out: Path, workers: int) -> dict[str, bytes]:
        tasks = ("visdial-retrieval", "vqav2", "visdial-answers")
        assert run_able(out, *tasks, limit=60, workers=workers).complete
        return tree(out)

    assert both(tmp_path / "one", 1) == both(tmp_path / "two", 2)


def test_a_killed_helper_costs_nothing(tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    plan = make_plan(ask(out, limit=16))
    with helping(1, plan.ask):
        (helper,) = multiprocessing.active_children()
        wait_for_units(out, 1)  # nobody else is at work
        assert helper.pid is not None
        os.kill(helper.pid, signal.SIGKILL)
        helper.join(60)
    assert "warning: helper-1 ended with exit code -9" in capsys.readouterr().err
    assert execute(plan).complete
    assert tree(out) == tree(whole)


def test_a_helper_that_fails_at_its_start_does_no_harm(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    monkeypatch.setenv("NOISY_FAIL_IN_HELPER", "1")
    plan = make_plan(ask(out, limit=16))
    with helping(1, plan.ask):
        until(lambda: not multiprocessing.active_children())
    said = capfd.readouterr().err
    assert "warning: helper-1: RuntimeError: the planted failure of a helper" in said
    assert "warning: helper-1 ended with exit code 1; the others did its units" in said
    assert "Traceback" not in said
    assert execute(plan).complete
    assert tree(out) == tree(whole)


def test_what_is_timed_is_left_to_the_first_process(tmp_path: Path) -> None:
    out = tmp_path / "run"
    plan = make_plan(ask_able(out, "speed", "visdial-retrieval", settings=("speed.repeats=2",)))
    with helping(1, plan.ask):
        until(lambda: not multiprocessing.active_children())
    assert sorted({file.parts[-5] for file in out.rglob("unit.json")}) == ["visdial-retrieval"]
    assert len(list(out.rglob("unit.json"))) == 2
    assert execute(plan).complete


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_no_helper(tmp_path: Path, how: signal.Signals) -> None:
    out = tmp_path / "run"
    words = [*map(str, command(out)), "--workers", "2"]
    words[words.index("--limit") + 1] = "32"  # 192 pictures, as fewer are not worth a helper
    first = subprocess.Popen(
        [*COMMAND, *words],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NOISY_PAUSE": "0.2"},
        start_new_session=True,
    )
    wait_for_units(out, 3)
    if how is signal.SIGINT:
        os.killpg(first.pid, how)  # as a terminal does
    else:
        first.send_signal(how)
    _, said = first.communicate(timeout=120)
    until(lambda: not running(first.pid))
    if how is signal.SIGINT:
        assert first.returncode == 130
        assert "Traceback" not in said
        assert said.strip().splitlines()[-1].startswith("  gill-bench run vist --models noisy")
        assert "--workers 2" in said
    assert len(list(out.rglob("unit.json"))) < 3 * 8  # a helper does not go on alone
    assert not (out / "results.json").exists()


def running(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
