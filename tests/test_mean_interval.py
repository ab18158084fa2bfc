"""Intervals of reported means, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gill_bench.mean_interval import interval_over_clusters, interval_over_seeds


def test_over_seeds_it_is_students_t() -> None:
    values = [0.611, 0.613, 0.612, 0.6135, 0.6105]
    expected = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    found = interval_over_seeds(values)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-12)
    assert (found.over, found.n) == ("seeds", 5)


def test_seeds_that_tell_nothing_have_no_interval() -> None:
    assert interval_over_seeds([0.5]) is None
    assert interval_over_seeds([0.5, 0.5, 0.5]) is None


def test_over_independent_examples_it_is_near_students_t() -> None:
    values = {str(name): float(value) for name, value in enumerate(np.random.default_rng(3).normal(2, 1, 400))}
    array = np.array(list(values.values()))
    low, high = stats.t.interval(0.95, 399, loc=array.mean(), scale=stats.sem(array))
    found = interval_over_clusters(values, {})
    assert found is not None
    assert (found.over, found.n) == ("clusters", 400)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.05 * (high - low))


def test_examples_of_a_cluster_count_as_one() -> None:
    groups = np.random.default_rng(5).normal(0, 1, 40)
    values = {f"{group}-{index}": float(groups[group]) for group in range(40) for index in range(9)}
    clusters = {name: name.split("-")[0] for name in values}
    clustered, naive = interval_over_clusters(values, clusters), interval_over_clusters(values, {})
    assert clustered is not None
    assert naive is not None
    assert clustered.n == 40
    assert (clustered.high - clustered.low) / (naive.high - naive.low) == pytest.approx(3, rel=0.1)


def test_one_cluster_has_no_interval() -> None:
    assert interval_over_clusters({"a": 1.0, "b": 2.0}, {"a": "x", "b": "x"}) is None
