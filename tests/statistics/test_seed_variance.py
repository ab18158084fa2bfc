"""Seeds as the second level of an interval: coverage, whatever seeds do."""

from __future__ import annotations

import numpy as np
import pytest

from gill_bench.statistics.bootstrap import paired_interval
from gill_bench.statistics.seed_variance import seed_margin


def made_up(
    generator: np.random.Generator, clusters: int, each: int, seeds: int, cluster: float, seed: float, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Differences (N, seeds) of mean zero, and their clusters."""
    groups = np.repeat(np.arange(clusters), each)
    values = cluster * generator.normal(size=clusters)[groups][:, None]
    values = values + seed * generator.normal(size=seeds) + noise * generator.normal(size=(len(groups), seeds))
    return values, groups


@pytest.mark.parametrize(
    ("cluster", "seed", "noise"),
    [(1.0, 0.0, 0.3), (0.3, 0.0, 1.0), (0.0, 0.0, 1.0), (1.0, 0.1, 1.0), (0.5, 0.3, 0.5), (0.1, 1.0, 0.3)],
)
@pytest.mark.parametrize(("clusters", "each"), [(20, 2), pytest.param(80, 1, marks=pytest.mark.slow)])
def test_intervals_over_five_seeds_cover_95_of_100(
    clusters: int, each: int, cluster: float, seed: float, noise: float
) -> None:
    generator = np.random.default_rng([clusters, int(100 * cluster), int(100 * seed), int(100 * noise)])
    inside, trials = 0, 1200
    for number in range(trials):
        values, groups = made_up(generator, clusters, each, 5, cluster, seed, noise)
        interval = paired_interval(
            values.mean(axis=1), groups, resamples=300, seed=number, seed_margin=seed_margin(values, groups)
        )
        inside += interval.low <= 0 <= interval.high
    assert 0.93 <= inside / trials <= 0.975  # 97 %, and what 1200 trials may be off


def test_intervals_over_clusters_alone_are_too_narrow_where_seeds_move_all_examples() -> None:
    """The level is needed: without it the interval is far too narrow."""
    generator = np.random.default_rng(3)
    inside = 0
    for number in range(200):
        values, groups = made_up(generator, 40, 1, 5, 0.1, 1.0, 0.3)
        interval = paired_interval(values.mean(axis=1), groups, resamples=200, seed=number)
        inside += interval.low <= 0 <= interval.high
    assert inside < 60


def test_the_margin_is_the_variance_between_seeds_in_a_balanced_table() -> None:
    """Compare with the two-way table by hand, where every cluster is one pair."""
    values, groups = made_up(np.random.default_rng(1), 30, 1, 4, 0.5, 0.8, 0.6)
    rows, columns, mean = values.mean(1), values.mean(0), values.mean()
    rest = ((values - rows[:, None] - columns + mean) ** 2).sum() / (29 * 3)
    between = 30 * columns.var(ddof=1)
    expected = 3.182446 * np.sqrt((between - rest) / (30 * 4))  # Student's t with 3 degrees of freedom
    assert seed_margin(values, groups) == pytest.approx(expected, rel=1e-6)


def test_seeds_that_differ_in_nothing_add_no_margin() -> None:
    assert seed_margin(np.ones((6, 1)), np.arange(6)) == 0  # one seed
    assert seed_margin(np.arange(10.0).reshape(5, 2), np.zeros(5, dtype=np.int64)) == 0  # one cluster
    assert seed_margin(np.ones((6, 5)), np.arange(6)) == 0
    values, groups = made_up(np.random.default_rng(0), 12, 1, 5, 1, 0, 0)
    assert seed_margin(values, groups) == pytest.approx(0, abs=1e-12)
    without = paired_interval(values.mean(axis=1), groups)
    assert paired_interval(values.mean(axis=1), groups, seed_margin=0.0) == without


def test_the_margin_adds_as_margins_of_independent_parts_do() -> None:
    values = np.random.default_rng(2).normal(size=20)
    narrow, wide = (paired_interval(values, np.arange(20), seed_margin=margin) for margin in (0.0, 0.5))
    assert wide.mean == narrow.mean
    assert wide.high - wide.mean == pytest.approx(np.hypot(narrow.high - narrow.mean, 0.5))
    assert wide.mean - wide.low == pytest.approx(np.hypot(narrow.mean - narrow.low, 0.5))


def test_values_that_have_no_margin_are_refused() -> None:
    with pytest.raises(ValueError, match="2 pairs, but 3 clusters"):
        seed_margin(np.ones((2, 2)), np.arange(3))
    with pytest.raises(ValueError, match="not finite"):
        seed_margin(np.full((2, 2), np.nan), np.arange(2))
