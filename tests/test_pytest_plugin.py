"""The pytest plugin, on the example layout of docs/regression.md."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.stories import small_vist

pytest_plugins = ("pytester",)

PROJECT = """
def test_it_uses_its_context(gill_bench):
    run = gill_bench.run("vist", models=["noisy"], limit=8, seeds=2, data={data!r}, split="test", device="cpu",
        contexts=["1-caption"], card_folders=[{cards!r}], settings={settings!r})
    gill_bench.check(run, tolerance=0.01)
"""


def project(pytester: pytest.Pytester, settings: list[str]) -> None:
    folder = pytester.path / "tests"
    folder.mkdir(exist_ok=True)
    cards = str(ROOT / "tests" / "cards")
    text = PROJECT.format(data=str(small_vist()), cards=cards, settings=settings)
    text = text.replace(f"[{cards!r}]", f"[__import__('pathlib').Path({cards!r})]")
    (folder / "test_quality.py").write_text(text)


def outcome(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # test files that change within a second
    return pytester.runpytest_subprocess(
        "-p", "no:cacheprovider" if "nothing" in arguments else "cacheprovider", *arguments
    )


def test_a_golden_is_written_checked_and_renewed(pytester: pytest.Pytester) -> None:
    project(pytester, [])
    first = outcome(pytester)
    first.assert_outcomes(failed=1)
    assert "did not exist and was written" in first.stdout.str()
    golden = pytester.path / "tests" / "goldens" / "test_quality" / "test_it_uses_its_context.json"
    assert golden.is_file()
    outcome(pytester).assert_outcomes(passed=1)
    outcome(pytester, "-n", "2").assert_outcomes(passed=1)
    worse = golden.read_text()
    # A golden that was better by far, in every example.
    golden.write_text(re.sub(r"(\[\s*)(-?[0-9.e-]+)(,\s*\")", lambda m: f"{m[1]}{float(m[2]) + 5}{m[3]}", worse))
    failed = outcome(pytester)
    failed.assert_outcomes(failed=1)
    assert "regression: vist/noisy/1-caption/clip-similarity[mini]" in failed.stdout.str()
    assert "pytest --gill-bench-update" in failed.stdout.str()
    outcome(pytester, "--gill-bench-update").assert_outcomes(passed=1)
    outcome(pytester).assert_outcomes(passed=1)


def test_goldens_that_no_test_uses_are_named(pytester: pytest.Pytester) -> None:
    project(pytester, [])
    outcome(pytester)
    stale = pytester.path / "tests" / "goldens" / "test_quality" / "test_of_yore.json"
    stale.write_text("{}")
    for arguments in ((), ("-n", "2")):
        assert str(stale) in outcome(pytester, *arguments).stdout.str()
    assert str(stale) not in outcome(pytester, "-k", "context").stdout.str()


def test_the_documented_example_is_this_one() -> None:
    text = (ROOT / "docs" / "regression.md").read_text(encoding="utf-8")
    assert "def test_it_uses_its_context(gill_bench):" in text
    assert "goldens/test_quality/test_it_uses_its_context.json" in text
    assert Path(ROOT / "gill_bench" / "pytest_plugin.py").is_file()
