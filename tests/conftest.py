"""Fixtures that every test may use. Sockets are blocked by pytest-socket (pyproject.toml)."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

# Threads that wait for each other on a busy machine make tiny networks a hundred times slower.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUDGET_MINUTES = 16
"""Minutes of work that `make test` may take, all workers together: eight minutes of two cores. Nothing asserts it; the
end of a run reminds of it."""

# A shell starts what it puts in the background with interrupts ignored, and what tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of the budget the tests took, all workers together."""
    reports = (report for group in terminalreporter.stats.values() for report in group)
    seconds = sum(getattr(report, "duration", 0.0) for report in reports)
    terminalreporter.write_line(
        f"tests: {seconds / 60:.1f} minutes of work, all workers together; make test may take {BUDGET_MINUTES}"
    )


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The embedded weights and data are built once per test session, shared by its workers."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    os.environ["GILL_BENCH_CACHE"] = str(shared / "gill-bench-cache")
    os.environ.pop("GILL_BENCH_CARDS", None)
    os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real test data, which is never part of the repository."""
    folder = Path(os.environ.get("GILL_BENCH_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real test data: no such folder; name it with GILL_BENCH_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def mini_weights() -> Path:
    """The embedded weights' folder."""
    from gill_bench.mini.embedded import weights_folder

    return weights_folder()


@pytest.fixture
def vist(tmp_path: Path) -> Path:
    """A small VIST that a test may change."""
    from tests.support.stories import small_vist

    return Path(shutil.copytree(small_vist(), tmp_path / "vist"))
