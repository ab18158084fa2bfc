"""docs/parity.md agrees with the tests: every test exists and holds its budget, every metric has a row."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from dataclasses import dataclass
from types import FunctionType, ModuleType

import pytest

from gill_bench.metrics import BUILTIN
from tests.conftest import ROOT
from tests.support import fid_budgets as budgets

DOCUMENT = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
_CONSTANT = re.compile(r"([A-Z][A-Z0-9_]+) = (\S+)")


@dataclass(frozen=True)
class Row:
    """A row of the tables."""

    what: str
    reference: str
    inputs: str
    budget: str
    test: str
    measured: str

    @property
    def bound(self) -> str:
        """The text in backticks in the budget's cell."""
        [bound] = re.findall(r"`([^`]+)`", self.budget)
        return str(bound)


def rows() -> list[Row]:
    lines = [line for line in DOCUMENT.splitlines() if line.startswith("| ") and not line.endswith("| measured |")]
    return [Row(*(cell.strip() for cell in line.strip().strip("|").split("|"))) for line in lines]


ROWS = rows()


def named(row: Row) -> tuple[ModuleType, FunctionType]:
    """The module and function of a row's test."""
    file, _, function = row.test.strip("`").partition("::")
    assert (ROOT / file).is_file(), file
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    test = getattr(module, function)
    while hasattr(test, "hypothesis"):
        test = test.hypothesis.inner_test
    assert isinstance(test, FunctionType)
    return module, test


def source(function: FunctionType, depth: int = 1) -> str:
    """A test, and the helpers of the tests that it calls."""
    text = inspect.getsource(function)
    called = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)} if depth else set()
    helpers = [function.__globals__.get(name) for name in sorted(called)]
    own = [helper for helper in helpers if isinstance(helper, FunctionType) and helper.__module__.startswith("tests.")]
    return text + "".join(source(helper, depth - 1) for helper in own)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.test.rpartition("::")[2].strip("`"))
def test_a_budget_is_that_of_its_test(row: Row) -> None:
    module, test = named(row)
    text = source(test)
    constant = _CONSTANT.fullmatch(row.bound)
    if constant is None:
        assert re.search(rf"(?<![\w.]){re.escape(row.bound)}(?![\d.]|e-)", text), f"{row.bound} is not in {row.test}"
        return
    name, value = constant.groups()
    where = module if hasattr(module, name) else budgets
    assert getattr(where, name) == float(value)
    # A decorator may hand it to the test, as a parameter.
    assert re.search(rf"\b{name}\b", text), f"{row.test} does not use {name}"


def test_every_metric_has_a_row_or_says_why_not() -> None:
    described = {name for row in ROWS for name in re.findall(r"`([^`]+)`", row.what)}
    tests = {name: f"tests.metrics.test_{module.rpartition('.')[2]}" for name, module in BUILTIN.items()}
    excused = {name for name, module in tests.items() if hasattr(importlib.import_module(module), "NOT_COMPARED")}
    assert described == set(BUILTIN) - excused, "compare each metric with a reference, or say NOT_COMPARED = '...'"


def test_every_budget_of_fid_is_written_down() -> None:
    written = {match[1] for row in ROWS for match in [_CONSTANT.search(row.budget)] if match}
    assert {name for name in vars(budgets) if name.isupper()} <= written


def test_every_row_of_the_parity_document_is_filled() -> None:
    assert len(ROWS) >= 45
    for row in ROWS:
        assert row.what and row.reference and row.measured, row  # noqa: PT018


def test_measured_differences_are_within_their_budgets() -> None:
    """Compare rows whose budget and measured difference are plain numbers."""
    number = re.compile(r"\d(?:\.\d)?e-\d+|\d+\.\d+")
    compared = 0
    for row in ROWS:
        bounds, measured = number.findall(row.budget), number.match(row.measured)
        if bounds and measured:
            compared += 1
            assert float(measured[0]) <= max(map(float, bounds)), row
    assert compared >= 20
