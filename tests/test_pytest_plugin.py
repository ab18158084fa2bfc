"""The pytest plugin, on the example layout of docs/regression.md.

Sessions of pytest are in this process, but for those with workers, as torch would be imported in each. The process
forgets the modules that sessions import first: whatever they need is imported before.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

import gill_bench
from gill_bench.analysis.golden import check, golden_of
from gill_bench.rundir.reader import RunReader
from tests.conftest import ROOT
from tests.support.runs import run

pytest_plugins = ("pytester",)

PROJECT = """
def test_it_uses_its_context(gill_bench):
    gill_bench.check(gill_bench.load("runs/elsewhere"), tolerance=0.01)
"""


@pytest.fixture(autouse=True)
def _no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test files change within a second, which their bytecode would not notice."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


@pytest.fixture(scope="module", autouse=True)
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of another model; that of the document runs as well, and numbers that hold and do not hold are checked.

    So all modules that sessions need are imported before the first `pytester`.
    """
    folder = tmp_path_factory.mktemp("stored")
    run(folder / "run", contexts=("1-caption",))
    assert not gill_bench.load_run(folder / "run").results.empty
    reader = RunReader.open(folder / "run")
    number = golden_of(reader)["numbers"][0]
    sign = 1 if number["higher_is_better"] else -1
    better = {name: [value + sign * 5, cluster] for name, (value, cluster) in number["examples"].items()}
    numbers = [number, {**number, "examples": better}]
    assert [verdict.state for verdict in check(reader, numbers)] == ["ok", "regression"]
    (folder / "my_model.py").write_text(blocks()["my_model.py"])
    model = f"{folder / 'my_model.py'}:MyModel"
    gill_bench.run("vist", models=[model], contexts=["5-captions"], limit=1, seeds=1, out=folder / "documented")
    return folder / "run"


@pytest.fixture
def elsewhere(pytester: pytest.Pytester, stored: Path) -> Path:
    """A copy of the run in the folder of the sessions."""
    return Path(shutil.copytree(stored, pytester.path / "runs" / "elsewhere"))


