from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from gill_bench.statistics.bootstrap import paired_interval
from gill_bench.statistics.significance import bootstrap_p, clustered_t_p, effect_size, holm, mcnemar_p, randomisation_p


def own(count: int) -> list[str]:
    return [str(number) for number in range(count)]


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


def test_p_of_many_pairs_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).normal(0.25, 1, 70)
    scipy_p = scipy.stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(2)
    ).pvalue
    assert randomisation_p(list(values), own(70)) == pytest.approx(scipy_p, abs=0.01)


def test_the_bootstrap_p_is_sacrebleus() -> None:
    """Sacrebleu's statistic is the absolute difference less the mean of the resamples' absolute differences."""
    values = np.random.default_rng(4).normal(0.2, 1, 60)
    p_value = bootstrap_p(list(values), own(60), resamples=4000, seed=5)
    draws = np.random.default_rng(9).integers(0, 60, size=(20_000, 60))
    means = np.abs(values[draws].mean(axis=1))
    assert p_value == pytest.approx((means - means.mean() >= abs(values.mean())).mean(), abs=0.015)
    assert bootstrap_p([1.0, 1.0, 1.0], own(3), resamples=99) == pytest.approx(1 / 100)
    assert bootstrap_p([0.0, 0.0, 0.0], own(3), resamples=99) == 1


def test_a_cluster_counts_once() -> None:
    """Ten copies of each pair are no more evidence than one of each."""
    values = list(np.random.default_rng(0).normal(0.6, 1, 8))
    repeated, clusters = [value for value in values for _ in range(10)], [name for name in own(8) for _ in range(10)]
    assert randomisation_p(repeated, clusters) == pytest.approx(randomisation_p(values, own(8)))
    assert randomisation_p(repeated, own(80)) < randomisation_p(values, own(8))


def test_under_no_difference_p_values_are_uniform() -> None:
    generator = np.random.default_rng(7)
    p_values = []
    for number in range(400):
        effects = np.repeat(generator.normal(0, 1, 15), 4) + generator.normal(0, 0.5, 60)
        p_values.append(randomisation_p(list(effects), [str(n // 4) for n in range(60)], resamples=400, seed=number))
    assert 0.025 < np.mean(np.array(p_values) <= 0.05) < 0.08
    assert 0.43 < np.mean(np.array(p_values) <= 0.5) < 0.57


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
        for rank, index in enumerate(order):  # as Holm's paper has it: stop at the first that is not small enough
            if p_values[index] * (len(order) - rank) > level:
                break
            rejected.add(index)
        assert {index for index, p in enumerate(adjusted) if p <= level} == rejected
    assert all(new >= old for new, old in zip(adjusted, p_values, strict=True))


@pytest.mark.parametrize(("clusters", "each", "seeds"), [(12, 1, 1), (20, 3, 5), (200, 1, 1)])
def test_intervals_hold_the_true_value_in_95_of_100(clusters: int, each: int, seeds: int) -> None:
    """Seeds are averaged within a sample: what differs between them is part of what differs between clusters."""
    generator = np.random.default_rng(clusters)
    inside, trials = 0, 1500
    for number in range(trials):
        story = np.repeat(generator.normal(0.3, 1, clusters), each)
        values = (story[:, None] + generator.normal(0, 1.5, (clusters * each, seeds))).mean(axis=1)
        names = [str(sample // each) for sample in range(clusters * each)]
        interval = paired_interval(list(values), names, resamples=400, seed=number)
        inside += interval.low <= 0.3 <= interval.high
    assert 0.93 <= inside / trials <= 0.97


@pytest.mark.parametrize("test", [randomisation_p, bootstrap_p])
def test_differences_that_cannot_be_tested_are_refused(test: type) -> None:
    for differences, clusters in (([], []), ([1.0], ["a", "b"]), ([float("nan")], ["a"])):
        with pytest.raises(ValueError, match=r"clusters|finite"):
            test(differences, clusters)


def test_effect_size_is_t_by_root_n() -> None:
    values = np.random.default_rng(6).normal(0.4, 1, 25)
    expected = scipy.stats.ttest_1samp(values, 0).statistic / 5
    assert effect_size(list(values), own(25)) == pytest.approx(expected, rel=1e-9)
    assert (effect_size([0.1] * 7, own(7)), effect_size([0.0] * 7, own(7))) == (None, 0.0)
    assert effect_size([1.0, 2.0], ["a", "a"]) is None


def riezler_maxwell(first: list[float], second: list[float], resamples: int, seed: int) -> float:
    """Approximate randomisation as published (2005, figure 1): swap each pair with chance 1/2, count, (c+1)/(R+1)."""
    generator = np.random.default_rng(seed)
    actual = abs(np.mean(first) - np.mean(second))
    count = 0
    for _ in range(resamples):
        swap = generator.random(len(first)) < 0.5
        left, right = np.where(swap, second, first), np.where(swap, first, second)
        count += bool(abs(left.mean() - right.mean()) >= actual - 1e-12)
    return (count + 1) / (resamples + 1)


def koehn(differences: list[float], resamples: int, seed: int) -> float:
    """Share of resamples in which the better system is not better (Koehn 2004): one-sided."""
    generator = np.random.default_rng(seed)
    draws = generator.integers(0, len(differences), size=(resamples, len(differences)))
    return float((np.array(differences)[draws].mean(axis=1) <= 0).mean())


@pytest.mark.parametrize(("count", "gain", "binary"), [(40, 0.2, False), (40, 0.4, False), (60, 0.3, True)])
def test_randomisation_is_as_riezler_and_maxwell_published_it(count: int, gain: float, binary: bool) -> None:
    generator = np.random.default_rng(count)
    first, second = generator.normal(0, 1, count), generator.normal(gain, 1, count)
    if binary:
        first, second = (first > 0).astype(float), (second > 0).astype(float)
    published_p = riezler_maxwell(list(first), list(second), 6000, seed=3)
    assert randomisation_p(list(second - first), own(count)) == pytest.approx(published_p, abs=0.02)


def test_the_bootstrap_is_koehns_share() -> None:
    values = list(np.random.default_rng(8).normal(0.25, 1, 80))
    assert bootstrap_p(values, own(80)) == pytest.approx(koehn(values, 10_000, seed=1), abs=0.01)


def test_p_of_many_clusters_put_together_is_that_of_all_of_them() -> None:
    """More than 2048 are put together at random: the same test, with less work."""
    generator = np.random.default_rng(5)
    values = generator.normal(0.02, 1, 10_000)
    p_value = randomisation_p(values, np.arange(10_000))
    assert p_value == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue, abs=0.02)
    interval = paired_interval(values, np.arange(10_000))
    half = 1.96 * values.std(ddof=1) / 100
    assert interval.clusters == 10_000
    assert interval.low == pytest.approx(values.mean() - half, abs=0.06 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.06 * half)


def test_equal_differences_are_no_evidence_by_themselves() -> None:
    for count in (2, 3, 5, 9):
        interval = paired_interval([0.5] * count, own(count))
        assert [interval.low, interval.high] == pytest.approx([0.5, 0.5])
        assert randomisation_p([0.5] * count, own(count)) == pytest.approx(2 / 2**count)
        assert randomisation_p([0.0] * count, own(count)) == 1


def test_few_clusters_have_students_t() -> None:
    values = [0.1, 0.5, 0.2, 0.9]
    interval = paired_interval(values, own(4))
    student_interval = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert [interval.low, interval.high] == pytest.approx([float(student_interval.low), float(student_interval.high)])
