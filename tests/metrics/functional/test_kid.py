"""KID against clean-fid and torch-fidelity, on the same features and the same draws."""

from __future__ import annotations

import cleanfid.fid
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_kid import kernel_mmd, kid_features_to_metric

from gill_bench.errors import InputError
from gill_bench.metrics.functional import kid
from gill_bench.metrics.functional.kid import kernel_distance
from tests.support.fid_budgets import KERNEL, KERNEL_FLOAT32, STANDARD_ERRORS


def features(n: int, d: int = 24, seed: int = 0, offset: float = 0.0) -> np.ndarray:
    values: np.ndarray = np.random.default_rng(seed).normal(size=(n, d)) + offset
    return values


def squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate over all pairs of all samples, written out."""
    d = x.shape[1]
    within = 0.0
    for side in (x, y):
        kernel = (side @ side.T / d + 1) ** 3
        within += (kernel.sum() - np.trace(kernel)) / (len(side) * (len(side) - 1))
    return float(within - 2 * ((x @ y.T / d + 1) ** 3).mean())


X, Y = features(400, seed=1), features(300, seed=2, offset=0.2)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, KERNEL), (np.float32, KERNEL_FLOAT32)])
def test_kid_is_that_of_torch_fidelity_with_the_same_seed(dtype: type[np.floating], tolerance: float) -> None:
    x, y = X.astype(dtype), Y.astype(dtype)
    fidelity = kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=20, kid_subset_size=100, rng_seed=5, verbose=False
    )
    distance = kernel_distance(x, y, subsets=20, subset_size=100, seed=5)
    assert distance.mean == pytest.approx(fidelity["kernel_inception_distance_mean"], rel=tolerance)
    assert distance.std == pytest.approx(fidelity["kernel_inception_distance_std"], rel=tolerance)


def test_the_defaults_are_those_of_torch_fidelity() -> None:
    from torch_fidelity.defaults import DEFAULTS

    assert DEFAULTS["kid_subsets"] == kid.SUBSETS
    assert DEFAULTS["kid_subset_size"] == kid.SUBSET_SIZE
    assert DEFAULTS["rng_seed"] == kid.SEED


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, KERNEL), (np.float32, KERNEL_FLOAT32)])
def test_kid_is_that_of_clean_fid_with_the_same_draws(dtype: type[np.floating], tolerance: float) -> None:
    x, y = X.astype(dtype), Y.astype(dtype)
    np.random.seed(3)  # clean-fid draws from the global generator, first of its second argument
    clean_fid_distance = cleanfid.fid.kernel_distance(y, x, num_subsets=20, max_subset_size=100)
    assert kernel_distance(x, y, subsets=20, subset_size=100, seed=3).mean == pytest.approx(
        clean_fid_distance, rel=tolerance
    )


def test_one_subset_of_everything_is_the_full_estimate() -> None:
    same_size = X[:300]
    options = {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_coef0": 1}
    fidelity_mmd = kernel_mmd(same_size, Y, **options)
    assert squared_mmd(same_size, Y) == pytest.approx(fidelity_mmd, rel=KERNEL)
    # A subset of everything is everything.
    assert kernel_distance(same_size, Y, subsets=2).mean == pytest.approx(fidelity_mmd, rel=KERNEL)
    assert kernel_distance(same_size, Y, subsets=2).subset_size == 300


def test_subsets_estimate_the_whole() -> None:
    distance = kernel_distance(X, Y, subsets=100, subset_size=50)
    assert distance.subset_size == 50
    assert abs(distance.mean - squared_mmd(X, Y)) < STANDARD_ERRORS * distance.std / 10
    assert distance.std > 0


def test_kid_of_one_dimension_by_hand() -> None:
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [1.0]])
    # k(0,1) = 1; k(2,1) = 27; k(0,2) = 1, k(0,1) = 1, k(1,2) = 27, k(1,1) = 8
    assert kernel_distance(x, y, subsets=1).mean == pytest.approx(1 + 27 - 2 * (1 + 1 + 27 + 8) / 4)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(1, 9), st.integers(0, 9))
def test_kid_is_symmetric_and_depends_on_no_order(n: int, d: int, seed: int) -> None:
    x, y = features(n, d, seed), features(n, d, seed + 50)
    value = kernel_distance(x, y, subsets=1).mean
    assert kernel_distance(y, x, subsets=1).mean == pytest.approx(value, rel=1e-9, abs=1e-12)
    assert kernel_distance(x[::-1], y, subsets=1).mean == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_kid_is_fixed_by_its_seed_and_unbiased() -> None:
    assert kernel_distance(X, Y, subsets=3, subset_size=50) == kernel_distance(X, Y, subsets=3, subset_size=50)
    assert kernel_distance(X, Y, subsets=3, subset_size=50, seed=1) != kernel_distance(X, Y, subsets=3, subset_size=50)
    # For two samples of one distribution the expectation is 0, so that some estimates are negative.
    pairs = [(features(50, seed=seed), features(50, seed=seed + 1000)) for seed in range(60)]
    values = [kernel_distance(x, y, subsets=1).mean for x, y in pairs]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < STANDARD_ERRORS * np.std(values) / np.sqrt(len(values))


def test_sets_that_have_no_distance_are_refused() -> None:
    with pytest.raises(InputError, match="at least two samples on each side, there are 1 and 300"):
        kernel_distance(X[:1], Y)
    with pytest.raises(ValueError, match="shapes"):
        kernel_distance(X[:, :3], Y)
    bad = Y.copy()
    bad[7, 0] = np.inf
    with pytest.raises(InputError, match="sample 7 are not finite"):
        kernel_distance(X, bad)
