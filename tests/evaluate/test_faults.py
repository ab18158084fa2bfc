"""Kills, interruptions and several processes, with real processes: what comes out never differs."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.kills import kill_and_resume
from gill_bench.cli import main
from tests.support.cli import COMMAND, is_running, start_command
from tests.support.runs import command_line, picture_digests, run, tree, wait_for_units

UNIT = 8
"""Pictures of a unit: four stories under two seeds."""

PATIENCE = 300.0
"""Seconds in which a process that was told to end does so, also on a busy machine."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    out = tmp_path_factory.mktemp("whole") / "run"
    run(out, limit=16)
    return out


# Faster ones of the kind: tests/rundir/test_writes.py, tests/evaluate/test_served.py, tests/cli/test_embed.py.
@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 7])
def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path, whole: Path, after: int) -> None:
    out = tmp_path / "run"
    process = start_command(*command_line(out), NOISY_STOP_AFTER=str(after * UNIT))
    wait_for_units(out, after)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "results.json").exists()
    assert run(out, limit=16).complete
    assert tree(out) == tree(whole)


def test_an_interrupted_run_says_how_to_resume(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "run"
    process = start_command(*command_line(out), NOISY_STOP_AFTER=str(2 * UNIT))
    wait_for_units(out, 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in said
    resume = said.strip().splitlines()[-1]
    assert resume.startswith("  gill-bench run vist --models noisy")
    assert main(resume.split()[1:]) == 0
    assert tree(out) == tree(whole)


@pytest.mark.slow
def test_two_processes_share_the_work_and_agree(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "run"
    processes = [start_command(*command_line(out), NOISY_PAUSE="0.05") for _ in range(2)]
    for process in processes:
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
    assert picture_digests(out) == picture_digests(whole)
    assert tree(out) == tree(whole)


@pytest.mark.slow
def test_two_commands_at_once_on_one_folder_keep_the_requests_of_both(tmp_path: Path) -> None:
    """Spec, results and environment are written by both."""
    contexts = ("1-caption", "5-captions")
    processes = [start_command(*command_line(tmp_path / "run"), "--contexts", name) for name in contexts]
    for process in processes:
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
    run(tmp_path / "one", limit=16, contexts=contexts)
    assert tree(tmp_path / "run") == tree(tmp_path / "one")
    assert len(json.loads((tmp_path / "run" / "env.json").read_text())["sessions"]) == 2


@pytest.mark.slow
def test_a_run_killed_at_random_moments_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    """The short form of benchmarks/kills.py."""
    tally = kill_and_resume(
        tmp_path, 3, seed=1, arguments=["--limit", "4", "--contexts", "1-caption,5-captions"], log=False
    )
    assert tally.kills.total() == 3
    assert tally.runs >= 1
    assert tally.identical, (tally.differing, tally.failed)


@pytest.mark.slow
def test_a_terminated_run_resumes_to_the_same_bytes(tmp_path: Path, whole: Path) -> None:
    """Batch systems end jobs by SIGTERM."""
    out = tmp_path / "run"
    process = start_command(*command_line(out), NOISY_STOP_AFTER=str(2 * UNIT))
    wait_for_units(out, 2)
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGTERM
    assert run(out, limit=16).complete
    assert tree(out) == tree(whole)


def generating(out: Path) -> None:
    wait_for_units(out, 3)


def scoring(out: Path) -> None:
    for _ in range(30000):
        if next(out.glob("units/*/*/*/*/score-*.json"), None):
            return
        time.sleep(0.01)
    raise AssertionError("no score after five minutes")


@pytest.mark.parametrize(
    ("until", "stop_after", "seeds", "more"),
    [
        (generating, 3 * UNIT, "2", ()),
        pytest.param(generating, 3 * UNIT, "2", ("--workers", "2"), marks=pytest.mark.slow),
        pytest.param(scoring, 1000 * UNIT, "12", ("--workers", "1"), marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("between", [pytest.param(0.0, marks=pytest.mark.slow), 0.02])
def test_ctrl_c_twice_ends_a_run_and_says_how_to_resume(
    tmp_path: Path, until: Callable[[Path], None], stop_after: int, seeds: str, more: tuple[str, ...], between: float
) -> None:
    out = tmp_path / "run"
    words = [*map(str, command_line(out)), *more]
    words[words.index("--seeds") + 1] = seeds
    first = subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NOISY_STOP_AFTER": str(stop_after)},
        start_new_session=True,
    )
    until(out)
    os.killpg(first.pid, signal.SIGINT)  # as a terminal does
    time.sleep(between)
    os.killpg(first.pid, signal.SIGINT)
    _, said = first.communicate(timeout=PATIENCE)
    assert first.returncode == 130
    assert "Traceback" not in said
    assert said.strip().splitlines()[-1].startswith("  gill-bench run vist --models noisy")
    assert not (out / "results.json").exists()
    for _ in range(3000):
        if not is_running(first.pid):
            break
        time.sleep(0.1)
    assert not is_running(first.pid)


def test_clocks_that_go_back_change_nothing(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("time", "monotonic", "perf_counter"):
        back = itertools.count(2_000_000_000.0, -3600)
        monkeypatch.setattr(time, name, back.__next__)
    out = tmp_path / "run"
    run(out, limit=7)
    assert run(out, limit=16).complete
    monkeypatch.undo()
    assert picture_digests(out) == picture_digests(whole)
    run(tmp_path / "steps", limit=7)
    run(tmp_path / "steps", limit=16)
    assert tree(out) == tree(tmp_path / "steps")
