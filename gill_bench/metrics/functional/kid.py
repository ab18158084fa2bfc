"""Kernel distance of two sets of features (KID: Binkowski et al. 2018).

Squared maximum mean discrepancy, unbiased, with the kernel (x'y / d + 1)^3. The defaults, 100 subsets of 1,000, the
generator and the order in which it is drawn from are those of torch-fidelity 0.4.0, so that features in the same order
give its value, but computed in float64. An unbiased estimate may be slightly below zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gill_bench.errors import InputError

SUBSETS = 100
SUBSET_SIZE = 1000
SEED = 2020
_ROWS = 2048  # of a block of the kernel matrix: what bounds memory


@dataclass(frozen=True, slots=True)
class KernelDistance:
    """KID over subsets.

    Attributes:
        mean: Over subsets; the value.
        std: Over subsets, divisor n (as torch-fidelity); it says how much subsets differ, and is no standard error.
        subset_size: Samples of each side in a subset.
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
    """KID of features (n, d) and (m, d).

    Args:
        one: n >= 2 features.
        other: m >= 2 features.
        subsets: How many are drawn.
        subset_size: Drawn from each side without replacement; the smaller side's number if that is less (as clean-fid).
        seed: Of the draws.

    Raises:
        InputError: Fewer than two samples on a side, or features that are not finite.
        ValueError: Dimensions differ.
    """
    _check(one, other)
    size = min(subset_size, len(one), len(other))
    # The frozen generator of NumPy: its stream never changes, and torch-fidelity and clean-fid draw from it.
    generator = np.random.RandomState(seed)
    values = np.empty(subsets)
    for place in range(subsets):
        first = one[generator.choice(len(one), size, replace=False)]
        second = other[generator.choice(len(other), size, replace=False)]
        # One product of all with all is symmetric, which BLAS computes in half the time of three products.
        kernel = _kernel(both := np.concatenate([first, second]).astype(np.float64), both)
        within = sum(block.sum() - np.trace(block) for block in (kernel[:size, :size], kernel[size:, size:]))
        values[place] = within / (size * (size - 1)) - 2 * kernel[:size, size:].mean()
    return KernelDistance(float(values.mean()), float(values.std()), size)


def squared_mmd(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """The unbiased estimate over all pairs of all samples, with no subsets; memory is bounded.

    Raises:
        InputError: Fewer than two samples on a side, or features that are not finite.
        ValueError: Dimensions differ.
    """
    _check(one, other)
    n, m = len(one), len(other)
    within = _pairs(one) / (n * (n - 1)) + _pairs(other) / (m * (m - 1))
    between = sum(_kernel(block, piece).sum() for block in _blocks(one) for piece in _blocks(other))
    return float(within - 2 * between / (n * m))


def _check(one: NDArray[np.floating], other: NDArray[np.floating]) -> None:
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1]:
        raise ValueError(f"features of shapes {one.shape} and {other.shape}, expected (n, d) and (m, d)")
    if min(len(one), len(other)) < 2:
        raise InputError(
            f"a kernel distance needs at least two samples on each side, there are {len(one)} and {len(other)}"
        )
    for features in (one, other):
        if not np.isfinite(features).all():
            place = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
            raise InputError(f"features of sample {place} are not finite")


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    kernel: NDArray[np.float64] = x @ y.T
    kernel /= x.shape[1]
    kernel += 1
    square = kernel * kernel  # NumPy's power of a matrix takes twenty times as long
    kernel *= square
    return kernel


def _blocks(features: NDArray[np.floating]) -> list[NDArray[np.float64]]:
    return [features[start : start + _ROWS].astype(np.float64) for start in range(0, len(features), _ROWS)]


def _pairs(features: NDArray[np.floating]) -> float:
    """Sum of the kernel over ordered pairs of different samples."""
    blocks = _blocks(features)
    total = 0.0
    for place, block in enumerate(blocks):
        own = _kernel(block, block)
        total += own.sum() - np.trace(own)
        total += 2 * sum(_kernel(block, later).sum() for later in blocks[place + 1 :])
    return total
