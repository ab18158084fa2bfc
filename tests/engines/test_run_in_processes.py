"""Workers in processes of their own: killed, failing, interrupted, on several devices; what comes out never differs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from gill_bench.errors import GillBenchError
from tests.support.able import run as run_able
from tests.support.cli import COMMAND, is_running
from tests.support.runs import command_line, run, tree, wait_for_units


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert run(out, limit=16).complete
    return out


def until(true: Callable[[], bool]) -> None:
    """Wait until a condition holds, at most five minutes."""
    for _ in range(3000):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("still not after five minutes")


# Pictures are compared by networks, whose libraries each process imports.
@pytest.mark.parametrize(
    "tasks",
    [("visdial-retrieval", "vqav2", "visdial-answers"), pytest.param(("vist",), marks=pytest.mark.slow)],
    ids=["without networks", "pictures"],
)
def test_several_processes_give_the_same_bytes(tmp_path: Path, tasks: tuple[str, ...]) -> None:
    def both(out: Path, device: str) -> dict[str, bytes]:
        assert run_able(out, *tasks, limit=6, device=device, contexts=("all",)).complete
        return tree(out)

    assert both(tmp_path / "one", "cpu") == both(tmp_path / "two", "cpu,cpu")


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(
    tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    monkeypatch.setenv("NOISY_PAUSE", "0.5")

    def kill_one() -> None:
        wait_for_units(out, 1)
        victim = multiprocessing.active_children()[0].pid
        assert victim is not None
        os.kill(victim, signal.SIGKILL)

    killer = Thread(target=kill_one)
    killer.start()
    assert run(out, limit=16, device="cpu,cpu").complete
    killer.join()
    assert "(cpu): ended with exit code -9; its work is done again" in capsys.readouterr().err
    assert tree(out) == tree(whole)
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_an_example_that_kills_its_workers_is_given_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISY_DIE_ON", " ")  # any call of the model
    with pytest.raises(GillBenchError, match=r"examples failed, more than --max-failures 2, the last with ended with"):
        run(tmp_path / "run", limit=8, device="cpu,cpu", contexts=("1-caption",), max_failures=2)
    said = capsys.readouterr().err
    assert "3 workers died of the same work: it is left out" in said
    assert "failed: vist/noisy/1-caption, example" in said


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISY_FAIL_IN_HELPER", "1")
    with pytest.raises(GillBenchError, match="noisy: could not be loaded on cpu: RuntimeError: the planted failure"):
        run(tmp_path / "run", device="cpu,cpu")


@pytest.mark.slow
def test_failures_are_counted_over_all_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISY_FAIL_ON", " ")
    with pytest.raises(GillBenchError, match=r"\d examples failed, more than --max-failures 3, the last with Runtime"):
        run(tmp_path / "run", limit=16, device="cpu,cpu", max_failures=3)
    assert not multiprocessing.active_children()


@pytest.mark.slow  # test_local.py says which workers are chosen
def test_a_timed_task_has_one_worker(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run_able(out, "speed", "visdial-retrieval", settings=("speed.repeats=2",), device="cpu,cpu").complete
    assert {file.parts[-5] for file in out.rglob("unit.json")} == {"visdial-retrieval", "speed"}


@pytest.mark.slow  # test_pools.py has processes whose owner is killed
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_no_worker(tmp_path: Path, how: signal.Signals) -> None:
    out = tmp_path / "run"
    words = [*map(str, command_line(out)), "--devices", "cpu,cpu"]
    words[words.index("--limit") + 1] = "32"
    first = subprocess.Popen(
        [*COMMAND, *words],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NOISY_PAUSE": "0.5"},
        start_new_session=True,
    )
    wait_for_units(out, 3)
    if how is signal.SIGINT:
        os.killpg(first.pid, how)  # as a terminal does
    else:
        first.send_signal(how)
    _, said = first.communicate(timeout=300)
    until(lambda: not is_running(first.pid))
    if how is signal.SIGINT:
        assert first.returncode == 130
        assert "Traceback" not in said
        assert said.strip().splitlines()[-1].startswith("  gill-bench run vist --models noisy")
        assert "--devices cpu,cpu" in said
    assert len(list(out.rglob("unit.json"))) < 3 * 8  # a worker does not go on alone
    assert not (out / "results.json").exists()
