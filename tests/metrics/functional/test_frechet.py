"""Fréchet distance: analytic answers, the textbook formula, merging, and the cases in which packages fail."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import cleanfid.fid
import numpy as np
import pytest
import scipy
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gill_bench.errors import InputError
from gill_bench.metrics.functional.frechet import FeatureStatistics, frechet_distance
from tests.support.fid_budgets import EXACT, FLOAT32_MEANS, RANK_DEFICIENT

Package = Callable[[np.ndarray, np.ndarray], float]


def features(n: int, d: int, seed: int = 0, offset: float = 0.0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(d, d)) / np.sqrt(d)
    values: np.ndarray = generator.normal(size=(n, d)) @ mixing + offset
    return values


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance in float64."""
    values = x.astype(np.float64)
    return values.mean(axis=0), np.cov(values, rowvar=False)


def textbook(x: np.ndarray, y: np.ndarray) -> float:
    (mean, c), (other, e) = moments(x), moments(y)
    root = np.trace(scipy.linalg.sqrtm(c @ e)).real
    return float(np.square(mean - other).sum() + np.trace(c) + np.trace(e) - 2 * root)


def pytorch_fid(x: np.ndarray, y: np.ndarray) -> float:
    from pytorch_fid.fid_score import calculate_frechet_distance

    return float(calculate_frechet_distance(*moments(x), *moments(y)))


def clean_fid(x: np.ndarray, y: np.ndarray) -> float:
    return float(cleanfid.fid.fid_from_feats(x, y))


def torch_fidelity(x: np.ndarray, y: np.ndarray) -> float:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    first, second = (fid_features_to_statistics(torch.from_numpy(side)) for side in (x, y))
    return float(fid_statistics_to_metric(first, second, False)["frechet_inception_distance"])


def torchmetrics_formula(x: np.ndarray, y: np.ndarray) -> float:
    from torchmetrics.image.fid import _compute_fid

    return float(_compute_fid(*map(torch.from_numpy, (*moments(x), *moments(y)))))


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return frechet_distance(FeatureStatistics.of(first), FeatureStatistics.of(second))


@pytest.mark.parametrize("n", [400, 20])
def test_the_distance_of_a_set_and_its_double_is_the_analytic_one(n: int) -> None:
    x = features(n, 64)
    # C2 = 4 C1, so that tr C1 + tr C2 - 2 tr (C1 C2)^(1/2) = tr C1; the means differ by that of x.
    expected = np.square(x.mean(axis=0)).sum() + np.trace(np.cov(x, rowvar=False))
    assert distance(x, 2 * x) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [400, 70, 65, 64, 20, 2])
def test_the_distance_of_a_set_and_itself_is_zero(n: int) -> None:
    x = features(n, 64)
    assert 0 <= distance(x, x) < 1e-11


# scipy 1.18 took away an argument of sqrtm that both packages pass.
NEEDS_OLD_SCIPY = pytest.mark.skipif(
    tuple(map(int, scipy.__version__.split(".")[:2])) >= (1, 18),
    reason="pytorch-fid and clean-fid fail with scipy 1.18",
)
PACKAGES = [
    textbook,
    pytest.param(pytorch_fid, marks=NEEDS_OLD_SCIPY),
    pytest.param(clean_fid, marks=NEEDS_OLD_SCIPY),
    torch_fidelity,
    torchmetrics_formula,
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("package", PACKAGES)
def test_distances_of_the_same_features_are_those_of_five_packages(package: Package) -> None:
    x, y = features(500, 48, 1), 1.2 * features(300, 48, 2, 0.3)
    assert distance(x, y) == pytest.approx(package(x, y), rel=EXACT)
    single = x.astype(np.float32), y.astype(np.float32)
    tolerance = FLOAT32_MEANS if package in (clean_fid, torch_fidelity) else EXACT
    assert distance(*single) == pytest.approx(package(*single), rel=tolerance)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("package", PACKAGES)
def test_distances_of_few_samples_are_those_of_five_packages(package: Package) -> None:
    x, y = features(30, 48, 1), 1.2 * features(20, 48, 2, 0.3)
    assert distance(x, y) == pytest.approx(package(x, y), rel=RANK_DEFICIENT)


@pytest.mark.parametrize(("n", "m"), [(30, 400), (400, 30), (30, 20)])
def test_rank_deficient_sets_against_high_precision(n: int, m: int) -> None:
    """Compare with the eigenvalues of the small Gram matrix, in extended precision where numpy has it."""
    x, y = features(n, 64, 1), features(m, 64, 2, 0.1)
    a = (x - x.mean(0)) / np.sqrt(n - 1)
    b = (y - y.mean(0)) / np.sqrt(m - 1)
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.square(a).sum() + np.square(b).sum() - 2 * root
    assert distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_dimensions_and_sets_that_are_constant_have_a_distance() -> None:
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


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 5))
def test_streamed_statistics_are_those_of_the_whole(sizes: list[int], seed: int) -> None:
    x = features(sum(sizes), 24, seed, offset=1000.0)
    streamed, whole = FeatureStatistics.stream(np.split(x, np.cumsum(sizes)[:-1])), FeatureStatistics.of(x)
    assert streamed.n == whole.n
    assert (streamed.rows is None) == (whole.rows is None)
    assert streamed.mean == pytest.approx(whole.mean, rel=1e-14)
    if whole.n > 1:
        assert streamed.total_variance == pytest.approx(whole.total_variance, rel=1e-10)