def outcome(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """The outcome of a session, which is in this process unless it has workers."""
    return (pytester.runpytest_subprocess if "-n" in arguments else pytester.runpytest_inprocess)(*arguments)


@pytest.mark.usefixtures("elsewhere")
def test_a_golden_is_written_checked_and_renewed(pytester: pytest.Pytester) -> None:
    (pytester.path / "tests").mkdir()
    (pytester.path / "tests" / "test_quality.py").write_text(PROJECT)
    first = outcome(pytester)
    first.assert_outcomes(failed=1)
    assert "did not exist and was written" in first.stdout.str()
    golden = pytester.path / "tests" / "goldens" / "test_quality" / "test_it_uses_its_context.json"
    assert golden.is_file()
    outcome(pytester).assert_outcomes(passed=1)
    worse = golden.read_text()
    # A golden that was better by far, in every example.
    golden.write_text(re.sub(r"(\[\s*)(-?[0-9.e-]+)(,\s*\")", lambda m: f"{m[1]}{float(m[2]) + 5}{m[3]}", worse))
    failed = outcome(pytester)
    failed.assert_outcomes(failed=1)
    assert "regression: vist/noisy/1-caption/clip-similarity[mini]" in failed.stdout.str()
    assert "pytest --gill-bench-update" in failed.stdout.str()
    outcome(pytester, "--gill-bench-update").assert_outcomes(passed=1)
    outcome(pytester).assert_outcomes(passed=1)


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
def test_workers_of_xdist_check_against_the_same_golden(pytester: pytest.Pytester) -> None:
    (pytester.path / "tests").mkdir()
    (pytester.path / "tests" / "test_quality.py").write_text(PROJECT)
    outcome(pytester).assert_outcomes(failed=1)  # the golden is written
    outcome(pytester, "-n", "2").assert_outcomes(passed=1)


CHEAP = """
import pytest

def test_one(gill_bench):
    pass

def test_two(gill_bench):
    pass

@pytest.mark.skipif({skipped}, reason="no GPU")
def test_three():
    pass
"""


def stale(pytester: pytest.Pytester, *arguments: str) -> set[str]:
    """Golden files that are named as unused."""
    lines = outcome(pytester, *arguments).stdout.lines
    return {Path(line).name for line in lines if line.endswith(".json")}


@pytest.mark.parametrize("processes", [(), pytest.param(("-n", "2"), marks=pytest.mark.slow)])
def test_goldens_that_no_test_uses_are_named(pytester: pytest.Pytester, processes: tuple[str, ...]) -> None:
    tests = pytester.path / "tests"
    for module in ("test_here", "test_gone", "test_other"):
        (tests / "goldens" / module).mkdir(parents=True)
        for name in ("test_one", "test_of_yore"):
            (tests / "goldens" / module / f"{name}-{module}.json").write_text("{}")
    (tests / "goldens" / "test_here" / "test_one.json").write_text("{}")
    (tests / "test_here.py").write_text(CHEAP.format(skipped=False))
    (tests / "test_other.py").write_text(CHEAP.format(skipped=True))
    gone = {"test_one-test_gone.json", "test_of_yore-test_gone.json"}
    unused = {"test_one-test_here.json", "test_of_yore-test_here.json"}
    assert stale(pytester, *processes) == gone | unused  # of test_other a test was skipped
    assert stale(pytester, "tests/test_other.py", *processes) == gone
    assert stale(pytester, "-k", "one", *processes) == set()
    assert stale(pytester, "--deselect", "tests/test_here.py::test_one", *processes) == set()
    assert stale(pytester, "tests/test_here.py::test_one", *processes) == set()


def blocks() -> dict[str, str]:
    """The files of the example in docs/regression.md, by name."""
    text = (ROOT / "docs" / "regression.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^`([\w/.]+)`\n\n```python\n(.*?)```", text, flags=re.MULTILINE | re.DOTALL))


def test_the_example_of_the_document_works_and_catches_a_worse_model(pytester: pytest.Pytester) -> None:
    """The example works as documented, and its test fails for a model whose colours are inverted."""
    files = blocks()
    assert set(files) == {"my_model.py", "tests/test_quality.py"}
    for name, content in files.items():
        (pytester.path / name).parent.mkdir(exist_ok=True)
        (pytester.path / name).write_text(content)
    golden = "tests/goldens/test_quality/test_it_uses_its_context.json"
    assert golden.removeprefix("tests/") in (ROOT / "docs" / "regression.md").read_text(encoding="utf-8")
    first = outcome(pytester)
    first.assert_outcomes(failed=1)
    assert "did not exist and was written" in first.stdout.str()
    assert (pytester.path / golden).is_file()
    outcome(pytester, "-p", "no:cacheprovider").assert_outcomes(passed=1)
    model = pytester.path / "my_model.py"
    model.write_text(model.read_text().replace("value + shade", "255 - value - shade"))
    worse = outcome(pytester)
    worse.assert_outcomes(failed=1)
    assert "regression: vist/my-model/5-captions/lpips[mini]" in worse.stdout.str()


@pytest.mark.usefixtures("elsewhere")
def test_a_run_made_elsewhere_is_loaded(pytester: pytest.Pytester) -> None:
    (pytester.path / "test_it.py").write_text(
        "def test_it(gill_bench):\n"
        "    run = gill_bench.load('runs/elsewhere')\n"
        "    assert len(run.results) == 4\n"
        "    gill_bench.check(run, golden='elsewhere', tolerance={'': 0.01})\n"
        "    gill_bench.check('runs/elsewhere', golden='elsewhere')\n"
    )
    outcome(pytester, "--gill-bench-update").assert_outcomes(passed=1)
    outcome(pytester).assert_outcomes(passed=1)
    assert (pytester.path / "goldens" / "test_it" / "elsewhere.json").is_file()
