"""Intervals of the means of stored runs: from single examples, over runs that are taken together, and from seeds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gill_bench.analysis.intervals import StoredIntervals
from gill_bench.rundir.load import read_results
from gill_bench.rundir.rows import Row
from gill_bench.statistics.mean_interval import interval_over_clusters, interval_over_seeds
from tests.support.made_up_run import made_up
from tests.support.runs import seal_again

VALUES = np.random.default_rng(1).normal(0.6, 0.1, (30, 2))


def rows_of(folder: Path) -> list[Row]:
    return list(read_results(folder / "results.json").rows)


def test_examples_are_averaged_over_seeds_and_resampled_by_cluster(tmp_path: Path) -> None:
    made_up(tmp_path / "run", VALUES)
    expected = interval_over_clusters(VALUES, [str(name // 3) for name in range(30)])
    interval = StoredIntervals([tmp_path / "run"])(rows_of(tmp_path / "run"))
    assert interval is not None
    assert expected is not None
    assert (interval.over, interval.n) == ("clusters", 10)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_seeds_may_lie_in_several_runs(tmp_path: Path) -> None:
    made_up(tmp_path / "both", VALUES)
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        shutil.copytree(tmp_path / "both", folder)
        content = json.loads((folder / "results.json").read_text())
        content["rows"] = [row for row in content["rows"] if row["seed"] == seed]
        (folder / "results.json").write_text(json.dumps(content))
        seal_again(folder)
    rows = [*rows_of(tmp_path / "0"), *rows_of(tmp_path / "1")]
    assert StoredIntervals([tmp_path / "0", tmp_path / "1"])(rows) == StoredIntervals([tmp_path / "both"])(rows)


@pytest.mark.parametrize("change", ["no spec.json", "no single values", "a number that is not their mean"])
def test_intervals_without_single_examples_are_over_seeds(tmp_path: Path, change: str) -> None:
    made_up(tmp_path / "run", VALUES)
    if change == "no spec.json":
        (tmp_path / "run" / "spec.json").unlink()
    elif change == "no single values":
        next((tmp_path / "run").rglob("score-*.json")).unlink()
    else:
        content = json.loads((tmp_path / "run" / "results.json").read_text())
        for row in content["rows"]:
            row["value"] += 0.01
        (tmp_path / "run" / "results.json").write_text(json.dumps(content))
        seal_again(tmp_path / "run")
    rows = rows_of(tmp_path / "run")
    interval = StoredIntervals([tmp_path / "run"])(rows)
    assert interval is not None
    assert interval == interval_over_seeds([row.value for row in rows if row.value is not None])


def test_rows_without_a_value_have_no_interval(tmp_path: Path) -> None:
    made_up(tmp_path / "run", VALUES)
    content = json.loads((tmp_path / "run" / "results.json").read_text())
    for row in content["rows"]:
        row["value"] = None
    (tmp_path / "run" / "results.json").write_text(json.dumps(content))
    seal_again(tmp_path / "run")
    assert StoredIntervals([tmp_path / "run"])(rows_of(tmp_path / "run")) is None
