"""Regression checks in pytest: the fixture `gill_bench` runs or loads an evaluation and checks it against a golden.

    def test_my_model_uses_its_context(gill_bench):
        run = gill_bench.run("vist", models=["./my_model.py:MyModel"], limit=8, seeds=2)
        gill_bench.check(run, tolerance=0.01)

Golden files lie beside the tests, `goldens/<test file>/<test>.json`. One that is missing is written, and the test
fails, so that nothing is ever accepted unseen. `--gill-bench-update` writes them all anew. Those that no test used are
named at the end. Nothing heavy is imported until a test asks for something. See docs/regression.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gill_bench.runs.golden import Verdict

_USED = "gill_bench_goldens_used"
_used: set[str] = set()
_folders: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--gill-bench-update`."""
    group = parser.getgroup("gill-bench")
    group.addoption("--gill-bench-update", action="store_true", help="write the golden files of gill-bench anew")


@pytest.fixture
def gill_bench(request: pytest.FixtureRequest) -> Evaluations:
    """Evaluations of one test: `run`, `load` and `check`."""
    return Evaluations(request)


class Evaluations:
    """What a test can do.

    Args:
        request: Of the test: names its golden file and the folder of its runs.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._update = bool(request.config.getoption("--gill-bench-update"))
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", request.node.name)
        self._goldens = request.path.parent / "goldens" / request.path.stem
        self._name = name
        cache = request.config.cache
        assert cache is not None
        self._runs = cache.mkdir("gill-bench") / request.path.stem / name
        _folders.add(str(self._goldens))

    def run(self, *tasks: str, out: Path | None = None, **options: Any) -> Path:
        """Run tasks as `gill-bench run` does, and return the run directory.

        What an earlier session made under the same settings is kept and used.

        Args:
            tasks: Names of tasks or paths of cards.
            out: The run directory; by default in pytest's cache, one per test.
            options: As of `gill_bench.runs.planning.Ask`: models, contexts, seeds, limit, data, weights, settings, ...
        """
        from gill_bench.runs.planning import Ask, make_plan
        from gill_bench.runs.run import execute

        lists: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in options.items()
        }
        ask = Ask(tasks=tasks, out=out or self._runs / "-".join(Path(task).stem for task in tasks), **lists)
        execute(make_plan(ask))
        return ask.out

    def check(self, run: Path | str, *, golden: str = "", tolerance: float = 0.0) -> Sequence[Verdict]:
        """Fail the test unless a run's numbers hold.

        Args:
            run: A run directory, of `run` or made elsewhere.
            golden: Name of the golden file, for tests that check several runs; by default the test's.
            tolerance: A loss up to this is none.

        Returns:
            A verdict per golden number.
        """
        from gill_bench.runs import golden as goldens
        from gill_bench.runs.stored import StoredRun

        __tracebackhide__ = True
        file = self._goldens / f"{golden or self._name}.json"
        _used.add(str(file))
        stored = StoredRun.open(Path(run))
        if self._update or not file.is_file():
            goldens.write_golden(file, stored)
            if not self._update:
                pytest.fail(f"{file} did not exist and was written; look at it, keep it, and run the test again", False)
        verdicts = goldens.check(stored, goldens.read_golden(file), tolerance)
        bad = [one for one in verdicts if one.state not in ("ok", "better")]
        if bad:
            lines = [f"{one.state}: {one.name}: {one.was} -> {one.now}, {one.note}" for one in bad]
            hint = "if this is meant to be so: pytest --gill-bench-update"
            pytest.fail("\n".join([f"{len(bad)} of {len(verdicts)} numbers do not hold", *lines, hint]), False)
        return verdicts


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what was used to the process that reports, under xdist."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_USED] = [sorted(_used), sorted(_folders)]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Collect what a worker of xdist used."""
    used, folders = getattr(node, "workeroutput", {}).get(_USED, ([], []))
    _used.update(used)
    _folders.update(folders)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name golden files that no test used, unless only some tests were asked for."""
    chosen = config.getoption("keyword") or config.getoption("markexpr") or config.getoption("lf", False)
    if chosen or any("::" in argument for argument in config.args):
        return
    there = {str(file) for folder in _folders for file in Path(folder).glob("*.json")}
    unused = sorted(there - _used)
    if unused:
        terminalreporter.section("gill-bench: golden files that no test used")
        for file in unused:
            terminalreporter.line(file)