def test_merging_is_associative_and_commutative() -> None:
    x = features(90, 24, 3)
    parts = [FeatureStatistics.of(part) for part in np.split(x, [5, 40])]
    other = FeatureStatistics.of(features(60, 24, 8, 0.2))
    expected = frechet_distance(FeatureStatistics.of(x), other)
    for first, second, third in itertools.permutations(parts):
        assert frechet_distance(first.merge(second).merge(third), other) == pytest.approx(expected, rel=1e-11)
        assert frechet_distance(first.merge(second.merge(third)), other) == pytest.approx(expected, rel=1e-11)


SIZES = st.integers(2, 60)


@settings(max_examples=60, deadline=None)
@given(n=SIZES, m=SIZES, d=st.integers(1, 40), rank=st.integers(0, 40), seed=st.integers(0, 99))
def test_symmetry_sign_translation_and_scale(n: int, m: int, d: int, rank: int, seed: int) -> None:
    """Features have any rank, down to features that are all the same."""
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(min(rank, d), d))
    x, y = (rng.normal(size=(count, len(basis))) @ basis + rng.normal() for count in (n, m))
    scale = 1e-12 * (1 + np.square(x).sum() / n + np.square(y).sum() / m) * max(n, m, d)
    value = distance(x, y)
    assert value >= 0
    assert distance(y, x) == pytest.approx(value, rel=1e-7, abs=scale)
    assert 0 <= distance(x, x) <= scale
    shift = rng.normal(size=d)
    assert distance(x + shift, y + shift) == pytest.approx(value, rel=1e-6, abs=100 * scale)
    assert distance(x, x + shift) == pytest.approx(np.square(shift).sum(), rel=1e-6, abs=100 * scale)
    assert distance(3 * x, 3 * y) == pytest.approx(9 * value, rel=1e-6, abs=100 * scale)


@pytest.mark.parametrize("n", [400, 70])
def test_dependent_dimensions_lose_no_digits(n: int) -> None:
    """More samples than dimensions, but covariances of lower rank: rotated, the null space is exact zeros."""
    low = features(n, 16, 1), features(n, 16, 2, 0.2)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(48, 48)))[0][:16]
    assert distance(low[0] @ rotation, low[1] @ rotation) == pytest.approx(distance(*low), rel=1e-9)


def test_float32_features_are_accumulated_in_float64() -> None:
    x = (features(300, 8) + 1000).astype(np.float32)
    assert distance(x, x * 1) < 1e-9
    assert FeatureStatistics.of(x).mean.dtype == np.float64


def test_sets_that_have_no_distance_are_refused() -> None:
    with pytest.raises(InputError, match="at least two samples on each side, there are 1 and 5"):
        distance(features(1, 4), features(5, 4))
    with pytest.raises(ValueError, match="4 and 5 dimensions"):
        distance(features(9, 4), features(9, 5))
    with pytest.raises(ValueError, match="4 and 5 dimensions"):
        FeatureStatistics.of(features(9, 4)).merge(FeatureStatistics.of(features(9, 5)))
    with pytest.raises(ValueError, match="no features"):
        FeatureStatistics.stream([])
    bad = features(9, 4)
    bad[3, 1] = np.nan
    with pytest.raises(InputError, match="sample 3 are not finite"):
        FeatureStatistics.of(bad)
