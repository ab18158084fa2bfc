"""Fixtures that every test may use. Sockets are blocked by pytest-socket (pyproject.toml)."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Threads that wait for each other on a busy machine make tiny networks a hundred times slower.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import typer

if TYPE_CHECKING:
    from gill_bench.datasets import Picture
    from gill_bench.metrics.picture import PictureMetric

ROOT = Path(__file__).resolve().parents[1]
BUDGET_MINUTES = 13
"""Minutes of work that the tests of `make test` may take, all workers together: eight minutes of two cores, less what
ruff, mypy and collecting the tests take. Nothing asserts it; the end of a run reminds of it."""

# Collecting the tests makes a million objects that live to the end; looking through them again and again for garbage
# takes a fifth of its time.
gc.disable()

_set_aside = gc.freeze

# A shell starts what it puts in the background with interrupts ignored, and what tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


with contextlib.suppress(ImportError):  # not installed beside the lowest versions
    from hypothesis import HealthCheck, settings

    # The same examples in every session, however busy the machine.
    settings.register_profile(
        "repeatable", max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("repeatable")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of the budget the tests took, all workers together."""
    reports = (report for group in terminalreporter.stats.values() for report in group)
    seconds = sum(getattr(report, "duration", 0.0) for report in reports)
    terminalreporter.write_line(
        f"tests: {seconds / 60:.1f} minutes of work, all workers together; those of make test may take {BUDGET_MINUTES}"
    )


def pytest_collection_finish() -> None:
    """Look for garbage from here on, not after every 700 objects, and not in what collecting the tests made."""
    _set_aside()
    gc.set_threshold(20_000)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _garbage() -> Iterator[None]:
    """What is set aside stays so; a run would take it back at its end, to look through it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "freeze", lambda: None)
        patch.setattr(gc, "unfreeze", lambda: None)
        yield


@pytest.fixture(scope="session")
def _modules_set_aside() -> set[int]:
    """The numbers of modules at which objects were set aside."""
    return {len(sys.modules)}


@pytest.fixture(autouse=True)
def _libraries(_modules_set_aside: set[int]) -> None:
    """What libraries made since they were imported is set aside, too: a run looks for garbage at its end."""
    if len(sys.modules) > max(_modules_set_aside) + 40:
        gc.collect()
        _set_aside()
        _modules_set_aside.add(len(sys.modules))


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The embedded weights and data are built once per test session, shared by its workers."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    os.environ["GILL_BENCH_CACHE"] = str(shared / "gill-bench-cache")
    for name in ("CARDS", "DATA", "WEIGHTS", "OUT"):
        os.environ.pop(f"GILL_BENCH_{name}", None)
    os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session", autouse=True)
def _options() -> Iterator[None]:
    """The parser of all commands' options is built once per worker; it takes most of the time of a small command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session", autouse=True)
def _metric_networks() -> Iterator[None]:
    """The embedded network of a metric is loaded once per worker and device; nothing changes it."""
    from gill_bench.planning.metrics import ResolvedMetric

    load = ResolvedMetric.load
    loaded: dict[tuple[str, str, str], PictureMetric] = {}

    def once(self: ResolvedMetric, device: str) -> PictureMetric:
        if self.backbone is None or not self.backbone.stand_in:
            return load(self, device)
        key = (self.name, self.key, device)
        if key not in loaded:
            loaded[key] = load(self, device)
        return loaded[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResolvedMetric, "load", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _pictures(_cache: None) -> Iterator[None]:
    """Pictures of the shared data, which no test changes, are decoded by one plan of a worker and not by every plan."""
    from gill_bench.datasets import pictures

    check = pictures._check
    shared = Path(os.environ["GILL_BENCH_CACHE"])
    readable: dict[Path, pictures.Checked] = {}

    def once(picture: Picture) -> pictures.Checked:
        if picture.file in readable:
            return readable[picture.file]
        checked = check(picture)
        if picture.file is not None and not checked.problem and picture.file.is_relative_to(shared):
            readable[picture.file] = checked
        return checked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "_check", once)
        yield


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
