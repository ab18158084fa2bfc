"""Metrics that compare pictures one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gill_bench.errors import GillBenchError
from gill_bench.evaluate import score
from gill_bench.metrics.picture import PictureMetric
from tests.support.runs import run


def test_an_error_in_a_metric_names_cell_and_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "run", contexts=("1-caption",), limit=1)
    for file in (tmp_path / "run").rglob("score-lpips*.json"):
        file.unlink()

    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(PictureMetric, "compare", broken)
    message = r"lpips\[mini\]: vist/noisy/1-caption, example \w+: ZeroDivisionError: planted\nall other scores are in"
    with pytest.raises(GillBenchError, match=message):
        score(tmp_path / "run", "cpu")
