from __future__ import annotations

import random

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from gill_bench.statistics.bootstrap import Spread, paired_interval, spread

# Rounded, since squares of tiny numbers underflow in numpy, though not in exact arithmetic.
numbers = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 9)), min_size=1, max_size=30)


@given(numbers)
def test_mean_and_deviation_are_those_of_numpy(values: list[float]) -> None:
    summary = spread(values)
    scale = max(map(abs, values))
    assert summary.n == len(values)
    assert summary.mean == pytest.approx(np.mean(values), rel=1e-12, abs=1e-14 * scale)
    if len(values) > 1:
        assert summary.std == pytest.approx(np.std(values, ddof=1), rel=1e-9, abs=1e-12 * scale)


@given(numbers, st.randoms(use_true_random=False))
def test_the_spread_does_not_depend_on_the_order(values: list[float], shuffler: random.Random) -> None:
    shuffled = list(values)
    shuffler.shuffle(shuffled)
    assert spread(shuffled) == spread(values)


def test_one_value_has_no_spread() -> None:
    assert spread([0.25]) == Spread(0.25, None, 1)


def test_equal_values_have_a_spread_of_exactly_zero() -> None:
    assert spread([0.1] * 5).std == 0


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_values_that_have_no_spread_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="spread of"):
        spread(values)


def test_paired_interval_agrees_with_scipy_where_every_pair_is_its_own_cluster() -> None:
    values = np.random.default_rng(3).normal(0.2, 1.0, 80)
    interval = paired_interval(list(values), [str(number) for number in range(80)])
    scipy_interval = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", random_state=np.random.default_rng(1)
    ).confidence_interval
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(scipy_interval.low, abs=0.01)
    assert interval.high == pytest.approx(scipy_interval.high, abs=0.01)


def test_paired_interval_covers_the_truth_with_clustered_pairs() -> None:
    generator = np.random.default_rng(0)
    inside = 0
    for number in range(300):
        effects = generator.normal(0.5, 1.0, 40)
        values = np.repeat(effects, 3) + generator.normal(0, 0.3, 120)
        clusters = [str(pair // 3) for pair in range(120)]
        interval = paired_interval(list(values), clusters, resamples=1000, seed=number)
        inside += interval.low <= 0.5 <= interval.high
        assert interval.clusters == 40
    assert 0.90 <= inside / 300 <= 0.98


def test_pairs_that_have_no_interval_are_refused() -> None:
    for differences, clusters in (([1.0], ["a"]), ([1.0, 2.0], ["a", "a"]), ([1.0, 2.0], ["a"])):
        with pytest.raises(ValueError, match=r"cluster"):
            paired_interval(differences, clusters)
    with pytest.raises(ValueError, match="finite"):
        paired_interval([1.0, float("nan")], ["a", "b"])
