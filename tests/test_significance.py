from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from gill_bench.significance import bootstrap_p, clustered_t_p, holm, mcnemar_p, randomisation_p
from gill_bench.statistics import paired_interval


def own(count: int) -> list[str]:
    return [str(place) for place in range(count)]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=9))
def test_few_pairs_are_swapped_in_every_way(values: list[int]) -> None:
    differences = [value / 8 for value in values]
    means = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    expected = sum(mean >= abs(sum(differences)) for mean in means) / len(means)
    assert randomisation_p(differences, own(len(differences))) == pytest.approx(expected, abs=1e-12)


def test_many_pairs_agree_with_scipy() -> None:
    values = np.random.default_rng(1).normal(0.25, 1, 70)
    theirs = scipy.stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(2)
    ).pvalue
    assert randomisation_p(list(values), own(70)) == pytest.approx(theirs, abs=0.01)


def test_the_bootstrap_p_is_sacrebleus() -> None:
    values = np.random.default_rng(4).normal(0.2, 1, 60)
    ours = bootstrap_p(list(values), own(60), resamples=2000, seed=5)
    draws = np.random.default_rng(9).integers(0, 60, size=(20_000, 60))
    means = values[draws].mean(axis=1)
    assert ours == pytest.approx((np.abs(means - values.mean()) >= abs(values.mean())).mean(), abs=0.02)
    assert bootstrap_p([1.0, 1.0, 1.0], own(3), resamples=99) == pytest.approx(1 / 100)


def test_a_cluster_counts_once() -> None:
    """Ten copies of each pair are no more evidence than one of each."""
    values = list(np.random.default_rng(0).normal(0.6, 1, 8))
    repeated, clusters = [value for value in values for _ in range(10)], [name for name in own(8) for _ in range(10)]
    assert randomisation_p(repeated, clusters) == pytest.approx(randomisation_p(values, own(8)))
    assert randomisation_p(repeated, own(80)) < randomisation_p(values, own(8))


def test_under_no_difference_p_values_are_uniform() -> None:
    generator = np.random.default_rng(7)
    found = []
    for number in range(400):
        effects = np.repeat(generator.normal(0, 1, 15), 4) + generator.normal(0, 0.5, 60)
        found.append(randomisation_p(list(effects), [str(n // 4) for n in range(60)], resamples=400, seed=number))
    assert 0.025 < np.mean(np.array(found) <= 0.05) < 0.08
    assert 0.43 < np.mean(np.array(found) <= 0.5) < 0.57


def test_t_over_clusters_is_the_paired_t_test_where_each_pair_is_its_own() -> None:
    values = np.random.default_rng(3).normal(0.4, 1, 12)
    assert clustered_t_p(list(values), own(12)) == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue, rel=1e-9)
    repeated, clusters = [value for value in values for _ in range(5)], [name for name in own(12) for _ in range(5)]
    assert clustered_t_p(repeated, clusters) == pytest.approx(clustered_t_p(list(values), own(12)), rel=1e-9)
    assert (clustered_t_p([2.0, 2.0], own(2)), clustered_t_p([0.0, 0.0], own(2))) == (0.0, 1.0)
    with pytest.raises(ValueError, match="at least two clusters"):
        clustered_t_p([1.0], ["a"])


def test_mcnemar_is_the_binomial_test_of_the_discordant() -> None:
    assert mcnemar_p(12, 3) == scipy.stats.binomtest(3, 15).pvalue
    assert mcnemar_p(0, 0) == 1.0
    assert mcnemar_p(5, 5) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_the_step_down_procedure(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, place in enumerate(order):  # as Holm's paper has it: stop at the first that is not small enough
            if p_values[place] * (len(order) - rank) > level:
                break
            rejected.add(place)
        assert {place for place, p in enumerate(adjusted) if p <= level} == rejected
    assert all(new >= old for new, old in zip(adjusted, p_values, strict=True))


@pytest.mark.parametrize(("clusters", "each", "seeds"), [(12, 1, 1), (20, 3, 5), (200, 1, 1)])
def test_intervals_hold_the_true_value_in_95_of_100(clusters: int, each: int, seeds: int) -> None:
    """Seeds are averaged within a sample: what differs between them is part of what differs between clusters."""
    generator = np.random.default_rng(clusters)
    inside, trials = 0, 1500
    for number in range(trials):
        story = np.repeat(generator.normal(0.3, 1, clusters), each)
        values = (story[:, None] + generator.normal(0, 1.5, (clusters * each, seeds))).mean(axis=1)
        names = [str(place // each) for place in range(clusters * each)]
        found = paired_interval(list(values), names, resamples=400, seed=number)
        inside += found.low <= 0.3 <= found.high
    assert 0.93 <= inside / trials <= 0.97


@pytest.mark.parametrize("test", [randomisation_p, bootstrap_p])
def test_what_cannot_be_tested_is_refused(test: type) -> None:
    for differences, clusters in (([], []), ([1.0], ["a", "b"]), ([float("nan")], ["a"])):
        with pytest.raises(ValueError, match=r"clusters|finite"):
            test(differences, clusters)
