"""Kills, interruptions and several processes, with real processes: what comes out never differs."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.cli.helpers import gill_bench, start
from tests.runs.helpers import CARDS, pictures, run, tree
from tests.stories import small_vist


def command(out: Path) -> list[str | Path]:
    return [
        "run",
        "vist",
        "--models",
        "noisy",
        "--cards",
        CARDS,
        "--limit",
        "16",
        "--seeds",
        "2",
        "--device",
        "cpu",
        "--data",
        small_vist(),
        "--split",
        "test",
        "--out",
        out,
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to."""
    out = tmp_path_factory.mktemp("whole") / "run"
    run(out, limit=16)
    return out


def wait_for_units(out: Path, count: int) -> None:
    """Wait until so many units are committed, at most two minutes."""
    for _ in range(1200):
        if len(list(out.glob("units/*/*/*/*/unit.json"))) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"no {count} units after two minutes")


@pytest.mark.parametrize("after", [1, 7])
def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path, whole: Path, after: int) -> None:
    out = tmp_path / "run"
    process = start(*command(out), NOISY_PAUSE="0.05")
    wait_for_units(out, after)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "results.json").exists()
    ended = gill_bench(*command(out))
    assert ended.returncode == 0, ended.stderr
    assert tree(out) == tree(whole)


def test_an_interrupted_run_says_how_to_resume(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "run"
    process = start(*command(out), NOISY_PAUSE="0.05")
    wait_for_units(out, 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    resume = said.strip().splitlines()[-1]
    assert resume.startswith("  gill-bench run vist --models noisy")
    assert gill_bench(*resume.split()[1:]).returncode == 0
    assert tree(out) == tree(whole)


def test_two_processes_share_the_work_and_agree(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "run"
    processes = [start(*command(out), NOISY_PAUSE="0.05") for _ in range(2)]
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    assert pictures(out) == pictures(whole)
    assert tree(out) == tree(whole)
