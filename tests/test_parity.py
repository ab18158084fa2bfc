"""docs/parity.md says what the tests hold: budgets are the constants, named tests exist, every metric has a row."""

from __future__ import annotations

import re

import pytest

from gill_bench.metrics import BUILTIN
from tests.conftest import ROOT
from tests.metrics import test_clip_similarity, test_harness, test_lpips
from tests.metrics.fid import budgets

TEXT = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
MODULES = {
    "budgets": budgets,
    "test_clip_similarity": test_clip_similarity,
    "test_harness": test_harness,
    "test_lpips": test_lpips,
}
BUDGETS = re.findall(r"`(\w+)\.([A-Z_0-9]+)` = ([0-9.e-]+)", TEXT)
FILES = sorted(set(re.findall(r"`(tests/[\w/]+\.py)`", TEXT)))


@pytest.mark.parametrize(("module", "name", "value"), BUDGETS, ids=lambda part: str(part))
def test_budgets_are_the_constants_of_the_tests(module: str, name: str, value: str) -> None:
    assert float(value) == getattr(MODULES[module], name)


def test_the_budgets_of_fid_are_all_listed() -> None:
    listed = {name for module, name, _ in BUDGETS if module == "budgets"}
    assert {name for name in vars(budgets) if name.isupper()} - {"STANDARD_ERRORS"} == listed


@pytest.mark.parametrize("file", FILES)
def test_named_tests_exist(file: str) -> None:
    assert "def test_" in (ROOT / file).read_text(encoding="utf-8")


def test_every_metric_has_a_row() -> None:
    rows = re.findall(r"^\| `([\w-]+)`", TEXT, flags=re.MULTILINE)
    assert set(BUILTIN) <= set(rows)
