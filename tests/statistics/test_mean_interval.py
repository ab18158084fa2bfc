"""Intervals of reported means, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gill_bench.statistics.mean_interval import interval_over_clusters, interval_over_seeds


def test_the_interval_over_seeds_is_students_t() -> None:
    values = [0.611, 0.613, 0.612, 0.6135, 0.6105]
    expected = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    interval = interval_over_seeds(values)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx(expected, rel=1e-12)
    assert (interval.over, interval.n) == ("seeds", 5)


def test_one_seed_or_equal_seeds_have_no_interval() -> None:
    assert interval_over_seeds([0.5]) is None
    assert interval_over_seeds([0.5, 0.5, 0.5]) is None


def test_the_interval_over_independent_examples_is_near_students_t() -> None:
    values = np.random.default_rng(3).normal(2, 1, (400, 1))
    low, high = stats.t.interval(0.95, 399, loc=values.mean(), scale=stats.sem(values[:, 0]))
    interval = interval_over_clusters(values, list(map(str, range(400))))
    assert interval is not None
    assert (interval.over, interval.n) == ("clusters", 400)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.05 * (high - low))


def test_examples_of_a_cluster_count_as_one() -> None:
    values = np.random.default_rng(5).normal(0, 1, 40).repeat(9)[:, None]
    names = list(map(str, range(360)))
    clustered = interval_over_clusters(values, [str(number // 9) for number in range(360)])
    naive = interval_over_clusters(values, names)
    assert clustered is not None
    assert naive is not None
    assert clustered.n == 40
    assert (clustered.high - clustered.low) / (naive.high - naive.low) == pytest.approx(3, rel=0.1)


def test_an_effect_of_a_seed_on_all_examples_widens_the_interval() -> None:
    noise = np.random.default_rng(7).normal(0, 1, (200, 3))
    names = list(map(str, range(200)))
    plain, shifted = interval_over_clusters(noise, names), interval_over_clusters(noise + np.arange(3), names)
    assert plain is not None
    assert shifted is not None
    # Student's t of three seeds whose means are one apart.
    assert shifted.high - shifted.low == pytest.approx(2 * 4.3027 / np.sqrt(3), rel=0.1)
    assert plain.high - plain.low < 0.5


def test_one_cluster_has_no_interval() -> None:
    assert interval_over_clusters(np.array([[1.0], [2.0]]), ["x", "x"]) is None
