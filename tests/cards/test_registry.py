"""The registry."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from gill_bench.cards import registry
from gill_bench.datasets import dataset
from gill_bench.errors import InputError
from gill_bench.metrics import metric


def test_built_in_code_is_loaded_by_name() -> None:
    assert hasattr(dataset("sis"), "context")
    assert hasattr(metric("lpips"), "signature")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="no metric named 'lpisp'; did you mean 'lpips'"):
        metric("lpisp")


def test_another_package_joins_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", "math:pi", "gill_bench.metrics")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == point.group else [])
    assert registry.registered("metric", "mine", {}, "gill_bench.metrics") == pytest.approx(3.14159, abs=1e-5)
    with pytest.raises(InputError, match="no model"):
        registry.registered("model", "mine", {}, "gill_bench.models")
