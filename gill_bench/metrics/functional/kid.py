"""Kernel distance of two sets of features (KID: Binkowski et al. 2018).

Squared maximum mean discrepancy, unbiased, with the kernel (x'y / d + 1)^3. The defaults, 100 subsets of 1,000, the
generator and the order of its draws are those of torch-fidelity 0.4.0, so that features in the same order
give the same value, but computed in float64. An unbiased estimate may be slightly below zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gill_bench.errors import InputError

SUBSETS = 100
SUBSET_SIZE = 1000
SEED = 2020


@dataclass(frozen=True, slots=True)
class KernelDistance:
    """KID and how much it differs between subsets.

    Attributes:
        mean: Mean over subsets, which is the value of KID.
        std: Standard deviation over subsets, divisor n as in torch-fidelity; not a standard error of the mean.
        subset_size: Number of samples of each side in a subset.
    """

    mean: float
    std: float
    subset_size: int


def kernel_distance(
    one: NDArray[np.floating],
    other: NDArray[np.floating],
    *,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = SEED,
) -> KernelDistance:
    """KID of two sets of features.

    Args:
        one: Features of the first set, (n, d), n of at least 2.
        other: Features of the second set, (m, d), m of at least 2.
        subsets: Number of subsets that are drawn.
        subset_size: Samples drawn from each side without replacement; at most the size of the smaller side, as in
            clean-fid.
        seed: Seed of the draws.

    Raises:
        InputError: A side has fewer than two samples, or a feature is not finite.
        ValueError: The dimensions differ.

    >>> kernel_distance(np.array([[0.0], [1.0]]), np.array([[2.0], [1.0]]))
    KernelDistance(mean=9.5, std=0.0, subset_size=2)
    """
    _check(one, other)
    size = min(subset_size, len(one), len(other))
    # The frozen generator of NumPy: its stream never changes, and torch-fidelity and clean-fid draw from it.
    generator = np.random.RandomState(seed)
    values = np.empty(subsets)
    for number in range(subsets):
        first = one[generator.choice(len(one), size, replace=False)]
        second = other[generator.choice(len(other), size, replace=False)]
        # One product of all with all is symmetric, which BLAS computes in half the time of three products.
        kernel = _kernel(both := np.concatenate([first, second]).astype(np.float64), both)
        within = sum(block.sum() - np.trace(block) for block in (kernel[:size, :size], kernel[size:, size:]))
        values[number] = within / (size * (size - 1)) - 2 * kernel[:size, size:].mean()
    return KernelDistance(float(values.mean()), float(values.std()), size)


def _check(one: NDArray[np.floating], other: NDArray[np.floating]) -> None:
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1]:
        raise ValueError(f"features of shapes {one.shape} and {other.shape}, expected (n, d) and (m, d)")
    if min(len(one), len(other)) < 2:
        raise InputError(
            f"a kernel distance needs at least two samples on each side, there are {len(one)} and {len(other)}"
        )
    for features in (one, other):
        if not np.isfinite(features).all():
            row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
            raise InputError(f"features of sample {row} are not finite")


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    kernel: NDArray[np.float64] = x @ y.T
    kernel /= x.shape[1]
    kernel += 1
    square = kernel * kernel  # NumPy's power of a matrix takes twenty times as long
    kernel *= square
    return kernel
