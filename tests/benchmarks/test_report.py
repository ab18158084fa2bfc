"""The run that benchmarks/report.py makes up is one that `report` reads."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report import make_run, measure


def test_a_report_of_the_made_up_run_is_written(tmp_path: Path) -> None:
    make_run(tmp_path, examples=18, seeds=2, models=2, side=16)
    assert measure("read", tmp_path)["peak_mb"] > 0
    measure("page", tmp_path)
    assert "model-b" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
