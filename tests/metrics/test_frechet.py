"""Fréchet distance: analytic answers, the textbook formula, merging, and the cases in which packages fail."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from gill_bench.errors import InputError
from gill_bench.metrics.frechet import FeatureStatistics, frechet_distance


def features(n: int, d: int, seed: int = 0, offset: float = 0.0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(d, d)) / np.sqrt(d)
    values: np.ndarray = generator.normal(size=(n, d)) @ mixing + offset
    return values


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return frechet_distance(FeatureStatistics.of(one), FeatureStatistics.of(other))


@pytest.mark.parametrize("n", [400, 20])
def test_a_set_and_its_double(n: int) -> None:
    x = features(n, 64)
    # C2 = 4 C1, so that tr C1 + tr C2 - 2 tr (C1 C2)^(1/2) = tr C1; the means differ by that of x.
    expected = np.square(x.mean(axis=0)).sum() + np.trace(np.cov(x, rowvar=False))
    assert distance(x, 2 * x) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [400, 70, 65, 64, 20, 2])
def test_a_set_and_itself(n: int) -> None:
    x = features(n, 64)
    assert 0 <= distance(x, x) < 1e-11


def test_the_textbook_formula_where_it_holds() -> None:
    x, y = features(500, 48, 1), features(300, 48, 2, 0.3)
    c, e = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.trace(scipy.linalg.sqrtm(c @ e)).real
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(c) + np.trace(e) - 2 * root
    assert distance(x, y) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("n", "m"), [(30, 400), (400, 30), (30, 20)])
def test_rank_deficient_sets_against_high_precision(n: int, m: int) -> None:
    """Against the eigenvalues of the small Gram matrix, in extended precision where numpy has it."""
    x, y = features(n, 64, 1), features(m, 64, 2, 0.1)
    a = (x - x.mean(0)) / np.sqrt(n - 1)
    b = (y - y.mean(0)) / np.sqrt(m - 1)
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.square(a).sum() + np.square(b).sum() - 2 * root
    assert distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_constant_dimensions_and_constant_sets() -> None:
    x = features(400, 16)
    x[:, 3] = 5.0
    assert 0 <= distance(x, x) < 1e-10
    assert distance(np.zeros((5, 4)), np.ones((7, 4))) == pytest.approx(4.0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 5))
def test_parts_merge_to_the_whole(sizes: list[int], seed: int) -> None:
    x = features(sum(sizes), 24, seed, offset=1000.0)
    parts = [FeatureStatistics.of(part) for part in np.split(x, np.cumsum(sizes)[:-1])]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    assert merged.n == sum(sizes)
    assert merged.mean == pytest.approx(x.mean(axis=0))
    if merged.n > 1:
        factor, _ = merged.factor()
        assert factor.T @ factor == pytest.approx(np.cov(x, rowvar=False), abs=1e-8)
        other = FeatureStatistics.of(features(100, 24, 7, offset=1000.0))
        assert frechet_distance(merged, other) == pytest.approx(
            frechet_distance(FeatureStatistics.of(x), other), rel=1e-8
        )


def test_float32_features_are_accumulated_in_float64() -> None:
    x = (features(300, 8) + 1000).astype(np.float32)
    assert distance(x, x * 1) < 1e-9
    assert FeatureStatistics.of(x).mean.dtype == np.float64


def test_what_has_no_distance() -> None:
    with pytest.raises(InputError, match="at least two samples on each side, there are 1 and 5"):
        distance(features(1, 4), features(5, 4))
    with pytest.raises(ValueError, match="4 and 5 dimensions"):
        distance(features(9, 4), features(9, 5))
    with pytest.raises(ValueError, match="4 and 5 dimensions"):
        FeatureStatistics.of(features(9, 4)).merge(FeatureStatistics.of(features(9, 5)))
    bad = features(9, 4)
    bad[3, 1] = np.nan
    with pytest.raises(InputError, match="sample 3 are not finite"):
        FeatureStatistics.of(bad)
