"""Contrasts of a run against a calculation by hand."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from gill_bench.analysis.contrasts import contrast
from gill_bench.errors import InputError
from gill_bench.evaluate import cells_of
from tests.support.runs import run


def test_a_contrast_is_the_mean_paired_difference_in_the_good_direction(tmp_path: Path) -> None:
    run(tmp_path / "run", limit=8)
    cells = {cell.name[1:]: cell for cell in cells_of(tmp_path / "run")}
    by: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for file in (tmp_path / "run").rglob("score-lpips*.json"):
        for name, _, value in json.loads(file.read_text())["values"]:
            by[file.parts[-3]][name].append(value)
    expected = [sum(by["1-caption"][name]) / 2 - sum(by["5-captions"][name]) / 2 for name in by["1-caption"]]
    found = contrast(tmp_path / "run", cells, ("noisy", "5-captions"), ("noisy", "1-caption"), "lpips")
    assert found.gain.n == 8
    assert found.gain.clusters == 4  # two stories share each photo sequence
    assert found.gain.mean == pytest.approx(sum(expected) / 8, abs=1e-12)
    with pytest.raises(InputError, match="has no noisy/2-captions"):
        contrast(tmp_path / "run", cells, ("noisy", "2-captions"), ("noisy", "1-caption"), "lpips")
    with pytest.raises(InputError, match="no metric 'lpis' of single examples; did you mean 'lpips'"):
        contrast(tmp_path / "run", cells, ("noisy", "5-captions"), ("noisy", "1-caption"), "lpis")


def test_examples_of_one_cluster_give_no_interval(tmp_path: Path) -> None:
    run(tmp_path / "run", limit=2, contexts=("1-caption", "5-captions"))
    cells = {cell.name[1:]: cell for cell in cells_of(tmp_path / "run")}
    with pytest.raises(InputError, match=r"of 1 photo sequence.* make more with a higher --limit"):
        contrast(tmp_path / "run", cells, ("noisy", "5-captions"), ("noisy", "1-caption"), "lpips")
