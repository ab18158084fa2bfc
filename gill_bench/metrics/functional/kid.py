"""Kernel distance of two sets of features (KID: Binkowski et al. 2018).

KID is the unbiased estimate of the squared maximum mean discrepancy with the kernel (x'y / d + 1)^3. The defaults (100
subsets of 1,000), the random generator and the order of its draws are those of torch-fidelity 0.4.0, so that features
in the same order give the same value, here computed in float64. An unbiased estimate may be slightly below zero.
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
    """KID, and its standard deviation over subsets.

    Attributes:
        mean: Mean over subsets, which is the value of KID.
        std: Standard deviation over subsets, divisor n as in torch-fidelity; not a standard error of the mean.
        subset_size: Number of samples of each side in a subset.
    """

    mean: float
    std: float
    subset_size: int


def kernel_distance(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = SEED,
) -> KernelDistance:
    """KID of two sets of features.

    Args:
        first: Features of the first set, (n, d), n of at least 2.
        second: Features of the second set, (m, d), m of at least 2.
        subsets: The number of subsets that are drawn.
        subset_size: The number of samples drawn from each side without replacement; at most the size of the smaller
            side, as in clean-fid.
        seed: The seed of the draws.

    Raises:
        InputError: A side has fewer than two samples, or a feature is not finite.
        ValueError: The dimensions differ.

    >>> kernel_distance(np.array([[0.0], [1.0]]), np.array([[2.0], [1.0]]))
    KernelDistance(mean=9.5, std=0.0, subset_size=2)
    """
    _check(first, second)
    size = min(subset_size, len(first), len(second))
    # NumPy's legacy generator, whose stream never changes; torch-fidelity and clean-fid draw from it too.
    generator = np.random.RandomState(seed)
    values = np.empty(subsets)
    for number in range(subsets):
        drawn = [side[generator.choice(len(side), size, replace=False)] for side in (first, second)]
        # The product of both sides together with itself is symmetric: BLAS needs half the time of three products.
        samples = np.concatenate(drawn).astype(np.float64)
        kernel = _kernel(samples, samples)
        within = sum(block.sum() - np.trace(block) for block in (kernel[:size, :size], kernel[size:, size:]))
        values[number] = within / (size * (size - 1)) - 2 * kernel[:size, size:].mean()
    return KernelDistance(float(values.mean()), float(values.std()), size)


def _check(first: NDArray[np.floating], second: NDArray[np.floating]) -> None:
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"features of shapes {first.shape} and {second.shape}, expected (n, d) and (m, d)")
    if min(len(first), len(second)) < 2:
        raise InputError(
            f"a kernel distance needs at least two samples on each side, there are {len(first)} and {len(second)}"
        )
    for features in (first, second):
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
