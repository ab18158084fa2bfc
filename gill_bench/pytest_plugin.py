"""Regression checks in pytest: the fixture `gill_bench` runs or loads an evaluation and checks it against a golden.

    def test_my_model_uses_its_context(gill_bench):
        run = gill_bench.run("vist", models=["./my_model.py:MyModel"], limit=8, seeds=2)
        gill_bench.check(run, tolerance=0.01)

Golden files lie beside the tests, as `goldens/<test file>/<test>.json`. If a golden file is missing, it is written and
the test fails, so that no numbers are accepted unseen. `--gill-bench-update` writes all golden files anew. Golden files
that no test used are named at the end. Nothing heavy is imported before a test runs or loads an evaluation.
docs/regression.md has more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gill_bench.analysis.golden import RegressionVerdict, Tolerance
    from gill_bench.api import Run

FIXTURE = "gill_bench"
_OUTPUT = "gill_bench_goldens"


@dataclass
class _Goldens:
    """The golden files of a test session.

    Attributes:
        used: Golden files that a test read or wrote, or would read if it ran.
        folders: The `goldens` folders beside collected tests.
        modules: The subfolders, in `folders`, of collected test files.
        some: Whether only some tests were selected.
    """

    used: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    some: bool = False


_STATE = pytest.StashKey[_Goldens]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--gill-bench-update`."""
    group = parser.getgroup("gill-bench")
    group.addoption("--gill-bench-update", action="store_true", help="write the golden files of gill-bench anew")


def pytest_configure(config: pytest.Config) -> None:
    """Begin a session with an empty record of golden files."""
    config.stash[_STATE] = _Goldens()


@pytest.fixture
def gill_bench(request: pytest.FixtureRequest) -> Evaluations:
    """Evaluations of one test: `run`, `load` and `check`."""
    return Evaluations(request)


class Evaluations:
    """Evaluations of one test: it can run or load them, and check them against golden files.

    Args:
        request: Pytest's request of the test, which names its golden file and the folder of its runs.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._state = request.config.stash[_STATE]
        self._update = bool(request.config.getoption("--gill-bench-update"))
        self._name = _readable(request.node.name)
        self._goldens = _folder(request.path)
        cache = getattr(request.config, "cache", None)  # absent with -p no:cacheprovider
        runs = cache.mkdir("gill-bench") if cache else request.getfixturevalue("tmp_path")
        self._runs = runs / request.path.stem / self._name

    def run(self, *tasks: str, out: Path | str | None = None, **options: Any) -> Run:
        """Run tasks as `gill-bench run` does.

        Outputs that an earlier session made with the same settings are used again.

        Args:
            tasks: Names of tasks or paths of cards.
            out: The run directory; by default in pytest's cache, one per test.
            options: The options of `gill_bench.run`: models, contexts, seeds, limit, data, weights, settings, ...
        """
        from gill_bench.api import run

        return run(*tasks, out=out or self._runs / "-".join(Path(task).stem for task in tasks), **options)

    def load(self, run: Path | str) -> Run:
        """Load a run that was made elsewhere, such as on a machine with a GPU.

        Raises:
            InputError: The folder is no run directory, or the run was not scored.
        """
        from gill_bench.api import load_run

        return load_run(run)

    def check(
        self, run: Run | Path | str, *, golden: str = "", tolerance: Tolerance = 0.0
    ) -> Sequence[RegressionVerdict]:
        """Fail the test unless a run's numbers hold.

        Args:
            run: The run, or its folder.
            golden: The name of the golden file, for tests that check several runs; by default the test's name.
            tolerance: The largest loss that is accepted; or such numbers by metric, such as `{"fid": 1.0, "": 0.01}`,
                where "" stands for all other metrics.

        Returns:
            A verdict per golden number.
        """
        from gill_bench.analysis import golden as goldens
        from gill_bench.rundir.reader import RunReader

        __tracebackhide__ = True
        file = self._goldens / f"{_readable(golden) or self._name}.json"
        self._state.used.add(str(file))
        stored = RunReader.open((self.load(run) if isinstance(run, (str, Path)) else run).folder)
        if self._update or not file.is_file():
            goldens.write_golden(file, stored)
            if not self._update:
                pytest.fail(f"{file} did not exist and was written; look at it, keep it, and run the test again", False)
        verdicts = goldens.check(stored, goldens.read_golden(file), tolerance)
        bad = [verdict for verdict in verdicts if verdict.state not in ("ok", "better")]
        if bad:
            lines = [
                f"{verdict.state}: {verdict.name}: {verdict.was} -> {verdict.now}, {verdict.note}" for verdict in bad
            ]
            hint = "if this is meant to be so: pytest --gill-bench-update"
            pytest.fail("\n".join([f"{len(bad)} of {len(verdicts)} numbers do not hold", *lines, hint]), False)
        return verdicts


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Record that only some tests run, so that no golden file is called unused."""
    for item in items:
        item.config.stash[_STATE].some = True


def pytest_collection_finish(session: pytest.Session) -> None:
    """Record the folders where golden files may be, and the golden files that are named after tests."""
    state = session.config.stash[_STATE]
    for item in session.items:
        folder = _folder(item.path)
        state.folders.add(str(folder.parent))
        state.modules.add(str(folder))
        if FIXTURE in getattr(item, "fixturenames", ()):
            state.used.add(str(folder / f"{_readable(item.name)}.json"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under xdist, send the record to the process that reports."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        state = session.config.stash[_STATE]
        output[_OUTPUT] = [sorted(state.used), sorted(state.folders), sorted(state.modules), state.some]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Collect the record of a worker of xdist; if a worker crashed and has none, no golden file is called unused."""
    state = node.config.stash[_STATE]
    used, folders, modules, some = getattr(node, "workeroutput", {}).get(_OUTPUT, ((), (), (), True))
    state.used.update(used)
    state.folders.update(folders)
    state.modules.update(modules)
    state.some |= some


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Name the golden files that no test used, if all tests of their test file were run and passed."""
    state = config.stash[_STATE]
    if state.some or exitstatus > 1 or any("::" in argument for argument in config.args):
        return
    unsure = {
        str(_folder(config.rootpath / report.nodeid.partition("::")[0]))
        for outcome in ("failed", "error", "skipped", "xfailed")
        for report in terminalreporter.stats.get(outcome, ())
    }
    if exitstatus and config.getoption("maxfail"):  # stopped early
        return
    unused = [
        str(file)
        for goldens in sorted(state.folders)
        for file in sorted(Path(goldens).glob("*/*.json"))
        if _is_stale(file, state, unsure)
    ]
    if unused:
        terminalreporter.section("gill-bench: golden files that no test used")
        for line in unused:
            terminalreporter.line(line)


def _is_stale(file: Path, state: _Goldens, unsure: set[str]) -> bool:
    if not (file.parents[2] / f"{file.parent.name}.py").is_file():  # the test file itself is gone
        return True
    module = str(file.parent)
    return module in state.modules and module not in unsure and str(file) not in state.used


def _folder(test_file: Path) -> Path:
    return test_file.parent / "goldens" / test_file.stem


def _readable(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
